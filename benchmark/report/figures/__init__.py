"""Figures of a study, each drawn from numbers that are written beside it.

A figure is a module of this folder: its ``NAME``; ``rows(lines)``, the numbers, of records that may
be compared; ``draw(frame)``, which knows nothing but those; ``title(data, frame)``, what it shows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.files import write_atomic
from benchmark.report import comparable
from benchmark.report.figures import (
    forest,
    learning,
    positions,
    rate_distortion,
    schedules,
    spectrum,
    style,
)

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (forest, rate_distortion, learning, spectrum, positions, schedules)


@dataclass(frozen=True)
class Picture:
    """A figure of a study: its file's ``name`` without ending, its title and its numbers."""

    name: str
    title: str
    frame: "pd.DataFrame"
    figure: ModuleType

    @property
    def csv(self) -> str:
        """The numbers as a file's text."""
        text: str = self.frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        return text

    def images(self, *kinds: str) -> list[bytes]:
        """The figure as files of these kinds, ``png`` or ``pdf``."""
        with style.settings():
            figure = self.figure.draw(self.frame)  # its layout depends on what is written first
            return [style.image(figure, kind) for kind in kinds]


def draw(study: str, lines: Sequence[dict[str, Any]], out: Path) -> list[Path]:
    """Write ``out/<study>-<figure>[-<data>].{csv,png,pdf}``.

    A figure whose numbers the records lack is left out; where a study holds several tables (data
    sets, precisions), each has its own.

    Returns:
        The files written.

    Raises:
        UserError: the folder cannot be written.
    """
    written = []
    for picture in pictures(study, lines):
        contents = [picture.csv.encode(), *picture.images("png", "pdf")]
        for kind, content in zip(("csv", "png", "pdf"), contents, strict=True):
            written.append(out / f"{picture.name}.{kind}")
            write_atomic(written[-1], content)
    return written


def data(study: str, lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The numbers behind the figures, by file name; nothing is drawn."""
    return {f"{picture.name}.csv": picture.csv for picture in pictures(study, lines)}


def images(
    study: str, lines: Sequence[dict[str, Any]], folder: Path | None = None
) -> dict[str, bytes]:
    """PNG images by title, for a page.

    Args:
        study: its name.
        lines: of its collected file.
        folder: where `draw` has just written them; without it they are drawn.
    """
    return {
        picture.title: (folder / f"{picture.name}.png").read_bytes()
        if folder is not None
        else picture.images("png")[0]
        for picture in pictures(study, lines)
    }


def pictures(study: str, lines: Sequence[dict[str, Any]]) -> Iterator[Picture]:
    """The figures that the records allow, in reading order."""
    groups = comparable.groups(lines)
    names = _names([group.title for group in groups])
    for figure in FIGURES:
        frames = [figure.rows(group.lines) for group in groups]
        if len(groups) > 1 and all(frame.equals(frames[0]) for frame in frames):
            shown, ends = groups[:1], [""]  # such as the weights, on whatever data
        else:
            shown, ends = groups, [f"-{name}" if len(groups) > 1 else "" for name in names]
        for group, end, frame in zip(shown, ends, frames, strict=False):
            if len(frame):
                name = f"{study}-{figure.NAME}{end}"
                yield Picture(name, figure.title(group.title, frame), frame, figure)


def _names(titles: Sequence[str]) -> list[str]:
    """Parts of file names: letters, digits, ``_`` and ``-``, no two alike."""
    found: list[str] = []
    for title in titles:
        base = re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-")[:60] or "data"
        name, number = base, 1
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.append(name)
    return found
