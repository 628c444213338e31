"""A study in one picture: is the KL kept over training, and what does the bound pay for it?

KL and validation ELBO of the plain VAE and of the schedules of its KL weight, side by side, wide
and low, with names at the ends of the lines. A study has it if its records are of one table (one
data set and precision) and hold a row of the plain VAE and one of a schedule.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.report.figures import learning, looks, runs, style
from benchmark.report.frame import REFERENCES
from benchmark.report.grouping import Group
from benchmark.report.statistics import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "story"
AXES = {
    "kl": f"KL: what the latent variable carries\n({style.NATS})",
    "elbo": f"validation ELBO, higher is better\n({style.NATS})",
}
COLUMNS = (*runs.ROW, "seed", "step", *AXES, "weight")
TITLES = {"none": "no annealing", "lstm_lm": "language model"}  # of rows, for all readers
TRUE = {"kl": "I(x; c)", "elbo": "truth"}
HEIGHT = 2.1  # inches
PANEL = 1.25  # inches of it that a panel has, about


def title(study: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    seeds = frame.groupby("label")["seed"].nunique()
    counts = ", ".join(f"`{label}` {n}" for label, n in seeds.items() if n)
    true = "; true entropy: the language's, not of these sentences"
    more = true * bool(frame["role"].eq("truth").any())
    return f"KL and ELBO over training, validation split, {study} (mean over seeds: {counts}{more})"


def rows(groups: Sequence[Group]) -> pd.DataFrame:
    """Return a row for each seed and evaluation of the rows shown, and the truth.

    They are those of the references, and of the family of schedules, as far as records hold them.
    A study of several tables, or without such rows, has no numbers.
    """
    if len(groups) != 1:
        return runs.frame([], COLUMNS)
    curves = learning.rows(groups[0])
    family = {row.label: row.family for row in style.rows_of(curves)}
    schedule = curves["label"].map(family).eq("schedules")
    if "none" not in set(curves["role"]) or not schedule.any():
        return runs.frame([], COLUMNS)
    shown = curves[schedule | curves["role"].isin((*REFERENCES, "truth"))]
    return shown[list(COLUMNS)].reset_index(drop=True)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw KL on the left and ELBO on the right."""
    figure, ((*panels,),) = style.grid(1, 2, style.WIDE, HEIGHT)
    lowest, _ = learning.lowest(frame)
    true = frame[frame["role"] == "truth"]
    for panel, metric in zip(panels, AXES, strict=True):
        points = frame[frame[metric].notna() & (frame["role"] != "truth")]
        ends = []
        for row in style.rows_of(points):
            points_of_row = points[(points["label"] == row.label) & points["seed"].notna()]
            style.curves(panel, points_of_row, "step", metric, row)
            end = points_of_row.sort_values("step").groupby("seed")[metric].last().mean()
            ends.append((TITLES.get(row.label, row.label), end, row.look.colour))
        for value in true[metric].dropna():
            panel.axhline(value, color="black", ls=looks.TRUTH.line, lw=0.8, zorder=0)
            ends.append((TRUE[metric], value, looks.TRUTH.colour))
        symlog = metric == "kl" and points[metric].max() > learning.LOGARITHMIC
        learning.scale(panel, metric, frame[metric].dropna(), lowest, symlog)
        panel.set_xlim(0, points["step"].max())
        name = AXES[metric]
        panel.set_title(name.replace(")", f"{learning.SYMLOG})") if symlog else name)
        panel.locator_params(axis="x", nbins=4)
        panel.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
        _ends(panel, ends)
    shaded = _shade(panels, frame)
    figure.supxlabel(f"training step (count){shaded}")
    return figure


def _shade(panels: Sequence[Axes], frame: pd.DataFrame) -> str:
    """Shade where the KL weight of the row that lowers it again is below 1, and tell which it is.

    Where records lack the weight's corners, those that were logged at evaluations stand for them.
    Several such rows would shade everything: then nothing is shaded.
    """
    falling = {}
    for label, of in frame[frame["weight"].notna()].groupby("label", sort=False):
        corners = of[of["seed"].isna()]
        path = corners if len(corners) else of[of["seed"] == of["seed"].min()]
        points = path[["step", "weight"]].astype(float).to_numpy().tolist()
        if any(after[1] < before[1] for before, after in itertools.pairwise(points)):
            falling[label] = points
    if len(falling) != 1:
        return ""
    ((label, points),) = falling.items()
    for (start, before), (end, after) in itertools.pairwise([[0.0, points[0][1]], *points]):
        for panel in panels if min(before, after) < 1 else ():
            panel.axvspan(start, end, color="0.93", lw=0, zorder=-1)
    return f"; shaded: KL weight of {label} below 1"


def _ends(panel: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Name each line at its end with its last value, one name above the other."""

    def height(value: float) -> float:
        place = panel.transLimits.transform(panel.transScale.transform((1, value)))
        return float(place[1])

    at = sorted((height(value), name, value, colour) for name, value, colour in ends)
    at = [one for one in at if 0 <= one[0] <= 1]
    # Pushed up where they would overlap, and pushed down: between the two they have room as well.
    line = 1.1 * style.LINE / PANEL
    up = list(itertools.accumulate((one[0] for one in at), lambda a, b: max(a + line, b)))
    down = list(itertools.accumulate((-one[0] for one in at[::-1]), lambda a, b: max(a + line, b)))
    for i, (end, name, value, colour) in enumerate(at):
        place = max((up[i] - down[-1 - i]) / 2, 0.03 + line * i)
        place = min(place, 1 - line * (len(at) - 1 - i))
        panel.annotate(
            f"{name} {number(value, 1)}", (1, end), xycoords="axes fraction",
            xytext=(1.06, place), textcoords="axes fraction", va="center",
            color=colour, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": colour, "shrinkA": 0, "shrinkB": 1,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
