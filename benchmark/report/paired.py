"""Tables of differences between rows, paired by seed.

Only seeds that both rows have are paired: the same seed means the same batches in the same order.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.core.rules import SIGNS
from benchmark.report.overview import COLUMNS, bound
from benchmark.report.statistics import Summary, holm, paired, shown
from benchmark.report.table import DASH, Cell, Row, Table

if TYPE_CHECKING:
    import pandas as pd

REFERENCES = ("none", "lstm_lm")  # baselines that the others are compared with
METRICS = ("elbo", "kl", "mi", "iw_nll", "z_use", "recovered")
PRIMARY = {"none": "mi", "lstm_lm": "iw_nll"}  # fixed beforehand
LEVEL = 0.05  # of adjusted p values, below which a difference is significant
_PAIRS = 20  # compared at most where there is no reference
_TITLES = {column.metric: column.title for column in COLUMNS}


@dataclass(frozen=True)
class Difference:
    """A row minus another in one metric.

    ``p`` is adjusted over the rows of the table; ``bound`` is 1 where the difference is a lower
    bound, -1 where it is an upper one; ``found`` is None where a run lacks the metric, or where
    both rows are bounds.
    """

    found: Summary | None
    p: float | None = None
    bound: int = 0


@dataclass(frozen=True)
class Compared:
    """A line of a table of differences: label, ids of its runs, shared seeds, by metric."""

    label: str
    ids: tuple[str, ...]
    n: int
    metrics: dict[str, Difference]


def pairs(group: "pd.DataFrame", baseline: str) -> "list[tuple[str, pd.DataFrame, pd.DataFrame]]":
    """Each row's label, its runs by seed, and those of a baseline's first row on the same data."""
    rows = _rows(group)
    first: dict[str, str] = {}
    for label, runs in rows.items():
        if runs["baseline"].iloc[0] == baseline:
            first.setdefault(runs["data"].iloc[0], label)
    return [
        (label, runs, rows[first[data]])
        for label, runs in rows.items()
        if (data := runs["data"].iloc[0]) in first and first[data] != label
    ]


def against(group: "pd.DataFrame", baseline: str) -> list[Compared]:
    """Each row minus that of a baseline, the study's first, on the same data."""
    return _compare(pairs(group, baseline))


def each_other(group: "pd.DataFrame") -> list[Compared]:
    """Pairs of rows on the same data, where they are few enough; see `_couples`."""
    rows, couples = _rows(group), _couples(group)
    if len(couples) > _PAIRS:
        return []
    return _compare([(f"{a} − {b}", rows[a], rows[b]) for a, b in couples])


def _couples(group: "pd.DataFrame") -> list[tuple[str, str]]:
    """Every pair of rows; where these are too many, those that differ in one thing alone.

    A study that crosses methods with settings has such pairs: the method is another, or the
    settings of network and training are, not both.
    """
    rows = _rows(group)
    first = {label: runs.iloc[0] for label, runs in rows.items()}
    couples = [
        (a, b) for a, b in itertools.combinations(rows, 2) if first[a]["data"] == first[b]["data"]
    ]
    if len(couples) <= _PAIRS:
        return couples
    return [
        (a, b)
        for a, b in couples
        if sum(_differ(first[a][what], first[b][what]) for what in ("method", "settings")) == 1
    ]


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a setting that both know differs: one that a record lacks is younger than it."""
    return any(one[name] != other[name] for name in one.keys() & other.keys())


def better(compared: Iterable[Compared]) -> set[str]:
    """Labels whose IW-NLL is significantly below that of the row they are compared with."""
    found = set()
    for one in compared:
        difference = one.metrics["iw_nll"]
        lower = difference.found is not None and difference.found.mean < 0 and difference.bound < 1
        if lower and difference.p is not None and difference.p < LEVEL:
            found.add(one.label)
    return found


def tables(title: str, group: "pd.DataFrame") -> list[Table]:
    """Differences to `REFERENCES`; of a study without them, of every pair of rows.

    Their names say whose differences: "minus-none", "minus-lstm_lm", "pairs".

    Args:
        title: of the rows' main table.
        group: of `benchmark.report.frame.frame`.
    """
    found = []
    for baseline in REFERENCES:
        if compared := against(group, baseline):
            what, told = f"differences to `{baseline}`", f"Row minus `{baseline}`"
            name, primary = f"minus-{baseline}", PRIMARY[baseline]
            found.append(_table(name, f"{title}: {what}", told, compared, primary))
    if not found and (compared := each_other(group)):
        every = len(compared) == math.comb(len(_rows(group)), 2)
        which = "Every pair of rows" if every else "Rows that differ in method or settings alone"
        told = f"{which}, as none is of `none` or `lstm_lm`"
        found.append(_table("pairs", f"{title}: differences between rows", told, compared))
    return found


def uncompared(group: "pd.DataFrame") -> list[str]:
    """Why no differences are shown, where there is no reference and the pairs would be too many."""
    done = group[group["status"] == "done"]
    number = len(_couples(group))
    if number <= _PAIRS or done["baseline"].isin(REFERENCES).any():
        return []
    return [
        "No differences between rows are shown: none is of `none` or `lstm_lm`, and "
        f"{done['label'].nunique()} rows make {number} pairs that differ in one thing alone (at "
        f"most {_PAIRS} are shown)."
    ]


def _rows(group: "pd.DataFrame") -> dict[str, "pd.DataFrame"]:
    """Runs with a record by label, in the study's order, by seed."""
    done = group[group["status"] == "done"]
    return {str(label): runs.set_index("seed") for label, runs in done.groupby("label", sort=False)}


def _compare(couples: "Sequence[tuple[str, pd.DataFrame, pd.DataFrame]]") -> list[Compared]:
    """Differences of labelled pairs; p values of one metric are adjusted for their number."""
    found = []
    for label, first, second in couples:
        seeds = [seed for seed in first.index if seed in second.index]
        if seeds:
            one, other = first.loc[seeds], second.loc[seeds]
            metrics = {metric: _difference(one, other, metric) for metric in METRICS}
            found.append(Compared(label, tuple(one["id"]), len(seeds), metrics))
    for metric in METRICS:
        adjusted = holm([one.metrics[metric].p for one in found])
        for line, p in zip(found, adjusted, strict=True):
            line.metrics[metric] = replace(line.metrics[metric], p=p)
    return found


def _difference(one: "pd.DataFrame", other: "pd.DataFrame", metric: str) -> Difference:
    """Of the same seeds; p is not adjusted yet."""
    if any(metric not in row or row[metric].isna().any() for row in (one, other)):
        return Difference(None)
    bounds = bound(one, metric), -bound(other, metric)
    if all(bounds):
        return Difference(None)
    first, second = ([float(value) for value in row[metric]] for row in (one, other))
    found = paired(first, second)
    return Difference(found, found.p, sum(bounds))


def _table(
    name: str, title: str, told: str, compared: Sequence[Compared], primary: str = ""
) -> Table:
    """A column a metric that some row has, its p value beside it where some row has one."""
    columns: list[str] = []
    cells: list[list[Cell]] = [[] for _ in compared]
    for metric in METRICS:
        differences = [one.metrics[metric] for one in compared]
        if not any(difference.found for difference in differences):
            continue
        columns.append(_TITLES[metric] + (" (primary)" if metric == primary else ""))
        for row, difference in zip(cells, differences, strict=True):
            row.append(_cell(difference))
        if any(difference.p is not None for difference in differences):
            columns.append(f"p ({_TITLES[metric]})")
            for row, difference in zip(cells, differences, strict=True):
                row.append(_p(difference))
    rows = [Row(one.label, (*row, Cell(str(one.n), one.n)), ids=one.ids)
            for one, row in zip(compared, cells, strict=True)]  # fmt: skip
    notes = _notes(told, compared)
    return Table(name, title, notes, (*columns, "n"), tuple(rows), kind="paired")


def _cell(difference: Difference) -> Cell:
    found = difference.found
    if found is None:
        return Cell(DASH)
    sign = f"{SIGNS[difference.bound]} ".lstrip()
    return Cell(sign + shown(found), found.mean, half=found.half, n=found.n)


def _p(difference: Difference) -> Cell:
    """The adjusted p value; in brackets that of the sign-flip test."""
    if difference.found is None or difference.p is None:
        return Cell(DASH)
    text = _three(difference.p)
    if difference.found.sign_p is not None:
        text += f" [{_three(difference.found.sign_p)}]"
    return Cell(text, difference.p, n=difference.found.n)


def _three(p: float) -> str:
    return f"{p:.3f}" if p >= 5e-4 else "< 0.001"


def _notes(told: str, compared: Sequence[Compared]) -> tuple[str, ...]:
    """What the table tells, and which tests it can hold."""
    differences = [difference for one in compared for difference in one.metrics.values()]
    tested = any(difference.p is not None for difference in differences)
    text = f"{told}, paired by the n seeds that both have."
    if tested:
        text += " p: paired t test, adjusted by Holm for the rows of the column."
    if any(difference.bound for difference in differences):
        text += " ≥, ≤: the difference of a bound is a bound"
        text += ", and p is of the bounds." if tested else "."
    if any("recovered" in one.metrics and one.metrics["recovered"].found for one in compared):
        text += " Differences in `excess` are those of IW-NLL: the sentences are the same."
    flipped = {
        found.n: 2 / 2**found.n
        for difference in differences
        if (found := difference.found) is not None and found.sign_p is not None
    }
    if flipped:
        least = "; ".join(f"n = {n}: {flipped[n]:.2g}" for n in sorted(flipped))
        text += (
            f" In brackets the exact sign-flip test, not adjusted; the least it can be: {least}."
        )
    return (text,)
