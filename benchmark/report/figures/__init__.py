"""Figures of a study, each drawn from numbers that are written beside it.

A figure is a module of this folder: its ``NAME``; ``rows(group)``, the numbers, of the runs of one
table; ``draw(frame)``, which knows nothing but those; ``title(data, frame)``, what it shows. A
figure of a whole study has ``rows(groups)``, of all tables, and ``title(study, frame)``.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd

from benchmark.report.figures import (
    forest,
    heatmap,
    learning,
    positions,
    rate_distortion,
    schedules,
    spectrum,
    story,
    style,
)
from benchmark.report.formats import slug
from benchmark.report.grouping import Group

OF_STUDY = (story, heatmap)
OF_TABLE = (forest, rate_distortion, learning, spectrum, positions, schedules)
FIGURES = (*OF_STUDY, *OF_TABLE)


@dataclass(frozen=True)
class Picture:
    """A figure of a study: its file's ``name`` without ending, its title and its numbers."""

    name: str
    title: str
    frame: pd.DataFrame
    figure: ModuleType

    @property
    def csv(self) -> str:
        """The numbers as a file's text."""
        return str(self.frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))

    def images(self, *kinds: str) -> list[bytes]:
        """Return the figure as files of these kinds, ``png``, ``pdf`` or ``svg``."""
        with style.settings():
            figure = self.figure.draw(self.frame)  # its layout depends on what is written first
            return [style.image(figure, kind) for kind in kinds]


def pictures(study: str, groups: Sequence[Group]) -> Iterator[Picture]:
    """Yield the figures that the records allow, in reading order; names begin with the study's.

    A figure whose numbers the records lack is left out; where a study holds several tables (data
    sets, precisions), each has its own, whose name ends with the table's. Figures of the whole
    study come first.
    """
    ends: list[str] = []
    for group in groups:
        ends.append(slug(group.title[:60], ends))
    for figure in OF_STUDY:
        frame = figure.rows(groups)
        if len(frame):
            yield Picture(f"{study}-{figure.NAME}", figure.title(study, frame), frame, figure)
    for figure in OF_TABLE:
        frames = [figure.rows(group) for group in groups]
        alike = all(frame.equals(frames[0]) for frame in frames)  # such as the weights, on any data
        for group, end, frame in zip(groups, ends, frames, strict=True):
            if len(frame):
                name = f"{study}-{figure.NAME}" if alike else f"{study}-{figure.NAME}-{end}"
                yield Picture(name, figure.title(group.title, frame), frame, figure)
            if alike:
                break


def leftover(study: str, folder: Path, names: Collection[str]) -> list[Path]:
    """Return numbers of figures in ``folder`` that the study no longer has; it has ``names``."""
    ours = re.compile(rf"{re.escape(study)}-({'|'.join(one.NAME for one in FIGURES)})(-.*)?")
    paths = sorted(folder.glob("*.csv"))
    return [path for path in paths if ours.fullmatch(path.stem) and path.stem not in names]
