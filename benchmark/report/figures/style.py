"""One look for all figures: legible in print at column width, told apart without colour.

A row of a study has one colour, marker and line style in every figure. Nothing here depends on a
user's matplotlib settings, on a window or on the date.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.core.files import write_atomic

if TYPE_CHECKING:  # `report --check` reads the figures' numbers and draws nothing
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

NARROW, WIDE = 3.4, 7.0  # inches: a column and a page of a two-column paper
DPI = 150
PLAIN = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}  # behind a text
ABREAST = 38  # characters of two columns of a legend that fit a column of the paper
FACET = 5  # rows that one panel can show
NATS = "nats per sentence"

# Of seaborn's "colorblind": without its yellow and pink, too pale in print, and grey, kept for
# `none`. Numbers of colours, markers and lines share no divisor: pairs repeat late.
_COLOURS = (0, 1, 2, 4, 5, 9, 3)
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", "p", ">", "h", "*")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)), (0, (1, 1)))
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs everywhere
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 7.5),
    **dict.fromkeys(("figure.labelsize", "figure.titlesize"), 7.5),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 6.5),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2.5),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 0),
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.6,
    "text.parse_math": False,  # a label may hold $
    "text.usetex": False,
    "axes.formatter.useoffset": False,
    "pdf.fonttype": 42,  # fonts embedded whole enough for any journal
    "svg.hashsalt": "pcbench",  # else its names are drawn by lot
    "figure.dpi": DPI,
}


class Row(NamedTuple):
    """A row of the study, as figures know it; `runs.runs` says what the role is."""

    place: int
    label: str
    role: str


class Look(NamedTuple):
    """How a row is drawn."""

    colour: Any
    marker: str
    line: Any


def look(place: int, role: str) -> Look:
    """Return the look of the row at a ``place`` of the study; references look alike everywhere."""
    if role == "lstm_lm":
        return Look("black", "", (0, (1, 1)))
    if role == "truth":
        return Look("black", "", (0, (6, 2)))
    if role == "none":
        return Look("0.45", "o", "-")
    import seaborn as sns

    colour, marker, line = (one[place % len(one)] for one in (_COLOURS, _MARKERS, _LINES))
    return Look(sns.color_palette("colorblind")[colour], marker, line)


@contextmanager
def settings() -> Iterator[None]:
    """Make, draw and write figures inside, whatever the user's settings."""
    import matplotlib
    import seaborn as sns

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A character that the font lacks is drawn as a box, which says enough.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {**sns.axes_style("ticks"), **sns.plotting_context("paper"), **_RC}
        )
        yield


def grid(
    rows: int, columns: int, width: float, height: float, **more: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure without window or state, and its panels."""
    import seaborn as sns
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **more)
    sns.despine(figure)
    return figure, [list(row) for row in panels]


def image(figure: Figure, kind: str) -> bytes:
    """Return the figure as ``png``, ``pdf`` or ``svg``: the same bytes every time."""
    from PIL import Image

    content = io.BytesIO()
    undated = {"png": "Software", "pdf": "CreationDate", "svg": "Date"}[kind]
    figure.savefig(content, format=kind, dpi=DPI, metadata={undated: None})
    if kind == "png":  # a palette does for lines on white, in a third of the bytes
        full = Image.open(content).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        content = io.BytesIO()
        full.save(content, "png", optimize=True, dpi=(DPI, DPI))
    return _short(content.getvalue()) if kind == "svg" else content.getvalue()


def _short(svg: bytes) -> bytes:
    """Return an SVG on one line, without comments, its maker, and digits that nobody sees."""
    unseen = r"(?s)<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>|<\?xml.*?\?>"
    text = re.sub(unseen, "", svg.decode())
    paths = r'(?<= d=")[^"]*|(?<=translate\()[^)]*|(?<= [xy]=")[^"]*'  # in points; not scale()
    return " ".join(re.sub(paths, _rounded, text).split()).replace("> <", "><").encode()


def _rounded(numbers: re.Match[str]) -> str:
    """Return numbers to a hundredth."""
    return re.sub(r"-?\d+\.\d{3,}", lambda one: f"{float(one[0]):.2f}", numbers[0])


def write(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``folder/name.png`` and ``.pdf``."""
    paths = [folder / f"{name}.{kind}" for kind in ("png", "pdf")]
    for path in paths:
        write_atomic(path, image(figure, path.suffix[1:]))
    return paths


def printable(text: str, width: int = 24) -> str:
    """Break a label into lines of at most ``width`` characters, after a blank or ``_`` if any."""
    lines = [""]
    for part in re.findall(rf"[^ _]{{1,{width}}}[ _]?|[ _]", " ".join(text.split())):
        if len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return the rows in the study's order, without the truth."""
    kept = frame[frame["role"] != "truth"].sort_values("place", kind="stable")
    unique = kept[["place", "label", "role"]].drop_duplicates()
    return [Row(int(place), str(label), str(role)) for place, label, role in unique.to_numpy()]


def facets(frame: pd.DataFrame) -> list[list[Row]]:
    """Return rows panel by panel: at most `FACET` each, evenly, and the references in all."""
    rows = rows_of(frame)
    references = [row for row in rows if row.role in ("lstm_lm", "none")]
    others = [row for row in rows if row not in references]
    number = max(1, math.ceil(len(others) / FACET))
    cuts = [-(-len(others) * i // number) for i in range(number + 1)]
    return [references + others[start:end] for start, end in pairwise(cuts)]


def faceted(
    parts: Sequence[Sequence[Row]], heights: Sequence[float], notes: Mapping[str, str], **more: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with a column of panels for each part of the rows, their legend above.

    Args:
        parts: of `facets`; one has a column of the paper, several a page.
        heights: of the panels in a column, inches, without the legend.
        notes: by label, what the figure does not show of a row.
        more: of `grid`.
    """
    single = len(parts) == 1
    legends = [[handle(row, notes.get(row.label, "")) for row in part] for part in parts]
    sizes = [legend_size(handles, two=single) for handles in legends]
    height = sum(heights) + max(inches for _, inches in sizes)
    figure, panels = grid(len(heights), len(parts), NARROW if single else WIDE, height, **more)
    for panel, handles, (columns, _) in zip(panels[0], legends, sizes, strict=True):
        panel.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2,
                     ncols=columns)  # fmt: skip
    return figure, panels


def handle(row: Row, note: str = "", **more: Any) -> Line2D:
    """Return a row's entry in a legend, and below it what the figure does not show of the row."""
    from matplotlib.lines import Line2D

    shown = look(row.place, row.role)
    given = {"color": shown.colour, "marker": shown.marker, "ls": shown.line, "ms": 4} | more
    return Line2D([], [], label=printable(row.label) + (f"\n({note})" if note else ""), **given)


def legend_size(handles: Sequence[Line2D], two: bool = True, spare: int = 0) -> tuple[int, float]:
    """Return a legend's columns, two if the texts are short, and its height in inches.

    ``spare`` is the number of characters that the legend has beside the panel.
    """
    texts = [str(one.get_label()).split("\n") for one in handles]
    widths = [max(map(len, lines)) for lines in texts]
    half = math.ceil(len(widths) / 2)
    two = two and len(widths) > 1 and max(widths[:half]) + max(widths[half:]) <= ABREAST + spare
    columns = 2 if two else 1
    return columns, 0.14 * sum(map(len, texts)) / columns + 0.15


def limits(values: Sequence[float], least: float = 0.0, spare: float = 0.06) -> tuple[float, float]:
    """Return an axis that shows all finite values and is at least ``least`` long."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    lacking = max(0.0, max(least, 1e-6) - (high - low)) / 2
    room = lacking + spare * (high - low + 2 * lacking)
    return low - room, high + room


def curves(panel: Axes, points: pd.DataFrame, x: str, y: str, row: Row) -> None:
    """Draw each seed's curve thin, and thick their mean where all seeds have a point."""
    shown = look(row.place, row.role)
    for _, seed in points.groupby("seed"):
        panel.plot(seed[x], seed[y], color=shown.colour, lw=0.4, alpha=0.45)
    steps = points.groupby(x)[y].agg(["mean", "size"])
    mean = steps[steps["size"] == points["seed"].nunique()]["mean"]
    every = max(1, math.ceil(len(mean) / 8))
    panel.plot(mean.index, mean, color=shown.colour, ls=shown.line, marker=shown.marker,
               markevery=(row.place % every, every))  # fmt: skip


def without_ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that set an axis: all but end points, which would squash the others."""
    kept = frame[~frame["role"].isin(("truth", "end"))]
    return kept if len(kept) else frame[frame["role"] != "truth"]
