"""The leaderboard as one HTML file that sorts, filters, and gives a csv of what it shows.

The file is complete: it fetches no script, style, font or image, and its policy forbids it to.
Equal records make equal files. `templates/leaderboard.html.jinja` says what a reader sees.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

from benchmark.report.leaderboard import text
from benchmark.report.leaderboard.rows import Corpus, Entry
from benchmark.report.page import rendered

PLOT = 96  # width of the picture of an interval, pixels
_FIGURES = ("mi", "iw_nll", "minus_lm", "excess")
CSV = (
    "corpus", "data", "preset", "precision", "evaluation", "method", "baseline", "settings",
    "studies", "reference", "rank", "n", "alive", "undecided", "collapsed",
    *(f"{name}{part}" for name in _FIGURES for part in ("", "_half", "_n", "_text")),
    "source", "url",
)  # fmt: skip


def page(corpora: Sequence[Corpus], records: int, tables: str) -> str:
    """Return the page; arguments as for `text.page`."""
    return rendered(
        "leaderboard", {},
        corpora=corpora, records=records, tables=tables, titles=text.TITLES, legend=text.LEGEND,
        overview=text.overview(corpora), value=text.value, plots=list(map(_plots, corpora)),
        width=PLOT, head=_csv([CSV]), line=lambda corpus, entry: _csv([_line(corpus, entry)]),
    )  # fmt: skip


def _plots(corpus: Corpus) -> dict[str, dict[str, float]]:
    """Return by label where a row's difference to the language model is drawn: pixels.

    Values are its mean, the ends of its interval, and 0; empty without a language model.
    """
    found = {entry.label: entry.cells["minus_lm"] for entry in corpus.entries}
    ends = {
        label: (cell.value - (cell.half or 0), cell.value, cell.value + (cell.half or 0))
        for label, cell in found.items()
        if cell.value is not None
    }
    reach = [value for three in ends.values() for value in three]
    low, high = min([0.0, *reach]), max([0.0, *reach])

    def place(value: float) -> float:
        return round(4 + (PLOT - 8) * (value - low) / ((high - low) or 1), 1)

    return {
        label: {"low": place(a), "mean": place(b), "high": place(c), "zero": place(0)}
        for label, (a, b, c) in ends.items()
    }


def _csv(rows: Sequence[Sequence[object]]) -> str:
    """Return lines of csv in which no text is a formula to a spreadsheet."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([[_inert(of) for of in row] for row in rows])
    return buffer.getvalue()


def _inert(cell: object) -> object:
    if isinstance(cell, float):
        return f"{cell:.6g}"
    if isinstance(cell, str):
        line = " ".join(cell.split())
        return f"'{line}" if line[:1] in ("=", "+", "-", "@") else line
    return cell


def _line(corpus: Corpus, entry: Entry) -> list[Any]:
    """Return the cells of `CSV`; what is not known is empty."""
    values: list[Any] = []
    for name in _FIGURES:
        cell = entry.cells[name]
        values += [cell.value, cell.half, cell.n, cell.text if cell.value is not None else None]
    key = corpus.key
    return [
        corpus.title, key.data, key.preset, key.precision, key.evaluation, entry.label,
        entry.baseline, ", ".join(filter(None, (entry.settings, entry.unusual))),
        " ".join(entry.studies), int(entry.reference), entry.rank, entry.n,
        *(entry.counts or (None,) * 3), *values, entry.source.short,
        " ".join(paper.url for paper in entry.source.papers),
    ]  # fmt: skip
