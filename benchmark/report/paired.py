"""Differences as tables and in words: planned contrasts, rows minus a reference, or all pairs."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.core.measures import MEASURES, SIGNS
from benchmark.report.differences import (
    BOUND,
    CASES,
    EQUIVALENT,
    LEVEL,
    MARGIN,
    METRICS,
    OPEN,
    OUTCOMES,
    PLANNED,
    SIGNIFICANT,
    joined,
    many,
    minus,
    tally,
)
from benchmark.report.formats import DASH, Cell, Row, Table
from benchmark.report.frame import states
from benchmark.report.grouping import Group
from benchmark.report.statistics import Summary, number, shown

if TYPE_CHECKING:
    import pandas as pd

_PRIMARY = {"none": "mi", "lstm_lm": "iw_nll"}  # outcome of each reference, fixed beforehand
_EXPLORATORY = (
    "The tests of this table are exploratory: the planned contrasts have a table of their own."
)
_MIXED = (
    "Some seeds of one row are alive and others have collapsed. A t test describes such seeds "
    "badly: the counts are the result."
)


def tables(group: Group) -> list[Table]:
    """Return a table of planned contrasts, and one for each reference, or one of all pairs.

    They are called "planned", "minus-none" and "minus-lstm_lm", and "pairs".
    """
    built = []
    for reference in group.differences["reference"].unique():
        part = group.differences[group.differences["reference"] == reference]
        lines = part[part["metric"] == METRICS[0]]
        if reference == PLANNED:
            lines = part.drop_duplicates(["label", "other"])
            name, title = "planned", "planned contrasts"
            what = "The contrasts that the study planned"
            labels = lines["label"] + " − " + lines["other"]
        elif reference:
            first = " / ".join(dict.fromkeys(lines["other"]))
            name, title = f"minus-{reference}", f"differences to `{first}`"
            what, labels = f"Row minus `{first}`", lines["label"]
        else:
            name, title = "pairs", "differences between rows"
            known = group.runs[group.runs["status"] == "done"]["label"].nunique()
            what = "Rows that differ in method or settings alone"
            what = "Every pair of rows" if len(lines) == math.comb(known, 2) else what
            what += ", as none is of `none` or `lstm_lm`"
            labels = lines["label"] + " − " + lines["other"]
        columns: dict[str, list[Cell]] = {}
        for metric in METRICS:
            heading, of = MEASURES[metric].title, part[part["metric"] == metric]
            if of["summary"].notna().any():
                stated = _PRIMARY.get(reference) == metric and not group.contrasts
                primary = " (primary)" if stated else ""
                findings = of["finding"] == EQUIVALENT
                cells = map(_difference, of["summary"], of["bound"], findings)
                columns[heading + primary] = list(cells)
            if of["p"].notna().any():
                columns[f"p ({heading})"] = list(map(_p, of["summary"], of["p"]))
            if metric in OUTCOMES and of["detectable"].notna().any():
                columns[f"detectable ({heading})"] = list(map(_detectable, of["detectable"]))
        notes, kind, mixed = (_explained(what, part),), "paired", [False] * len(lines)
        if reference == PLANNED:
            kind = "planned"
            counted = [_alive(group.runs, line) for line in lines.to_dict("records")]
            columns["alive in each"] = [Cell(text) for text, _ in counted]
            mixed = [differ for _, differ in counted]
        elif group.contrasts and part["p"].notna().any():
            notes = (f"{_EXPLORATORY} {notes[0]}",)
        columns["n"] = [Cell(str(len(seeds)), len(seeds)) for seeds in lines["seeds"]]
        by_row = zip(*columns.values(), strict=True)
        rows = tuple(
            Row(label, of_row, 1 if marked else None, ids)
            for label, of_row, marked, ids in zip(labels, by_row, mixed, lines["ids"], strict=True)
        )
        title = f"{group.title}: {title}"
        built.append(Table(name, title, notes, tuple(columns), rows, (_MIXED,) * any(mixed), kind))
    return built


def _alive(runs: "pd.DataFrame", line: Mapping[Any, Any]) -> tuple[str, bool]:
    """Return how many of a contrast's seeds are alive, and if some of one row's have collapsed."""
    shared = runs[(runs["status"] == "done") & runs["seed"].isin(line["seeds"])]
    counts = [states(shared[shared["label"] == line[name]]) for name in ("label", "other")]
    if not line["seeds"] or None in counts:  # such as of a language model
        return DASH, False
    (one, _, collapsed), (two, _, lost) = filter(None, counts)
    text = f"{one} and {two} of {len(line['seeds'])}"
    return text, bool((one and collapsed) or (two and lost))


def planned(group: Group, unit: str) -> list[str]:
    """Return a sentence for each planned contrast: its differences, and what they show.

    Args:
        group: of one table.
        unit: that n counts, such as "seed".
    """
    table = group.differences[group.differences["reference"] == PLANNED]
    sentences = []
    for _, lines in table.groupby(["label", "other"], sort=False):
        first, *_ = of_pair = lines.to_dict("records")
        parts = [_shown(line, unit) for line in of_pair if line["values"]]
        text = joined(parts) if parts else f"no {unit} of both rows has a record"
        counts, mixed = _alive(group.runs, first)
        text += f"; {counts} {unit}s are alive, and these counts are the result" * mixed
        sentences.append(f"Planned, {minus(first)}: {text}.")
    return sentences


def _shown(line: Mapping[Any, Any], unit: str) -> str:
    """Return a planned difference in words."""
    title = MEASURES[line["metric"]].title
    if line["summary"] is None:
        return f"{title} of both is only a bound"
    text = {OPEN: "no difference is shown", BOUND: "a bound on the wrong side"}.get(
        line["finding"], "not tested"
    )
    if line["finding"] == SIGNIFICANT:
        p = _three_digits(line["p"])
        text = f"p {p}" if p.startswith("<") else f"p = {p}"
    elif line["finding"] == OPEN and not math.isnan(line["detectable"]):
        text += f"; {many(line['summary'].n, unit)} could detect {number(line['detectable'])}"
    size = _difference(line["summary"], line["bound"], equivalent=False).text
    return f"{title} {size} nats ({text})"


def unreferenced(group: Group, unit: str) -> list[str]:
    """Return which differences between rows are shown, where no row is a reference."""
    table = group.differences[group.differences["reference"] == ""]
    start = "Exploratory, " * bool(group.contrasts)
    sentences = []
    for noun, metric in (("MI", "mi"), ("ELBO", "elbo"), ("IW-NLL", "iw_nll")):
        lines = table[table["metric"] == metric].to_dict("records")
        text = tally([(minus(one), one) for one in lines], 0, unit, "pair")
        sentences += [f"{start}{noun}, row against row: {text}."] if text else []
    return sentences


def _difference(summary: Summary | None, bound: int, equivalent: bool) -> Cell:
    if summary is None:
        return Cell(DASH)
    text = f"{SIGNS[bound]} {shown(summary)}{' ≈' * equivalent}".strip()
    return Cell(text, summary.mean, half=summary.half, n=summary.n)


def _p(summary: Summary | None, p: float) -> Cell:
    """Return the adjusted p value; in brackets that of the sign-flip test."""
    if summary is None or math.isnan(p):
        return Cell(DASH)
    text = _three_digits(p)
    text += "" if summary.sign_p is None else f" [{_three_digits(summary.sign_p)}]"
    return Cell(text, p, n=summary.n)


def _detectable(nats: float) -> Cell:
    """Return the smallest detectable difference in nats."""
    return Cell(DASH) if math.isnan(nats) else Cell(number(nats), nats)


def _three_digits(p: float) -> str:
    return f"{p:.3f}" if p >= 5e-4 else "< 0.001"


def _explained(what: str, part: "pd.DataFrame") -> str:
    """Return the note below a table of differences: what it shows, and its tests.

    Args:
        what: the rows, such as "Row minus `none`".
        part: the table's lines of `differences`.
    """
    tested, is_plan = bool(part["p"].notna().any()), bool((part["reference"] == PLANNED).any())
    text = f"{what}, paired by the n seeds that both have."
    if tested:
        text += " p: paired t test, adjusted by Holm for the rows of the column"
        text += ", all that were planned." if is_plan else "."
    if part["bound"].any():
        text += " ≥, ≤: the difference of a bound is a bound"
        text += ", and p is of the bounds" * tested
        text += "; no MI that is a bound is tested." if is_plan else "."
    if part["detectable"].notna().any():
        text += " Detectable: the smallest true difference in nats that this test finds in "
        text += f"{CASES}, at the spread seen here and as the smallest p value of the column."
    if (part["finding"] == EQUIVALENT).any():
        text += f" ≈: equal within {MARGIN} nats by two one-sided t tests at {100 * LEVEL:.0f} %, "
        text += f"adjusted likewise; without ≈, p ≥ {LEVEL} does not mean equal."
    if part[part["metric"] == "recovered"]["summary"].notna().any():
        text += " Differences in `excess` are those of IW-NLL: the sentences are the same."
    flipped = sorted({s.n for s in part["summary"].dropna() if s.sign_p is not None})
    if flipped:  # one pattern of signs of all 2^n, and its mirror, are as far from 0
        least = "; ".join(f"n = {n}: {2 / 2**n:.2g}" for n in flipped)
        text += " In brackets the exact sign-flip test, not adjusted; the least it can be: "
        text += f"{least}."
    return text
