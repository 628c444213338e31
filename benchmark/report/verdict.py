"""The verdict on a study in plain words: whose latent is alive, and what that costs.

A difference counts only if its p value, adjusted by Holm as in the tables, is below
`differences.LEVEL`; one or two seeds rank nothing. `autoencoder` is not compared: its KL costs
nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.core.measures import SIGNS
from benchmark.report import collapse
from benchmark.report.differences import LEVEL
from benchmark.report.frame import bound
from benchmark.report.grouping import Group
from benchmark.report.statistics import LEAST_T, Summary, number, shown, summarise
from benchmark.report.tables import states

if TYPE_CHECKING:
    import pandas as pd

Compared = dict[str, dict[str, Any]]  # lines of `Group.differences` by label and metric

_EACH = 4  # rows of which each has its sentence; more are summarised
_NAMED = 3  # significant rows that a summary names; of more it names the extreme one
_LISTED = 6  # rows of one state that are listed; more are counted
_MEASURES = {"bound": ("elbo", 1), "likelihood": ("iw_nll", -1)}  # and which sign is better
_DECIDED = ("better", "worse")
_KINDS = (*_DECIDED, "known as a bound only", "not distinguishable", "not tested")


@dataclass(frozen=True)
class _Row:
    """A row with a latent."""

    label: str
    baseline: str
    counts: dict[str, int]  # of runs that are alive, undecided, collapsed
    alone: int  # of those alive, by MI and not by z_use
    mi: Summary
    sign: str  # of MI, if it is a bound

    @property
    def n(self) -> int:
        return sum(self.counts.values())


def verdict(groups: Sequence[Group]) -> list[str]:
    """Return plain sentences on a study, or of several tables one entry each.

    Args:
        groups: of `benchmark.report.grouping.groups`.
    """
    compared = [_contenders(group, "none") for group in groups]
    each = sum(map(len, compared)) <= _EACH
    entries = []
    for group, others in zip(groups, compared, strict=True):
        said = _sentences(group, others, each)
        entries += said if len(groups) == 1 else [f"{group.title}: {' '.join(said)}"]
    return entries


def _contenders(group: Group, reference: str) -> Compared:
    """Return the differences to a reference of rows with a latent."""
    others = group.runs.loc[group.runs["baseline"].isin(["lstm_lm", "autoencoder"]), "label"]
    compared: Compared = defaultdict(dict)
    for line in group.differences.to_dict("records"):
        if line["reference"] == reference and line["label"] not in set(others):
            compared[line["label"]][line["metric"]] = line
    return compared


def _sentences(group: Group, compared: Compared, each: bool) -> list[str]:
    """Return sentences on the rows of one table.

    Args:
        group: of the rows.
        compared: rows with a latent minus `none`.
        each: whether every row has its sentence.
    """
    runs, unit = group.runs, "seed"
    if group.title.endswith(", languages"):
        unit = "language"
    done = runs[runs["status"] == "done"]
    if not len(done):
        return ["No run has a record."]
    rows = _rows(done)
    alive = _alive(list(rows.values()), unit)
    most = int(done.groupby("label").size().max())
    if most < LEAST_T:
        few = f"One {unit} ranks" if most == 1 else f"Two {unit}s allow no test and rank"
        return [f"{few} no method.", alive]
    models = _contenders(group, "lstm_lm")
    if not compared and not models:
        return [alive, _pairs(group)]
    references = [row for row in rows.values() if row.baseline == "none"]
    if compared and references and each:
        start = _state(references[0], f" {unit}s")
        said = [f"{start}. Against it, differences in nats whose adjusted p is below {LEVEL}:"]
        said += [_one(label, one, rows.get(label)) for label, one in compared.items()]
        tallies = []
    else:
        said = [alive]
        tallies = [(noun, compared, "none") for noun in _MEASURES]
    return [*said, *_tallied([*tallies, ("likelihood", models, "the language model")])]


def _rows(done: "pd.DataFrame") -> dict[str, _Row]:
    """Return rows whose latent's state is known, by label."""
    rows = {}
    for label, runs in done.groupby("label", sort=False):
        numbers = states(runs)
        if numbers is not None:
            rows[str(label)] = _Row(
                str(label),
                str(runs["baseline"].iloc[0]),
                dict(zip(collapse.STATES, numbers, strict=True)),
                int(((runs["mi_state"] == "alive") & (runs["z_use_state"] != "alive")).sum()),
                summarise([float(value) for value in runs["mi"]]),
                f"{SIGNS[bound(runs, 'mi')]} ".lstrip(),
            )
    return rows


def _alive(rows: Sequence[_Row], unit: str) -> str:
    """Return which rows are in one state in all runs, and the span of MI of those alive."""
    if not rows:
        return "No row has a latent variable whose state is known."
    kinds: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        kinds[next((word for word, n in row.counts.items() if n == row.n), "mixed")].append(row)
    single = all(row.n == 1 for row in rows)
    every = "" if single else f" in every {unit}"
    parts = []
    for word in ("collapsed", "alive", "undecided", "mixed"):
        if some := kinds.get(word):
            labels = ", ".join(row.label for row in some)
            listed = labels if len(some) <= _LISTED else f"{len(some)} rows"
            parts.append(f"{'not the same' if word == 'mixed' else word}{every}: {listed}")
            every = every if "mixed" in kinds else ""  # said once is enough
    living = [row for row in kinds.get("alive", []) if row.baseline != "autoencoder"]
    living.sort(key=lambda row: row.mi.mean)
    ends = [f"{row.sign}{number(row.mi.mean)} ({row.label})" for row in living[:1] + living[-1:]]
    span = " to ".join(dict.fromkeys(ends))
    parts += [f"{'MI' if single else 'mean MI'} {span} nats"] if span else []
    text = "; ".join(parts)
    return f"In these runs {text}." if single else f"{text[0].upper()}{text[1:]}."


def _state(row: _Row, units: str = "") -> str:
    """Return a row's label and how many of its runs are in which state."""
    parts = [f"{word} in {count}" for word, count in row.counts.items() if count]
    parts[0] += f" of {row.n}{units}"
    verb = "" if parts[0].startswith("collapsed") else "is "
    alone = f" (by MI alone in {row.alone})" if row.alone else ""
    return f"{row.label} {verb}{', '.join(parts)}{alone}"


def _one(label: str, one: dict[str, Any], row: _Row | None) -> str:
    """Return a row's state and what it costs."""
    start = label if row is None else f"{_state(row)}, MI {row.sign}{shown(row.mi)}"
    costs = {}
    for noun, (metric, better) in _MEASURES.items():
        kind, size = _cost(one[metric], better)
        costs[noun] = f"{number(size)} {kind}" if kind in _DECIDED else kind
    if len(set(costs.values())) == 1:
        return f"{start}; bound and likelihood {costs['bound']}."
    return f"{start}; {', '.join(f'{noun} {cost}' for noun, cost in costs.items())}."


def _cost(line: dict[str, Any], better: int) -> tuple[str, float]:
    """Return one of `_KINDS`, and the difference's size; 1 or -1 is its better sign."""
    size = abs(line["mean"])
    if line["significant"]:
        return "better" if line["mean"] * better > 0 else "worse", size
    if math.isnan(line["p"]):
        return "not tested", size
    return "known as a bound only" if line["p"] < LEVEL else "not distinguishable", size


def _tallied(tallies: Iterable[tuple[str, Compared, str]]) -> list[str]:
    """Return sentences on how many rows are better or worse than a reference, by measure.

    One sentence names all references from which no row can be told apart in a measure.
    """
    sentences: list[str] = []
    same: dict[str, list[str]] = defaultdict(list)
    for noun, compared, reference in tallies:
        metric, better = _MEASURES[noun]
        rows: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for label, one in compared.items():
            kind, size = _cost(one[metric], better)
            rows[kind].append((size, label))
        if rows.keys() == {"not distinguishable"}:
            same[noun].append(reference)
        elif rows.keys() - {"not tested"}:
            parts = [f"{kind} for {_named(rows[kind], kind)}" for kind in _KINDS if kind in rows]
            sentences.append(f"{noun.capitalize()} against {reference}: {'; '.join(parts)}.")
    for noun, references in same.items():
        names = " or ".join(references)
        sentences.append(f"No row's {noun} is distinguishable from that of {names}.")
    return sentences


def _named(rows: list[tuple[float, str]], kind: str) -> str:
    """Return the rows of one kind, the largest difference first, or their number."""
    if kind not in _DECIDED:
        return str(len(rows))
    rows.sort(key=lambda row: -row[0])
    named = [f"{label} by {number(size)}" for size, label in rows]
    return ", ".join(named) if len(rows) <= _NAMED else f"{len(rows)} rows, at most {named[0]}"


def _pairs(group: Group) -> str:
    """Return how many differences between rows are significant, where no row is a reference."""
    table = group.differences
    table = table[(table["reference"] == "") & table["p"].notna()]
    tested = int((table["metric"] == "elbo").sum())
    if not tested:
        return "No differences between rows are tested."
    parts = []
    for noun, metric in (("MI", "mi"), ("bound", "elbo"), ("likelihood", "iw_nll")):
        lines = table[(table["metric"] == metric) & table["significant"]]
        means = dict(zip(lines["label"] + " − " + lines["other"], lines["mean"], strict=True))
        most = max(means, key=lambda label: abs(means[label]), default=None)
        end = "" if most is None else f" (most: {most}, {number(means[most], plus=True)} nats)"
        parts.append(f"{noun} in {len(means)}{end}")
    return f"Of {tested} pairs of rows, these differ significantly: {'; '.join(parts)}."
