"""Differences as tables and in words: planned contrasts, rows minus a reference, or all pairs."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.core.measures import MEASURES, SIGNS
from benchmark.report import collapse
from benchmark.report.differences import (
    CASES,
    EQUIVALENT,
    LEVEL,
    MARGIN,
    METRICS,
    OPEN,
    PLANNED,
    SIGNIFICANT,
    joined,
    many,
    minus,
)
from benchmark.report.formats import DASH, Cell, Row, Table
from benchmark.report.grouping import Group
from benchmark.report.statistics import Summary, number, shown

if TYPE_CHECKING:
    import pandas as pd

_PRIMARY = {"none": "mi", "lstm_lm": "iw_nll"}  # outcome of each reference, fixed beforehand
_POWERED = ("mi", "iw_nll")  # metrics whose smallest detectable difference stands in the tables
_EXPLORATORY = (
    "The tests of this table are exploratory: the planned contrasts have a table of their own."
)
_MIXED = (
    "Seeds of one row differ in the state of their latent. A t test describes such seeds badly: "
    "the counts are the result."
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
                primary = " (primary)" if _PRIMARY.get(reference) == metric else ""
                findings = of["finding"] == EQUIVALENT
                cells = map(_difference, of["summary"], of["bound"], findings)
                columns[heading + primary] = list(cells)
            if of["p"].notna().any():
                columns[f"p ({heading})"] = list(map(_p, of["summary"], of["p"]))
            if metric in _POWERED and of["detectable"].notna().any():
                columns[f"detectable ({heading})"] = list(map(_detectable, of["detectable"]))
        notes, kind, mixed = (_explained(what, part),), "paired", [False] * len(lines)
        if reference == PLANNED:
            kind = "planned"
            counted = [_alive(group.runs, line) for line in lines.to_dict("records")]
            columns["alive in each"] = [cell for cell, _ in counted]
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


def _alive(runs: "pd.DataFrame", line: Mapping[Any, Any]) -> tuple[Cell, bool]:
    """Return how many seeds are alive in each row of a contrast, and if a row's seeds differ."""
    done = runs[runs["seed"].isin(line["seeds"])]
    states = [done.loc[done["label"] == label, "state"] for label in (line["label"], line["other"])]
    if any(state.isna().any() for state in states):  # such as of a language model
        return Cell(DASH), False
    alive = [int((state == collapse.STATES[0]).sum()) for state in states]
    text = f"{alive[0]} and {alive[1]} of {len(line['seeds'])}"
    return Cell(text, alive[0] - alive[1]), any(state.nunique() > 1 for state in states)


def planned(group: Group, unit: str) -> list[str]:
    """Return a sentence for each planned contrast: its differences, and what they show.

    Args:
        group: of one table.
        unit: that n counts, such as "seed".
    """
    table = group.differences[group.differences["reference"] == PLANNED]
    sentences = []
    for _, lines in table.groupby(["label", "other"], sort=False):
        parts = []
        for line in lines[lines["summary"].notna()].to_dict("records"):
            shows = {
                EQUIVALENT: f"about equal, within {MARGIN} nats",
                OPEN: "no difference is shown",
            }
            text = shows.get(line["finding"], "not tested")
            if line["finding"] == SIGNIFICANT:
                p = _three_digits(line["p"])
                text = f"p {p}" if p.startswith("<") else f"p = {p}"
            elif line["finding"] == OPEN:
                seeds = many(line["summary"].n, unit)
                text += f"; {seeds} could detect {number(line['detectable'])}"
            cell = _difference(line["summary"], line["bound"], False)
            parts.append(f"{MEASURES[line['metric']].title} {cell.text} nats ({text})")
        sentences += (
            [f"Planned, {minus(lines.iloc[0].to_dict())}: {joined(parts)}."] if parts else []
        )
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
    tested = bool(part["p"].notna().any())
    text = f"{what}, paired by the n seeds that both have."
    if tested:
        text += " p: paired t test, adjusted by Holm for the rows of the column."
    if part["bound"].any():
        text += " ≥, ≤: the difference of a bound is a bound"
        text += ", and p is of the bounds." if tested else "."
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
