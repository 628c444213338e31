"""The tables of a study: for each group of records that compare, rows, differences, two steps.

`benchmark.report.formats` writes them as Markdown, LaTeX and CSV.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.core.measures import MEASURES, SIGNS
from benchmark.core.schema import Record
from benchmark.report import checkpoints, collapse, paired
from benchmark.report.differences import MOST_PAIRS, bold, pairs
from benchmark.report.formats import DASH, Cell, Row, Table, slug
from benchmark.report.frame import LAST, REFERENCES, bound, known, states
from benchmark.report.grouping import Group, notes
from benchmark.report.paper import published
from benchmark.report.statistics import LEAST_T, shown, summarise

if TYPE_CHECKING:
    import pandas as pd


MAIN = (
    "elbo", "kl", "mi", "rec", "iw_nll", "ppl_elbo", "ppl_iw", "z_use", "z_use_next", "au",
    "marginal_kl", "first_words", "bleu", "excess", "recovered", "recovered_mean",
    "mi_given_length", "recovered_length", *(f"recovered_word_{place}" for place in range(1, 5)),
)  # fmt: skip
_STATES = ("state", *(f"state_{threshold}" for threshold in collapse.OTHER_THRESHOLDS))
_ENDS = (
    "alive / undecided / collapsed",
    "alive by MI, by z_use",
    *(f"at {threshold} nats" for threshold in collapse.OTHER_THRESHOLDS),
    "updates (encoder / decoder)",
    "hours a run",
)


def build(groups: Sequence[Group], arrays: "checkpoints.Arrays | None" = None) -> list[Table]:
    """Return all tables of a study in reading order; ``arrays`` are of `checkpoints.load`."""
    tables: list[Table] = []
    for group in groups:
        base = slug(group.title, (table.name for table in tables))
        tables.append(replace(_main(group), name=base))
        for table in (
            *paired.tables(group),
            *_steps(group),
            *checkpoints.tables(group.title, group.runs, arrays or {}),
            *published.tables(group.title, group.lines),
        ):
            name = slug(f"{base}-{table.name}", (one.name for one in tables))
            tables.append(replace(table, name=name))
    return tables


def remarks(lines: Sequence[Record]) -> list[str]:
    """Return what must be said below all tables of a study."""
    stray = sum(line.get("row") is None for line in lines)
    text = f"{stray} records belong to runs that the study no longer names; not shown."
    return [text] if stray else []


def _sign(runs: "pd.DataFrame", metric: str, column: str = "") -> str:
    """Return "≥ " or "≤ " before a number that is a bound, otherwise nothing."""
    return f"{SIGNS[bound(runs, metric, column)]} ".lstrip()


# The main table ----------------------------------------------------------------------------------


def _main(group: Group) -> Table:
    """Return a row a label, summarised over seeds; footnotes tell which runs have no record."""
    runs = group.runs
    hidden = {name for name in MAIN if MEASURES[name].exact and not known(runs, "excess")}
    hidden |= {name for name in MAIN if MEASURES[name].optional and not known(runs, name)}
    if "z_use_next" not in hidden and not known(runs, "z_use"):  # all records are older
        hidden.add("z_use")
    metrics = [name for name in MAIN if name not in hidden]
    better, rule = bold(group.differences)
    rows: list[Row] = []
    footnotes: list[str] = []
    for label, row in runs.groupby("label", sort=False):
        done, mark = row[row["status"] == "done"], None
        if len(done) < len(row):
            absent = row[row["status"] != "done"]
            counts = ", ".join(
                f"{n} {status}" for status, n in absent["status"].value_counts().items()
            )
            errors = "".join(f"; {error}" for error in absent["error"].dropna().unique())
            # In few words, so that rows can share it.
            lack = f"{len(absent)} of {len(row)} runs without a record ({counts}){errors}."
            footnotes += [lack] if lack not in footnotes else []
            mark = footnotes.index(lack) + 1
        cells = [cell(done, metric) for metric in metrics]
        if label in better:
            place = metrics.index("iw_nll")
            cells[place] = replace(cells[place], bold=True)
        rows.append(Row(str(label), (*cells, *_ends(done)), mark, tuple(row["id"])))
    titles = (*(MEASURES[name].title for name in metrics), *_ENDS)
    above = (*group.notes, *notes(group.lines), *rule, *_uncompared(runs))
    return Table("", group.title, above, titles, tuple(rows), tuple(footnotes))


def cell(done: "pd.DataFrame", metric: str) -> Cell:
    """Summarise a metric; a dash unless every run has it.

    A single run's number comes with its own standard error where its record has one.
    """
    if not len(done) or metric not in done or done[metric].isna().any():
        return Cell(DASH)
    no_kl = (done["baseline"] == "autoencoder").any()
    if metric == "marginal_kl" and (no_kl or bound(done, "mi")):  # it is KL - MI
        return Cell(DASH)
    digits, summary = MEASURES[metric].digits, summarise([float(value) for value in done[metric]])
    text = _sign(done, metric) + shown(summary, digits)
    error = done.get(f"{metric}_se")
    if len(done) == 1 and error is not None and error.notna().all():
        text += f" (SE {error.iloc[0]:.{digits}f})"
    return Cell(text, summary.mean, half=summary.half, n=summary.n)


def _ends(done: "pd.DataFrame") -> list[Cell]:
    """Return the cells of `_ENDS`: states of the latent, updates and hours."""
    n = len(done)
    if not n:
        return [Cell(DASH)] * len(_ENDS)
    counted = []
    for name in _STATES:
        counts = states(done, name)
        text = " / ".join(map(str, counts)) if counts else DASH
        counted.append(Cell(text, counts[0] if counts else None, n=n))
    halves = [states(done, f"{half}_state") for half in collapse.HALVES]
    alive = ", ".join(str(counts[0]) for counts in halves if counts)
    updates = [float(done[name].mean()) for name in ("encoder", "decoder")]
    hours = float(done["seconds"].mean()) / 3600
    return [
        counted[0],
        Cell(DASH if None in halves else alive, n=n),
        *counted[1:],
        Cell(" / ".join(f"{value:,.0f}" for value in updates), math.fsum(updates), n=n),
        Cell(f"{hours:.3f}" if hours >= 5e-4 else "< 0.001", hours, n=n),
    ]


def _uncompared(runs: "pd.DataFrame") -> list[str]:
    """Return why no differences are shown: no reference, and too many pairs."""
    couples = pairs(runs)
    if runs["role"].isin(REFERENCES).any() or len(couples) <= MOST_PAIRS:
        return []
    rows = runs[runs["status"] == "done"]["label"].nunique()
    return [
        f"No differences between rows are shown: none is of `none` or `lstm_lm`, and {rows} rows "
        f"make {len(couples)} pairs that differ in one thing alone (at most {MOST_PAIRS} are "
        "shown)."
    ]


# The chosen and the last step --------------------------------------------------------------------


def _steps(group: Group) -> list[Table]:
    """Return the numbers of two fixed points: the step that validation chose, and the last step.

    Validation is flat near its best: the epochs within a tenth of a nat of it can differ in MI by
    half. The chosen step's MI is partly drawn by that noise, so the last step's stands beside it.
    """
    done = group.runs[group.runs["status"] == "done"]
    if not len(done):
        return []
    metrics = [name for name in LAST if known(done, name) and known(done, f"last_{name}")]
    rows = []
    for label, runs in done.groupby("label", sort=False):
        share = float((runs["best_step"] / runs["steps"].astype(float)).mean(skipna=False))
        finite = not math.isnan(share)
        cells = [Cell(f"{100 * share:.0f} %", share, n=len(runs)) if finite else Cell(DASH)]
        for metric in metrics:
            cells += _chosen_and_last(runs, metric)
        rows.append(Row(str(label), tuple(cells), ids=tuple(runs["id"])))
    headings = [MEASURES[metric].title for metric in metrics]
    columns = [f"{heading}, {which}" for heading in headings for which in ("chosen", "last")]
    note = (
        "Test split: the weights that validation chose, and the last ones. Chosen at: the step, as "
        "a share of training, mean over seeds. *: the two means differ by more than one standard "
        "deviation of the chosen one over seeds (n ≥ 3). The last ELBO is of one draw of z a "
        "sentence, the chosen one of the importance draws."
    )
    title, titles = f"{group.title}: chosen and last step", ("chosen at", *columns)
    return [Table("steps", title, (note,), titles, tuple(rows), kind="steps")]


def _chosen_and_last(runs: "pd.DataFrame", metric: str) -> list[Cell]:
    names = (metric, f"last_{metric}")
    if runs[list(names)].isna().any(axis=None):
        return [Cell(DASH), Cell(DASH)]
    chosen, last = (summarise([float(value) for value in runs[name]]) for name in names)
    spread = float(runs[metric].astype(float).std())  # NaN for a single seed
    apart = chosen.n >= LEAST_T and abs(last.mean - chosen.mean) > spread
    cells = []
    for name, summary, mark in zip(names, (chosen, last), ("", " *" * apart), strict=True):
        text = _sign(runs, metric, name) + shown(summary) + mark
        cells.append(Cell(text, summary.mean, half=summary.half, n=summary.n))
    return cells
