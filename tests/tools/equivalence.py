"""Do runs in bf16 agree with those in fp32? By the runs of paper/precision.toml, or by two files.

    python tests/tools/equivalence.py results/precision.jsonl
    python tests/tools/equivalence.py results/ptb_check.jsonl results/fu2019_ptb.jsonl

One file: for each row and its twin in bf16, and each metric, the mean of bf16 - fp32 paired by
seed, its 90 % t interval, and whether that lies within the margin fixed before the runs. Test
split, nats per sentence; active units in units. Two files: runs of one seed that differ in
precision and length alone, and so begin with the same steps; of the epochs that both have, the
largest difference on the validation split, within the same margins. Exit status 1 if one is beyond.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.core.records import is_done, read_jsonl
from benchmark.core.settings import ModelConfig, TrainConfig
from benchmark.model import registry
from benchmark.report.statistics import paired

MARGINS = {"neg_elbo": 0.2, "iw_nll": 0.2, "kl": 0.2, "mi": 0.2, "au": 1.0}


@dataclass(frozen=True)
class Equivalence:
    """Whether the 90 % t interval, ``low`` to ``high``, lies between -margin and margin.

    Fewer than three pairs have no interval (None) and show nothing: not ``equivalent``.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    margin: float
    equivalent: bool


def equivalence(first: Sequence[float], second: Sequence[float], margin: float) -> Equivalence:
    """Test whether two rows, paired by place, differ by less than ``margin``, in its unit.

    Two one-sided t tests at 5 %, that is the 90 % interval of the paired difference: a true
    difference of the margin or more is called equivalent in at most 5 % of all cases.

    Source: Schuirmann, A comparison of the two one-sided tests procedure and the power approach,
    1987.
    """
    if not margin > 0:
        raise ValueError(f"the margin must be above 0, not {margin}")
    summary = paired(first, second, level=0.90)
    if summary.half is None:
        return Equivalence(summary.n, summary.mean, None, None, margin, False)
    low, high = summary.ends
    return Equivalence(summary.n, summary.mean, low, high, margin, -margin < low and high < margin)


def twins(lines: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """For each fp32 row: its label, and the test metrics of both precisions by seed."""
    rows: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for line in lines:
        config = line["config"]
        if is_done(line):
            row = (line["label"].removesuffix(", bf16"), config["precision"])
            rows.setdefault(row, {})[config["seed"]] = line["metrics"]["test"]
    for label, precision in rows:
        if precision == "fp32" and (label, "bf16") in rows:
            both = [rows[label, "fp32"], rows[label, "bf16"]]
            seeds = sorted(both[0].keys() & both[1].keys())
            yield label, [{"fp32": both[0][seed], "bf16": both[1][seed]} for seed in seeds]


def judged(lines: list[dict[str, Any]]) -> list[tuple[str, str, Equivalence]]:
    """(row, metric, verdict) for all rows and metrics."""
    found = []
    for label, pairs in twins(lines):
        for metric, margin in MARGINS.items():
            low = [float(pair["bf16"][metric]) for pair in pairs]
            full = [float(pair["fp32"][metric]) for pair in pairs]
            found.append((label, metric, equivalence(low, full, margin)))
    return found


def beginnings(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Runs of both files alike but for precision, length and evaluation.

    Yields name, epochs compared, and for each metric of their curves the largest absolute
    difference. A schedule that is stretched to the length makes other steps: such are left out.
    """
    known = {_steps(line["config"]): line for line in first if is_done(line)}
    for line in second:
        other = known.get(_steps(line["config"])) if is_done(line) else None
        if other is None or other["config"]["precision"] == line["config"]["precision"]:
            continue
        curve = {point["step"]: point for point in other["curve"]}
        pairs = [(curve[p["step"]], p) for p in line["curve"] if p["step"] in curve]
        if pairs and all(a["weight"] == b["weight"] and a["lr"] == b["lr"] for a, b in pairs):
            worst = {
                metric: max(abs(a[metric] - b[metric]) for a, b in pairs)
                for metric in MARGINS.keys() & pairs[0][0].keys()
                if pairs[0][0][metric] is not None
            }
            yield f"{line['label']} {line['config']['seed']}", len(pairs), worst


def _steps(config: dict[str, Any]) -> str:
    """What decides a run's steps, but for their number and arithmetic."""
    alike = {key: config[key] for key in ("data", "baseline", "seed")}
    alike["params"] = asdict(registry.load(config["baseline"])(**config["params"]))
    model = {**asdict(ModelConfig()), **config["model"]}  # older records lack younger settings
    train = {**asdict(TrainConfig()), **config["train"], "epochs": None}
    return json.dumps([alike, model, train], sort_keys=True)


def compare_beginnings(first: Path, second: Path) -> int:
    """Print them; 1 where one is beyond its margin, or there are none."""
    found = list(beginnings(read_jsonl(first), read_jsonl(second)))
    for name, epochs, worst in found:
        told = ", ".join(f"{metric} {worst[metric]:.4f}" for metric in MARGINS if metric in worst)
        print(f"{name:<12} {epochs} epochs, validation, largest difference: {told}")
    good = all(value <= MARGINS[metric] for *_, worst in found for metric, value in worst.items())
    return 0 if found and good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("other", type=Path, nargs="?", help="of the other precision")
    arguments = parser.parse_args()
    if arguments.other is not None:
        return compare_beginnings(arguments.records, arguments.other)
    verdicts = judged(read_jsonl(arguments.records))
    for label, metric, found in verdicts:
        assert found.low is not None
        assert found.high is not None
        print(f"{label:<12} {metric:<9} n = {found.n}: {found.mean:+.3f}, 90 % interval "
              f"[{found.low:+.3f}, {found.high:+.3f}], margin {found.margin:g}: "
              f"{'equivalent' if found.equivalent else 'NOT shown equivalent'}")  # fmt: skip
    return 0 if verdicts and all(found.equivalent for _, _, found in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
