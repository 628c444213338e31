"""The tables of a study as data: one row a label, ELBO, KL and MI first.

Figures are of the test split, in nats per sentence, natural logarithm. `benchmark.report.render`
writes them as Markdown, LaTeX and CSV.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.report import comparable
from benchmark.report.consistency import SATURATION
from benchmark.report.statistics import shown, summarise

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

DASH = "–"
COLLAPSED = 0.1  # nats of test MI and of z_use below which a model has collapsed


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

    ``kind``: "main", "paired", "sentences" or "published".
    """

    name: str
    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    kind: str = "main"


@dataclass(frozen=True)
class Column:
    """A column's ``title``, the metric it shows, its digits; ``only`` on exact languages."""

    title: str
    metric: str
    digits: int = 2
    only: bool = False


COLUMNS = (
    Column("ELBO", "elbo"),
    Column("KL", "kl"),
    Column("MI", "mi"),
    Column("rec", "rec"),
    Column("IW-NLL", "iw_nll"),
    Column("PPL (ELBO)", "ppl_elbo"),
    Column("PPL (IW)", "ppl_iw"),
    Column("z_use", "z_use"),
    Column("AU", "au", 1),
    Column("marginal KL", "marginal_kl"),
    Column("BLEU", "bleu"),
    Column("excess", "excess", only=True),
    Column("recovered", "recovered", only=True),
    Column("recovered (mean)", "recovered_mean", only=True),
)
_LAST = ("collapsed / n", "updates (encoder / decoder)", "hours a run")
_BRIEF = ("ELBO", "KL", "MI", "z_use", "IW-NLL", "excess", "recovered", "collapsed / n")

LEGEND = (
    "Test split, nats per sentence (natural logarithm); perplexities per token. ELBO is the bound "
    "itself: higher is better. Over seeds: mean ± half the width of Student's 95 % interval (n ≥ "
    "3), the range (n = 2), or the value (n = 1; SE is its own standard error over sentences). "
    "≥: MI above ln N − 3 is a lower bound. ≤: more importance samples would still lower it. "
    "–: there is no such figure. z_use: what reconstruction loses with another sentence's latent. "
    "AU: active units, threshold 0.01. Collapsed: MI and z_use both below 0.1 nats. IW-NLL of "
    "`lstm_lm` is its exact NLL."
)


def frame(lines: Sequence[Record]) -> "pd.DataFrame":
    """One row a run of the study, with or without a record; metrics of the test split.

    Columns: id, status, data, label, row, seed, error; the metrics (``elbo`` is minus
    ``neg_elbo``), iw_upper_bound; encoder, decoder (updates), seconds.
    """
    import pandas as pd

    rows = []
    for line in lines:
        row = {key: line.get(key) for key in ("id", "label", "row", "error")}
        row |= {"status": line.get("status", "done")}
        row |= {key: line.get("config", {}).get(key) for key in ("data", "seed")}
        if row["status"] == "done":
            test = line["metrics"]["test"]
            row |= {k: v for k, v in test.items() if v is None or isinstance(v, int | float)}
            if test.get("mi") is None:  # no latent variable: a dash, not a KL of 0
                row["kl"] = None
            row |= _per_word(line["data"], test)
            row |= {"elbo": -test["neg_elbo"], "seconds": line["cost"]["seconds"]}
            row |= {name: line["updates"][name] for name in ("encoder", "decoder")}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[table["row"].notna()].sort_values(["row", "seed"], kind="stable")


def _per_word(data: Record, test: Record) -> Record:
    """Perplexities of pieces, a word: exp(nats / words), each sentence's end a word."""
    if data.get("segmentation") != "sentencepiece":
        return {}
    words = data["test_words"] / data["test_sentences"]
    pairs = (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll"))
    nats = {name: test.get(of) for name, of in pairs}
    return {  # e^700 still fits a float
        name: None if n is None or n / words > 700 else math.exp(n / words)
        for name, n in nats.items()
    }


def build(study: str, lines: Sequence[Record]) -> list[Table]:
    """All tables of a study in reading order, one for what compares.

    Args:
        study: its name.
        lines: of its collected file.
    """
    found: list[Table] = []
    for group in comparable.groups(lines):
        name = _slug(group.title, (table.name for table in found))
        notes = (*group.notes, *_split(group.lines), *_truth(group.lines))
        found.append(_table(name, group.title, notes, _frame(group)))
    return found


def brief(table: Table) -> Table:
    """Its most telling columns only, for a README or a page's width."""
    kept = [i for i, title in enumerate(table.columns) if title in _BRIEF]
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in table.rows),
    )


def remarks(lines: Sequence[Record]) -> list[str]:
    """What must be said below all tables of a study."""
    stray = sum(line.get("row") is None for line in lines)
    text = f"{stray} records belong to runs that the study no longer names; not shown."
    return [text] if stray else []


def _slug(title: str, taken: Iterable[str]) -> str:
    """A name of letters, digits, ``_`` and ``-``, other than those taken."""
    base = re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-")
    known, number, name = set(taken), 1, base
    while name in known:
        number += 1
        name = f"{base}-{number}"
    return name


def _frame(group: comparable.Group) -> "pd.DataFrame":
    """`frame` of a group, whose rows tell their coding where there are several."""
    table = frame(group.lines)
    if len(group.codings) > 1:
        table["label"] += ", " + table["data"].map(comparable.coding)
    return table


def _split(records: Sequence[Record]) -> list[str]:
    """How large the test split is, and with it the largest MI that can be seen."""
    for line in records:
        data = line.get("data") or {}
        size, tokens = data.get("test_sentences"), data.get("test_words", data.get("test_tokens"))
        unit = "words" if data.get("segmentation") == "sentencepiece" else "tokens"
        if size and tokens:
            return [
                f"N = {size:,} test sentences of {tokens / size:.3f} {unit}; MI can show at most "
                f"ln N = {math.log(size):.2f} nats."
            ]
    return []


def _truth(records: Sequence[Record]) -> list[str]:
    """The exact language's entropy and I(x; c) with their Monte Carlo errors."""
    told = [line["data"] for line in records if (line.get("data") or {}).get("entropy") is not None]
    if not told:
        return []
    figures = told[0]
    entropy = f"{figures['entropy']:.3f} ± {figures['entropy_se']:.3f}"
    information = f"{figures['information']:.3f} ± {figures['information_se']:.3f}"
    return [
        f"True entropy {entropy} nats per sentence; I(x; c) {information} nats "
        "(± one Monte Carlo standard error). `excess`: IW-NLL above the truth on the same "
        "sentences; `recovered`: nats of the class that a linear probe reads from samples of z."
    ]


def _table(name: str, title: str, notes: tuple[str, ...], group: "pd.DataFrame") -> Table:
    """A row a label; what has no record is told in a footnote."""
    exact = "excess" in group and bool(group["excess"].notna().any())
    columns = [column for column in COLUMNS if exact or not column.only]
    rows: list[Row] = []
    footnotes: list[str] = []
    for label, runs in group.groupby("label", sort=False):
        done = runs[runs["status"] == "done"]
        mark = None
        if len(done) < len(runs):
            footnotes.append(f"{label}: {_lacking(runs)}.")
            mark = len(footnotes)
        cells = (*(_cell(done, column) for column in columns), *_ends(done))
        rows.append(Row(str(label), cells, mark, tuple(runs["id"])))
    titles = (*(column.title for column in columns), *_LAST)
    return Table(name, title, notes, titles, tuple(rows), tuple(footnotes))


def _cell(done: "pd.DataFrame", column: Column) -> Cell:
    """Summary of a metric, with its bound's sign; a dash unless every run has it.

    A single run's figure comes with its own standard error where its record has one.
    """
    if not len(done) or column.metric not in done or done[column.metric].isna().any():
        return Cell(DASH)
    saturated = _saturated(done)
    if column.metric == "marginal_kl" and saturated:
        return Cell(DASH)
    bounded = "iw_upper_bound" in done and bool((done["iw_upper_bound"] == True).any())  # noqa: E712
    sign = "≥ " if column.metric == "mi" and saturated else ""
    sign = "≤ " if column.metric in ("iw_nll", "ppl_iw", "excess") and bounded else sign
    found = summarise([float(value) for value in done[column.metric]])
    name = f"{column.metric}_se"
    errors = [float(e) for e in done[name].dropna()] if name in done else []
    single = len(done) == len(errors) == 1
    end = f" (SE {errors[0]:.{column.digits}f})" if single else ""
    text = sign + shown(found, column.digits) + end
    return Cell(text, found.mean, half=found.half, n=found.n)


def _saturated(done: "pd.DataFrame") -> bool:
    """Whether some run's MI is so near its cap that it is a lower bound only."""
    if "mi_cap" not in done:
        return False
    return bool((done["mi"].astype(float) > done["mi_cap"].astype(float) - SATURATION).any())


def _ends(done: "pd.DataFrame") -> list[Cell]:
    """Collapsed seeds, updates and hours."""
    n = len(done)
    if not n:
        return [Cell(DASH)] * len(_LAST)
    known = done[["mi", "z_use"]].astype(float) if "z_use" in done else done[[]]
    collapsed = None
    if len(known.columns) and not known.isna().any(axis=None):
        collapsed = int((known < COLLAPSED).all(axis=1).sum())
    updates = [float(done[name].mean()) for name in ("encoder", "decoder")]
    hours = float(done["seconds"].mean()) / 3600
    return [
        Cell(f"{DASH if collapsed is None else collapsed} / {n}", collapsed, n=n),
        Cell(" / ".join(f"{number:,.0f}" for number in updates), math.fsum(updates), n=n),
        Cell(f"{hours:.3f}" if hours >= 5e-4 else "< 0.001", hours, n=n),
    ]


def _lacking(runs: "pd.DataFrame") -> str:
    """How many runs have no record, and why."""
    absent = runs[runs["status"] != "done"]
    counts = ", ".join(f"{n} {status}" for status, n in absent["status"].value_counts().items())
    errors = [str(e) for e in absent["error"].dropna().unique()]
    return f"{len(absent)} of {len(runs)} runs without a record ({counts})" + "".join(
        f"; {error}" for error in errors
    )
