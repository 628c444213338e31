"""The verdict on a study in plain words: whose latent is alive, and what that costs.

A difference is said to be what `differences.finding` calls it, so that verdict and tables agree;
one or two seeds rank nothing. `autoencoder` is not compared: its KL costs nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.core.measures import SIGNS
from benchmark.core.records import is_done
from benchmark.report import collapse, differences, paired
from benchmark.report.differences import joined, many, tally
from benchmark.report.frame import bound, states
from benchmark.report.grouping import Group, other_settings
from benchmark.report.statistics import LEAST_T, Summary, number, shown, summarise
from benchmark.report.tables import cell

if TYPE_CHECKING:
    import pandas as pd

Line = Mapping[Any, Any]  # of `Group.differences`
Compared = dict[str, dict[str, Line]]  # by label and metric

EACH = 4  # rows of which each has its sentence; more are summarised
_LISTED = 6  # rows that one or two seeds list; more are counted
_NAMED = 3  # rows of a state that a summary names
_MEASURES = {"ELBO": ("elbo", 1), "likelihood": ("iw_nll", -1)}  # and which sign is better
# What a verdict's words rest on.
READING = (
    f"Costs and gains: paired t tests over seeds, p < {differences.LEVEL} after Holm's adjustment "
    "for all rows of the table. About equal: "
    f"within {differences.MARGIN} nats by two one-sided t tests, adjusted likewise. Could detect: "
    f"the smallest true difference that such a test finds in {differences.CASES}, at the spread "
    "seen here; a smaller one may exist."
)
READING_PLANNED = (
    "Planned contrasts are adjusted among themselves; a difference in IW-NLL below 0 favours the "
    "first row."
)


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

    @property
    def state(self) -> str:
        """The state of all its runs, or "mixed"."""
        return next((word for word, count in self.counts.items() if count == self.n), "mixed")

    @property
    def nats(self) -> str:
        """Its MI, with the interval that the tables have."""
        return f"{self.sign}{shown(self.mi)} nats of MI"


def verdict(groups: Sequence[Group]) -> list[tuple[str, list[str]]]:
    """Return plain sentences on each table of a study; the title of a table alone is "".

    Labels stand between backticks.

    Args:
        groups: of `benchmark.report.grouping.groups`.
    """
    compared = [_contenders(group, "none") for group in groups]
    planned = any(group.contrasts for group in groups)  # then the other tests stand apart
    each = sum(map(len, compared)) <= EACH and not planned
    return [
        (group.title * (len(groups) > 1), [*_sentences(group, others, each), *_unlike(group)])
        for group, others in zip(groups, compared, strict=True)
    ]


def _unlike(group: Group) -> list[str]:
    """Say which of the rows that are compared to a reference were trained with other settings."""
    tested = group.differences[group.differences["p"].notna()]
    named = {*tested.loc[tested["reference"] != "", ["label", "other"]].stack()}
    texts = other_settings(one for one in group.lines if is_done(one) and one["label"] in named)
    return [f"These rows differ in their settings too: {'; '.join(texts)}."] if texts else []


def reading(groups: Sequence[Group]) -> str:
    """Return the rules behind the verdict's words; nothing where nothing was tested."""
    if not any(group.differences["p"].notna().any() for group in groups):
        return ""
    planned = any(group.contrasts for group in groups)
    return READING + f" {READING_PLANNED}" * planned


def _contenders(group: Group, reference: str) -> Compared:
    """Return the differences to a reference of rows with a latent."""
    others = group.runs.loc[group.runs["baseline"].isin(["lstm_lm", "autoencoder"]), "label"]
    compared: Compared = defaultdict(dict)
    for line in group.differences.to_dict("records"):
        planned = (line["label"], line["other"]) in group.contrasts
        if line["reference"] == reference and line["label"] not in set(others) and not planned:
            compared[line["label"]][line["metric"]] = line
    return compared


def _sentences(group: Group, compared: Compared, each: bool) -> list[str]:
    """Return sentences on the rows of one table.

    Args:
        group: of the rows.
        compared: rows with a latent minus `none`.
        each: whether every row has its sentence.
    """
    runs, unit = group.runs, "language" if group.title.endswith(", languages") else "seed"
    done = runs[runs["status"] == "done"]
    if not len(done):
        return ["No run has a record."]
    rows = [row for row in _rows(done) if row.baseline != "autoencoder"]
    if set(done["baseline"]) == {"lstm_lm"}:
        return ["Only language models have records; they have no latent variable."]
    if not rows:
        return ["No row has a latent variable whose state is known."]
    if max(row.n for row in rows) < LEAST_T:
        return _few(rows, done, unit)
    models = _contenders(group, "lstm_lm")
    planned = paired.planned(group, unit)
    if not compared and not models:
        sentences = [*planned, *paired.unreferenced(group, unit)] or [
            "No differences between rows are tested."
        ]
        if done["label"].nunique() == 1:
            sentences = ["No other row has a record, so nothing is compared."]
        return [*_states(rows, unit), *sentences]
    reference = set(runs.loc[runs["role"] == "none", "label"])
    first = next((row for row in rows if row.label in reference), None)
    others = [row for row in rows if row is not first]
    sentences = [] if first is None else [f"{_state(first, unit)}."]
    if first is not None and each and compared:
        by_label, name = {row.label: row for row in rows}, _code(first.label)
        sentences += [
            _one(key, one, by_label.get(key), unit, name) for key, one in compared.items()
        ]
        tallies = []
    else:
        sentences += _states(others, unit, "other " if first is not None else "")
        tallies = [(noun, compared, _code(first.label)) for noun in _MEASURES if first is not None]
    tallies.append(("likelihood", models, "the language model"))
    return [*sentences, *planned, *_tallied(tallies, unit, bool(group.contrasts))]


def _rows(done: "pd.DataFrame") -> list[_Row]:
    """Return the rows whose latent's state is known, in the study's order."""
    rows = []
    for label, runs in done.groupby("label", sort=False):
        numbers = states(runs)
        if numbers is not None:
            rows.append(
                _Row(
                    str(label),
                    str(runs["baseline"].iloc[0]),
                    dict(zip(collapse.STATES, numbers, strict=True)),
                    int(((runs["mi_state"] == "alive") & (runs["z_use_state"] != "alive")).sum()),
                    summarise([float(value) for value in runs["mi"]]),
                    f"{SIGNS[bound(runs, 'mi')]} ".lstrip(),
                )
            )
    return rows


def _code(label: str) -> str:
    return f"`{label}`"


# States ------------------------------------------------------------------------------------------


def _state(row: _Row, unit: str) -> str:
    """Return how many runs of a row are in each state, and the MI of those alive."""
    known = [(word, count) for word, count in row.counts.items() if count]
    parts = [f"{word} in {count}" for word, count in known]
    parts[0] += f" of {many(row.n, unit)}"
    verb = "" if known[0][0] == "collapsed" else "is "
    alone = f" (by MI alone in {row.alone})" if row.alone else ""
    text = f"{_code(row.label)} {verb}{joined(parts)}{alone}"
    return f"{text} and keeps {row.nats}" if row.counts["alive"] else text


def _few(rows: Sequence[_Row], done: "pd.DataFrame", unit: str) -> list[str]:
    """Return the states of the models of one or two seeds, without a comparison."""
    most = max(row.n for row in rows)
    count = "one" if most == 1 else "two"
    where = f"these runs of {count} {unit}{'s' * (most - 1)}"
    parts = []
    for word in ("collapsed", "alive", "undecided", "mixed"):
        some = [row for row in rows if row.state == word]
        if not some:
            continue
        kept = word in ("alive", "mixed")
        names = joined([_code(row.label) + f" ({row.nats})" * kept for row in some])
        if len(some) > _LISTED:
            names = f"{len(some)} rows" + f" ({_kept(some)})" * kept
        are = "is " if len(some) == 1 else "are "
        state = {"mixed": f"{are}not the same in both {unit}s", "collapsed": word}
        parts.append(f"{names} {state.get(word, are + word)}")
    text = f"In {'this one run' if len(done) == 1 else where}, {joined(parts)}."
    if most == 1 and 1 < done["label"].nunique() <= _LISTED:
        cells = {label: cell(some, "iw_nll") for label, some in done.groupby("label", sort=False)}
        known = [
            f"{_code(str(key))} {one.text}" for key, one in cells.items() if one.value is not None
        ]
        text += f" IW-NLL: {', '.join(known)} nats." if known else ""
    few = f"One {unit} ranks" if most == 1 else f"Two {unit}s allow no test and rank"
    return [text, f"{few} no method."]


def _kept(rows: Sequence[_Row]) -> str:
    """Return the least and the largest MI of rows, and the rows that have them."""
    ordered = sorted(rows, key=lambda row: row.mi.mean)
    ends = [f"{row.sign}{number(row.mi.mean)}" for row in (ordered[0], ordered[-1])]
    if len(rows) == 1:
        return f"{ends[0]} nats of MI"
    low, high = (_code(row.label) for row in (ordered[0], ordered[-1]))
    return f"{ends[0]} ({low}) to {ends[1]} ({high}) nats of MI"


def _states(rows: Sequence[_Row], unit: str, other: str = "") -> list[str]:
    """Return how many rows are in one state in all runs, and the span of MI of those alive."""
    if len(rows) <= 2:
        return [f"{_state(row, unit)}." for row in rows]
    parts = []
    for word in ("alive", "collapsed", "undecided", "mixed"):
        some = [row for row in rows if row.state == word]
        one = len(some) == 1
        names = f" ({', '.join(_code(row.label) for row in some)})" * (len(some) <= _NAMED)
        are = "is" if one else "are"
        if word == "alive":
            kept = f" and keep{'s' * one} {_kept(some)}" if some else ""
            text = f"{len(some)} {are} alive in every {unit}{kept}"
        elif word == "mixed":
            text = f"{len(some)} differ{'s' * one} by {unit}{names}"
        else:
            verb = "" if word == "collapsed" else f"{are} "
            text = f"{len(some)} {verb}{word} in every {unit}{names}"
        parts += [text] if some else []
    return [f"Of {len(rows)} {other}rows with a latent, {'; '.join(parts)}."]


# Differences -------------------------------------------------------------------------------------


def _one(label: str, one: Mapping[str, Line], row: _Row | None, unit: str, reference: str) -> str:
    """Return a row's state and what it costs: one sentence."""
    start = f"the state of {_code(label)} is not known" if row is None else _state(row, unit)
    parts: dict[str, list[str]] = defaultdict(list)
    shows: list[str] = []
    n = 0
    for noun, (metric, better) in _MEASURES.items():
        line = one[metric]
        kind = line["finding"]
        if kind == differences.SIGNIFICANT:
            gain = line["mean"] * better > 0
            size = f"{number(abs(line['mean']))} nats of {noun}"
            parts["gains" if gain else "costs"].append(size)
            continue
        parts[kind].append(noun)
        if kind == differences.OPEN and not math.isnan(line["detectable"]):
            shows.append(number(line["detectable"]))
            n = line["summary"].n
    clauses = [f"it {kind} {joined(parts[kind])}" for kind in ("costs", "gains") if kind in parts]
    if nouns := parts.get(differences.EQUIVALENT):
        are = "is about that" if len(nouns) == 1 else "are about those"
        clauses.append(
            f"its {joined(nouns)} {are} of {reference} (within {differences.MARGIN} nats)"
        )
    if nouns := parts.get(differences.OPEN):
        least = f" ({many(n, unit)} could detect {joined(shows)} nats)" if shows else ""
        clauses.append(f"no difference in {joined(nouns, 'or')} is shown{least}")
    if nouns := parts.get(differences.BOUND):
        clauses.append(f"only a bound on its {joined(nouns)} is known")
    if nouns := parts.get(differences.UNTESTED):
        clauses.append(f"no difference in {joined(nouns, 'or')} is tested")
    return f"{'; '.join([start[0].upper() + start[1:], *clauses])}."


def _tallied(
    tallies: Iterable[tuple[str, Compared, str]], unit: str, exploratory: bool
) -> list[str]:
    """Return a sentence on how many rows are better or worse than a reference, by measure."""
    sentences = []
    for noun, compared, reference in tallies:
        metric, better = _MEASURES[noun]
        text = tally([(_code(label), one[metric]) for label, one in compared.items()], better, unit)
        start = f"Exploratory, {noun}" if exploratory else noun[0].upper() + noun[1:]
        sentences += [f"{start} against {reference}: {text}."] if text else []
    return sentences
