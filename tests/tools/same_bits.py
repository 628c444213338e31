"""Say whether records made here equal the committed ones of the same runs, bit for bit.

    python tests/tools/same_bits.py .demo/results/quickstart.jsonl results/quickstart.jsonl

Compared is what training and evaluation computed, as far as both records hold it; not when, where
and how fast. Where torch, processor or threads differ, equal bits are not expected: the largest
difference is then told, and how many numbers lie in the prediction interval over the seeds of
their row. Exit status 0, unless a file cannot be read.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmark.cli import agreement
from benchmark.core import consistency, records
from benchmark.core.measures import MEASURES, NATS
from benchmark.core.records import Record

COMPUTED = (
    "metrics", "curve", "weight_path", "kl_spectrum", "loss_by_position", "samples", "best_step",
    "steps", "updates", "parameters",
)  # fmt: skip
MACHINE = ("torch", "cpu", "processor", "threads")  # on which bits depend


def pairs(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the numbers of two records, as far as both know their names."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() & other.keys():
            yield from pairs(one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for a, b in zip(one, other, strict=True):
            yield from pairs(a, b)
    else:
        yield one, other


def computed(line: Record) -> dict[str, Any]:
    """Return what a run computed."""
    return {key: value for key, value in dict(line).items() if key in COMPUTED}


def machine(line: Record) -> dict[str, str]:
    """Return what the bits of a run depend on beside the code."""
    origin: dict[str, Any] = {**line["provenance"]}
    known = {name: str(origin.get(name, "unknown")) for name in MACHINE}
    return known | {"device": str(line["cost"]["device"])}


def told(here: Sequence[Record], committed: Sequence[Record], file: str) -> str:
    """Return in words how the records made here compare with those of a ``file``."""
    known = {line["id"]: line for line in committed if records.is_done(line)}
    both = [(line, known[line["id"]]) for line in here if line["id"] in known]
    lacking = len(here) - len(both)
    if not both:
        return f"Records: {file} holds none of these runs, so nothing is compared."
    numbers = [list(pairs(computed(new), computed(old))) for new, old in both]
    same = sum(all(a == b for a, b in found) for found in numbers)
    number = sum(map(len, numbers))
    count = f"all {same}" if same == len(both) else f"{same} of {len(both)}"
    equal = "equals" if (same, len(both)) == (1, 1) else "equal"
    text = f"Records: {count} {equal} the committed ones of {file} bit for bit"
    text += f" ({number:,} numbers)." if same == len(both) else "."
    if lacking:
        text += f" {lacking} more {'is' if lacking == 1 else 'are'} not in that file."
    return text if same == len(both) else f"{text} {apart(both, known)}"


def apart(both: Sequence[tuple[Record, Record]], known: dict[str, Record]) -> str:
    """Return why bits differ, by how much at most, and whether that is within the seeds' spread."""
    causes = {
        f"{name} {old}, here {new}"
        for here, there in both
        for (name, new), old in zip(machine(here).items(), machine(there).values(), strict=True)
        if new != old
    }
    parts = [f"Equal bits are not expected here ({'; '.join(sorted(causes))})."]
    if not causes:
        parts = ["Torch, processor and threads are the same, so they should: is the code changed?"]
    sizes, inside, tested = [], 0, 0
    for here, there in both:
        row = [one for one in known.values() if not any(consistency.differences(there, one))]
        for metric in agreement.compare(there, here, row, {}):
            tested += 1
            inside += metric.verdict != agreement.DIFFERENT
            if metric.again is not None and MEASURES[metric.metric].unit == NATS:
                size = abs(metric.again - metric.committed)
                where = f"{MEASURES[metric.metric].title} of {there.get('label', there['id'])}"
                sizes.append((size, where))
    size, where = max(sizes)
    parts.append(f"Largest difference: {size:.2g} nats ({where}).")
    parts.append(
        f"{inside} of {tested} numbers of the test split lie in the prediction interval over the "
        "seeds of their row; `pcbench reproduce ID` lists them."
    )
    return " ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("here", type=Path, help="a collected file")
    parser.add_argument("committed", type=Path, help="a collected file of the same study")
    arguments = parser.parse_args()
    here = [line for line in records.read_jsonl(arguments.here) if records.is_done(line)]
    committed = records.read_jsonl(arguments.committed)
    print(told(here, committed, str(arguments.committed)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
