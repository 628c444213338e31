"""One look for all figures: legible in print at column width, told apart without colour.

A row of a study has one colour, marker and line style in every figure. Nothing here depends on a
user's matplotlib settings, on a window or on the date.
"""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

NARROW, WIDE = 3.4, 7.0  # inches: a column and a page of a two-column paper
FONT = "DejaVu Sans"  # comes with matplotlib: the same glyphs everywhere
DPI = 150
PALETTE = 256  # colours of a PNG
PLAIN = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}  # behind a text
ABREAST = 38  # characters of two columns of a legend that fit a column of the paper
FACET = 5  # rows that one panel can show
NATS = "nats per sentence"

Row = tuple[int, str, str]  # place, label, role

# Of seaborn's "colorblind": without its yellow and pink, too pale in print, and grey, kept for
# `none`. Numbers of colours, markers and lines share no divisor: pairs repeat late.
_COLOURS = (0, 1, 2, 4, 5, 9, 3)
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", "p", ">", "h", "*")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)), (0, (1, 1)))
_RC = {
    "font.family": FONT,
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "figure.labelsize": 7.5,
    "figure.titlesize": 7.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.6,
    "text.parse_math": False,  # a label may hold $
    "text.usetex": False,
    "axes.formatter.useoffset": False,
    "pdf.fonttype": 42,  # fonts embedded whole enough for any journal
    "figure.dpi": DPI,
}


@dataclass(frozen=True)
class Look:
    """How a row is drawn."""

    colour: Any
    marker: str
    line: Any


def look(place: int, role: str) -> Look:
    """Of the row at a ``place`` of the study; the references look alike in every study."""
    import seaborn as sns

    if role == "lstm_lm":
        return Look("black", "", (0, (1, 1)))
    if role == "truth":
        return Look("black", "", (0, (6, 2)))
    if role == "none":
        return Look("0.45", "o", "-")
    palette = sns.color_palette("colorblind")
    return Look(
        palette[_COLOURS[place % len(_COLOURS)]],
        _MARKERS[place % len(_MARKERS)],
        _LINES[place % len(_LINES)],
    )


@contextmanager
def settings() -> Iterator[None]:
    """Figures are made, drawn and written inside, whatever the user's settings."""
    import matplotlib
    import seaborn as sns

    ours = {**sns.axes_style("ticks"), **sns.plotting_context("paper"), **_RC}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(ours)
        yield


def grid(
    rows: int, columns: int, width: float, height: float, **more: Any
) -> tuple["Figure", list[list["Axes"]]]:
    """A figure without window or state, and its panels."""
    import seaborn as sns
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **more)
    sns.despine(figure)
    return figure, [list(row) for row in panels]


def image(figure: "Figure", kind: str) -> bytes:
    """The figure as ``png`` or ``pdf``, without dates and names: the same bytes every time."""
    content = io.BytesIO()
    undated = {"png": "Software", "pdf": "CreationDate"}[kind]
    figure.savefig(content, format=kind, dpi=DPI, metadata={undated: None})
    return _small(content) if kind == "png" else content.getvalue()


def write(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write ``folder/name.png`` and ``.pdf``.

    Raises:
        UserError: the folder cannot be written.
    """
    paths = [folder / f"{name}.{kind}" for kind in ("png", "pdf")]
    for path in paths:
        write_atomic(path, image(figure, path.suffix[1:]))
    return paths


def _small(png: io.BytesIO) -> bytes:
    """Half the bytes: a palette does for lines on white."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(png) as full:
        full.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(
            out, "png", optimize=True, dpi=(DPI, DPI)
        )
    return out.getvalue()


def printable(text: str, width: int = 24) -> str:
    """A label as it can be drawn: without characters that the font lacks, in lines of ``width``
    characters at most that end after a blank or ``_`` where they can.
    """
    known = _glyphs()
    shown = "".join(c if ord(c) in known else "□" for c in " ".join(text.split()))
    lines = [""]
    for part in re.findall(r"[^ _]*[ _]?", shown):
        while len(lines[-1] + part.rstrip()) > width:
            if not lines[-1] and len(part) > width:
                lines[-1], part = part[:width], part[width:]
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines if line.strip()) or "□"


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(FONT)).get_charmap())


def rows_of(frame: "pd.DataFrame") -> list[Row]:
    """(place, label, role) of each row in the study's order, the truth left out."""
    kept = frame[frame["role"] != "truth"].sort_values("place", kind="stable")
    unique = kept[["place", "label", "role"]].drop_duplicates()
    return [(int(place), str(label), str(role)) for place, label, role in unique.values.tolist()]


def facets(frame: "pd.DataFrame") -> list[list[Row]]:
    """Rows panel by panel: at most `FACET` each, as evenly as can be, and the references in all."""
    rows = rows_of(frame)
    references = [row for row in rows if row[2] in ("lstm_lm", "none")]
    others = [row for row in rows if row not in references]
    number = max(1, math.ceil(len(others) / FACET))
    cuts = [-(-len(others) * i // number) for i in range(number + 1)]
    return [references + others[start:end] for start, end in pairwise(cuts)]


def faceted(
    parts: Sequence[Sequence[Row]], heights: Sequence[float], notes: Mapping[str, str], **more: Any
) -> tuple["Figure", list[list["Axes"]]]:
    """A figure with a column of panels for each part of the rows, their legend above.

    Args:
        parts: of `facets`; one has a column of the paper, several a page.
        heights: of the panels in a column, inches, without the legend.
        notes: by label, what the figure does not show of a row.
        more: of `grid`.
    """
    columns = [
        [handle(label, place, role, notes.get(label, "")) for place, label, role in part]
        for part in parts
    ]
    abreast_of = [abreast(handles) if len(parts) == 1 else 1 for handles in columns]
    legends = [handles_height(*pair) for pair in zip(columns, abreast_of, strict=True)]
    figure, panels = grid(
        len(heights), len(parts), NARROW if len(parts) == 1 else WIDE, sum(heights) + max(legends),
        **more,
    )  # fmt: skip
    for panel, handles, number in zip(panels[0], columns, abreast_of, strict=True):
        panel.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2,
                     ncols=number)  # fmt: skip
    return figure, panels


def limits(
    values: Sequence[float], least: float = 0.0, spare: float = 0.06
) -> tuple[float, float] | None:
    """An axis that shows all values, at least ``least`` long; None without any finite value."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    lacking = max(0.0, max(least, 1e-6) - (high - low)) / 2
    low, high = low - lacking, high + lacking
    room = spare * (high - low)
    return low - room, high + room


def handle(label: str, place: int, role: str, note: str = "", **more: Any) -> "Line2D":
    """A row's entry in a legend, and below it what the figure does not show of the row."""
    from matplotlib.lines import Line2D

    shown = look(place, role)
    given = {"color": shown.colour, "marker": shown.marker, "ls": shown.line, "ms": 4} | more
    text = printable(label) + (f"\n({note})" if note else "")
    return Line2D([], [], label=text, **given)


def abreast(handles: Sequence["Line2D"], spare: int = 0) -> int:
    """Columns of a legend on a column of the paper: two if the texts are short, or exceed that by
    ``spare`` characters that the legend has beside the panel.
    """
    widths = [max(map(len, str(one.get_label()).split("\n"))) for one in handles]
    half = math.ceil(len(widths) / 2)
    return (
        2 if len(widths) > 1 and max(widths[:half]) + max(widths[half:]) <= ABREAST + spare else 1
    )


def handles_height(handles: Sequence["Line2D"], columns: int) -> float:
    """Inches that a legend takes."""
    lines = sum(1 + str(one.get_label()).count("\n") for one in handles)
    return 0.14 * lines / columns + 0.15
