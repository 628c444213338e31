"""Paired differences between the rows of one table.

The same seed means the same batches in the same order, so rows are compared seed by seed, over the
seeds that both have. Contrasts that a study plans are a family of their own.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.core.measures import CAPPED
from benchmark.report.frame import REFERENCES, bound
from benchmark.report.statistics import (
    POWER,
    Summary,
    detectable,
    equivalence,
    holm,
    number,
    paired,
)  # fmt: skip

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("elbo", "kl", "mi", "iw_nll", "z_use", "recovered")
LEVEL = 0.05  # of adjusted p values, below which a difference is significant
MARGIN = 0.2  # nats: fixed beforehand for runs in bf16 against fp32, and adopted for methods
_WITHIN = ("elbo", "kl", "mi", "iw_nll")  # metrics that have this margin
# What may be said of a difference: see `finding`.
SIGNIFICANT, BOUND, EQUIVALENT, OPEN, UNTESTED = FINDINGS = (
    "significant", "bound", "equivalent", "open", "untested",
)  # fmt: skip
PLANNED = "planned"  # in place of a reference: the contrasts of the study's file
OUTCOMES = ("mi", "iw_nll")  # of planned contrasts
MOST_PAIRS = 20  # that are compared where there is no reference
_NAMED = 3  # significant comparisons that words name; of more they name the largest
CASES = f"{100 * POWER:.0f} % of cases"
COLUMNS = ("reference", "label", "other", "ids", "seeds", "metric", "values", "summary", "mean",
           "p", "bound", "detectable", "p_equivalent", "finding", "significant")  # fmt: skip


class Pair(NamedTuple):
    """Two rows, their labels and their runs by seed."""

    label: str
    other: str
    runs: "pd.DataFrame"
    others: "pd.DataFrame"


def differences(runs: "pd.DataFrame", contrasts: Sequence[tuple[str, str]] = ()) -> "pd.DataFrame":
    """Return a line for each pair of rows and metric of `METRICS`, in the tables' order.

    The planned contrasts come first, with the metrics of `OUTCOMES`. Then each row is compared with
    those of `REFERENCES`. In a table without references, all pairs of rows are compared if they are
    few (see `pairs`).

    Args:
        runs: of one table, of `benchmark.report.frame.frame`.
        contrasts: planned pairs of labels, of which the second is subtracted.

    Returns:
        Columns:
        reference: `PLANNED`; the baseline of the row that is subtracted, "none" or "lstm_lm"; "" in
            a pair of other rows.
        label, other: of the row, and of the row that is subtracted.
        ids, seeds: of the row's runs whose seed both rows have.
        metric, values: its difference of each of these seeds, in their order; () if a run lacks it.
        summary: of the values, a `statistics.Summary` with unadjusted p values; None if there are
            no values, or if both rows are bounds, whose difference says nothing.
        mean: that of the summary; NaN without one.
        p: of the paired t test, adjusted by Holm over the comparisons of one reference and metric;
            NaN without a test.
        bound: 1 if the difference is a lower bound, -1 if it is an upper one, else 0.
        detectable: the smallest true difference that this test finds in `statistics.POWER` of
            repetitions at the spread seen here, as the smallest p value of its family (Holm's worst
            case), in nats; NaN without a test, and of a bound.
        p_equivalent: of two one-sided tests against `MARGIN`, adjusted like p; NaN where
            ``detectable`` is, and of metrics without a margin.
        finding: what may be said, of `finding`.
        significant: whether p is below `LEVEL` and the bound does not leave the sign open.
    """
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for reference in REFERENCES:
        lines += _compared(reference, pairs(runs, reference))
    if not lines and len(couples := pairs(runs)) <= MOST_PAIRS:
        lines = _compared("", couples)
    rows, none = _by_label(runs), runs[:0].set_index("seed")
    planned = [Pair(a, b, rows.get(a, none), rows.get(b, none)) for a, b in contrasts]
    lines = _compared(PLANNED, planned, OUTCOMES) + lines
    numbers = dict.fromkeys(("mean", "p", "detectable", "p_equivalent"), float)
    table = pd.DataFrame(lines, columns=list(COLUMNS)).astype(numbers)
    findings = [finding(line) for line in table.to_dict("records")]
    table["finding"] = pd.Series(findings, index=table.index, dtype=object)
    table["significant"] = table["finding"] == SIGNIFICANT
    return table


def finding(line: Mapping[Any, Any]) -> str:
    """Return the one of `FINDINGS` that a difference supports.

    Tables, verdict, page and terminal say no more than this: "significant"; "bound" if the
    p value is small but that of a bound which leaves the sign open; "equivalent" if two one-sided
    tests find it within `MARGIN`; "open" if it was tested, and a difference below ``detectable``
    would probably have been missed; "untested" with fewer than three seeds, or without spread.

    Args:
        line: a line of `differences`, with ``p``, ``bound``, ``mean`` and ``p_equivalent``.
    """
    if math.isnan(line["p"]):
        return UNTESTED
    if line["p"] < LEVEL:
        return SIGNIFICANT if line["bound"] * line["mean"] >= 0 else BOUND
    return EQUIVALENT if line["p_equivalent"] < LEVEL else OPEN


def pairs(runs: "pd.DataFrame", reference: str = "") -> list[Pair]:
    """Return each row with the ``reference``, or every pair of rows.

    Where all pairs would be more than `MOST_PAIRS`, only those that differ in one thing are
    returned: in the method, or in the settings of network and training, not in both.
    """
    rows = _by_label(runs)
    first = {label: row.iloc[0] for label, row in rows.items()}
    choose = itertools.permutations if reference else itertools.combinations
    couples = [(a, b) for a, b in choose(rows, 2) if reference in ("", first[b]["role"])]
    if not reference and len(couples) > MOST_PAIRS:
        couples = [(a, b) for a, b in couples if _differ_in_one_thing(first[a], first[b])]
    return [Pair(a, b, rows[a], rows[b]) for a, b in couples]


def _by_label(runs: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """Return each row's runs that have a record, by seed."""
    done = runs[runs["status"] == "done"]
    return {str(label): row.set_index("seed") for label, row in done.groupby("label", sort=False)}


def _differ_in_one_thing(one: "pd.Series[Any]", other: "pd.Series[Any]") -> bool:
    """Return whether either the method or the settings differ, not both.

    A setting that only one record knows is younger than the other record: it is no difference.
    """
    tables: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
        (one[name], other[name]) for name in ("method", "settings")
    ]
    return sum(any(a[key] != b[key] for key in a.keys() & b.keys()) for a, b in tables) == 1


def _compared(
    reference: str, couples: Sequence[Pair], metrics: Sequence[str] = METRICS
) -> list[dict[str, Any]]:
    """Return the lines of one family of comparisons, whose p values are adjusted together.

    A family of planned contrasts is as large as it was planned, whatever has been recorded. Its
    tests are t tests alone, and none is of an MI that is only a bound.
    """
    lines = []
    for label, other, runs, others in couples:
        seeds = [seed for seed in runs.index if seed in others.index]
        if not (seeds or reference == PLANNED):
            continue
        one, two = runs.loc[seeds], others.loc[seeds]
        head = {"reference": reference, "label": label, "other": other, "ids": tuple(one["id"]),
                "seeds": tuple(seeds)}  # fmt: skip
        lines += [head | _difference(one, two, metric) for metric in metrics]
    for metric in metrics:
        family = [line for line in lines if line["metric"] == metric]
        tests = sum(line["p"] is not None for line in family)
        if reference == PLANNED:
            tests = len(family)
            for line in family:
                line["p_equivalent"] = None
                line["p"] = None if metric in CAPPED and line["bound"] else line["p"]
        for line in family:
            summary: Summary | None = line["summary"]
            if summary is not None and summary.deviation and not line["bound"]:
                line["detectable"] = summary.deviation * detectable(summary.n, tests, LEVEL)
        for name in ("p", "p_equivalent"):
            adjusted = holm([line[name] for line in family], tests if name == "p" else 0)
            for line, p in zip(family, adjusted, strict=True):
                line[name] = p
    return lines


def _difference(one: "pd.DataFrame", two: "pd.DataFrame", metric: str) -> dict[str, Any]:
    """Return a metric's columns of the same seeds; p values are not adjusted yet."""
    line: dict[str, Any] = dict.fromkeys(("summary", "mean", "p", "detectable", "p_equivalent"))
    line |= {"metric": metric, "values": (), "bound": 0}
    if any(row.empty or metric not in row or row[metric].isna().any() for row in (one, two)):
        return line
    first, second = ([float(value) for value in row[metric]] for row in (one, two))
    line["values"] = tuple(a - b for a, b in zip(first, second, strict=True))
    bounds = bound(one, metric), -bound(two, metric)
    if all(bounds):
        return line
    summary = paired(first, second)
    within = None
    if metric in _WITHIN and not any(bounds):
        within = equivalence(summary, MARGIN)
    return line | {
        "summary": summary, "mean": summary.mean, "p": summary.p, "bound": sum(bounds),
        "p_equivalent": within,
    }  # fmt: skip


def tally(
    lines: Sequence[tuple[str, Mapping[Any, Any]]], better: int, unit: str, noun: str = "row"
) -> str:
    """Return the findings on one metric over several comparisons, in words; "" without a test.

    Args:
        lines: a name, and a line of `differences`, of each comparison.
        better: 1 or -1, the better sign; 0 if neither sign is better.
        unit: that n counts, such as "seed".
        noun: of a comparison.
    """
    kinds: dict[str, list[tuple[str, Mapping[Any, Any]]]] = defaultdict(list)
    for name, line in lines:
        sign = line["mean"] * better
        word = "different" if not better else "better" if sign > 0 else "worse"
        kinds[word if line["finding"] == SIGNIFICANT else line["finding"]].append((name, line))
    if not kinds.keys() - {UNTESTED}:
        return ""
    parts = []
    for word in ("worse", "better", "different"):
        group = sorted(kinds.get(word, []), key=lambda one: -abs(one[1]["mean"]))
        if not group:
            continue
        sizes = (number(abs(one["mean"]) if better else one["mean"]) for _, one in group)
        named = [f"{name} by {size} nats" for (name, _), size in zip(group, sizes, strict=True)]
        few = len(named) <= _NAMED
        shown = joined(named) if few else f"{many(len(named), noun)}, most for {named[0]}"
        parts.append(f"{word} for {shown}")
    if group := kinds.get(EQUIVALENT, []):
        parts.append(f"about equal for {many(len(group), noun)} (within {MARGIN} nats)")
    if group := kinds.get(OPEN, []):
        parts.append(f"no difference is shown for {many(len(group), noun)}")
        known = [line for _, line in group if not math.isnan(line["detectable"])]
        nats = span([float(line["detectable"]) for line in known], 2)
        seeds = span([line["summary"].n for line in known], 0)
        parts[-1] += f" ({seeds} {unit}s could detect {nats} nats)" if known else ""
    for kind, text in ((BOUND, "not decided, as one is only a bound,"), (UNTESTED, "not tested")):
        parts += [f"{text} for {many(len(kinds[kind]), noun)}"] if kind in kinds else []
    return "; ".join(parts)


def minus(line: Mapping[Any, Any]) -> str:
    """Return the labels of a difference's rows, each between backticks."""
    return f"`{line['label']}` − `{line['other']}`"


def many(count: int, noun: str) -> str:
    """Return "1 row", or "1,300 rows"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def joined(parts: Sequence[str], word: str = "and") -> str:
    """Return "a", "a and b", or "a, b and c"."""
    *first, last = parts
    return f"{', '.join(first)} {word} {last}" if first else last


def span(values: Sequence[float], digits: int) -> str:
    """Return the least and the largest value, "0.1 to 0.4"; one of them if they look alike."""
    ends = (number(end, digits) for end in (min(values), max(values))) if values else ()
    return " to ".join(dict.fromkeys(ends))


def bold(table: "pd.DataFrame") -> tuple[set[str], list[str]]:
    """Return the labels of rows whose IW-NLL is bold, and the rule as a note of the table.

    The note is left out where no row's IW-NLL was tested against that of `none`.
    """
    family = table[(table["reference"] == "none") & (table["metric"] == "iw_nll")]
    better = set(family[family["significant"] & (family["mean"] < 0)]["label"])
    tests = int(family["p"].notna().sum())
    if not tests:
        return better, []
    adjusted = f", adjusted by Holm for {tests} rows" if tests > 1 else ""
    rows = many(len(better), "row") if better else "no row"
    return better, [
        "Bold follows one primary outcome: an IW-NLL significantly below that of `none` (paired t "
        f"test over seeds, p < {LEVEL}{adjusted}). Here it marks {rows}."
        + " The test is exploratory."
        * bool((table["reference"] == PLANNED).any())
    ]
