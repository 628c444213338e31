"""What the paper's text may cite: a key such as ``quickstart:cyclical:kl`` and the figure it names.

Keys, whose parts are separated by colons (names of exact languages have one of their own):

* ``STUDY:ROW:METRIC``, or ``STUDY:DATA:ROW:METRIC`` where a study has several data sets: a row's
  test figure over seeds, as in its table. ROW may be a sum of rows, ``cyclical - none``: then the
  figure is of each seed's difference. A last part ``mean``, ``half``, ``low`` or ``high`` (ends of
  the interval), ``min``, ``max`` or ``n`` picks one number; ``holm`` is the p value of a difference
  between two rows, adjusted as in the tables.
* ``study:STUDY:FIELD``: data, rows, seeds, runs (stated), recorded, hours, torch, python, or a
  setting of its ``[train]``.
* ``data:DATA:FIELD``: what records tell of a data set; ``tokens`` a sentence, ``cap`` = ln N.
* ``language:NAME:FIELD``, ``preset:NAME:SECTION.FIELD``: settings.
* ``corpus:NAME:PART``: the first digits of a file's digest.
* ``published:values``, ``sources``, ``misprints``: of ``published.csv``.
* ``code:FILE:NAME``: a constant of ``benchmark/FILE``; ``count:baselines``, ``count:studies``.
"""

import math
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import UserError, suggest
from benchmark.core.records import is_done, read_jsonl
from benchmark.core.rules import bound
from benchmark.model.polyline import TOLERANCE
from benchmark.report import collapse, facts, misprints
from benchmark.report.comparable import Group, languages_as_seeds
from benchmark.report.facts import Quantity, plain, whole
from benchmark.report.frame import FIRST_WORDS, figures
from benchmark.report.literature import Value, read
from benchmark.report.statistics import Summary, summarise

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

DIGITS = {"au": 1, "share_at_one": 0}


class Quantities:
    """The figures of a checkout: its studies, its records, its code.

    Attributes:
        paper: the folder of study files.
        results: the folder of collected files.
        studies: names of the study files.
        done: a study's records, by its name.
    """

    def __init__(self, paper: Path, results: Path) -> None:
        self.paper, self.results = paper, results
        self.studies = sorted(path.stem for path in paper.glob("*.toml"))
        self.done = cache(self._done)
        self._compared = cache(self._compare)

    def find(self, key: str) -> Quantity:
        """The quantity of a key.

        Raises:
            UserError: it names nothing.
        """
        kind, _, rest = key.partition(":")
        kinds: dict[str, Callable[[str], Quantity]] = {
            "study": self._study,
            "data": self._data,
            "language": facts.language,
            "preset": facts.preset,
            "corpus": facts.corpus,
            "code": facts.code,
            "count": self._count,
            "published": self._published,
        }
        try:
            if kind in kinds:
                return kinds[kind](rest)
            if kind in self.studies:
                return self._row(kind, rest)
        except (LookupError, ValueError, AttributeError, OSError) as error:
            raise UserError(f"{key}: names no figure ({error})") from error
        raise UserError(f"{key}: unknown; {suggest(kind, [*kinds, *self.studies])}")

    def stated(self, study: str) -> Record:
        """What the study file states."""
        return tomllib.loads((self.paper / f"{study}.toml").read_text(encoding="utf-8"))

    def _done(self, study: str) -> list[Record]:
        """The study's records."""
        path = self.results / f"{study}.jsonl"
        lines = read_jsonl(path) if path.exists() else []
        done = [line for line in lines if is_done(line) and line.get("row") is not None]
        return languages_as_seeds(done)

    def _count(self, what: str) -> Quantity:
        from benchmark.model import registry

        counts = {"baselines": len(registry.names()), "studies": len(self.studies)}
        return whole(counts[what])

    def _published(self, what: str) -> Quantity:
        values = self.published
        counts = {
            "values": len(values),
            "sources": len({value.paper for value in values}),
            "misprints": len(misprints.check(values)),
        }
        return whole(counts[what])

    @cached_property
    def published(self) -> list[Value]:
        """What others printed: ``published.csv`` beside the study files."""
        return list(read(self.paper / "published.csv"))

    def _study(self, rest: str) -> Quantity:
        name, field = rest.split(":")
        table, lines = self.stated(name), self.done(name)
        study = table["study"]
        counts = {
            "data": len(study["data"]),
            "rows": len(table["baseline"]),
            "seeds": len(study["seeds"]),
            "runs": len(study["data"]) * len(table["baseline"]) * len(study["seeds"]),
            "recorded": len(lines),
        }
        if field in counts:
            return whole(counts[field])
        if field in table.get("train", {}):
            return whole(table["train"][field])
        if field == "hours":
            return plain(math.fsum(line["cost"]["seconds"] for line in lines) / 3600, 1)
        if not lines:
            raise LookupError("no records")
        found = sorted({str(line["provenance"][field]).partition("+")[0] for line in lines})
        return Quantity(", ".join(found), math.nan)

    def _data(self, rest: str) -> Quantity:
        name, _, field = rest.rpartition(":")
        lines = (line for study in self.studies for line in self.done(study))
        facts = next((line["data"] for line in lines if line["config"]["data"] == name), None)
        if facts is None:
            raise LookupError(f"no record of {name}")
        if field == "cap":
            return plain(math.log(facts["test_sentences"]), 2)
        if field == "tokens":
            return plain(facts["test_tokens"] / facts["test_sentences"], 2)
        if f"{field}_se" in facts:
            text = rf"\ensuremath{{{facts[field]:.3f} \pm {facts[f'{field}_se']:.3f}}}"
            return Quantity(text, facts[field])
        return whole(facts[field])

    def _row(self, study: str, rest: str) -> Quantity:
        lines = self.done(study)
        names = dict.fromkeys(line["config"]["data"] for line in lines)
        data = max((name for name in names if rest.startswith(f"{name}:")), key=len, default="")
        if not data and len(names) > 1:
            raise LookupError(f"of which data set: {', '.join(names)}?")
        rest = rest.removeprefix(f"{data}:")
        data = data or next(iter(names))
        row, metric, *rank = rest.split(":")
        if metric in collapse.STATES:
            values = _values(lines, data, row, metric)
            return Quantity(f"{sum(values):.0f} of {len(values)}", sum(values))
        found = summarise(_values(lines, data, row, metric))
        digits = DIGITS.get(metric, 2)
        if rank == ["holm"]:
            return plain(self._holm(study, data, row, metric), 3)
        if rank:
            return _ranked(found, rank[0], digits)
        differs = " - " in row
        sign = _bound(lines, data, row, metric)
        mean = round(found.mean, digits) + 0.0  # no "-0.00"
        text = f"{mean:{'+' if differs else ''}.{digits}f}"
        spread = "" if found.half is None else rf" \pm {found.half:.{digits}f}"
        return Quantity(rf"\ensuremath{{{sign}{text}{spread}}}", found.mean)

    def _holm(self, study: str, data: str, row: str, metric: str) -> float:
        """As in the tables: over all differences to that row, or over all pairs of rows."""
        for line in self._compared(study, data).to_dict("records"):
            same_rows = {line["label"], line["other"]} == set(row.split(" - "))
            if same_rows and line["metric"] == metric and not math.isnan(line["p"]):
                return float(line["p"])
        raise LookupError("no test was made")

    def _compare(self, study: str, data: str) -> "pd.DataFrame":
        lines = [line for line in self.done(study) if line["config"]["data"] == data]
        return Group(lines=lines).differences


def _values(lines: Sequence[Record], data: str, row: str, metric: str) -> list[float]:
    """One value a seed: of a row, or of a sum of rows over the seeds that all have."""
    terms = _terms(row)
    seeds: list[dict[int, float]] = []
    for _, label in terms:
        runs = [r for r in lines if r["label"] == label and r["config"]["data"] == data]
        if not runs:
            raise LookupError(f"no row '{label}' on {data}")
        seeds.append({run["config"]["seed"]: _metric(run, metric) for run in runs})
    common = sorted(set.intersection(*(set(values) for values in seeds)))
    return [
        math.fsum(sign * values[seed] for (sign, _), values in zip(terms, seeds, strict=True))
        for seed in common
    ]


def _terms(row: str) -> list[tuple[int, str]]:
    """The rows of a sum of rows, each with its sign."""
    first, *others = re.split(r" ([+-]) ", row)
    signs = [1 if sign == "+" else -1 for sign in others[::2]]
    return [(1, first), *zip(signs, others[1::2], strict=True)]


def _metric(line: Record, metric: str) -> float:
    test = figures(line, "test")
    if metric == "elbo":
        return -float(test["neg_elbo"])
    if metric in collapse.STATES:
        known = collapse.state(line["metrics"]["test"])
        test[metric] = None if known is None else known == metric
    if metric == "share_at_one":
        return _share_at_one(line)
    if metric == "rec_first":  # of the sentence's first tokens, nats per sentence
        first = line["loss_by_position"][:FIRST_WORDS]
        return float(math.fsum(nats * count for nats, count in first) / first[0][1])
    if test.get(metric) is None:
        raise LookupError(f"{line['id']} has no {metric}")
    return float(test[metric])


def _share_at_one(line: Record) -> float:
    """Per cent of training at KL weight 1, each step counted by its learning rate."""
    import numpy as np

    if not line.get("weight_path"):
        raise LookupError(f"{line['id']} tells no weight_path")
    if line["config"]["train"].get("lr_schedule") == "cooldown":
        raise LookupError(f"{line['id']}: the curve does not tell the rate of each step")
    path = np.array(line["weight_path"])
    weights = np.interp(np.arange(line["steps"]), path[:, 0], path[:, 1])
    at_one = weights >= 1 - 2 * TOLERANCE  # corners are kept to within it
    found, whole, start = 0.0, 0.0, 0
    for point in line["curve"]:  # its rate is that of the epoch that it ends
        steps = slice(start, point["step"])
        found += point["lr"] * int(at_one[steps].sum())
        whole += point["lr"] * (point["step"] - start)
        start = point["step"]
    return 100 * found / whole


def _bound(lines: Sequence[Record], data: str, row: str, metric: str) -> str:
    """The sign of a figure that is a bound of what it estimates, as in the tables."""
    signs = {
        sign * bound(line["metrics"]["test"], metric)
        for sign, label in _terms(row)
        for line in lines
        if line["label"] == label and line["config"]["data"] == data
    } - {0}
    if len(signs) > 1:
        raise LookupError("the difference of two bounds is none")
    return {-1: r"\le ", 1: r"\ge "}[signs.pop()] if signs else ""


def _ranked(found: Summary, rank: str, digits: int) -> Quantity:
    if rank == "n":
        return whole(found.n)
    if rank in ("half", "low", "high") and found.half is None:
        raise LookupError("fewer than three seeds have no interval")
    half = found.half or 0.0
    numbers = {"mean": found.mean, "half": half, "low": found.mean - half,
               "high": found.mean + half, "min": found.low, "max": found.high}  # fmt: skip
    return plain(numbers[rank], digits)
