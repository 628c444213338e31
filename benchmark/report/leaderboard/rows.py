"""The rows of a corpus: each is a method with its settings, summarised over seeds, and its rank."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark import data
from benchmark.core.measures import SIGNS
from benchmark.core.schema import Record
from benchmark.core.settings import ModelConfig, TrainConfig
from benchmark.report.differences import LEVEL, many
from benchmark.report.formats import DASH, Cell
from benchmark.report.frame import bound, states
from benchmark.report.grouping import Group
from benchmark.report.leaderboard import sources
from benchmark.report.leaderboard.ranks import Ranking, ranking
from benchmark.report.statistics import LEAST_T, Summary, paired, shown, summarise
from benchmark.run.presets import CAVEATS

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[str, tuple[str, ...], list[Record]]  # label, studies, lines
LANGUAGES = ", languages"  # ends the name of data of which each seed is a language of its own


class Key(NamedTuple):
    """What the rows of a corpus share."""

    data: str
    text: str  # digest of text and coding
    preset: str
    precision: str
    evaluation: int
    measured: tuple[tuple[str, str], ...]  # settings of the evaluation
    usual: tuple[tuple[str, str], ...]  # settings of network and training that most rows have

    @property
    def protocol(self) -> str:
        """The preset in words."""
        return "no preset" if self.preset == "none" else f"preset {self.preset}"


@dataclass(frozen=True)
class Entry:
    """A row: ``cells`` by measure, ``counts`` of seeds alive, undecided and collapsed.

    ``reference`` is the language model, whose likelihood the others' is compared with. ``settings``
    are the method's, ``unusual`` those of network and training that most rows do not have.
    """

    label: str
    baseline: str
    settings: str
    unusual: str
    studies: tuple[str, ...]
    n: int
    counts: tuple[int, int, int] | None
    cells: dict[str, Cell]
    source: sources.Source
    reference: bool = False
    rank: int | None = None

    @property
    def alive(self) -> Cell:
        """How many seeds have a latent that is alive: "4/5", with what is undecided in words."""
        if self.counts is None:
            return Cell(DASH)
        alive, undecided, _ = self.counts
        text = f"{alive}/{self.n}" + (f", {undecided} undecided" if undecided else "")
        return Cell(text, alive / self.n, n=self.n)


@dataclass(frozen=True)
class Corpus:
    """Rows that may be compared: ``measures`` are those that a table has columns for.

    Attributes:
        key: what the rows share.
        title: unique on the leaderboard, such as "exact_small, 10 epochs".
        facts: on data, settings and evaluation, a few words each.
        entries: the reference first; then by rank where there are ranks, else as studies have them.
        ranked: one sentence on the ranks, or on why there are none.
        notes: what weakens a comparison.
    """

    key: Key
    title: str
    facts: tuple[str, ...]
    measures: tuple[str, ...]
    entries: tuple[Entry, ...]
    ranked: str
    notes: tuple[str, ...]

    @property
    def studies(self) -> list[str]:
        """The studies whose rows these are."""
        return list(dict.fromkeys(name for entry in self.entries for name in entry.studies))

    @property
    def unit(self) -> str:
        """What n counts."""
        return _unit(self.key)

    @property
    def seeds(self) -> str:
        """How many seeds the rows have: "1 seed", "3 to 5 seeds"."""
        least, most = (of(entry.n for entry in self.entries) for of in (min, max))
        return f"{least} to {most} {self.unit}s" if least < most else many(most, self.unit)

    @property
    def described(self) -> str:
        """What the data are in words, "" for a reader's own text."""
        return data.descriptions().get(self.key.data.split(":")[0].removesuffix(LANGUAGES), "")


def _unit(key: Key) -> str:
    return "language" if key.data.endswith(LANGUAGES) else "seed"


def trained(line: Record) -> dict[str, Any]:
    """Return settings of network and training; what older records lack has its default."""
    config: Any = line["config"]
    defaults = asdict(ModelConfig()) | asdict(TrainConfig())
    return {**defaults, **config.get("model", {}), **config.get("train", {})}


def corpus(key: Key, title: str, rows: Iterable[Row]) -> Corpus:
    """Return a corpus: its rows summarised over seeds, compared with the reference, and ranked."""
    lines: list[Record] = []
    studies = {}
    for place, (label, names, of) in enumerate(rows):
        lines += [{**line, "label": label, "row": place} for line in of]
        studies[label] = names
    runs = Group(title, lines).runs
    model = runs[runs["role"] == "lstm_lm"].set_index("seed")
    usual = {name: json.loads(value) for name, value in key.usual}
    entries, exact_rows, bounded = [], {}, 0
    for name, row in runs.groupby("label", sort=False):
        entry = _entry(str(name), row, model, studies[str(name)], usual)
        entries.append(entry)
        if entry.reference or entry.cells["iw_nll"].value is None:
            continue
        if bound(row, "iw_nll"):
            bounded += 1
        else:
            values = zip(row["seed"].astype(int), row["iw_nll"].astype(float), strict=True)
            exact_rows[entry.label] = dict(values)
    found = ranking(exact_rows)
    entries = [replace(entry, rank=found.ranks.get(entry.label)) for entry in entries]
    if found.ranks:
        last = len(entries) + 1
        entries.sort(key=lambda e: (e.rank or last, e.cells["iw_nll"].value or math.inf))
    entries.sort(key=lambda entry: not entry.reference)
    exact = any(entry.cells["excess"].value is not None for entry in entries)
    likelihood = ["minus_lm"] if len(model) else [] if exact else ["iw_nll"]
    most = max((entry.n for entry in entries if entry.cells["iw_nll"].value is not None), default=0)
    few = sum(len(numbers) < LEAST_T for numbers in exact_rows.values())
    return Corpus(
        key, title, tuple(_facts(key, lines)), ("mi", *likelihood, *(["excess"] * exact)),
        tuple(entries), _ranked(found, most, _unit(key), bounded, few), tuple(_notes(key)),
    )  # fmt: skip


def _entry(
    label: str,
    runs: "pd.DataFrame",
    model: "pd.DataFrame",
    studies: tuple[str, ...],
    usual: Mapping[str, Any],
) -> Entry:
    first = runs["record"].iloc[0]
    config = first["config"]
    settings = _worded(config.get("params", {}))
    unusual = _worded({k: v for k, v in trained(first).items() if v != usual.get(k)})
    reference = bool((runs["role"] == "lstm_lm").all())
    cells = {name: _cell(runs, name) for name in ("mi", "iw_nll", "excess")}
    cells["minus_lm"] = Cell(DASH) if reference else _against(runs, model)
    baseline = str(config["baseline"])
    source = sources.Source("not known") if config.get("file") else sources.of(baseline)
    return Entry(
        label, baseline, settings, unusual, studies, len(runs), states(runs), cells, source,
        reference,
    )  # fmt: skip


def _worded(settings: Mapping[str, Any]) -> str:
    """Return "cycles 4, floor 0.1"."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in settings.items()
    )


def _cell(runs: "pd.DataFrame", metric: str) -> Cell:
    """Return a number over seeds; a dash unless every run has it."""
    if metric not in runs or runs[metric].isna().any():
        return Cell(DASH)
    summary = summarise([float(value) for value in runs[metric]])
    return _told(summary, bound(runs, metric), shown(summary))


def _against(runs: "pd.DataFrame", model: "pd.DataFrame") -> Cell:
    """Return IW-NLL minus that of the language model of the same seed."""
    seeds = [seed for seed in runs["seed"] if seed in model.index]
    if not seeds or "iw_nll" not in runs or runs["iw_nll"].isna().any():
        return Cell(DASH)
    row = runs.set_index("seed")
    own, other = ([float(of.loc[seed, "iw_nll"]) for seed in seeds] for of in (row, model))
    summary = paired(own, other)
    text = shown(summary, plus=True)
    if summary.n < len(runs):  # the language model lacks some of the row's seeds
        text += f" (n = {summary.n})"
    return _told(summary, bound(runs, "iw_nll"), text)


def _told(summary: Summary, sign: int, text: str) -> Cell:
    low, _, high = text.partition(" to ")
    text = low if low == high else text  # of two seeds that agree to the digits shown
    return Cell(f"{SIGNS[sign]} {text}".lstrip(), summary.mean, half=summary.half, n=summary.n)


def _facts(key: Key, lines: Sequence[Record]) -> Iterator[str]:
    usual, measured = dict(key.usual), dict(key.measured)
    yield key.protocol
    yield f"{usual['epochs']} epochs"
    yield key.precision
    sizes = {line["data"].get("test_sentences") for line in lines} - {None}
    if len(sizes) == 1:
        yield f"{sizes.pop():,} test sentences"
    yield f"{measured['iw_samples']} importance samples"
    yield f"evaluation {key.evaluation}"


def _notes(key: Key) -> Iterator[str]:
    if key.preset in CAVEATS:
        yield CAVEATS[key.preset]
    if key.evaluation < 2:
        yield (
            "Measured before evaluation 2: whether a latent is alive is decided without the errors "
            "of MI and z_use, and z_use took the next sentence of equal length for the stranger."
        )


def _ranked(found: Ranking, most: int, unit: str, bounded: int, few: int) -> str:
    """Return what the ranks mean, or why there are none.

    Args:
        found: the ranks.
        most: seeds of the row that has most.
        unit: what a seed is.
        bounded: rows whose IW-NLL is an upper bound only.
        few: rows with too few seeds for a test.
    """
    if most == 0:
        return "No ranks: no row has a likelihood."
    if most < LEAST_T:
        reason = "one {0} per row ranks" if most == 1 else "two {0}s per row allow no test and rank"
        return f"No ranks: {reason.format(unit)} no method."
    tested = f"paired t test over {unit}s, p < {LEVEL} after Holm’s adjustment for all pairs"
    verb = "differs" if found.pairs == 1 else "differ"
    told = f"{found.apart} of {many(found.pairs, 'pair')} of rows {verb} ({tested})"
    left = [f"{many(bounded, 'row')} known by an upper bound (≤)"] * bool(bounded)
    left += [f"{many(few, 'row')} of fewer than {LEAST_T} {unit}s"] * bool(few)
    told += f". Not ranked: {' and '.join(left)}" if left else ""
    fewer = "A study’s page tests fewer pairs, so it may show a difference that is not shown here."
    if not found.ranks:
        return f"No ranks, for no row’s IW-NLL is set apart from all others: {told}. {fewer}"
    return (
        f"{many(len(found.ranks), 'row')} ranked by IW-NLL. Rows of different ranks differ in "
        f"every pair; those that the {unit}s cannot tell apart share a rank. {told}. {fewer}"
    )
