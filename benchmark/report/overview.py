"""The main table: one row a label, summarised over seeds, ELBO, KL and MI first."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.core import rules
from benchmark.report import collapse
from benchmark.report.statistics import shown, summarise
from benchmark.report.table import DASH, Cell, Row, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Column:
    """A column's ``title``, the metric it shows, its digits.

    ``only`` on exact languages; ``old``: where a record of an older evaluation has it.
    """

    title: str
    metric: str
    digits: int = 2
    only: bool = False
    old: bool = False


COLUMNS = (
    Column("ELBO", "elbo"),
    Column("KL", "kl"),
    Column("MI", "mi"),
    Column("rec", "rec"),
    Column("IW-NLL", "iw_nll"),
    Column("PPL (ELBO)", "ppl_elbo"),
    Column("PPL (IW)", "ppl_iw"),
    Column("z_use", "z_use"),
    Column("z_use (next)", "z_use_next", old=True),
    Column("AU", "au", 1),
    Column("marginal KL", "marginal_kl"),
    Column("first words", "first_words"),
    Column("BLEU", "bleu"),
    Column("excess", "excess", only=True),
    Column("recovered", "recovered", only=True),
    Column("recovered (mean)", "recovered_mean", only=True),
)
ALIVE = "alive / undecided / collapsed"
HALVES = "alive by MI, by z_use"
_LAST = (
    ALIVE,
    HALVES,
    *(f"at {threshold} nats" for threshold in collapse.OTHER_THRESHOLDS),
    "updates (encoder / decoder)",
    "hours a run",
)


def overview(
    name: str,
    title: str,
    notes: Sequence[str],
    group: "pd.DataFrame",
    better: Collection[str] = (),
) -> Table:
    """A row a label; what has no record is told in a footnote.

    Args:
        name: see `Table`.
        title: see `Table`.
        notes: see `Table`.
        group: of `benchmark.report.frame.frame`.
        better: labels whose IW-NLL is bold.
    """
    exact = _known(group, "excess")
    columns = [
        column
        for column in COLUMNS
        if (exact or not column.only) and (not column.old or _known(group, column.metric))
    ]
    if _known(group, "z_use_next") and not _known(group, "z_use"):  # all are older
        columns = [column for column in columns if column.metric != "z_use"]
    if group["data"].nunique() > 1:  # the first tokens of two codings are not the same words
        columns = [column for column in columns if column.metric != "first_words"]
    rows: list[Row] = []
    footnotes: list[str] = []
    for label, runs in group.groupby("label", sort=False):
        done = runs[runs["status"] == "done"]
        mark = None
        if len(done) < len(runs):
            lack = f"{_lacking(runs)}."
            footnotes += [lack] if lack not in footnotes else []
            mark = footnotes.index(lack) + 1
        cells = [_cell(done, column, str(label) in better) for column in columns]
        rows.append(Row(str(label), (*cells, *_ends(done)), mark, tuple(runs["id"])))
    titles = (*(column.title for column in columns), *_LAST)
    return Table(name, title, tuple(notes), titles, tuple(rows), tuple(footnotes))


def _known(group: "pd.DataFrame", metric: str) -> bool:
    """Whether some run has a figure."""
    return metric in group and bool(group[metric].notna().any())


def _cell(done: "pd.DataFrame", column: Column, better: bool) -> Cell:
    """Summary of a metric, with its bound's sign; a dash unless every run has it.

    A single run's figure comes with its own standard error where its record has one.
    """
    if not len(done) or column.metric not in done or done[column.metric].isna().any():
        return Cell(DASH)
    if column.metric == "marginal_kl" and (
        bound(done, "mi") or (done["baseline"] == "autoencoder").any()
    ):
        return Cell(DASH)
    sign = f"{rules.SIGNS[bound(done, column.metric)]} ".lstrip()
    found = summarise([float(value) for value in done[column.metric]])
    name = f"{column.metric}_se"
    errors = [float(e) for e in done[name].dropna()] if name in done else []
    single = len(done) == len(errors) == 1
    end = f" (SE {errors[0]:.{column.digits}f})" if single else ""
    text = sign + shown(found, column.digits) + end
    bold = better and column.metric == "iw_nll"
    return Cell(text, found.mean, bold, found.half, found.n)


def bound(done: "pd.DataFrame", metric: str) -> int:
    """1 where a metric bounds the truth from below for some run, -1 where from above, else 0."""
    if metric not in ("mi", *rules.UPPER):
        return 0
    few = done[[name for name in ("mi", "mi_cap", "iw_upper_bound") if name in done]]
    return next(filter(None, (rules.bound(run, metric) for run in few.to_dict("records"))), 0)


def _ends(done: "pd.DataFrame") -> list[Cell]:
    """States of the latent, updates and hours."""
    n = len(done)
    if not n:
        return [Cell(DASH)] * len(_LAST)
    others = [f"state_{threshold}" for threshold in collapse.OTHER_THRESHOLDS]
    halves = [done[f"{half}_state"] for half in collapse.HALVES]
    unknown = _mixed(done) or any(half.isna().any() for half in halves)
    alive = ", ".join(str(int((half == "alive").sum())) for half in halves)
    updates = [float(done[name].mean()) for name in ("encoder", "decoder")]
    hours = float(done["seconds"].mean()) / 3600
    return [
        _states(done, "state"),
        Cell(DASH if unknown else alive, n=n),
        *(_states(done, name) for name in others),
        Cell(" / ".join(f"{number:,.0f}" for number in updates), math.fsum(updates), n=n),
        Cell(f"{hours:.3f}" if hours >= 5e-4 else "< 0.001", hours, n=n),
    ]


def _mixed(done: "pd.DataFrame") -> bool:
    """Whether the runs' states rest on two kinds of z_use, which are not to be added up."""
    return _known(done, "z_use") and _known(done, "z_use_next")


def states(done: "pd.DataFrame", name: str = "state") -> tuple[int, int, int] | None:
    """How many seeds are alive, undecided and collapsed; None where that is not known."""
    if done[name].isna().any() or _mixed(done):
        return None
    alive, undecided, collapsed = (int((done[name] == one).sum()) for one in collapse.STATES)
    return alive, undecided, collapsed


def _states(done: "pd.DataFrame", name: str) -> Cell:
    """How many seeds are in each state; the number alive sorts."""
    counts = states(done, name)
    if counts is None:
        return Cell(DASH, n=len(done))
    return Cell(" / ".join(map(str, counts)), counts[0], n=len(done))


def _lacking(runs: "pd.DataFrame") -> str:
    """How many runs have no record, and why; in few words, so that rows can share it."""
    absent = runs[runs["status"] != "done"]
    counts = ", ".join(f"{n} {status}" for status, n in absent["status"].value_counts().items())
    errors = [str(e) for e in absent["error"].dropna().unique()]
    return f"{len(absent)} of {len(runs)} runs without a record ({counts})" + "".join(
        f"; {error}" for error in errors
    )
