"""The rate-distortion plane: KL against reconstruction, one point a seed.

Schedules compared at one weight compare little but its mean over training; here rows that buy
their KL at the same price lie on one curve. Rows that sweep a hyper-parameter are drawn as such a
curve, with the look of the first of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from benchmark.report.figures import runs, style
from benchmark.report.grouping import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Span = tuple[float, float]

NAME = "rate-distortion"
COLUMNS = (*runs.ROW, "seed", "kl", "rec", "neg_elbo")
LEAST = 1.0  # nats that an axis shows at least: collapsed rows are not to look spread
LEGEND = 10  # rows from which on the legend stands beside, on a page's width
DIAGONALS = 8
# Where the setting at an end of a sweep may stand beside its point: right and up of it, and so on.
ASIDE = ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1))
HORIZONTAL = {-1: "right", 0: "center", 1: "left"}  # alignment of a text to that side
VERTICAL = {-1: "top", 0: "center", 1: "bottom"}
PLACES = np.array([0.9, 0.1, 0.7, 0.3, 0.5])  # along a diagonal, where its value may stand
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
    """Draw the plane, its diagonals of equal ELBO, and the language model and the truth.

    Where rows are a sweep, a second panel shows the negative ELBO against KL: in the plane it is
    hard to see which of two curves costs less at one rate.
    """
    points = frame[frame["kl"].notna()]
    across, up, notes = _limits(frame)
    shown = _shown(points, notes)
    handles = [one.handle for one in shown]
    totals = []
    for role in ("lstm_lm", "truth"):
        of = frame[(frame["role"] == role) & frame["neg_elbo"].notna()]
        for label, total in of.groupby("label", sort=False)["neg_elbo"].mean().items():
            totals.append((total, style.look(0, role)))
            handles.append(style.handle(style.Row(0, f"{label}: NLL {total:.2f}", role)))
    columns, inches = style.legend_size(handles, spare=8)
    beside, swept = len(shown) >= LEGEND, "sweep" in frame
    width, height = (style.WIDE, 4.2) if beside else (style.NARROW, 2.5 + inches)
    more = {"sharex": True, "height_ratios": [1.4, 1]} if swept else {}
    height += swept * (2.5 if beside else 1.8)
    figure, panels = style.grid(1 + swept, 1, width, height, **more)
    first, last = panels[0][0], panels[-1][0]
    first.set(xlim=across, ylim=up, ylabel=f"distortion: rec ({style.NATS})")
    for total, look in totals:
        first.axline((0, total), slope=-1, color=look.colour, ls=look.line, lw=1, zorder=2)
    handles.append(_diagonals(first, points, across, up))
    _runs(first, shown, "rec")
    _information(first, points)
    if swept:
        near = style.limits(list(style.without_ends(frame)["neg_elbo"]), LEAST / 2)
        last.set(ylim=near, ylabel=f"−ELBO = rec + KL\n({style.NATS})")
        for total, look in totals:
            last.axhline(total, color=look.colour, ls=look.line, lw=1, zorder=2)
        _runs(last, shown, "neg_elbo")
        _information(last, points)
    first.set(xlim=across, ylim=up)
    last.set_xlabel(f"rate: KL ({style.NATS})")
    figure.align_ylabels()
    if beside:
        figure.legend(handles=handles, loc="outside right upper")
    else:
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    if swept:
        figure.draw_without_rendering()  # only then it is known how much room there is
        _settings(first, shown, "rec")
        _settings(last, shown, "neg_elbo")
    return figure


class _Shown(NamedTuple):
    """What has one look: a row of the study, or all rows of a sweep.

    ``means`` are those of a sweep's rows, in the order of their KL, with their setting.
    """

    look: style.Look
    handle: Line2D
    seeds: pd.DataFrame
    means: pd.DataFrame


def _shown(points: pd.DataFrame, notes: Mapping[str, str]) -> list[_Shown]:
    """Return what is drawn in the study's order; ``notes`` say which labels lie outside."""
    points = points.reindex(columns=[*COLUMNS, *runs.SWEEP])
    found: list[_Shown] = []
    drawn: set[str] = set()
    for row in style.rows_of(points):
        seeds = points[points["label"] == row.label]
        name, parameter = seeds.iloc[0][["sweep", "parameter"]]
        if pd.isna(name):
            handle = style.handle(row, notes.get(row.label, ""), ls="")
            found.append(_Shown(style.look(row.place, row.role), handle, seeds, seeds[:0]))
        elif name not in drawn:
            drawn.add(name)
            seeds = points[points["sweep"] == name]
            means = seeds.groupby("label")[["kl", "rec", "neg_elbo", "setting"]].mean()
            means = means.sort_values("kl")
            note = f"{len(means)} values of {parameter}"
            note += "".join(f"\n{label}: {notes[label]}" for label in means.index if label in notes)
            handle = style.handle(row._replace(label=name), note, ls="-", lw=0.8)
            found.append(_Shown(style.look(row.place, row.role), handle, seeds, means))
    return found


def _runs(panel: Axes, shown: Sequence[_Shown], y: str) -> None:
    """Draw each run as a point of ``y`` over KL, and a line through the means of a sweep's rows."""
    for one in shown:
        panel.plot(one.seeds["kl"], one.seeds[y], ls="", color=one.look.colour,
                   marker=one.look.marker, ms=5, mec="white", mew=0.3, zorder=3)  # fmt: skip
        if len(one.means):
            panel.plot(one.means["kl"], one.means[y], color=one.look.colour, lw=0.8, zorder=2.5)


def _settings(panel: Axes, shown: Sequence[_Shown], y: str) -> None:
    """Write the settings at both ends of each sweep, where there is room beside the point."""
    pixels = panel.transData.transform
    points = [pixels(one.seeds[["kl", y]].to_numpy(float)) for one in shown]
    for one in shown:  # no text on a line either
        corners = pixels(one.means[["kl", y]].to_numpy(float))
        points += [np.linspace(start, end, 30) for start, end in itertools.pairwise(corners)]
    taken = [text.get_window_extent() for text in panel.texts]
    for one in shown:
        for mean in one.means.iloc[[0, -1]].to_dict("records") if len(one.means) else []:
            for right, up in ASIDE:
                text = panel.annotate(
                    f"{mean['setting']:g}", (mean["kl"], mean[y]), xytext=(6 * right, 6 * up),
                    textcoords="offset points", ha=HORIZONTAL[right], va=VERTICAL[up], fontsize=6,
                    color=one.look.colour, bbox=style.PLAIN, zorder=4,
                )  # fmt: skip
                box = text.get_window_extent()
                near = box.padded(0.25 * box.height)  # half a marker
                within = panel.bbox.contains(*box.min) and panel.bbox.contains(*box.max)
                full = near.count_overlaps(taken) or any(map(near.count_contains, points))
                if within and not full:
                    taken.append(box)
                    break
                text.remove()


def _limits(frame: pd.DataFrame) -> tuple[Span, Span, dict[str, str]]:
    """Return axis limits for all runs, the language model and the truth, and what lies outside.

    End points far outside are clipped, and their means are in the legend.
    """
    points = frame[frame["kl"].notna() & (frame["role"] != "truth")]
    kept = style.without_ends(points)
    totals = frame[frame["role"].isin(("lstm_lm", "truth"))]["neg_elbo"]
    right = max(LEAST, float(kept["kl"].max()))
    across, up = (-0.04 * right, 1.06 * right), style.limits([*kept["rec"], *totals], LEAST)
    outside = points[~points["kl"].between(*across) | ~points["rec"].between(*up)]
    means = outside.groupby("label")[["kl", "rec"]].mean().iterrows()
    return across, up, {str(of): f"KL {at['kl']:.1f}, rec {at['rec']:.1f}" for of, at in means}


def _diagonals(panel: Axes, points: pd.DataFrame, across: Span, up: Span) -> Line2D:
    """Draw lines of equal ELBO, each with its value where there is room; return their entry."""
    from matplotlib.lines import Line2D
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
        panel.text(best, total - best, f"{-total:.{digits}f}".replace("-", "−"), fontsize=6,
                   color="0.45", rotation=-45, rotation_mode="anchor", transform_rotates_text=True,
                   ha="center", va="center", bbox=style.PLAIN, zorder=1)  # fmt: skip
    return Line2D([], [], color=GREY, lw=0.8, label="equal ELBO (nats)")


def _information(panel: Axes, points: pd.DataFrame) -> None:
    """Draw the rate that would suffice for the class of an exact language."""
    for rate in points[points["role"] == "truth"]["kl"]:
        if rate < panel.get_xlim()[1]:
            panel.axvline(rate, color="black", ls=style.look(0, "truth").line, lw=0.6, zorder=0)
            panel.annotate(
                "I(x; c)", (rate, 1), xycoords=("data", "axes fraction"), ha="left", va="top",
                xytext=(2, 0), textcoords="offset points", fontsize=6,
            )  # fmt: skip
