"""The rate-distortion plane: KL against reconstruction, one point a seed.

Schedules compared at one weight compare little but its mean over training; here rows that buy
their KL at the same price lie on one curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
PLACES = np.array([0.9, 0.1, 0.7, 0.3, 0.5])  # along a diagonal, where its value may stand
GREY = "0.75"


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    return f"Rate and distortion, test split, {data} (one point a seed)"


def rows(group: Group) -> pd.DataFrame:
    """Return a row for each run: KL, reconstruction and their sum; of a language model its NLL.

    The truth's row is a code that keeps the class of an exact language and nothing else: rate
    I(x; c), and together the true NLL of the test split's sentences.
    """
    known = runs.runs(group)
    if not known["latent"].any():
        return runs.frame([], COLUMNS)
    table = known[list(COLUMNS)].to_dict("records")
    true = runs.truth(known)
    if true is not None:
        rate, total = true.information, true.nll
        table.append(runs.TRUTH | {"kl": rate, "rec": total - rate, "neg_elbo": total})
    return runs.frame(table, COLUMNS)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw the plane, its diagonals of equal ELBO, and the language model and the truth."""
    points = frame[frame["kl"].notna()]
    shown = style.rows_of(points)
    across, up, notes = _limits(frame)
    handles = [style.handle(row, notes.get(row.label, ""), ls="") for row in shown]
    totals = []
    for role in ("lstm_lm", "truth"):
        of = frame[(frame["role"] == role) & frame["neg_elbo"].notna()]
        for label, total in of.groupby("label", sort=False)["neg_elbo"].mean().items():
            totals.append((total, style.look(0, role)))
            handles.append(style.handle(style.Row(0, f"{label}: NLL {total:.2f}", role)))
    columns, inches = style.legend_size(handles, spare=8)
    beside = len(shown) >= LEGEND
    width, height = (style.WIDE, 4.2) if beside else (style.NARROW, 2.5 + inches)
    figure, ((panel,),) = style.grid(1, 1, width, height)
    panel.set(xlim=across, ylim=up)
    for row in shown:
        look, seeds = style.look(row.place, row.role), points[points["label"] == row.label]
        panel.plot(seeds["kl"], seeds["rec"], ls="", color=look.colour, marker=look.marker, ms=5,
                   mec="white", mew=0.3, zorder=3)  # fmt: skip
    for total, look in totals:
        panel.axline((0, total), slope=-1, color=look.colour, ls=look.line, lw=1, zorder=2)
    handles.append(_diagonals(panel, points, across, up))
    _information(panel, points)
    panel.set(xlim=across, ylim=up)
    panel.set(xlabel=f"rate: KL ({style.NATS})", ylabel=f"distortion: rec ({style.NATS})")
    if beside:
        figure.legend(handles=handles, loc="outside right upper")
    else:
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


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
