r"""What the paper takes from the tables of a report, and how large it prints the figures.

A page of the paper has room for a few columns at 8 points: ``\pcbrows{STUDY:TABLE:COLUMNS}`` prints
those columns of a table, from ``tables/STUDY.csv``. Rows without a record are left out;
``\pcbmissing{STUDY:TABLE}`` names them. ``\pcbcell{STUDY:TABLE:ROW:COLUMN}`` prints one cell.
"""

import csv
import re
import zlib
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.report.formats import BASELINE, DASH, LABELS, STATES, escape, tabular

POINTS = 8.0  # the smallest print of the paper
_HEADS = {STATES: "a / u / c"}


def table(folder: Path, key: str) -> str:
    """Return a ``tabular`` of some columns: ``STUDY:TABLE:COLUMN, COLUMN``, ``state`` for `STATES`.

    Args:
        folder: of the report's tables.
        key: what to print.

    Raises:
        UserError: no such file, table or column.
    """
    study, name, wanted = key.split(":")
    titles = [STATES if title == "state" else title for title in wanted.split(", ")]
    lines = []
    for label, cells in _rows(folder, study, name):
        for title in titles:
            if title not in cells:
                known = ", ".join(cells)
                raise UserError(f"{key}: no column {title!r}; there are {known}")
        if any(cells[title] != DASH for title in titles):
            lines.append([rf"\texttt{{{escape(label)}}}", *(_cell(cells[t]) for t in titles)])
    kept = [line[0] if i == 0 or line[0] != lines[i - 1][0] else "" for i, line in enumerate(lines)]
    body = [[label, *line[1:]] for label, line in zip(kept, lines, strict=True)]
    first = LABELS.get(name.rpartition("-")[2], BASELINE)  # a table's name ends with its kind
    head = [escape(_HEADS.get(title, title)) for title in (first, *titles)]
    return tabular("l" + "r" * len(titles), [head, *body])


def missing(folder: Path, key: str) -> str:
    """Return the rows of ``STUDY:TABLE`` that have no record, as a list in words."""
    names = [rf"\texttt{{{escape(label)}}}" for label, cells in _rows(folder, *key.split(":"))
             if all(text == DASH for text in cells.values())]  # fmt: skip
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cell(folder: Path, key: str) -> str:
    """Return one cell, ``STUDY:TABLE:ROW:COLUMN``, as it is printed in the report."""
    study, name, label, title = key.split(":")
    for row, cells in _rows(folder, study, name):
        if row == label and title in cells:
            return _cell(cells[title])
    raise UserError(f"{key}: no such cell")


def _cell(text: str) -> str:
    bold = re.fullmatch(r"\*\*(.*)\*\*", text)
    return rf"\textbf{{{escape(bold[1])}}}" if bold else escape(text)


def _rows(folder: Path, study: str, name: str) -> list[tuple[str, dict[str, str]]]:
    """Return label and cells of each row; of published numbers a label has several rows."""
    path = folder / f"{study}.csv"
    if not path.exists():
        raise UserError(f"{path}: no such file; run `pcbench report {study}`")
    rows: list[tuple[str, dict[str, str]]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["table"] != name:
                continue
            if not rows or rows[-1][0] != line["row"] or line["column"] in rows[-1][1]:
                rows.append((line["row"], {}))
            bold = line["bold"] == "1"
            rows[-1][1][line["column"]] = f"**{line['text']}**" if bold else line["text"]
    if not rows:
        raise UserError(f"{path}: no table {name!r}")
    return rows


def scale(figure: Path) -> float:
    """Return by how much to enlarge a figure so that its smallest print has `POINTS`.

    1 where it is large enough, or where only its PNG is at hand.
    """
    if not figure.exists():
        return 1.0
    streams = re.findall(rb"stream\r?\n(.*?)endstream", figure.read_bytes(), flags=re.DOTALL)
    sizes = [float(size) for stream in streams
             for size in re.findall(rb"/F\d+ ([\d.]+) Tf", _inflated(stream))]  # fmt: skip
    return max(1.0, POINTS / min(sizes, default=POINTS))


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream
