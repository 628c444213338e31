"""A table as data; `benchmark.report.render` writes it as Markdown, LaTeX and CSV."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

DASH = "–"
# What a README or the width of a page has room for.
_BRIEF = (
    "ELBO", "KL", "MI", "z_use", "z_use (next)", "IW-NLL", "excess", "recovered",
    "alive / undecided / collapsed",
)  # fmt: skip
_BRIEF_PAIRED = ("MI", "p (MI)", "IW-NLL", "p (IW-NLL)", "n")


@dataclass(frozen=True)
class Cell:
    """``text`` as printed; ``value`` sorts; a mean also tells ``half`` its interval and ``n``."""

    text: str
    value: float | None = None
    bold: bool = False
    half: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Row:
    """A row: ``mark`` is the number of its footnote, ``ids`` are those of its runs."""

    label: str
    cells: tuple[Cell, ...]
    mark: int | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """``name`` is unique in the study; ``columns`` are titles without that of the labels.

    ``kind``: "main", "steps", "paired", "sentences" or "published".
    """

    name: str
    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    kind: str = "main"


def brief(table: Table) -> Table:
    """The most telling columns of a main table or one of differences; all of another."""
    if table.kind not in ("main", "paired"):
        return table
    wanted = _BRIEF if table.kind == "main" else _BRIEF_PAIRED
    titles = [title.removesuffix(" (primary)") for title in table.columns]
    kept = [i for i, title in enumerate(titles) if title in wanted]
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in table.rows),
    )


def slug(title: str, taken: Iterable[str]) -> str:
    """A name of letters, digits, ``_`` and ``-``, other than those taken."""
    base = re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-") or "data"
    known, number, name = set(taken), 1, base
    while name in known:
        number += 1
        name = f"{base}-{number}"
    return name
