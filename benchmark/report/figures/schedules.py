"""The KL weight of each row over training, one small panel a row.

From a study's settings, or from its records: there the path of the weight that the run used, never
what today's code would use. Records of before that path was kept have dots for the weights that
were logged at evaluations.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.model.polyline import corners
from benchmark.report.figures import runs, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from benchmark.sweep.study import Study

NAME = "weights"
COLUMNS = ("place", "label", "role", "fraction", "weight", "logged")
POINTS = 1_000  # steps of a schedule that is drawn before it is trained


def title(data: str, frame: "pd.DataFrame") -> str:
    """What the figure shows."""
    dots = "; dots: as logged at evaluations" if frame["logged"].any() else ""
    return f"KL weight over training, a panel a row{dots}"


def rows(lines: Sequence[runs.Record]) -> "pd.DataFrame":
    """Corners of each row's weight over training, from 0 to 1, or the ``logged`` weights; one row
    without weight where there is no KL.

    Columns: `COLUMNS`. Empty where no record has a curve.
    """
    found: list[runs.Row] = []
    drawn = set()
    for run in runs.runs(lines):
        if run.label in drawn or not run.record.get("curve"):
            continue
        drawn.add(run.label)
        found += [
            run.row() | {"fraction": step / steps_of(run.record), "weight": w, "logged": logged}
            for step, w, logged in _points(run)
        ]
    return runs.frame(found, COLUMNS)


def plot_study(study: "Study", folder: Path) -> list[Path]:
    """Draw the weight of every row of a study over training.

    Args:
        study: its rows' first runs are drawn; the weight does not depend on seed or data.
        folder: takes ``schedules_<study>.png`` and ``.pdf``.

    Returns:
        The two files written.

    Raises:
        UserError: the folder cannot be written.
    """
    first = {run.label: run for run in reversed(study.configs)}  # the first of a label stays
    found: list[runs.Row] = []
    for place, label in enumerate(study.labels):
        baseline = first[label].config.method()
        weights = [baseline.weight(step, POINTS) for step in range(POINTS)]
        points = corners(range(POINTS), weights) if baseline.latent else [(math.nan, math.nan)]
        name = first[label].config.baseline
        row = {"place": place, "label": label, "role": name if name in runs.REFERENCES else ""}
        found += [
            row | {"fraction": step / POINTS, "weight": w, "logged": False} for step, w in points
        ]
    with style.settings():
        figure = draw(runs.frame(found, COLUMNS))
        return style.write(figure, folder, f"schedules_{study.name}")


def draw(frame: "pd.DataFrame") -> "Figure":
    """One panel a row."""
    shown = style.rows_of(frame)
    columns = min(len(shown), 5 if len(shown) > 9 else 4 if len(shown) > 6 else 3)
    height = math.ceil(len(shown) / columns)
    wide = style.WIDE if columns > 2 else style.NARROW
    figure, panels = style.grid(
        height, columns, wide, 0.95 * height + 0.4, sharex=True, sharey=True
    )
    flat = [panel for row in panels for panel in row]
    for i, (panel, (place, label, role)) in enumerate(zip(flat, shown, strict=False)):
        points = frame[frame["label"] == label]
        panel.set_title(style.printable(label, 22), pad=3)
        panel.tick_params(labelbottom=i + columns >= len(shown))
        if points["weight"].isna().all():
            panel.text(0.5, 0.5, "no latent variable", ha="center", va="center", color="0.4")
        else:
            line: dict[str, Any] = {"color": style.look(place, role).colour}
            line |= {"marker": "o", "ms": 2, "lw": 0.5} if points["logged"].any() else {"lw": 1.5}
            panel.plot(points["fraction"], points["weight"], **line)
    for panel in flat[len(shown) :]:
        panel.set_visible(False)
    flat[0].set(xlim=(0, 1), ylim=(-0.08, 1.12), yticks=[0, 0.5, 1])
    flat[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel("training step (fraction of all steps)")
    figure.supylabel("KL weight (factor)")
    return figure


def _points(run: runs.Run) -> list[tuple[float, float, bool]]:
    """(step, weight, whether it was only logged) of a run; without weight where there is no KL."""
    if not run.latent:
        return [(math.nan, math.nan, False)]
    if run.record.get("weight_path"):
        return [(step, weight, False) for step, weight in run.record["weight_path"]]
    return [(point["step"], point["weight"], True) for point in run.record["curve"]]


def steps_of(record: runs.Record) -> int:
    """The schedule's last step."""
    return int(record.get("steps") or record["curve"][-1]["step"])
