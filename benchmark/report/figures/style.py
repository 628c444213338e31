"""One look for all figures: legible in print at column width, distinct without colour.

Colours, markers and lines are those of `looks`. Nothing here depends on a user's matplotlib
settings, on a window or on the date.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.core.files import write_atomic
from benchmark.report.figures import looks
from benchmark.report.figures.looks import Look

if TYPE_CHECKING:  # `report --check` reads the figures' numbers and draws nothing
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

NARROW, WIDE = 2.9, 6.4  # inches, at which the paper prints figures: about half a page, and a page
TEXT = 8  # points of every text, so that all are legible in print
DPI = 160
PLAIN = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}  # behind a text
LETTER, LINE = 0.064, 0.145  # inches of a text's character, and from line to line
HANDLE = 0.46  # inches of a legend's column beside its text
FACET = 8  # rows that one panel can show
NATS = "nats per sentence"

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs everywhere
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), TEXT),
    **dict.fromkeys(("figure.labelsize", "figure.titlesize"), TEXT),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), TEXT),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2.5),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 0),
    "axes.titlelocation": "left",
    "axes.titlepad": 3,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.3,
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
    baseline: str = ""

    @property
    def look(self) -> Look:
        """How the row is drawn, in every figure."""
        return looks.TRUTH if self.role == "truth" else looks.look(self.label, self.baseline)

    @property
    def family(self) -> str:
        """The family of its method."""
        truth = self.role == "truth"
        return "references" if truth else looks.family(self.label, self.baseline)


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
    """Return an SVG on one line, without comments, its maker, and invisible digits."""
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
    unique = kept[["place", "label", "role", "baseline"]].drop_duplicates("label")
    return [
        Row(int(place), str(label), str(role), baseline if isinstance(baseline, str) else "")
        for place, label, role, baseline in unique.to_numpy()
    ]


def facets(frame: pd.DataFrame) -> list[list[Row]]:
    """Return rows panel by panel, at most `FACET` each, and the references in all.

    Families of methods stay together as far as they fit, and so do the rows of one method.
    """
    rows = rows_of(frame)
    references = [row for row in rows if row.family == "references"]
    parts: list[list[Row]] = []
    for family in looks.FAMILIES:
        of = [row for row in rows if row.family == family and row not in references]
        whole = len(of) <= FACET
        names = [""] if whole else list(dict.fromkeys(row.baseline for row in of))
        for name in names:
            rest = [row for row in of if whole or row.baseline == name]
            if not (rest and parts and len(parts[-1]) + len(rest) <= FACET):
                parts += [rest[at : at + FACET] for at in range(0, len(rest), FACET)]
            else:
                parts[-1] += rest
    return [references + part for part in parts] or [references]


def headings(parts: Sequence[Sequence[Row]]) -> list[str]:
    """Return what each of several panels shows: families whole in it, and methods of the others."""
    if len(parts) == 1:
        return [""]
    panels = Counter(family for part in parts for family in {row.family for row in part})
    texts = []
    for part in parts:
        named = [row for row in part if row.family != "references"]
        names = dict.fromkeys(
            row.family if panels[row.family] == 1 else looks.name_of(row.label, row.baseline)
            for row in named
        )
        texts.append(textwrap.fill(", ".join(names), int(0.9 * WIDE / len(parts) / LETTER)))
    return texts


def faceted(
    parts: Sequence[Sequence[Row]], heights: Sequence[float], notes: Mapping[str, str], **more: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with a column of panels for each part of the rows, and one legend above.

    Args:
        parts: of `facets`; one has a column of the paper, several a page.
        heights: of the panels in a column, inches, without the legend.
        notes: by label, what the figure does not show of a row.
        more: of `grid`.
    """
    width = NARROW if len(parts) == 1 else WIDE
    rows = dict.fromkeys(row for part in parts for row in part)
    order = [*(row for row in rows if row.role != "truth"),
             *(row for row in rows if row.role == "truth")]  # fmt: skip
    handles = [handle(row, notes.get(row.label, "")) for row in order]
    columns, inches = legend_size(handles, width)
    figure, panels = grid(len(heights), len(parts), width, sum(heights) + inches, **more)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure, panels


def handle(row: Row, note: str = "", **more: Any) -> Line2D:
    """Return a row's entry in a legend, and below it what the figure does not show of the row."""
    from matplotlib.lines import Line2D

    given = {"ls": row.look.line} | marks(row.look, 4) | more
    return Line2D([], [], label=printable(row.label) + (f"\n({note})" if note else ""), **given)


def marks(look: Look, points: float) -> dict[str, Any]:
    """Return the colour and marker of a line or point, its marker of about this size."""
    full = look.fill in ("full", "none")
    inside = {"mfc": "white"} if look.fill == "none" else {"markerfacecoloralt": "white"}
    return {"color": look.colour, "marker": look.marker, "ms": points * look.size,
            "fillstyle": "full" if full else look.fill, **inside}  # fmt: skip


def legend_size(handles: Sequence[Line2D], width: float) -> tuple[int, float]:
    """Return how many columns of a legend fit a width in inches, and its height in inches."""
    texts = [str(one.get_label()).split("\n") for one in handles]
    for columns in range(len(texts), 0, -1):
        count, more = divmod(len(texts), columns)
        ends = [count * i + min(i, more) for i in range(columns + 1)]  # as matplotlib splits them
        parts = [texts[start:end] for start, end in pairwise(ends)]
        letters = [max(len(line) for text in part for line in text) for part in parts]
        if sum(LETTER * number + HANDLE for number in letters) <= width:
            break
    return columns, LINE * max(sum(map(len, part)) for part in parts) + 0.15


def limits(values: Sequence[float], least: float = 0.0, spare: float = 0.06) -> tuple[float, float]:
    """Return an axis that shows all finite values and is at least ``least`` long."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    lacking = max(0.0, max(least, 1e-6) - (high - low)) / 2
    room = lacking + spare * (high - low + 2 * lacking)
    return low - room, high + room


def curves(panel: Axes, points: pd.DataFrame, x: str, y: str, row: Row) -> None:
    """Draw each seed's curve thin, and thick their mean where all seeds have a point.

    Seeds whose points lie elsewhere, as on a corpus with another number of steps, are averaged
    point by point in their order, if they have equally many.
    """
    colour = row.look.colour
    for _, seed in points.groupby("seed"):
        panel.plot(seed[x], seed[y], color=colour, lw=0.4, alpha=0.45)
    points = points.sort_values(["seed", x])
    order = points.groupby("seed").cumcount()
    alike = points.groupby(order)[x].nunique().eq(1).all()
    equal = points.groupby("seed").size().nunique() == 1
    by = points.groupby(points[x] if alike or not equal else order)
    mean = by[[x, y]].mean()[by.size() == points["seed"].nunique()]
    every = max(1, math.ceil(len(mean) / 6))
    panel.plot(mean[x], mean[y], ls=row.look.line, markevery=(row.place % every, every),
               **marks(row.look, 3.5))  # fmt: skip


def without_ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that set an axis: all but end points, which would squash the others."""
    kept = frame[~frame["role"].isin(("truth", "end"))]
    return kept if len(kept) else frame[frame["role"] != "truth"]
