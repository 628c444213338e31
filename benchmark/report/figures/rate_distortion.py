"""The rate-distortion plane: KL against reconstruction, one point a seed.

Schedules compared at one weight compare little but its mean over training; here rows that buy
their KL at the same price lie on one curve. Rows that sweep a hyper-parameter are drawn as such a
curve, with the look of the first of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from benchmark.report.figures import labels, looks, runs, style
from benchmark.report.grouping import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

Span = tuple[float, float]

NAME = "rate-distortion"
COLUMNS = (*runs.ROW, "seed", "kl", "rec", "neg_elbo")
LEAST = 1.0  # nats that an axis shows at least: collapsed rows are not to look spread
FEW, SHORT = 5, 18  # names, and their letters, for which half a page has room
DIAGONALS = 8
PLACES = np.array([0.85, 0.15, 0.7, 0.3, 0.5])  # along a diagonal, where its value may stand
GREY = "0.75"


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    lines = "; a line joins the means of a sweep's rows" if "sweep" in frame else ""
    return f"Rate and distortion, test split, {data} (one point a seed{lines})"


def rows(group: Group) -> pd.DataFrame:
    """Return a row for each run: KL, reconstruction and their sum; of a language model its NLL.

    The truth's row is a code that keeps the class of an exact language and nothing else: rate
    I(x; c), and together the true NLL of the test split's sentences. Where rows sweep a
    hyper-parameter, `runs.SWEEP` tells of which method, of which one, and its value.
    """
    known = runs.runs(group)
    if not known["latent"].any():
        return runs.frame([], COLUMNS)
    table = known[list(COLUMNS)].to_dict("records")
    true = runs.truth(known)
    if true is not None:
        rate, total = true.information, true.nll
        table.append(runs.TRUTH | {"kl": rate, "rec": total - rate, "neg_elbo": total})
    if not (sweeps := runs.sweeps(known[known["latent"]])):
        return runs.frame(table, COLUMNS)
    table = [row | sweeps.get(row["label"], {}) for row in table]
    return runs.frame(table, (*COLUMNS, *runs.SWEEP))


def draw(frame: pd.DataFrame) -> Figure:
    """Draw the plane with a name at each row, its diagonals of equal ELBO, and the references.

    Where rows are a sweep, a second panel shows the negative ELBO against KL: in the plane it is
    hard to see which of two curves costs less at one rate.
    """
    from matplotlib.lines import Line2D

    points = frame[frame["kl"].notna()]
    across, up, outside = _limits(frame)
    shown = _shown(points)
    totals, handles = [], []
    for role in ("lstm_lm", "truth"):
        of = frame[(frame["role"] == role) & frame["neg_elbo"].notna()]
        for label, total in of.groupby("label", sort=False)["neg_elbo"].mean().items():
            row = style.Row(0, f"{label}: NLL {total:.2f}", role, role)
            totals.append((total, row.look))
            handles.append(style.handle(row, marker=""))
    handles.append(Line2D([], [], color=GREY, lw=0.8, label="equal ELBO (nats)"))
    handles += [style.handle(row, note, ls="") for row, note in outside]
    swept = "sweep" in frame
    names = [row.label for row in style.rows_of(points)]
    wide = swept or len(names) > FEW or max(map(len, names)) > SHORT
    width, height = (style.WIDE, 3.6) if wide else (style.NARROW, 2.4)
    columns, inches = style.legend_size(handles, width)
    figure, panels = style.grid(
        1 + swept, 1, width, (1.65 if swept else 1.0) * height + inches, sharex=True,
        height_ratios=[1.4, 1] if swept else [1],
    )  # fmt: skip
    first, last = panels[0][0], panels[-1][0]
    first.set(xlim=across, ylim=up, ylabel=f"distortion: rec\n({style.NATS})")
    for total, look in totals:
        first.axline((0, total), slope=-1, color=look.colour, ls=look.line, lw=1, zorder=2)
    _diagonals(first, points, across, up)
    _runs(first, shown, "rec")
    _information(first, points)
    if swept:
        near = style.limits(list(style.without_ends(frame)["neg_elbo"]), LEAST / 2)
        last.set(ylim=near, ylabel=f"−ELBO = rec + KL, lower is better\n({style.NATS})")
        for total, look in totals:
            last.axhline(total, color=look.colour, ls=look.line, lw=1, zorder=2)
        _runs(last, shown, "neg_elbo")
        _information(last, points)
    first.set(xlim=across, ylim=up)
    last.set_xlabel(f"rate: KL ({style.NATS})")
    figure.align_ylabels()
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    figure.draw_without_rendering()  # only then it is known how much room there is
    kl = np.linspace(*across, 100)
    lines = [np.column_stack([kl, total - kl]) for total, _ in totals]
    left_out = _names(first, shown, "rec", lines)
    if swept:
        lines = [np.column_stack([kl, np.full_like(kl, total)]) for total, _ in totals]
        left_out += _names(last, shown, "neg_elbo", lines)
    if left_out:
        last.set_xlabel(f"{last.get_xlabel()}\n(no room for: {', '.join(left_out)})")
    return figure


class _Shown(NamedTuple):
    """A row of the study, or all rows of a sweep, then with the name of its method.

    ``means`` are those of its rows, in the order of their KL, with their setting if any.
    """

    row: style.Row
    parameter: str
    seeds: pd.DataFrame
    means: pd.DataFrame


def _shown(points: pd.DataFrame) -> list[_Shown]:
    """Return what is drawn, in the study's order."""
    points = points.reindex(columns=[*COLUMNS, *runs.SWEEP])
    entries: list[_Shown] = []
    drawn: set[str] = set()
    for row in style.rows_of(points):
        seeds = points[points["label"] == row.label]
        name, parameter = seeds.iloc[0][["sweep", "parameter"]]
        if pd.isna(name):
            name, parameter = row.label, ""
        elif name in drawn:
            continue
        else:
            drawn.add(name)
            seeds = points[points["sweep"] == name]
        means = seeds.groupby("label")[["kl", "rec", "neg_elbo", "setting"]].mean()
        entries.append(_Shown(row._replace(label=name), parameter, seeds, means.sort_values("kl")))
    return entries


def _runs(panel: Axes, shown: Sequence[_Shown], y: str) -> None:
    """Draw each run as a point of ``y`` over KL, and a line through the means of a sweep's rows."""
    for one in shown:
        for row in style.rows_of(one.seeds):
            seeds = one.seeds[one.seeds["label"] == row.label]
            given = style.marks(row.look, 5)
            if row.look.fill == "full":
                given |= {"mec": "white", "mew": 0.3}
            panel.plot(seeds["kl"], seeds[y], ls="", zorder=3, **given)
        if len(one.means) > 1:
            panel.plot(one.means["kl"], one.means[y], color=one.row.look.colour, lw=0.8, zorder=2.5)


def _names(
    panel: Axes, shown: Sequence[_Shown], y: str, lines: Sequence[NDArray[np.float64]]
) -> list[str]:
    """Name each row beside the mean of its seeds, of a sweep the rows at both ends.

    Points of ``lines`` are kept clear too.

    Returns:
        What there was no room for.
    """
    names: list[labels.Label] = []
    points = []
    paths = [point for line in lines for point in line.tolist()]
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    for one in shown:
        points += one.seeds[["kl", y]].astype(float).to_numpy().tolist()
        ends = one.means[[y, "kl", "setting"]].astype(float).to_numpy().tolist()
        for (low, start, _), (high, end, _) in itertools.pairwise(ends):  # no text on a line either
            paths += np.linspace((start, low), (end, high), 30).tolist()
        texts = [one.row.label]
        if len(ends) > 1:
            ends = [ends[0], ends[-1]]
            name = one.row.label
            name += f", {one.parameter}" if one.parameter != name else ""
            texts = [f"{ends[0][2]:g}", f"{name} {ends[1][2]:g}"]
        for text, (value, kl, _) in zip(texts, ends, strict=True):
            if left <= kl <= right and bottom <= value <= top:
                names.append(labels.Label(" ".join(text.split()), kl, value, one.row.look.colour))
    return labels.place(panel, names, np.array(points), np.array(paths))


def _limits(frame: pd.DataFrame) -> tuple[Span, Span, list[tuple[style.Row, str]]]:
    """Return axis limits for all runs, the language model and the truth, and what lies outside.

    End points far outside are clipped, and their means are in the legend.
    """
    points = frame[frame["kl"].notna() & (frame["role"] != "truth")]
    kept = style.without_ends(points)
    totals = frame[frame["role"].isin(("lstm_lm", "truth"))]["neg_elbo"]
    right = max(LEAST, float(kept["kl"].max()))
    across, up = (-0.04 * right, 1.06 * right), style.limits([*kept["rec"], *totals], LEAST)
    outside = points[~points["kl"].between(*across) | ~points["rec"].between(*up)]
    means = outside.groupby("label")[["kl", "rec"]].mean()
    clipped = []
    for row in style.rows_of(outside):
        rate, distortion = means.loc[row.label]
        clipped.append((row, f"KL {rate:.1f}, rec {distortion:.1f}"))
    return across, up, clipped


def _diagonals(panel: Axes, points: pd.DataFrame, across: Span, up: Span) -> None:
    """Draw lines of equal ELBO, each with its value where there is room."""
    from matplotlib.ticker import MaxNLocator

    (left, right), (bottom, top) = across, up
    totals = MaxNLocator(DIAGONALS, steps=[1, 2, 5, 10]).tick_values(left + bottom, right + top)
    digits = 0 if float(totals[1] - totals[0]) >= 1 else 1
    for total in totals:
        low, high = max(left, total - top), min(right, total - bottom)
        if high - low < 0.12 * (right - left):
            continue  # no more than a corner
        panel.axline((0, total), slope=-1, color=GREY, lw=0.5, zorder=0)
        # The first place that no run is near, else the one whose nearest run is farthest.
        x = low + PLACES[:, None] * (high - low)
        aside = (points["kl"].to_numpy() - x) / (right - left)
        above = (points["rec"].to_numpy() - (total - x)) / (top - bottom)
        best = float(x[np.minimum(0.1, np.hypot(aside, above).min(axis=1)).argmax(), 0])
        panel.text(best, total - best, f"{-total:.{digits}f}".replace("-", "−"),
                   color="0.45", rotation=-45, rotation_mode="anchor", transform_rotates_text=True,
                   ha="center", va="center", bbox=style.PLAIN, zorder=1)  # fmt: skip


def _information(panel: Axes, points: pd.DataFrame) -> None:
    """Draw the rate that would suffice for the class of an exact language."""
    for rate in points[points["role"] == "truth"]["kl"]:
        if rate < panel.get_xlim()[1]:
            panel.axvline(rate, color="black", ls=looks.TRUTH.line, lw=0.6, zorder=0)
            panel.annotate(
                "I(x; c)", (rate, 1), xycoords=("data", "axes fraction"), ha="left", va="top",
                xytext=(2, 0), textcoords="offset points",
            )  # fmt: skip
