"""A table as data, and as text: Markdown to read, LaTeX for the paper, CSV for programs."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from benchmark.core import measures
from benchmark.report import collapse

# What all tables share: one remark an item.
LEGEND = (
    "Test split, nats per sentence (natural logarithm); perplexities per token. ELBO is the bound "
    "itself: higher is better.",
    "Over seeds: mean ± half the width of Student's 95 % interval (n ≥ 3), the range (n = 2), or "
    "the value (n = 1; SE is its own standard error over sentences).",
    "≥: MI above ln N − 3 is a lower bound. ≤: more importance samples would still lower it. "
    "–: there is no such number.",
    "z_use: what reconstruction loses with the latent of a stranger, a sentence of equal length "
    "drawn at random.",
    f"AU: active units, threshold {measures.ACTIVE}. First words: loss of the first "
    f"{measures.FIRST_WORDS} tokens of a sentence, nats per token.",
    f"Alive: MI or z_use exceeds {collapse.THRESHOLD} nats by more than {collapse.ERRORS} of its "
    "standard errors over sentences; collapsed: the upper ends of both lie below it; undecided: "
    "neither (numbers of seeds, also at other thresholds). MI is what the encoder writes into z, "
    "z_use what the decoder reads from it: a model alive by MI alone is not shown to use its "
    "latent.",
    "IW-NLL of `lstm_lm` is its exact NLL.",
    "Bold: IW-NLL below that of `none`, paired by seed, p < 0.05 after Holm's adjustment for the "
    "rows of the table; nothing else is ever bold.",
    "Primary outcomes, fixed beforehand: IW-NLL minus that of `lstm_lm`, MI, and the share of "
    "seeds alive; in the analysis plan of `main` also IW-NLL minus that of `none`.",
)
DASH = "–"
STATES = "alive / undecided / collapsed"  # the title of its column
# The six columns that page and terminal show by default, the state first; more on demand.
_SIX = {
    "main": (STATES, "ELBO", "KL", "MI", "IW-NLL", "z_use", "z_use (next)"),
    "paired": ("MI", "p (MI)", "IW-NLL", "p (IW-NLL)", "detectable (IW-NLL)", "n"),
    "planned": ("alive in each", "MI", "p (MI)", "IW-NLL", "p (IW-NLL)", "n"),
}
BASELINE = "baseline"  # the title of the first column
LABELS = {"planned": "contrast"}  # that of other kinds of table
_FEW = 6
_CHOSEN = "of the weights with the best validation bound at KL weight 1"
_MEANINGS = {one.title: one.meaning for one in measures.MEASURES.values()}
_MEANINGS |= {
    STATES: f"Numbers of seeds. Alive: MI or z_use exceeds {collapse.THRESHOLD} nats by more than "
    f"{collapse.ERRORS} of its standard errors over sentences. Collapsed: the upper ends of both "
    "lie below. Undecided: neither.",
    "alive by MI, by z_use": "Seeds whose encoder writes into z, and seeds whose decoder reads it.",
    "updates (encoder / decoder)": "Steps of the optimiser on either part, mean over seeds.",
    "hours a run": "Training and evaluation, mean over seeds.",
    "n": "Seeds that both rows have.",
    "alive in each": "Seeds whose latent is alive: of the first row, and of the other.",
    "chosen at": "The step of the chosen weights, as a share of training.",
    "published": "The number as its source prints it.",
    "difference": "Ours minus published.",
    "estimator": "Whether both numbers were measured alike.",
    "protocol": "Whether both models were trained alike.",
}
# What a README or the width of a page has room for.
_BRIEF = (
    "ELBO", "KL", "MI", "z_use", "z_use (next)", "IW-NLL", "excess", "recovered",
    "alive / undecided / collapsed",
)  # fmt: skip
_BRIEF_PAIRED = ("MI", "p (MI)", "IW-NLL", "p (IW-NLL)", "alive in each", "n")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$",
    "±": r"$\pm$", "≥": r"$\ge$", "≤": r"$\le$", "–": "--", "×": r"$\times$", "<": "$<$",
    ">": "$>$", "|": "$|$", '"': r"\textquotedbl{}", "--": "-{}-", "≈": r"$\approx$",
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

    ``kind``: "main", "steps", "planned", "paired", "sentences" or "published".
    """

    name: str
    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    kind: str = "main"

    @property
    def labels(self) -> str:
        """The title of the column of labels."""
        return LABELS.get(self.kind, BASELINE)


def brief(table: Table) -> Table:
    """Return the most telling columns of a main table or one of differences; all of another."""
    if table.kind not in ("main", "paired", "planned"):
        return table
    wanted = _BRIEF if table.kind == "main" else _BRIEF_PAIRED
    titles = [title.removesuffix(" (primary)") for title in table.columns]
    kept = [i for i, title in enumerate(titles) if title in wanted]
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in table.rows),
    )


def default(table: Table) -> tuple[int, ...]:
    """Return the places of the columns that page and terminal show first, in their order.

    Six of a main table and of one of differences; all of another, and of one with no more.
    """
    wanted = _SIX.get(table.kind, ())
    titles = [title.removesuffix(" (primary)") for title in table.columns]
    kept = tuple(titles.index(title) for title in wanted if title in titles)[:_FEW]
    return kept if kept and len(titles) > _FEW else tuple(range(len(titles)))


def definition(title: str) -> str:
    """Return what a column's title means in one or two sentences; "" if it says so itself."""
    plain = title.removesuffix(" (primary)")
    if plain.startswith("p ("):
        return "p value of a paired t test over seeds, adjusted by Holm for the rows of the column."
    if plain.startswith("detectable ("):
        return (
            "The smallest true difference that this test finds in 80 % of cases, at the spread "
            "seen here and as the smallest p value of the column."
        )
    if re.fullmatch(r"at [\d.]+ nats", plain):
        return f"Alive / undecided / collapsed with {plain[3:]} in place of {collapse.THRESHOLD}."
    base, _, which = plain.partition(", ")
    end = {"chosen": f" Here {_CHOSEN}.", "last": " Here of the last weights."}.get(which, "")
    return _MEANINGS.get(base if end else plain, "") + end


def slug(title: str, taken: Iterable[str]) -> str:
    """Return a name of letters, digits, ``_`` and ``-``, other than those taken."""
    base = re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-") or "data"
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    known = set(taken)
    return next(name for name in names if name not in known)


def markdown(study: str, tables: Sequence[Table], remarks: Sequence[str] = ()) -> str:
    """Return a page: legend, each table with its notes and footnotes, then the remarks."""
    parts = [f"# {study}", " ".join(LEGEND)]
    for table in tables:
        parts += [f"## {table.title}", *table.notes, *_markdown(table)]
    if remarks:
        parts += ["## Remarks", "\n".join(f"- {remark}" for remark in remarks)]
    return "\n\n".join(parts) + "\n"


def short(tables: Sequence[Table]) -> str:
    """Return the main tables in few columns, for a README."""
    narrow = [brief(table) for table in tables if table.kind == "main"]
    return "\n\n".join(text for table in narrow for text in (*table.notes, *_markdown(table)))


def _markdown(table: Table) -> list[str]:
    """Return an aligned Markdown table, and its footnotes as a list."""
    rows = [[table.labels, *table.columns]]
    for row in table.rows:
        label = re.sub(r"([\\`*$])", r"\\\1", row.label)  # its letters mean nothing to Markdown
        label += f" [{row.mark}]" if row.mark else ""
        cells = [f"**{cell.text}**" if cell.bold else cell.text for cell in row.cells]
        rows.append([label, *cells])
    text = aligned(rows)
    notes = "\n".join(f"{i}. {note}" for i, note in enumerate(table.footnotes, start=1))
    return [text, notes] if notes else [text]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, the first of which is the head, as a Markdown table."""
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in escaped)) for i in range(len(rows[0]))]
    head, *body = [
        [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in escaped
    ]
    rule = ["-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def latex(study: str, tables: Sequence[Table]) -> str:
    r"""Return a file to \input, after which ``\csname pcb:STUDY:TABLE\endcsname`` prints a table.

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
    """Return text that LaTeX prints as it is; code between backticks is typewritten."""
    plain = re.sub("|".join(map(re.escape, _LATEX)), lambda match: _LATEX[match[0]], text)
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", plain).replace("\n", " ")


def define(name: str, text: str) -> str:
    r"""Return what lets ``\csname NAME\endcsname`` print the text."""
    return f"\\expandafter\\def\\csname {name}\\endcsname{{%\n{text}}}"


def tabular(columns: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a ``tabular`` with rules of booktabs; the first row of its LaTeX cells is the head."""
    head, *body = [" & ".join(cells) + r" \\" for cells in rows]
    return "\n".join(
        [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", head, r"\midrule", *body,
         r"\bottomrule", "\\end{tabular}%\n"]
    )  # fmt: skip


def _tabular(table: Table) -> str:
    rows = [[escape(title) for title in (table.labels, *table.columns)]]
    for row in table.rows:
        mark = f"\\textsuperscript{{{row.mark}}}" if row.mark else ""
        guard = "{}" if row.label[:1] in ("[", "*") else ""  # else an argument of the line before
        cells = [f"\\textbf{{{escape(c.text)}}}" if c.bold else escape(c.text) for c in row.cells]
        rows.append([guard + escape(row.label) + mark, *cells])
    return tabular("l" + "r" * len(table.columns), rows)


def csv(tables: Sequence[Table]) -> str:
    """Return one line a cell: where it is, its text as printed, and six digits of its numbers."""
    cells = [
        (table.name, table.kind, row.label, title, cell.text, cell.value, cell.half, cell.n,
         int(cell.bold))
        for table in tables
        for row in table.rows
        for title, cell in zip(table.columns, row.cells, strict=True)
    ]  # fmt: skip
    columns = ["table", "kind", "row", "column", "text", "mean", "half", "n", "bold"]
    frame = pd.DataFrame(cells, columns=columns)
    frame = frame.astype({"mean": float, "half": float, "n": "Int64"})
    return str(frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
