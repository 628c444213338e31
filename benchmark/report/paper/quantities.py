r"""What the paper's text may cite: a key such as ``quickstart:cyclical:kl`` and its number.

The parts of a key are separated by colons (names of exact languages have one of their own):

* ``STUDY:ROW:METRIC``, or ``STUDY:DATA:ROW:METRIC`` where a study has several data sets: a row's
  test number over seeds, as in its table. ROW may be a sum of rows, ``cyclical - none``: then the
  number is of each seed's difference. A last part ``mean``, ``half``, ``low`` or ``high`` (ends of
  the interval), ``min``, ``max`` or ``n`` picks one number; ``holm`` is the p value of a difference
  between two rows, adjusted as in the tables; ``planned`` that over the study's planned contrasts.
* ``study:STUDY:FIELD``: data, rows, seeds, runs (stated), recorded, hours, torch, python, or a
  setting of its ``[train]``.
* ``data:DATA:FIELD``: what records say of a data set; ``tokens`` a sentence, ``cap`` = ln N.
* ``language:NAME:FIELD``, ``preset:NAME:SECTION.FIELD``: settings.
* ``truth:DATA:FIELD``: what knowing the class is worth on an exact language, nats a test sentence:
  ``all``, on the ``first`` tokens, and their ``share`` of it in per cent.
* ``corpus:NAME:PART``: the first digits of a file's digest.
* ``figure:NAME:scale``: how much a figure is enlarged in print.
* ``published:values``, ``sources``, ``misprints``: of ``published.csv``.
* ``code:FILE:NAME``: a constant of ``benchmark/FILE``; ``count:baselines``, ``count:studies``.
"""

import math
import operator
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.core.errors import UserError, suggest
from benchmark.core.measures import FIRST_WORDS, MEASURES
from benchmark.core.records import is_done, read_jsonl
from benchmark.core.schema import Record
from benchmark.model import registry
from benchmark.model.weight_path import TOLERANCE
from benchmark.report.collapse import STATES
from benchmark.report.differences import PLANNED
from benchmark.report.frame import bound
from benchmark.report.grouping import Group, languages_as_seeds
from benchmark.report.paper import excerpts, facts
from benchmark.report.paper.facts import Quantity, rounded, whole
from benchmark.report.paper.literature import Misprint, Value, read
from benchmark.report.statistics import detectable, summarise
from benchmark.sweep.study import contrasts

if TYPE_CHECKING:
    import pandas as pd


OWN_DIGITS = {"share_at_one": 0}  # of numbers that are no measure of a record


class Quantities:
    """The numbers of a checkout: its studies, its records, its code.

    Args:
        paper: the folder of study files and of ``published.csv``.
        results: the folder of collected files.
    """

    def __init__(self, paper: Path, results: Path) -> None:
        self.paper, self.results = paper, results
        self.studies = sorted(path.stem for path in paper.glob("*.toml"))
        self.stated, self.done = cache(self._stated), cache(self._done)
        self.group = cache(self._group)
        self.kinds: dict[str, Callable[[str], Any]] = {
            "study": self._of_study, "data": self._of_data, "count": self._of_count,
            "published": self._of_published, "figure": self._of_figure, "truth": facts.of_truth,
            "language": facts.of_language, "preset": facts.of_preset, "corpus": facts.of_corpus,
            "code": facts.of_code,
        }  # fmt: skip

    def find(self, key: str) -> Quantity:
        """Return the quantity of a key; UserError if it names nothing."""
        kind, _, rest = key.partition(":")
        if kind not in self.kinds and kind not in self.studies:
            raise UserError(f"{key}: unknown; {suggest(kind, [*self.kinds, *self.studies])}")
        try:
            value = self.kinds[kind](rest) if kind in self.kinds else self._row(kind, rest)
        except (LookupError, ValueError, AttributeError, ImportError) as error:
            raise UserError(f"{key}: names no number ({error})") from error
        return value if isinstance(value, Quantity) else whole(value)

    @cached_property
    def published(self) -> list[Value]:
        """What others printed: ``published.csv`` beside the study files."""
        return read(self.paper / "published.csv")

    @property
    def misprints(self) -> list[Misprint]:
        """What is wrong among it."""
        return [one for value in self.published for one in value.misprints]

    def absent(self, key: str) -> bool:
        """Return whether a key is of a study that has no records yet."""
        study = key.strip().partition(":")[0]
        return study in self.studies and not self.done(study)

    def _stated(self, study: str) -> dict[str, Any]:
        return tomllib.loads((self.paper / f"{study}.toml").read_text(encoding="utf-8"))

    def _done(self, study: str) -> list[Record]:
        path = self.results / f"{study}.jsonl"
        lines = read_jsonl(path) if path.exists() else []
        return languages_as_seeds(
            [line for line in lines if is_done(line) and line.get("row") is not None]
        )

    def _group(self, study: str, data: str) -> Group:
        lines = [one for one in self.done(study) if one["config"]["data"] == data]
        return Group(lines=lines, contrasts=contrasts(self.stated(study), study))

    def _of_count(self, what: str) -> int:
        return {"baselines": len(registry.names()), "studies": len(self.studies)}[what]

    def _of_published(self, what: str) -> int:
        return {
            "values": len(self.published),
            "sources": len({value.paper for value in self.published}),
            "misprints": len(self.misprints),
        }[what]

    def _of_figure(self, rest: str) -> Quantity:
        name, field = rest.split(":")
        scale = {"scale": excerpts.scale(self.paper / "figures" / f"{name}.pdf")}[field]
        return Quantity(f"{scale:.3f}", scale)

    def _of_study(self, rest: str) -> Any:
        name, field = rest.split(":")
        table, lines = self.stated(name), self.done(name)
        seeds, data = len(table["study"]["seeds"]), len(table["study"]["data"])
        rows = len(table["baseline"])
        counts = {"data": data, "rows": rows, "seeds": seeds, "runs": data * rows * seeds,
                  "recorded": len(lines), **table.get("train", {})}  # fmt: skip
        if field in counts:
            return counts[field]
        if field == "hours":
            return rounded(math.fsum(line["cost"]["seconds"] for line in lines) / 3600, 1)
        if not lines:
            raise LookupError("no records")
        origins: list[Mapping[str, Any]] = [line["provenance"] for line in lines]
        used = sorted({str(origin[field]).partition("+")[0] for origin in origins})
        return Quantity(", ".join(used))

    def _of_data(self, rest: str) -> Any:
        name, _, field = rest.rpartition(":")
        lines = (line for study in self.studies for line in self.done(study))
        facts: Mapping[str, Any] | None = next(
            (line["data"] for line in lines if line["config"]["data"] == name), None
        )
        if facts is None:
            raise LookupError(f"no record of {name}")
        if field == "cap":
            return rounded(math.log(facts["test_sentences"]), 2)
        if field == "tokens":
            return rounded(facts["test_tokens"] / facts["test_sentences"], 2)
        if f"{field}_se" in facts:
            text = rf"\ensuremath{{{facts[field]:.3f} \pm {facts[f'{field}_se']:.3f}}}"
            return Quantity(text, facts[field])
        return facts[field]

    def _row(self, study: str, rest: str) -> Quantity:
        names = dict.fromkeys(line["config"]["data"] for line in self.done(study))
        data = max((name for name in names if rest.startswith(f"{name}:")), key=len, default="")
        if not data and len(names) > 1:
            raise LookupError(f"of which data set: {', '.join(names)}?")
        row, metric, *rank = rest.removeprefix(f"{data}:").split(":")
        data = data or next(iter(names))
        first, *others = re.split(r" ([+-]) ", row)
        signs = [1, *(1 if sign == "+" else -1 for sign in others[::2])]
        terms = list(zip(signs, [first, *others[1::2]], strict=True))
        group, labels = self.group(study, data), [label for _, label in terms]
        if rank in (["holm"], [PLANNED]):
            table = group.differences
            table = table[(table["reference"] == PLANNED) == (rank == [PLANNED])]
            both = table["label"].isin(labels) & table["other"].isin(labels)
            p = table[both & (table["metric"] == metric)]["p"].dropna()
            if len(labels) != 2 or p.empty:
                raise LookupError("no test was made")
            return rounded(p.iloc[0], 3)
        runs = group.runs
        of = {label: runs[runs["label"] == label].set_index("seed") for _, label in terms}
        # Seeds that a term lacks are dropped: a difference is of pairs.
        columns = [sign * _column(of[label], metric) for sign, label in terms]
        values = reduce(operator.add, columns).dropna()
        if metric in STATES:
            return Quantity(f"{values.sum():.0f} of {len(values)}", values.sum())
        summary = summarise(list(values))
        digits = OWN_DIGITS.get(metric, MEASURES[metric].digits if metric in MEASURES else 2)
        half = summary.half
        if rank and rank[0] == "detectable":
            if summary.deviation is None:
                raise LookupError("fewer than three seeds have no deviation to go by")
            return rounded(summary.deviation * detectable(summary.n, *map(int, rank[1:])), digits)
        if rank:
            if half is None and rank[0] in ("half", "low", "high", "low90", "high90"):
                raise LookupError("fewer than three seeds have no interval")
            low, high = summary.ends
            low90, high90 = summarise(list(values), 0.90).ends
            numbers = {"mean": summary.mean, "half": half or 0.0, "low": low, "high": high,
                       "low90": low90, "high90": high90, "min": summary.low,
                       "max": summary.high}  # fmt: skip
            return whole(summary.n) if rank == ["n"] else rounded(numbers[rank[0]], digits)
        bounds = {sign * bound(of[label], metric) for sign, label in terms} - {0}
        if len(bounds) > 1:
            raise LookupError("two bounds have no difference")
        mean = f"{round(summary.mean, digits) + 0.0:{'+' if others else ''}.{digits}f}"
        spread = "" if half is None else rf" \pm {half:.{digits}f}"
        sign_text = {-1: r"\le ", 1: r"\ge "}[bounds.pop()] if bounds else ""
        return Quantity(rf"\ensuremath{{{sign_text}{mean}{spread}}}", summary.mean)


def _column(runs: "pd.DataFrame", metric: str) -> "pd.Series[float]":
    """Return a metric of a row's runs, by seed."""
    if runs.empty:
        raise LookupError("no such row")
    derived: dict[str, Callable[[Record], float]] = {
        "share_at_one": share_at_one, "rec_first": _rec_first,
    }  # fmt: skip
    if metric in STATES:
        column = (runs["state"] == metric).where(runs["state"].notna())
    elif metric in derived:
        column = runs["record"].map(derived[metric])
    else:
        column = runs[metric]
    if column.isna().any():
        raise LookupError(f"{runs['id'][column.isna()].iloc[0]} has no {metric}")
    return column.astype(float)


def _rec_first(record: Record) -> float:
    """Return the reconstruction of the sentences' first tokens, nats per sentence."""
    first = (record["loss_by_position"] or [])[:FIRST_WORDS]
    return math.fsum(nats * count for nats, count in first) / float(first[0][1])


def share_at_one(record: Record) -> float:
    """Return the per cent of training at KL weight 1, each step counted by its learning rate."""
    if not record.get("weight_path") or record["config"]["train"].get("lr_schedule") == "cooldown":
        return math.nan  # the weights are not known, or the rate of each step is not
    path = np.array(record["weight_path"])
    weights = np.interp(np.arange(record["steps"]), path[:, 0], path[:, 1])
    rates = np.zeros(record["steps"])
    start = 0
    for point in record["curve"]:  # its rate is that of the epoch that it ends
        rates[start : point["step"]] = point["lr"]
        start = point["step"]
    at_one = weights >= 1 - 2 * TOLERANCE  # corners are kept to within it
    return 100 * float(rates[at_one].sum() / rates.sum())
