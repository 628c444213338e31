"""The verdict on a study in plain words: whose latent is alive, and what that costs.

A difference counts only where its p value, adjusted by Holm as in the tables, is below
`differences.LEVEL`; one or two seeds rank nothing. `autoencoder` is not compared: its KL costs
nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.core.measures import SIGNS
from benchmark.report.comparable import Group
from benchmark.report.differences import LEVEL
from benchmark.report.frame import bound
from benchmark.report.statistics import LEAST_T, number, shown, summarise
from benchmark.report.tables import states

if TYPE_CHECKING:
    import pandas as pd

Compared = dict[str, dict[str, Any]]  # lines of a table of differences by label and metric

_EACH = 4  # rows of which each has its sentence; more are summarised
_NAMED = 3  # significant rows that a summary names; of more it names the extreme one
_LISTED = 6  # rows of one state that are listed; more are counted
_MEASURES = (("bound", "elbo", 1), ("likelihood", "iw_nll", -1))  # and which sign is better


@dataclass(frozen=True)
class _Row:
    """A row with a latent: how many runs are in each state, and MI as the table prints it.

    ``alone`` counts runs that are alive by MI, not by z_use.
    """

    label: str
    baseline: str
    alive: int
    undecided: int
    collapsed: int
    mi: str
    mean: float
    sign: str
    alone: int

    @property
    def n(self) -> int:
        return self.alive + self.undecided + self.collapsed


def verdict(groups: Sequence[Group]) -> list[str]:
    """Plain sentences on a study; of several tables each has one entry, else each sentence.

    Args:
        groups: of `benchmark.report.comparable.groups`.
    """
    compared = [_contenders(group, "none") for group in groups]
    each = sum(map(len, compared)) <= _EACH
    found = []
    for group, others in zip(groups, compared, strict=True):
        unit = "language" if group.title.endswith(", languages") else "seed"
        said = _sentences(group, others, unit, each)
        found += said if len(groups) == 1 else [f"{group.title}: {' '.join(said)}"]
    return found


def _sentences(group: Group, compared: Compared, unit: str, each: bool) -> list[str]:
    """On the rows of one table, of which ``compared`` have a latent and are not `none`."""
    runs = group.runs
    done = runs[runs["status"] == "done"]
    if not len(done):
        return ["No run has a record."]
    rows = _rows(done)
    most = int(done.groupby("label").size().max())
    if most < LEAST_T:
        few = f"One {unit} ranks" if most == 1 else f"Two {unit}s allow no test and rank"
        return [f"{few} no method.", _alive(rows.values(), unit)]
    models = _contenders(group, "lstm_lm")
    if not compared and not models:
        return [_alive(rows.values(), unit), _pairs(group)]
    references = [row for row in rows.values() if row.baseline == "none"]
    if compared and references and each and runs["data"].nunique() == 1:  # else each has its own
        start = _state(references[0], f" {unit}s")
        found = [f"{start}. Against it, differences in nats whose adjusted p is below {LEVEL}:"]
        found += [_one(label, one, rows.get(label)) for label, one in compared.items()]
        told = [_Tally(models, "likelihood", "the language model")]
    else:
        found = [_alive(rows.values(), unit)]
        told = [_Tally(compared, noun, "none") for noun in ("bound", "likelihood")]
        told += [_Tally(models, "likelihood", "the language model")]
    return [*found, *_tallies(told)]


def _contenders(group: Group, reference: str) -> Compared:
    """Rows with a latent minus a reference."""
    runs = group.runs
    beside = set(runs.loc[runs["baseline"].isin(["lstm_lm", "autoencoder"]), "label"])
    compared: Compared = {}
    for line in group.differences.to_dict("records"):
        if line["reference"] == reference and line["label"] not in beside:
            compared.setdefault(line["label"], {})[line["metric"]] = line
    return compared


def _rows(done: "pd.DataFrame") -> dict[str, _Row]:
    """Rows whose latent's state is known, by label."""
    found = {}
    for label, runs in done.groupby("label", sort=False):
        counts = states(runs)
        if counts is not None:
            summary = summarise([float(value) for value in runs["mi"]])
            sign = f"{SIGNS[bound(runs, 'mi')]} ".lstrip()
            alone = int(((runs["mi_state"] == "alive") & (runs["z_use_state"] != "alive")).sum())
            found[str(label)] = _Row(
                str(label), str(runs["baseline"].iloc[0]), *counts,
                sign + shown(summary), summary.mean, sign, alone,
            )  # fmt: skip
    return found


def _alive(rows: Iterable[_Row], unit: str) -> str:
    """Which rows are in one state in all runs, and in which span the MI of those alive lies."""
    kinds: dict[str, list[_Row]] = {}
    for row in rows:
        states = {"collapsed": row.collapsed, "alive": row.alive, "undecided": row.undecided}
        same = next((word for word, count in states.items() if count == row.n), "mixed")
        kinds.setdefault(same, []).append(row)
    if not kinds:
        return "No row has a latent variable whose state is known."
    single = all(row.n == 1 for which in kinds.values() for row in which)
    every = "" if single else f" in every {unit}"
    told = []
    for word in ("collapsed", "alive", "undecided", "mixed"):
        if which := kinds.get(word):
            start = f"not the same{every}" if word == "mixed" else f"{word}{every}"
            told.append(f"{start}: {_listed(which)}")
            every = every if "mixed" in kinds else ""  # said once is enough
    living = sorted((row for row in kinds.get("alive", []) if row.baseline != "autoencoder"),
                    key=lambda row: row.mean)  # fmt: skip
    ends = dict.fromkeys((living[0], living[-1]) if living else ())
    span = " to ".join(f"{row.sign}{number(row.mean)} ({row.label})" for row in ends)
    text = "; ".join(told) + (f"; {'MI' if single else 'mean MI'} {span} nats" if span else "")
    return f"In these runs {text}." if single else f"{text[0].upper()}{text[1:]}."


def _listed(rows: Sequence[_Row]) -> str:
    return ", ".join(row.label for row in rows) if len(rows) <= _LISTED else f"{len(rows)} rows"


def _state(row: _Row, units: str = "") -> str:
    """Its label and how many of its runs are in which state."""
    words = {
        "is alive in": row.alive,
        "is undecided in": row.undecided,
        "collapsed in": row.collapsed,
    }
    (word, count), *others = [(word, count) for word, count in words.items() if count]
    text = f"{row.label} {word} {count} of {row.n}{units}"
    text += "".join(f", {word.removeprefix('is ')} {count}" for word, count in others)
    return text + (f" (by MI alone in {row.alone})" if row.alone else "")


def _one(label: str, one: dict[str, Any], row: _Row | None) -> str:
    """A row's state, and what it costs."""
    start = label if row is None else f"{_state(row)}, MI {row.mi}"
    costs = {noun: _cost(one, noun) for noun, _, _ in _MEASURES}
    if len(set(costs.values())) == 1:
        return f"{start}; bound and likelihood {costs['bound']}."
    return f"{start}; {', '.join(f'{noun} {cost}' for noun, cost in costs.items())}."


def _gain(one: dict[str, Any], noun: str) -> float | None:
    """A significant difference, positive where it is for the better; 0 where not significant.

    None: it is not tested. NaN: it is significant, but a bound on the side that decides nothing.
    """
    ((key, better),) = ((key, sign) for name, key, sign in _MEASURES if name == noun)
    difference = one[key]
    if math.isnan(difference["p"]):
        return None
    mean = float(difference["mean"])
    if difference["p"] >= LEVEL:
        return 0.0
    return math.nan if difference["bound"] * mean < 0 else mean * better


def _cost(one: dict[str, Any], noun: str) -> str:
    """ "0.22 worse", "not distinguishable" or why that is not known."""
    gain = _gain(one, noun)
    if gain is None:
        return "not tested"
    if math.isnan(gain):
        return "known as a bound only"
    size = number(abs(gain))
    return f"{size} {'better' if gain > 0 else 'worse'}" if gain else "not distinguishable"


class _Tally:
    """Rows that are significantly better or worse than a reference in one measure."""

    def __init__(self, compared: Compared, noun: str, reference: str) -> None:
        self.noun, self.reference = noun, reference
        gains = {label: _gain(one, noun) for label, one in compared.items()}
        self.gains = {label: gain for label, gain in gains.items() if gain is not None}
        self.untested = len(gains) - len(self.gains)

    @property
    def significant(self) -> bool:
        return any(gain != 0 for gain in self.gains.values())

    def told(self) -> str:
        """One sentence."""
        parts = []
        for word, sign in (("better", 1), ("worse", -1)):
            rows = sorted((label for label, gain in self.gains.items() if gain * sign > 0),
                          key=lambda label: -abs(self.gains[label]))  # fmt: skip
            named = [f"{row} by {number(abs(self.gains[row]))}" for row in rows]
            if len(named) > _NAMED:
                named = [f"{len(rows)} rows, at most {named[0]}"]
            parts += [f"{word} for {', '.join(named)}"] if rows else []
        bounds = sum(math.isnan(gain) for gain in self.gains.values())
        same = sum(gain == 0 for gain in self.gains.values())
        parts += [f"known as a bound only for {bounds}"] if bounds else []
        parts += [f"not distinguishable for {same}"] if same else []
        parts += [f"not tested for {self.untested}"] if self.untested else []
        return f"{self.noun.capitalize()} against {self.reference}: {'; '.join(parts)}."


def _tallies(tallies: Sequence[_Tally]) -> list[str]:
    """A sentence for each with a significant difference, one for all without."""
    tested = [tally for tally in tallies if tally.gains]
    found = [tally.told() for tally in tested if tally.significant or tally.untested]
    same: dict[str, list[str]] = {}
    for tally in tested:
        if not (tally.significant or tally.untested):
            same.setdefault(tally.noun, []).append(tally.reference)
    for noun, references in same.items():
        found.append(f"No row's {noun} is distinguishable from that of {' or '.join(references)}.")
    return found


def _pairs(group: Group) -> str:
    """Significant differences between rows of which none is a reference."""
    table = group.differences
    table = table[(table["reference"] == "") & table["p"].notna()]
    tested = len(table[table["metric"] == "elbo"])
    if not tested:
        return "No differences between rows are tested."
    told = []
    for noun, key in (("MI", "mi"), ("bound", "elbo"), ("likelihood", "iw_nll")):
        lines = table[(table["metric"] == key) & table["significant"]]
        means = dict(zip(lines["label"] + " − " + lines["other"], lines["mean"], strict=True))
        most = max(means, key=lambda label: abs(means[label]), default=None)
        end = "" if most is None else f" (most: {most}, {number(means[most], plus=True)} nats)"
        told.append(f"{noun} in {len(means)}{end}")
    return f"Of {tested} pairs of rows, these differ significantly: {'; '.join(told)}."
