"""Compare a repeated run with its committed record, metric by metric, on the test split.

On equal torch, processor, threads and precision the numbers are equal to the bit. Elsewhere other
rounding grows in training, at most to what another seed would have made of it. The number is then
taken as one further draw of its row: it agrees if it lies in the 95 % prediction interval over all
committed seeds of the row, the one done again among them. A re-run that has drifted less lies
inside more often. Fewer than three seeds have no such interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.core import sentences
from benchmark.core.errors import UserError
from benchmark.core.measures import MEASURES, METRICS
from benchmark.core.schema import Record
from benchmark.report.frame import measured
from benchmark.report.statistics import prediction

EQUAL, WITHIN, DIFFERENT = "bit-equal", "within", "different"
PROBE_STEP = 0.01  # nats: what one step of a probe's scale changes where a latent holds little
RESOLUTION = 1e-6  # relative: what float32 tells apart; a row may have an interval of width 0
DIGITS = 12  # of digests that are shown


@dataclass(frozen=True)
class Comparison:
    """A metric in the committed record and in the repeated run, with the verdict and its reason."""

    metric: str
    committed: float
    again: float | None
    verdict: str  # EQUAL, WITHIN or DIFFERENT
    reason: str


def compare(
    line: Record, again: Record, seeds: Sequence[Record], errors: Mapping[str, float]
) -> list[Comparison]:
    """Return comparisons of the test metrics that the committed record has.

    A metric is different if it lies outside the prediction interval that is adjusted for the number
    of metrics (Bonferroni): all of them together hold 95 % of honest re-runs or more.

    Args:
        line: the committed record.
        again: the record of the same run done again.
        seeds: all committed records of its row, itself among them.
        errors: standard errors over sentences by metric, in addition to those in the record.
    """
    old, new = measured(line, "test"), measured(again, "test")
    # A cap follows from the number and the lengths of the sentences alone.
    names = [name for name in METRICS if old.get(name) is not None and not name.endswith("_cap")]
    # Older code, which may have made the other record, does not know every metric.
    names = [name for name in names if name in new or not MEASURES[name].optional]
    if line.get("evaluation", 1) != again.get("evaluation", 1):
        names = [name for name in names if name != "z_use"]  # they measured it otherwise
    compared = []
    for name in names:
        values = [measured(seed, "test").get(name) for seed in seeds]
        known = [value for value in values if value is not None]
        error = errors.get(name, old.get(f"{name}_se"))
        # A probe's scale has steps: of a latent that holds nothing all seeds may have one value.
        # The probe of the class, which every record has, has no such scale.
        scaled = MEASURES[name].optional and name.startswith("recovered")
        least = PROBE_STEP if scaled else 0.0
        verdict, reason = _judge(old[name], new.get(name), known, error, len(names), least)
        compared.append(Comparison(name, old[name], new.get(name), verdict, reason))
    return compared


def _judge(
    old: float,
    new: float | None,
    values: Sequence[float],
    error: float | None,
    metrics: int,
    least: float = 0.0,
) -> tuple[str, str]:
    """Return the verdict on a metric and its reason; ``least`` is added at both ends at least."""
    if new is None:
        return DIFFERENT, "different: the re-run has no such metric"
    if new == old:
        return EQUAL, "bit-equal"
    by, place = f"by {new - old:+.2g}", f"the prediction interval of {len(values)} seeds"
    for level in (0.95, 1 - 0.05 / metrics):
        interval = prediction(values, level)
        if interval is None:
            by += f", {abs(new - old) / error:.1f} standard errors over sentences" if error else ""
            few = "1 seed" if len(values) == 1 else f"{len(values)} seeds"
            return DIFFERENT, f"different {by}; {few}: no interval"
        low, high = interval
        slack = max(least, RESOLUTION * max(abs(low), abs(high)))
        shown = f"[{low:.4f}, {high:.4f}]"
        if low - slack <= new <= high + slack:
            return WITHIN, f"within {place} {shown}, {by}"
        place = f"the prediction interval of {len(values)} seeds, adjusted for {metrics} metrics"
    return DIFFERENT, f"different: outside {place} {shown}, {by}"


def sentence_errors(file: Path) -> dict[str, float]:
    """Return standard errors of mean nats per sentence; none without a readable sentences.npz."""
    try:
        nats = {name: array.astype("float64") for name, array in sentences.read(file).items()}
    except UserError:
        return {}
    if {"rec", "kl"} <= nats.keys():
        nats["neg_elbo"] = nats["rec"] + nats["kl"]
    return {k: float(v.std(ddof=1)) / len(v) ** 0.5 for k, v in nats.items() if len(v) > 1}


def text(comparisons: Sequence[Comparison]) -> str:
    """Return a line for each metric, and one that counts the verdicts."""
    rows = [("metric", "committed", "re-run", "")]
    for one in comparisons:
        again = "–" if one.again is None else f"{one.again:.4f}"
        rows.append((one.metric, f"{one.committed:.4f}", again, one.reason))
    first, second, third, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [
        f"{name:<{first}}  {old:>{second}}  {new:>{third}}  {reason}".rstrip()
        for name, old, new, reason in rows
    ]
    verdicts = [one.verdict for one in comparisons]
    counts = [f"{verdicts.count(v)} {v}" for v in (EQUAL, WITHIN, DIFFERENT) if v in verdicts]
    lines.append(f"test split, {len(comparisons)} metrics: {', '.join(counts)}")
    return "\n".join(lines)


def environment(line: Record, again: Record) -> str:
    """Return which software and hardware was the same, and a line for each difference."""
    old, new = _environment(line), _environment(again)
    same = ", ".join(f"{name} {old[name]}" for name in old if old[name] == new[name])
    other = [f"  {k}: committed {old[k]}, re-run {new[k]}" for k in old if old[k] != new[k]]
    return "\n".join([f"environment: the same {same or '(nothing)'}", *other])


def _environment(record: Record) -> dict[str, str]:
    origin = record["provenance"]
    code = dict.fromkeys([origin["code_sha256"], *origin.get("code_sha256_resumed", [])])
    digests = " then ".join(digest[:DIGITS] for digest in code)  # several: resumed with other code
    machine = ("torch", "cpu", "processor", "threads")
    return {name: str(origin.get(name, "unknown")) for name in machine} | {
        "device": record["cost"]["device"],
        "precision": record["config"]["precision"],
        "python": origin["python"],
        "code_sha256": digests + (" with uncommitted changes" if origin["dirty"] else ""),
        "commit": str(origin["commit"] or "unknown")[:DIGITS],
    }
