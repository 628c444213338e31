"""The four figures that document the Annealer."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.model.annealing import SHAPES, Annealer
from benchmark.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = 100  # length of the four figures' training, in steps
OFF, ON = 30, 70  # the steps at which the fourth figure switches cycling


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
        "annealing_example": _example,
        "shapes": _shapes,
        "cyclical_shapes": _cyclical_shapes,
        "cyclical_switched": _switched,
    }
    written = []
    for name, draw in drawn.items():
        with style.settings():
            written += style.write(draw(), folder, name)
    return written


def _example() -> "Figure":
    figure, (axes,) = _grid(1, 1, style.NARROW, 2.2)
    _curve(axes, Annealer(40, "cosine"), 0)
    axes.axvline(40, color="0.5", lw=1, ls=":")
    axes.text(42, 0.08, "total_steps = 40:\nfull weight from here on", color="0.3")
    axes.set_title("Annealing: Annealer(40, shape='cosine')")
    return figure


def _shapes() -> "Figure":
    figure, (axes,) = _grid(1, 1, style.NARROW, 2.2)
    for place, name in enumerate(SHAPES):
        _curve(axes, Annealer(STEPS, name), place, label=name)
    axes.legend(loc="upper left")
    axes.set_title(f"The shapes: Annealer({STEPS}, shape=...)")
    return figure


def _cyclical_shapes() -> "Figure":
    figure, panels = _grid(2, 2, style.WIDE, 3)
    for place, (axes, name) in enumerate(zip(panels, SHAPES, strict=False)):
        _curve(axes, Annealer(25, name, cyclical=True), place)
        axes.set_title(f"shape='{name}'")
    title = "Cyclical shapes: Annealer(25, shape=..., cyclical=True)"
    figure.suptitle(title, x=0.02, ha="left")
    return figure


def _switched() -> "Figure":
    figure, (axes,) = _grid(1, 1, style.NARROW, 2.2)
    _curve(axes, Annealer(20, "cosine", cyclical=True), 0, {OFF: False, ON: True})
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
    axes.set_title("Cycling switched off at step 30 and on at step 70")
    return figure


def _curve(
    axes: "Axes",
    annealer: Annealer,
    place: int,
    switches: dict[int, bool] | None = None,
    label: str | None = None,
) -> None:
    """Step the annealer to the end and draw its weight."""
    weights = []
    for step in range(STEPS + 1):
        if switches and step in switches:
            annealer.set_cyclical(switches[step])
        weights.append(annealer.weight)
        annealer.step()
    look = style.look(place, "")
    axes.plot(
        range(STEPS + 1),
        weights,
        color=look.colour,
        ls=look.line if label else "-",
        lw=1.5,
        label=label,
    )
    axes.set(xlim=(0, STEPS), ylim=(-0.05, 1.1), yticks=[0, 0.25, 0.5, 0.75, 1])


def _grid(rows: int, columns: int, width: float, height: float) -> tuple["Figure", list["Axes"]]:
    figure, panels = style.grid(rows, columns, width, height, sharex=True, sharey=True)
    figure.supxlabel("training step (count)")
    figure.supylabel("KL weight (factor)")
    return figure, [panel for row in panels for panel in row]
