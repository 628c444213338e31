"""The report for a terminal: the verdict, one narrow table, what lacks and what is in doubt."""

import os
import sys
import textwrap
from collections.abc import Sequence

from benchmark.core.consistency import Finding
from benchmark.report.render import DASH, Cell, Row, Table

WIDTH = 100  # columns
_COLUMNS = ("ELBO", "KL", "MI", "IW-NLL", "excess")
_STATES = "alive / undecided / collapsed"
_LABEL = 16  # columns that a label has at least, if it is that long
_DOUBTS = 6  # that are shown; the rest are counted
_LONG = 3 * WIDTH  # letters of a doubt
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def coloured() -> bool:
    """Whether standard output is a terminal that shows colours, and nobody forbids them."""
    usual = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return usual and sys.stdout is not None and sys.stdout.isatty()


def text(
    verdict: Sequence[str],
    tables: Sequence[Table],
    caveats: Sequence[str],
    findings: Sequence[Finding],
    colour: bool = False,
) -> str:
    """All but the places of the files, in at most `WIDTH` columns.

    Args:
        verdict: of `benchmark.report.verdict.verdict`.
        tables: of the study; the main ones are shown.
        caveats: what must be known before rows are compared.
        findings: remarks on the records.
        colour: whether headings are bold.
    """
    main = [table for table in tables if table.kind == "main"]
    parts = [_section("Verdict", [line for one in verdict for line in _wrapped(one)], colour)]
    for table in main:
        parts.append(_section(table.title, _narrow(table, colour), colour))
    legend = "a/u/c: runs whose latent is alive / undecided / collapsed. Nats per sentence."
    if any(cell.bold for table in main for row in table.rows for cell in row.cells):
        legend += " *: significantly better than `none`."
    parts.append("\n".join(_wrapped(legend)))
    lacking = [one.lacking for one in findings if one.lacking]
    if lacking:
        counts = f"{_number(sum(lacking), 'run')} of {_number(len(lacking), 'row')}"
        parts.append(f"Missing: {counts} without a record; --full names them.")
    told = [*dict.fromkeys(caveats), *map(_remark, findings)]
    told = [one for one in told if one]
    if told:
        lines = [line for one in told[:_DOUBTS] for line in _wrapped(f"- {_cut(one)}", "  ")]
        more = len(told) - _DOUBTS
        lines += [f"- {more} more: --full"] if more > 0 else []
        parts.append(_section("Doubts", lines, colour))
    return "\n\n".join(parts) + "\n"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def problems(wrong: Sequence[str], colour: bool = False) -> str:
    """What is wrong in the records, and that therefore nothing was written."""
    head = "Inconsistent records, so nothing was written:"
    told = "".join(f"- {one}\n" for one in wrong)
    return f"{_RED}{head}{_PLAIN}\n{told}" if colour else f"{head}\n{told}"


def remarks(findings: Sequence[Finding]) -> list[str]:
    """What is in doubt, but for rows that lack runs."""
    return [told for one in findings if (told := _remark(one))]


def _remark(one: Finding) -> str:
    if one.lacking or one.wrong:
        return ""
    return one.text if one.id is None else f"{one.id}: {one.text}"


def _section(title: str, lines: Sequence[str], colour: bool) -> str:
    head = f"{_BOLD}{title}{_PLAIN}" if colour else title
    return "\n".join([head, *lines])


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _cut(line: str) -> str:
    return line if len(line) <= _LONG else f"{line[: _LONG - 10].rstrip()} … (--full)"


def _narrow(table: Table, colour: bool) -> list[str]:
    """A table's most telling columns; those that leave a label no room are dropped from the end."""
    titles = [title for title in _COLUMNS if title in table.columns]
    longest = max((len(row.label) for row in table.rows), default=0)
    while True:
        shown = [_cells(table, row, titles) for row in table.rows]
        head = ["a/u/c", *titles]
        widths = [
            max(len(line[i]) for line in [head, *map(_texts, shown)]) for i in range(len(head))
        ]
        room = WIDTH - sum(width + 2 for width in widths)
        if room >= min(longest, _LABEL) or not titles:
            break
        titles = titles[:-1]
    labels = shortened([row.label for row in table.rows], max(room, 2))
    first = max(len("baseline"), *map(len, labels))
    lines = ["  ".join(["baseline".ljust(first), *map(str.rjust, head, widths)])]
    for label, cells in zip(labels, shown, strict=True):
        padded = [
            f"{_BOLD}{text:>{width}}{_PLAIN}" if colour and cell.bold else f"{text:>{width}}"
            for cell, text, width in zip(cells, _texts(cells), widths, strict=True)
        ]
        lines.append("  ".join([label.ljust(first), *padded]))
    return lines


def _cells(table: Table, row: Row, titles: Sequence[str]) -> list[Cell]:
    cells = dict(zip(table.columns, row.cells, strict=True))
    return [cells.get(_STATES, Cell(DASH)), *(cells[title] for title in titles)]


def _texts(cells: Sequence[Cell]) -> list[str]:
    first, *rest = cells
    return [first.text.replace(" ", ""), *(f"{c.text}{'*' if c.bold else ''}" for c in rest)]


def shortened(labels: Sequence[str], width: int) -> list[str]:
    """Labels of at most ``width`` letters; "…" stands where it leaves them different."""
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
