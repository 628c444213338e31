"""Tables as HTML, each row with the panel of its runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.page import runs
from benchmark.report.page.markup import anchor, name, prose, text
from benchmark.report.render import Row, Table

Record = dict[str, Any]


class Sections:
    """The tables of a page; each run is told of once, in the first row that has it."""

    def __init__(self, origin: runs.Origin, lines: Sequence[Record]) -> None:
        self.origin = origin
        self.lines = {line["id"]: line for line in lines}
        self.told: set[str] = set()

    def section(self, table: Table) -> str:
        """A table with its title, notes and footnotes, in a box that scrolls."""
        notes = "".join(f"<p>{prose(note)}</p>" for note in table.notes)
        feet = "".join(f"<li>{prose(note)}</li>" for note in table.footnotes)
        heads = "".join(
            f'<th scope="col" aria-sort="none"><button type="button">{text(title)}</button></th>'
            for title in ("baseline", *table.columns)
        )
        spoken = text(table.title.replace("`", ""))
        common = runs.usual([self._runs(row) for row in table.rows])
        body = "".join(self._row(row, common) for row in table.rows)
        return (
            f'<section id="{anchor(f"table-{table.name}")}" class="{text(table.kind)}">'
            f'<h2>{prose(table.title)}</h2><div class="notes">{notes}</div>'
            f'<div class="box" tabindex="0" role="region" aria-label="{spoken}">'
            f'<table class="sorted"><thead><tr>{heads}</tr></thead>{body}</table></div>'
            + (f'<ol class="footnotes">{feet}</ol>' if feet else "")
            + "</section>"
        )

    def _runs(self, row: Row) -> list[Record]:
        return [self.lines[i] for i in row.ids if i in self.lines]

    def _row(self, row: Row, common: Mapping[str, str]) -> str:
        """A group of rows that sorting keeps together: the figures, and the panel."""
        label = name(row.label) + (f"<sup>{row.mark}</sup>" if row.mark else "")
        panel = self._panel(row, common)
        if panel:
            label = f'<details class="label"><summary>{label}</summary></details>'
            panel = (
                f'<tr class="runs"><td colspan="{len(row.cells) + 1}">'
                f'<div class="panel">{panel}</div></td></tr>'
            )
        else:
            label = f'<span class="label">{label}</span>'
        cells = "".join(
            f"<td{_value(cell.value)}>{_bold(text(cell.text), cell.bold)}</td>"
            for cell in row.cells
        )
        return (
            f'<tbody data-label="{text(row.label)}"><tr><th scope="row">{label}</th>{cells}</tr>'
            f"{panel}</tbody>"
        )

    def _panel(self, row: Row, common: Mapping[str, str]) -> str:
        new = [line for line in self._runs(row) if line["id"] not in self.told]
        known = [i for i in row.ids if i in self.told]
        self.told |= {line["id"] for line in new}
        panel = runs.panel(self.origin, row.label, new, common) if new else ""
        return panel + (runs.links(known) if known else "")


def _value(value: float | None) -> str:
    """What a column is sorted by; nothing where there is no figure."""
    if value is None or not math.isfinite(value):
        return ""
    return f' data-value="{float(value)!r}"'


def _bold(content: str, bold: bool) -> str:
    return f"<strong>{content}</strong>" if bold else content
