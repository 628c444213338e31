"""The KL weight of each row over training, one small panel a row.

From a study's settings, or from its records: there the path of the weight that the run used, never
what today's code would use. Records of before that path was kept have dots for the weights that
were logged at evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.model.annealing import SHAPES, Annealer
from benchmark.model.weight_path import corners
from benchmark.report.figures import runs, style
from benchmark.report.frame import REFERENCES
from benchmark.report.grouping import Group

if TYPE_CHECKING:  # a study's module imports more than a report of records needs
    from matplotlib.figure import Figure

    from benchmark.sweep.study import Study

NAME = "weights"
COLUMNS = (*runs.ROW, "fraction", "weight", "logged")
POINTS = 1_000  # steps of a schedule that is drawn before it is trained
ONCE = {"linear": "monotonic"}  # baselines that are called otherwise than their shape
SHAPE_STEPS = 100  # of the annealing shapes, which no study sets


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    dots = "; dots: as logged at evaluations" if frame["logged"].any() else ""
    return f"KL weight over training, a panel a row{dots}"


def rows(group: Group) -> pd.DataFrame:
    """Return the corners of each row's weight over training, from 0 to 1, or the logged weights.

    A row of its own, without weight, where there is no KL; nothing where no record has a curve.
    """
    known = runs.having(runs.runs(group), "curve")
    table = []
    for run in known.drop_duplicates("label").to_dict("records"):
        curve, path = run["record"]["curve"], run["record"].get("weight_path")
        steps = run["record"].get("steps") or curve[-1]["step"]
        logged = run["latent"] and not path
        points = path or [(point["step"], point["weight"]) for point in curve]
        table += [
            {name: run[name] for name in runs.ROW}
            | {"fraction": step / steps, "weight": weight, "logged": logged}
            for step, weight in (points if run["latent"] else [(math.nan, math.nan)])
        ]
    return runs.frame(table, COLUMNS)


def plot_study(study: Study, folder: Path) -> list[Path]:
    """Draw the weight of every row of a study over training.

    Args:
        study: its rows' first runs are drawn; the weight does not depend on seed or data.
        folder: takes ``schedules_<study>.png`` and ``.pdf``, which are returned.
    """
    first = {run.label: run.config for run in reversed(study.configs)}  # the first of a label stays
    table = []
    for place, label in enumerate(study.labels):
        name, method = first[label].baseline, first[label].method()
        weights = [method.weight(step, POINTS) for step in range(POINTS)]
        row = {"place": place, "label": label, "role": name if name in REFERENCES else "",
               "baseline": name}  # fmt: skip
        points = corners(range(POINTS), weights) if method.latent else [(math.nan, math.nan)]
        table += [row | {"fraction": s / POINTS, "weight": w, "logged": False} for s, w in points]
    return _write(table, folder, f"schedules_{study.name}")


def plot_shapes(folder: Path) -> list[Path]:
    """Draw the shapes of the `Annealer`, once over training above, in four cycles below.

    Returns:
        ``shapes.png`` and ``shapes.pdf`` in the folder.
    """
    table = []
    for place, (cyclical, name) in enumerate(product((False, True), SHAPES)):
        annealer = Annealer(SHAPE_STEPS // (4 if cyclical else 1), name, cyclical=cyclical)
        label = f"{name}, cyclical" if cyclical else name
        row = {"place": place, "label": label, "role": "", "logged": False,
               "baseline": "cyclical" if cyclical else ONCE.get(name, name)}  # fmt: skip
        for step in range(SHAPE_STEPS + 1):
            table.append(row | {"fraction": step / SHAPE_STEPS, "weight": annealer.weight})
            annealer.step()
    return _write(table, folder, "shapes")


def _write(table: Sequence[Mapping[str, Any]], folder: Path, name: str) -> list[Path]:
    with style.settings():
        return style.write(draw(runs.frame(table, COLUMNS)), folder, name)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw one panel a row."""
    shown = style.rows_of(frame)
    columns = min(len(shown), 4 if len(shown) > 6 else 3)
    lines = math.ceil(len(shown) / columns)
    width = style.WIDE if columns > 2 else style.NARROW
    figure, panels = style.grid(lines, columns, width, 0.95 * lines + 0.4, sharex=True, sharey=True)
    flat = [panel for row in panels for panel in row]
    for i, (panel, row) in enumerate(zip(flat, shown, strict=False)):
        points = frame[frame["label"] == row.label]
        panel.set_title(style.printable(row.label, 21))
        panel.tick_params(labelbottom=i + columns >= len(shown))
        if points["weight"].isna().all():
            panel.text(0.5, 0.5, "no latent variable", ha="center", va="center", color="0.4")
        else:
            dots: dict[str, Any] = {"marker": "o", "ms": 2, "ls": ""}
            more = dots if points["logged"].any() else {"lw": 1.5}
            panel.plot(points["fraction"], points["weight"], color=row.look.colour, **more)
    for panel in flat[len(shown) :]:
        panel.set_visible(False)
    flat[0].set(xlim=(0, 1), ylim=(-0.08, 1.12), yticks=[0, 0.5, 1])
    flat[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel("training step (fraction of all steps)")
    figure.supylabel("KL weight (factor)")
    return figure
