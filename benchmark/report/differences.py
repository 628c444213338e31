"""Paired differences between the rows of one table.

The same seed means the same batches in the same order, so rows are compared seed by seed, over the
seeds that both have.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.report.frame import REFERENCES, bound
from benchmark.report.statistics import holm, paired

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("elbo", "kl", "mi", "iw_nll", "z_use", "recovered")
LEVEL = 0.05  # of adjusted p values, below which a difference is significant
MOST_PAIRS = 20  # that are compared where there is no reference
COLUMNS = ("reference", "label", "other", "ids", "seeds", "metric", "values", "summary", "mean",
           "p", "bound", "significant")  # fmt: skip


class Pair(NamedTuple):
    """Two rows, their labels and their runs by seed."""

    label: str
    other: str
    runs: "pd.DataFrame"
    others: "pd.DataFrame"


def differences(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Return one line a comparison of two rows and metric of `METRICS`, in the tables' order.

    Each row is compared with those of `REFERENCES`. In a table without references, all
    pairs of rows are compared if they are few (see `pairs`).

    Args:
        runs: of one table, of `benchmark.report.frame.frame`.

    Returns:
        Columns:
        reference: the baseline of the row that is subtracted, "none" or "lstm_lm"; "" in a pair of
            other rows.
        label, other: of the row, and of the row that is subtracted.
        ids, seeds: of the row's runs whose seed both rows have.
        metric, values: its difference of each of these seeds, in their order; () if a run lacks it.
        summary: of the values, a `statistics.Summary` with unadjusted p values; None if there are
            no values, or if both rows are bounds, whose difference says nothing.
        mean: that of the summary; NaN without one.
        p: of the paired t test, adjusted by Holm over the comparisons of one reference and metric;
            NaN without a test.
        bound: 1 if the difference is a lower bound, -1 if it is an upper one, else 0.
        significant: whether p is below `LEVEL` and the bound does not leave the sign open.
    """
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for reference in REFERENCES:
        lines += _compared(reference, pairs(runs, reference))
    if not lines and len(couples := pairs(runs)) <= MOST_PAIRS:
        lines = _compared("", couples)
    table = pd.DataFrame(lines, columns=list(COLUMNS)).astype({"mean": float, "p": float})
    table["significant"] = (table["p"] < LEVEL) & (table["bound"] * table["mean"] >= 0)
    return table


def pairs(runs: "pd.DataFrame", reference: str = "") -> list[Pair]:
    """Return each row with the ``reference``, or every pair of rows.

    Where all pairs would be more than `MOST_PAIRS`, only those that differ in one thing are
    returned: in the method, or in the settings of network and training, not in both.
    """
    done = runs[runs["status"] == "done"]
    rows = {str(label): row.set_index("seed") for label, row in done.groupby("label", sort=False)}
    first = {label: row.iloc[0] for label, row in rows.items()}
    choose = itertools.permutations if reference else itertools.combinations
    couples = [(a, b) for a, b in choose(rows, 2) if reference in ("", first[b]["role"])]
    if not reference and len(couples) > MOST_PAIRS:
        couples = [(a, b) for a, b in couples if _differ_in_one_thing(first[a], first[b])]
    return [Pair(a, b, rows[a], rows[b]) for a, b in couples]


def _differ_in_one_thing(one: "pd.Series[Any]", other: "pd.Series[Any]") -> bool:
    """Tell whether the method or the settings differ, not both.

    A setting that only one record knows is younger than the other record: it is no difference.
    """
    tables: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
        (one[name], other[name]) for name in ("method", "settings")
    ]
    return sum(any(a[key] != b[key] for key in a.keys() & b.keys()) for a, b in tables) == 1


def _compared(reference: str, couples: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return the lines of one family of comparisons, whose p values are adjusted together."""
    lines = []
    for label, other, runs, others in couples:
        seeds = [seed for seed in runs.index if seed in others.index]
        if not seeds:
            continue
        one, two = runs.loc[seeds], others.loc[seeds]
        head = {"reference": reference, "label": label, "other": other, "ids": tuple(one["id"]),
                "seeds": tuple(seeds)}  # fmt: skip
        lines += [head | _difference(one, two, metric) for metric in METRICS]
    for metric in METRICS:
        family = [line for line in lines if line["metric"] == metric]
        for line, p in zip(family, holm([line["p"] for line in family]), strict=True):
            line["p"] = p
    return lines


def _difference(one: "pd.DataFrame", two: "pd.DataFrame", metric: str) -> dict[str, Any]:
    """Return a metric's columns of the same seeds; p is not adjusted yet."""
    line: dict[str, Any] = {
        "metric": metric, "values": (), "summary": None, "mean": None, "p": None, "bound": 0,
    }  # fmt: skip
    if any(metric not in row or row[metric].isna().any() for row in (one, two)):
        return line
    first, second = ([float(value) for value in row[metric]] for row in (one, two))
    line["values"] = tuple(a - b for a, b in zip(first, second, strict=True))
    bounds = bound(one, metric), -bound(two, metric)
    if all(bounds):
        return line
    summary = paired(first, second)
    return line | {
        "summary": summary, "mean": summary.mean, "p": summary.p, "bound": sum(bounds),
    }  # fmt: skip
