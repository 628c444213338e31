"""The four figures that document the Annealer."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.model.annealing import SHAPES, Annealer
from benchmark.report.figures import style

STEPS = 100  # of training, in each figure


def plot_schedules(folder: Path) -> list[Path]:
    """Draw the four figures, each as PNG and PDF; return the files written."""
    written = []
    with style.settings():
        for name, figure in _figures():
            written += style.write(figure, folder, name)
    return written


def _figures() -> Iterator[tuple[str, Figure]]:
    grey: dict[str, Any] = {"color": "0.5", "lw": 1, "ls": ":"}

    figure, (panel,) = _grid(1, style.NARROW, 2.2)
    _curve(panel, Annealer(40, "cosine"))
    panel.axvline(40, **grey)
    panel.text(42, 0.08, "total_steps = 40:\nfull weight from here on", color="0.3")
    panel.set_title("Annealing: Annealer(40, shape='cosine')")
    yield "annealing_example", figure

    figure, (panel,) = _grid(1, style.NARROW, 2.2)
    for place, name in enumerate(SHAPES):
        _curve(panel, Annealer(STEPS, name), place, label=name)
    panel.legend(loc="upper left")
    panel.set_title(f"The shapes: Annealer({STEPS}, shape=...)")
    yield "shapes", figure

    figure, panels = _grid(2, style.WIDE, 3)
    for place, (panel, name) in enumerate(zip(panels, SHAPES, strict=False)):
        _curve(panel, Annealer(25, name, cyclical=True), place)
        panel.set_title(f"shape='{name}'")
    figure.suptitle("Cyclical shapes: Annealer(25, shape=..., cyclical=True)", x=0.02, ha="left")
    yield "cyclical_shapes", figure

    figure, (panel,) = _grid(1, style.NARROW, 2.2)
    switches = {30: False, 70: True}
    _curve(panel, Annealer(20, "cosine", cyclical=True), switches=switches)
    for step, on in switches.items():
        panel.axvline(step, **grey)
        panel.text(step, 1.1, f"set_cyclical({on})", ha="center", color="0.3", backgroundcolor="w")
    panel.set_ylim(-0.05, 1.22)
    panel.set_title("Cycling switched off at step 30 and on at step 70")
    yield "cyclical_switched", figure


def _grid(side: int, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure, panels = style.grid(side, side, width, height, sharex=True, sharey=True)
    figure.supxlabel("training step (count)")
    figure.supylabel("KL weight (factor)")
    return figure, [panel for row in panels for panel in row]


def _curve(
    panel: Axes, annealer: Annealer, place: int = 0, label: str | None = None,
    switches: Mapping[int, bool] | None = None,
) -> None:  # fmt: skip
    """Step the annealer to the end and draw its weight."""
    weights = []
    for step in range(STEPS + 1):
        if switches and step in switches:
            annealer.set_cyclical(switches[step])
        weights.append(annealer.weight)
        annealer.step()
    look = style.look(place, "")
    line = look.line if label else "-"
    panel.plot(range(STEPS + 1), weights, color=look.colour, ls=line, lw=1.5, label=label)
    panel.set(xlim=(0, STEPS), ylim=(-0.05, 1.1), yticks=[0, 0.25, 0.5, 0.75, 1])
