"""The KL weight of each row over training, one small panel a row.

From a study's settings, or from its records: there the method's own schedule where it can be had
without torch and gives the weights that the run logged, else dots for the logged weights.
"""

import ast
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError
from benchmark.report.figures import runs, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from benchmark.study import Study

NAME = "weights"
COLUMNS = ("place", "label", "role", "fraction", "weight", "logged")
POINTS = 1_000  # of a curve, before those on a straight line between others are dropped
FLAT = 1e-4  # how far from that line a point may lie
_LIGHT = {"dataclasses", "math", "typing", "benchmark.annealing", "benchmark.baseline"}

Points = list[tuple[float, float]]


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
        points = _corners(baseline.weight, POINTS) if baseline.latent else [(math.nan, math.nan)]
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
    corners = vertices(run.record)
    if corners:
        return [(step, weight, False) for step, weight in corners]
    return [(point["step"], point["weight"], True) for point in run.record["curve"]]


def steps_of(record: runs.Record) -> int:
    """The schedule's last step."""
    return int(record.get("steps") or record["curve"][-1]["step"])


def vertices(record: runs.Record) -> Points:
    """(step, weight): the corners of a run's weight over training; none where it is not known."""
    weight, total = _weight(record["config"]), steps_of(record)
    if weight is None or any(
        not math.isclose(weight(point["step"] - 1, total), point["weight"], abs_tol=1e-6)
        for point in record["curve"]
    ):
        return []
    return _corners(weight, total)


def _weight(config: dict[str, Any]) -> Callable[[float, float], float] | None:
    """The schedule of a baseline of the folder, if its file loads without torch."""
    import baselines

    name = config.get("baseline")
    if config.get("file") is not None or name not in baselines.names():
        return None
    tree = ast.parse((baselines.FOLDER / f"{name}.py").read_bytes())
    named = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    named += [a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names]
    if not set(named) <= _LIGHT:
        return None
    try:
        return baselines.load(name)(**config.get("params", {})).weight
    except (UserError, TypeError, ValueError):  # of another version
        return None


def _corners(weight: Callable[[float, float], float], total: int) -> Points:
    """A curve over all steps by its corners: what lies on a line between others is dropped."""
    number = min(total, POINTS)
    steps = [round(i * (total - 1) / max(number - 1, 1)) for i in range(number)]
    points = [(float(step), float(weight(step, total))) for step in steps]
    kept = points[:1]
    for (x, y), (after, then) in pairwise(points[1:]):
        before, was = kept[-1]
        between = was + (then - was) * (x - before) / (after - before)
        if abs(y - between) > FLAT:
            kept.append((x, y))
    return kept + points[-1:] if len(points) > 1 else kept
