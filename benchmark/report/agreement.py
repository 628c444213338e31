"""Does a run that was done again agree with its committed record? Metric by metric, test split.

On equal torch, processor, threads and precision the figures are equal to the bit. Elsewhere
other rounding grows in training, at most to what another seed would have made of it: the figure is
then taken as one further draw of its row, and agrees when it lies in the 95 % prediction interval
over all the row's committed seeds, the one done again among them. A re-run that has drifted less
lies inside more often. With fewer than three seeds there is no such interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core import sentences
from benchmark.core.consistency import differences
from benchmark.core.errors import UserError
from benchmark.core.records import METRICS, is_done
from benchmark.report.frame import figures
from benchmark.report.statistics import prediction

Record = dict[str, Any]

EQUAL, WITHIN, DIFFERENT = "bit-equal", "within", "different"
RESOLUTION = 1e-6  # relative: what float32 tells apart; a row may have an interval of width 0
CONSTANT = ("mi_cap",)  # follows from the number of sentences
DIGITS = 12  # of digests


@dataclass(frozen=True)
class Figure:
    """A metric in the committed record and in the run done again: the verdict and its reason."""

    metric: str
    committed: float | None
    again: float | None
    verdict: str  # EQUAL, WITHIN or DIFFERENT
    reason: str


def row(line: Record, lines: Sequence[Record]) -> list[Record]:
    """All seeds of a record's table row in its collected file: its settings but for the seed."""
    done = [other for other in lines if is_done(other)]
    return [other for other in done if not any(differences(line, other))]


def compare(
    line: Record, again: Record, seeds: Sequence[Record], errors: Mapping[str, float] | None = None
) -> list[Figure]:
    """The metrics of the test split that either record has, in the order of `METRICS`.

    Args:
        line: the committed record.
        again: the record of the same run done again.
        seeds: of `row`.
        errors: standard errors over sentences by metric, beside those in the record.

    Returns:
        One figure a metric that the committed record holds: what came later is no difference, and
        what an older evaluation measured otherwise is left out. A
        figure is different if it lies outside the prediction interval that is adjusted for the
        number of metrics (Bonferroni): all of them together hold 95 % of honest re-runs or more.
    """
    old, new = figures(line, "test"), figures(again, "test")
    names = [name for name in METRICS if old.get(name) is not None and name not in CONSTANT]
    if line.get("evaluation", 1) != again.get("evaluation", 1):
        names = [name for name in names if name != "z_use"]
    known = {name.removesuffix("_se"): e for name, e in old.items() if name.endswith("_se")}
    known |= errors or {}
    found = []
    for name in names:
        values = [figures(seed, "test").get(name) for seed in seeds]
        there = [value for value in values if value is not None]
        verdict, reason = _judge(old[name], new.get(name), there, known.get(name), len(names))
        found.append(Figure(name, old[name], new.get(name), verdict, reason))
    return found


def _judge(
    old: float, new: float | None, values: Sequence[float], error: float | None, metrics: int
) -> tuple[str, str]:
    if new is None:
        return DIFFERENT, "different: the re-run has no such figure"
    if new == old:
        return EQUAL, "bit-equal"
    by = f"by {new - old:+.2g}"
    if prediction(values or [old]) is None:
        beside = f", {abs(new - old) / error:.1f} standard errors over sentences" if error else ""
        few = f"{len(values)} seed{'s' if len(values) > 1 else ''}"
        return DIFFERENT, f"different {by}{beside}; {few}: no interval"
    place = f"the prediction interval of {len(values)} seeds"
    told, holds = _interval(new, values, 0.95)
    if holds:
        return WITHIN, f"within {place} {told}, {by}"
    told, holds = _interval(new, values, 1 - 0.05 / metrics)
    place += f", adjusted for {metrics} metrics"
    if holds:
        return WITHIN, f"within {place} {told}, {by}"
    return DIFFERENT, f"different: outside {place} {told}, {by}"


def _interval(new: float, values: Sequence[float], level: float) -> tuple[str, bool]:
    """A prediction interval as printed, and whether it holds a figure."""
    interval = prediction(values, level)
    assert interval is not None
    low, high = interval
    slack = RESOLUTION * max(abs(low), abs(high))
    return f"[{low:.4f}, {high:.4f}]", low - slack <= new <= high + slack


def sentence_errors(file: Path) -> dict[str, float]:
    """Standard errors of mean nats per sentence, from a run's sentences.npz; empty without it."""
    try:
        nats = {name: array.astype("float64") for name, array in sentences.read(file).items()}
    except UserError:
        return {}
    if {"rec", "kl"} <= nats.keys():
        nats["neg_elbo"] = nats["rec"] + nats["kl"]
    return {k: float(v.std(ddof=1)) / len(v) ** 0.5 for k, v in nats.items() if len(v) > 1}


def text(figures: Sequence[Figure]) -> str:
    """A line a metric, and one that counts the verdicts."""
    rows = [("metric", "committed", "re-run", "")]
    rows += [(f.metric, _shown(f.committed), _shown(f.again), f.reason) for f in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {old:>{widths[1]}}  {new:>{widths[2]}}  {reason}".rstrip()
        for name, old, new, reason in rows
    ]
    verdicts = [figure.verdict for figure in figures]
    told = [f"{verdicts.count(v)} {v}" for v in (EQUAL, WITHIN, DIFFERENT) if v in verdicts]
    lines.append(f"test split, {len(figures)} metrics: {', '.join(told)}")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def environment(line: Record, again: Record) -> str:
    """What was the same of software and hardware; below it a line for each thing that was not."""
    old, new = _environment(line), _environment(again)
    same = ", ".join(f"{name} {old[name]}" for name in old if old[name] == new[name])
    other = [f"  {k}: committed {old[k]}, re-run {new[k]}" for k in old if old[k] != new[k]]
    return "\n".join([f"environment: the same {same or '(nothing)'}", *other])


_MACHINE = ("torch", "cpu", "processor", "threads")


def _environment(record: Record) -> dict[str, str]:
    origin = record["provenance"]
    code = dict.fromkeys([origin["code_sha256"], *origin.get("code_sha256_resumed", [])])
    digests = " then ".join(digest[:DIGITS] for digest in code)  # several: resumed with other code
    found = {name: str(origin.get(name, "unknown")) for name in _MACHINE}
    return found | {
        "device": str(record["cost"]["device"]),
        "precision": str(record["config"]["precision"]),
        "python": str(origin["python"]),
        "code_sha256": digests + (" with uncommitted changes" if origin["dirty"] else ""),
        "commit": str(origin["commit"] or "unknown")[:DIGITS],
    }
