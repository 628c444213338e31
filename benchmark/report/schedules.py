"""Pictures of the KL weight over training: the Annealer's four figures, and a study's rows."""

import io
import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.annealing import SHAPES, Annealer
from benchmark.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.study import Labelled, Study

STEPS = 100  # length of the four figures' training, in steps
POINTS = 1_000  # of a study's curve
OFF, ON = 30, 70  # the steps at which the fourth figure switches cycling
WEIGHT = "KL weight"


def plot_schedules(folder: Path) -> list[Path]:
    """Draw the four figures that document the Annealer, each as PNG and PDF.

    An example of annealing; the shapes; the shapes when cyclical; cycling switched off at step 30
    and on again at step 70.

    Returns:
        The files written, figure by figure.

    Raises:
        UserError: the folder cannot be written.
    """
    drawn = {
        "annealing_example": _example(),
        "shapes": _shapes(),
        "cyclical_shapes": _cyclical_shapes(),
        "cyclical_switched": _switched(),
    }
    return [path for name, figure in drawn.items() for path in _save(figure, folder, name)]


def plot_study(study: "Study", folder: Path) -> list[Path]:
    """Draw the weight of every row of a study over training, one small panel a row.

    Args:
        study: its rows' first runs are drawn; the weight does not depend on seed or data.
        folder: takes ``schedules_<study>.png`` and ``.pdf``.

    Returns:
        The two files written.

    Raises:
        UserError: the folder cannot be written.
    """
    rows = {run.label: run for run in reversed(study.configs)}  # the first of a label stays
    columns = min(len(study.labels), 4 if len(study.labels) > 6 else 3)
    height = math.ceil(len(study.labels) / columns)
    figure, panels = _grid(height, columns, width=2.3 * columns + 0.6, height=1.75 * height + 0.5)
    for panel, label in zip(panels, study.labels, strict=False):
        _row(panel, rows[label])
    for panel in panels[len(study.labels) :]:
        panel.set_visible(False)
    for i, panel in enumerate(panels[: len(study.labels)]):
        panel.tick_params(labelbottom=i + columns >= len(study.labels))
    figure.supxlabel("training step (fraction of all steps)")
    figure.supylabel(f"{WEIGHT} (factor, no unit)")
    return _save(figure, folder, f"schedules_{study.name}")


def _row(panel: "Axes", run: "Labelled") -> None:
    """One row of a study: its curve, or a word that it has none."""
    baseline = run.config.method()
    panel.set_title(textwrap.fill(run.label, 22, break_long_words=False), loc="left", size=9)
    panel.set(xlim=(0, 1), ylim=(-0.08, 1.12), yticks=[0, 0.5, 1])
    panel.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    if not baseline.latent:
        panel.text(0.5, 0.5, "no latent variable,\nno KL", ha="center", va="center", color="0.4")
        return
    weights = [baseline.weight(step, POINTS) for step in range(POINTS)]
    panel.plot([step / POINTS for step in range(POINTS)], weights, color=_colours()[0], lw=1.8)


def _example() -> "Figure":
    figure, (axes,) = _grid(1, 1, width=5, height=3)
    _curve(axes, Annealer(40, "cosine"), _colours()[0])
    axes.axvline(40, color="0.5", lw=1, ls=":")
    axes.text(42, 0.08, "total_steps = 40:\nfull weight from here on", color="0.3")
    axes.set_title("Annealing: Annealer(40, shape='cosine')", loc="left")
    return _titled(figure)


def _shapes() -> "Figure":
    figure, (axes,) = _grid(1, 1, width=5, height=3)
    for name, colour, style in zip(SHAPES, _colours(), ("-", "--", "-.", ":"), strict=False):
        _curve(axes, Annealer(STEPS, name), colour, label=name, style=style)
    axes.legend(frameon=False, loc="upper left")
    axes.set_title(f"The shapes: Annealer({STEPS}, shape=...)", loc="left")
    return _titled(figure)


def _cyclical_shapes() -> "Figure":
    figure, panels = _grid(2, 2, width=7, height=4)
    for axes, name, colour in zip(panels, SHAPES, _colours(), strict=False):
        _curve(axes, Annealer(25, name, cyclical=True), colour)
        axes.set_title(f"shape='{name}'", loc="left")
    figure.suptitle("Cyclical shapes: Annealer(25, shape=..., cyclical=True)", x=0.02, ha="left")
    return _titled(figure)


def _switched() -> "Figure":
    figure, (axes,) = _grid(1, 1, width=6, height=3)
    _curve(axes, Annealer(20, "cosine", cyclical=True), _colours()[0], {OFF: False, ON: True})
    for step, word in ((OFF, "off"), (ON, "on")):
        axes.axvline(step, color="0.5", lw=1, ls=":")
        axes.text(
            step,
            1.1,
            f"set_cyclical({word == 'on'})",
            ha="center",
            color="0.3",
            backgroundcolor="w",
        )
    axes.set_ylim(-0.05, 1.22)
    axes.set_title("Cycling switched off at step 30 and on at step 70", loc="left")
    return _titled(figure)


def _curve(
    axes: "Axes",
    annealer: Annealer,
    colour: tuple[float, float, float],
    switches: dict[int, bool] | None = None,
    label: str | None = None,
    style: str = "-",
) -> None:
    """Step the annealer to the end and draw its weight."""
    weights = []
    for step in range(STEPS + 1):
        if switches and step in switches:
            annealer.set_cyclical(switches[step])
        weights.append(annealer.weight)
        annealer.step()
    axes.plot(range(STEPS + 1), weights, color=colour, lw=1.8, ls=style, label=label)
    axes.set(xlim=(0, STEPS), ylim=(-0.05, 1.1), yticks=[0, 0.25, 0.5, 0.75, 1])


def _titled(figure: "Figure") -> "Figure":
    figure.supxlabel("training step (count)")
    figure.supylabel(f"{WEIGHT} (factor)")
    return figure


def _grid(rows: int, columns: int, width: float, height: float) -> tuple["Figure", list["Axes"]]:
    """A figure without window or state, and its panels row by row."""
    import seaborn as sns
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style = {**sns.axes_style("ticks"), **sns.plotting_context("paper")}
    with rc_context({**style, "axes.titleweight": "bold", "axes.titlesize": 9}):
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    sns.despine(figure)
    return figure, list(panels.flat)


def _colours() -> list[tuple[float, float, float]]:
    """Colours that colour-blind readers can tell apart."""
    import seaborn as sns

    return list(sns.color_palette("colorblind"))


def _save(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write PNG and PDF without dates, so that the same figure is the same file."""
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    for path, undated in zip(paths, ("Software", "CreationDate"), strict=True):
        content = io.BytesIO()  # on a full disk matplotlib fails in ways of its own
        figure.savefig(content, format=path.suffix[1:], dpi=150, metadata={undated: None})
        write_atomic(path, content.getvalue())
    return paths
