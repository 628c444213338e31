"""A table as data, and as text: Markdown to read, LaTeX for the paper, CSV for programs."""

import csv as _csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmark.report import collapse
from benchmark.report.frame import FIRST_WORDS

LEGEND = (
    "Test split, nats per sentence (natural logarithm); perplexities per token. ELBO is the bound "
    "itself: higher is better. Over seeds: mean ± half the width of Student's 95 % interval (n ≥ "
    "3), the range (n = 2), or the value (n = 1; SE is its own standard error over sentences). "
    "≥: MI above ln N − 3 is a lower bound. ≤: more importance samples would still lower it. "
    "–: there is no such figure. z_use: what reconstruction loses with the latent of a stranger, "
    "a sentence of equal length drawn at random. "
    f"AU: active units, threshold 0.01. First words: loss of the first {FIRST_WORDS} tokens of a "
    f"sentence, nats per token. Alive: MI or z_use exceeds {collapse.THRESHOLD} nats by more than "
    f"{collapse.ERRORS} of its standard errors over sentences; collapsed: the upper ends of both "
    "lie below it; undecided: neither (numbers of seeds, also at other thresholds). MI is what the "
    "encoder writes into z, z_use what the decoder reads from it: a model alive by MI alone is "
    "not shown to use its latent. IW-NLL of "
    "`lstm_lm` is its exact NLL. Bold: IW-NLL below that of `none`, paired by seed, p < 0.05 after "
    "Holm's adjustment for the rows of the table; nothing else is ever bold. Primary outcomes, "
    "fixed beforehand: IW-NLL minus that of `lstm_lm`, MI, and the share of seeds alive."
)
DASH = "–"
# What a README or the width of a page has room for.
_BRIEF = (
    "ELBO", "KL", "MI", "z_use", "z_use (next)", "IW-NLL", "excess", "recovered",
    "alive / undecided / collapsed",
)  # fmt: skip
_BRIEF_PAIRED = ("MI", "p (MI)", "IW-NLL", "p (IW-NLL)", "n")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$",
    "±": r"$\pm$", "≥": r"$\ge$", "≤": r"$\le$", "–": "--", "×": r"$\times$", "<": "$<$",
    ">": "$>$", "|": "$|$", '"': r"\textquotedbl{}", "--": "-{}-",
}  # fmt: skip


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


def markdown(study: str, tables: Sequence[Table], remarks: Sequence[str] = ()) -> str:
    """A page: legend, then each table with its notes and footnotes, then what else to know."""
    parts = [f"# {study}", LEGEND]
    for table in tables:
        parts += [f"## {table.title}", *table.notes, *_markdown(table)]
    if remarks:
        parts += ["## Remarks", "\n".join(f"- {remark}" for remark in remarks)]
    return "\n\n".join(parts) + "\n"


def short(tables: Sequence[Table]) -> str:
    """The main tables in few columns, for a README."""
    narrow = [brief(table) for table in tables if table.kind == "main"]
    return "\n\n".join(text for table in narrow for text in (*table.notes, *_markdown(table)))


def _markdown(table: Table) -> list[str]:
    """An aligned Markdown table, and its footnotes as a list."""
    rows = [["baseline", *table.columns]]
    rows += [
        [f"{_plain(row.label)}{f' [{row.mark}]' if row.mark else ''}",
         *(f"**{cell.text}**" if cell.bold else cell.text for cell in row.cells)]
        for row in table.rows
    ]  # fmt: skip
    text = aligned(rows)
    notes = "\n".join(f"{i}. {note}" for i, note in enumerate(table.footnotes, start=1))
    return [text, notes] if notes else [text]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first of which is the head, as a Markdown table."""
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in escaped)) for i in range(len(rows[0]))]
    head, *body = [
        [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in escaped
    ]
    rule = ["-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def _plain(label: str) -> str:
    """A label whose letters mean nothing to Markdown."""
    return re.sub(r"([\\`*$])", r"\\\1", label)


def latex(study: str, tables: Sequence[Table]) -> str:
    r"""A file to \input, after which ``\csname pcb:STUDY:TABLE\endcsname`` prints a table.

    Each is a ``tabular`` with rules of booktabs, without float or caption. ``TABLE:brief`` has few
    columns; ``TABLE:notes`` prints what must be said below either. The document has T1 fonts.
    """
    parts = [f"% Tables of the study {study}, generated by `pcbench report {study}`."]
    for table in tables:
        name = f"pcb:{study}:{table.name}"
        parts += [define(name, _tabular(table)), define(f"{name}:brief", _tabular(brief(table)))]
        marked = [f"\\textsuperscript{{{i}}}\\,{escape(text.rstrip('.'))}."
                  for i, text in enumerate(table.footnotes, start=1)]  # fmt: skip
        parts.append(define(f"{name}:notes", " ".join([*map(escape, table.notes), *marked])))
    return "\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is; code between backticks is typewritten."""
    plain = re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found[0]], text)
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", plain).replace("\n", " ")


def define(name: str, text: str) -> str:
    r"""What lets ``\csname NAME\endcsname`` print the text."""
    return f"\\expandafter\\def\\csname {name}\\endcsname{{%\n{text}}}"


def tabular(columns: str, rows: Sequence[Sequence[str]]) -> str:
    """A ``tabular`` with rules of booktabs, of cells in LaTeX, the first row of which is the head.

    Args:
        columns: as LaTeX declares them.
        rows: of cells.
    """
    head, *body = [" & ".join(cells) + r" \\" for cells in rows]
    return "\n".join(
        [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", head, r"\midrule", *body,
         r"\bottomrule", "\\end{tabular}%\n"]
    )  # fmt: skip


def _tabular(table: Table) -> str:
    head = [escape(title) for title in ("baseline", *table.columns)]
    return tabular("l" + "r" * len(table.columns), [head, *map(_row, table.rows)])


def _row(row: Row) -> list[str]:
    mark = f"\\textsuperscript{{{row.mark}}}" if row.mark else ""
    cells = [f"\\textbf{{{escape(c.text)}}}" if c.bold else escape(c.text) for c in row.cells]
    guard = "{}" if row.label[:1] in ("[", "*") else ""  # else an argument of the line before
    return [guard + escape(row.label) + mark, *cells]


def csv(tables: Sequence[Table]) -> str:
    """One line a cell: table, kind, row, column, text as printed, and six digits of its figures."""
    out = io.StringIO()
    writer = _csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "kind", "row", "column", "text", "mean", "half", "n", "bold"])
    for table in tables:
        for row in table.rows:
            for title, cell in zip(table.columns, row.cells, strict=True):
                figures = ["" if v is None else f"{v:.6g}" for v in (cell.value, cell.half)]
                n = "" if cell.n is None else cell.n
                told = [table.name, table.kind, row.label, title, cell.text]
                writer.writerow([*told, *figures, n, int(cell.bold)])
    return out.getvalue()
