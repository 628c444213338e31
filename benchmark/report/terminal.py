"""The report for a terminal: the verdict, a narrow table, then notes and what is in doubt."""

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence

from benchmark.core.consistency import Finding
from benchmark.report.formats import STATES, Table, default

WIDTH = 100  # columns
_LABEL = 16  # columns that a label has at least, if it is that long
_DOUBTS = 6  # that are shown; the rest are counted
_LONG = 3 * WIDTH  # letters of a doubt
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def coloured() -> bool:
    """Return whether standard output is a terminal that shows colours and may do so."""
    usual = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return usual and sys.stdout is not None and sys.stdout.isatty()


def text(
    verdict: Iterable[tuple[str, list[str]]],
    tables: Iterable[Table],
    caveats: Iterable[str],
    findings: Sequence[Finding],
    colour: bool = False,
    reading: str = "",
) -> str:
    """Return the report without the paths of files, in at most `WIDTH` columns.

    Args:
        verdict: of `benchmark.report.verdict.verdict`.
        tables: of the study; the main ones are shown.
        caveats: what must be known before rows are compared.
        findings: of `consistency.check`.
        colour: whether to use bold type.
        reading: what the words of the verdict rest on.
    """
    main = [table for table in tables if table.kind == "main"]
    legend = "a/u/c: runs whose latent is alive / undecided / collapsed. Nats per sentence."
    if any(cell.bold for table in main for row in table.rows for cell in row.cells):
        legend += " *: IW-NLL significantly below that of `none`."
    legend += " All columns: --full."
    parts = [
        [
            _bold("Verdict", colour),
            *(line for title, said in verdict for line in _said(title, said)),
        ],
        *([_bold(table.title, colour), *_narrow(table, colour)] for table in main),
        _wrapped(one for one in (legend, reading) if one),
    ]
    lacking = [one.lacking for one in findings if one.lacking]
    if lacking:
        runs, rows = sum(lacking), len(lacking)
        counts = f"{runs} run{'s' * (runs > 1)} of {rows} row{'s' * (rows > 1)}"
        parts.append([f"Missing: {counts} without a record; --full names them."])
    doubts = [*dict.fromkeys(caveats), *remarks(findings)]
    if doubts:
        short = [
            doubt if len(doubt) <= _LONG else f"{doubt[: _LONG - 10].rstrip()} … (--full)"
            for doubt in doubts[:_DOUBTS]
        ]
        more = [f"{len(doubts) - _DOUBTS} more: --full"] if len(doubts) > _DOUBTS else []
        listed = _wrapped((f"- {doubt}" for doubt in short + more), "  ")
        parts.append([_bold("Doubts", colour), *listed])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def problems(wrong: Iterable[str], colour: bool = False) -> str:
    """Return what is wrong in the records, and that therefore nothing was written."""
    head = "Inconsistent records, so nothing was written:"
    lines = [f"{_RED}{head}{_PLAIN}" if colour else head, *(f"- {one}" for one in wrong)]
    return "".join(f"{line}\n" for line in lines)


def remarks(findings: Iterable[Finding]) -> list[str]:
    """Return the doubts about the records, except rows that lack runs."""
    doubts = [one for one in findings if not (one.lacking or one.wrong)]
    return [one.text if one.id is None else f"{one.id}: {one.text}" for one in doubts]


def _bold(text: str, colour: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if colour else text


def _said(title: str, sentences: Sequence[str]) -> list[str]:
    """Return the verdict on a table: as a list, if it has a title and several sentences."""
    if not title:
        return _wrapped(sentences)
    if len(sentences) == 1:
        return _wrapped([f"{title}: {sentences[0]}"])
    return [*_wrapped([f"{title}:"]), *_wrapped((f"- {one}" for one in sentences), "  ")]


def _wrapped(lines: Iterable[str], indent: str = "") -> list[str]:
    wrap = textwrap.TextWrapper(WIDTH, subsequent_indent=indent, break_on_hyphens=False).wrap
    return [part for line in lines for part in wrap(line)]


def _narrow(table: Table, colour: bool) -> list[str]:
    """Return a table's most telling columns, fewer of them where labels would have no room."""
    columns: dict[str, list[str]] = {}
    for place in default(table):
        cells = [row.cells[place] for row in table.rows]
        if (title := table.columns[place]) == STATES:
            columns["a/u/c"] = [cell.text.replace(" ", "") for cell in cells]
        else:
            columns[title] = [f"{cell.text}{'*' * cell.bold}" for cell in cells]
    widths = {title: max(map(len, [title, *cells])) for title, cells in columns.items()}
    longest = max((len(row.label) for row in table.rows), default=0)
    while len(widths) > 1 and _room(widths.values()) < min(longest, _LABEL):
        widths.popitem()
    labels = shortened([row.label for row in table.rows], max(_room(widths.values()), 2))
    first = max(map(len, ["baseline", *labels]))
    heads = (title.rjust(width) for title, width in widths.items())
    lines = ["  ".join(["baseline".ljust(first), *heads])]
    for place, label in enumerate(labels):
        texts = [columns[title][place].rjust(width) for title, width in widths.items()]
        marked = [_bold(text, colour and text.endswith("*")) for text in texts]
        lines.append("  ".join([label.ljust(first), *marked]))
    return lines


def _room(widths: Iterable[int]) -> int:
    """Return how many columns are left for a label."""
    return WIDTH - sum(width + 2 for width in widths)


def shortened(labels: Sequence[str], width: int) -> list[str]:
    """Return labels of at most ``width`` letters; "…" stands where it leaves them different."""
    cut: list[str] = []
    for head in sorted(range(width), key=lambda place: abs(place - width // 2)):
        tail = width - 1 - head
        cut = [
            label if len(label) <= width else f"{label[:head]}…{label[len(label) - tail :]}"
            for label in labels
        ]
        if len(set(cut)) == len(set(labels)):
            break
    return cut
