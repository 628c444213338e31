"""The leaderboard as Markdown: a page of its own, and the few columns that a README has."""

import re
from collections.abc import Iterator, Sequence

from benchmark.core.measures import NATS
from benchmark.report import collapse
from benchmark.report.differences import many
from benchmark.report.formats import DASH, aligned
from benchmark.report.leaderboard.rows import Corpus, Entry

TITLES = {
    "mi": "MI",
    "minus_lm": "IW-NLL minus language model",
    "iw_nll": "IW-NLL",
    "excess": "excess",
}
LEGEND = {
    "Unit": f"{NATS}, natural logarithm, on the test split. Mean ± half the 95 % t interval over "
    "seeds (n ≥ 3), the range (n = 2), or the value (n = 1). ≥ and ≤ mark a value that bounds the "
    "true one.",
    "alive": f"seeds whose latent variable is in use, of all seeds: MI or z_use exceeds "
    f"{collapse.THRESHOLD} nats by more than {collapse.ERRORS} of its standard errors. Undecided: "
    "the errors reach across the threshold.",
    "MI": "mutual information I(x; z): what the latent variable holds of a sentence. Some methods "
    "set it by their target, so more is not better.",
    "IW-NLL minus language model": "importance-weighted negative log-likelihood, minus the exact "
    "one of the LSTM language model of the same seed. Below 0 is better than the language model, "
    "whose own row shows its value.",
    "excess": "IW-NLL above the true entropy of the same sentences; known for exact languages.",
    "rank": "by IW-NLL, the lowest first, and only where tests over seeds tell rows apart. Holding "
    "no information in z costs no likelihood, so a rank says nothing without the column alive.",
    "Settings": "those of each method’s source, which had other data; no method was tuned here.",
}
_ENTITIES = re.compile(r"<(?=[a-zA-Z/!?])|&(?=[#\w])")  # "p < 0.05" needs none


def code(text: str) -> str:
    """Return text that Markdown prints letter by letter, in type of fixed width."""
    line = " ".join(text.split()) or " "
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    pad = " " * line.startswith("`"), " " * line.endswith("`")
    return f"{fence}{pad[0]}{line}{pad[1]}{fence}"


def prose(text: str) -> str:
    """Return text in which Markdown finds no marks; code between backticks stays."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(
        part if i % 2 else re.sub(r"([\\`*_\[\]])", r"\\\1", _ENTITIES.sub(_entity, part))
        for i, part in enumerate(parts)
    )


def _entity(sign: re.Match[str]) -> str:
    return {"<": "&lt;", "&": "&amp;"}[sign[0]]


def source(entry: Entry) -> str:
    """Return the papers of a row as links, or why there are none."""
    links = [f"[{prose(paper.short)}]({paper.url})" for paper in entry.source.papers]
    return ", ".join(links) or prose(entry.source.short)


def value(entry: Entry, measure: str) -> str:
    """Return a cell; the language model has its value where others have the difference to it."""
    if entry.reference and measure == "minus_lm":
        return f"its own: {entry.cells['iw_nll'].text}"
    return entry.cells[measure].text


def page(corpora: Sequence[Corpus], records: int, tables: str) -> str:
    """Return the leaderboard as Markdown.

    Args:
        corpora: of `rows.corpora`.
        records: how many records there are.
        tables: folder of the studies' tables, as seen from the page.
    """
    parts = [
        "# Leaderboard",
        f"{many(records, 'record')} of text VAEs, by corpus. `leaderboard.html`, beside this file "
        "in a clone, sorts, filters and gives a csv.",
        "## Whose latent variable stays alive",
        "Runs alive, of all runs of a method on a corpus, whatever its settings.",
        aligned(list(_overview(corpora))),
    ]
    for corpus in corpora:
        parts += _section(corpus, tables)
    parts += ["## How to read the tables", _legend()]
    return "\n\n".join(parts) + "\n"


def overview(corpora: Sequence[Corpus]) -> dict[str, list[tuple[int, int] | None]]:
    """Return by method, on each corpus: runs alive and runs; None where none was run.

    `none` comes first. Left out is what has no latent variable, and the auto-encoder, whose latent
    costs nothing.
    """
    names = {entry.baseline for of in corpora for entry in of.entries if entry.counts is not None}
    found: dict[str, list[tuple[int, int] | None]] = {}
    for name in sorted(names - {"autoencoder"}, key=lambda name: (name != "none", name)):
        cells: list[tuple[int, int] | None] = []
        for corpus in corpora:
            own = [entry for entry in corpus.entries if entry.baseline == name and entry.counts]
            alive = sum(entry.counts[0] for entry in own if entry.counts)
            cells.append((alive, sum(entry.n for entry in own)) if own else None)
        found[name] = cells
    return found


def _overview(corpora: Sequence[Corpus]) -> Iterator[list[str]]:
    heads = [corpus.title.split(", ") for corpus in corpora]
    yield ["method", *("<br>".join([code(name), *map(prose, rest)]) for name, *rest in heads)]
    for name, cells in overview(corpora).items():
        yield [code(name), *(f"{cell[0]}/{cell[1]}" if cell else "" for cell in cells)]


def _section(corpus: Corpus, tables: str) -> Iterator[str]:
    name, *rest = corpus.title.split(", ")
    yield "## " + ", ".join([code(name), *map(prose, rest)])
    studies = ", ".join(f"[{prose(name)}]({tables}/{name}.md)" for name in corpus.studies)
    noun = "Study" if len(corpus.studies) == 1 else "Studies"
    described = prose(corpus.described)
    yield (f"{described[:1].upper()}{described[1:]}. " if described else "") + (
        f"{corpus.seeds}; {prose('; '.join(corpus.facts))}. {noun}: {studies}."
    )
    ranked = any(entry.rank for entry in corpus.entries)
    head = ["method", *["rank"] * ranked, "alive", *(TITLES[name] for name in corpus.measures)]
    lines = [[*head, "source", "study"]]
    for entry in corpus.entries:
        label = code(entry.label)
        if told := ", ".join(filter(None, (entry.settings, entry.unusual))):
            label += f"<br><sub>{prose(told)}</sub>"
        cells = [str(entry.rank or DASH)] * ranked + [entry.alive.text]
        cells += [value(entry, name) for name in corpus.measures]
        lines.append([label, *cells, source(entry), prose(", ".join(entry.studies))])
    yield _table(lines, words=2)
    yield prose(corpus.ranked)
    if corpus.notes:
        yield "\n".join(f"- {prose(note)}" for note in corpus.notes)


def _legend() -> str:
    return "\n".join(f"- **{prose(name)}**: {prose(text)}" for name, text in LEGEND.items())


def block(corpus: Corpus) -> str:
    """Return a table of at most five columns for a README, below a line on what it shows."""
    described = corpus.described.partition(":")[0]
    name = f"{prose(described[:1].upper() + described[1:])} ({code(corpus.key.data)})"
    likelihood = next((of for of in ("minus_lm", "excess", "iw_nll") if of in corpus.measures), "")
    titles = {
        "minus_lm": "IW-NLL against the language model",
        "excess": "IW-NLL above the truth",
        "iw_nll": "IW-NLL",
    }
    lines = [["method", "alive", "MI", *([titles[likelihood]] if likelihood else []), "source"]]
    for entry in corpus.entries:
        cells = [value(entry, of) for of in ("mi", likelihood) if of]
        lines.append([code(entry.label), entry.alive.text, *cells, source(entry)])
    told = f"{name if described else code(corpus.key.data)}, {corpus.seeds} per row, {NATS}"
    if any(cell.half is not None for entry in corpus.entries for cell in entry.cells.values()):
        told += ", mean ± half the 95 % interval"
    return f"{told}:\n\n{_table(lines, words=1)}"


def _table(rows: Sequence[Sequence[str]], words: int) -> str:
    """Return a Markdown table whose last columns, ``words`` of them, are aligned as text."""
    head, rule, *body = aligned(rows).split("\n")
    parts = rule.split("|")
    parts[-1 - words : -1] = [part.replace("-:", "--") for part in parts[-1 - words : -1]]
    return "\n".join([head, "|".join(parts), *body])
