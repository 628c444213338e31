"""Published numbers: ``paper/published.csv``, one value a line, each with its source.

None of the copies that were read prints a spread over seeds; the final versions of He et al. 2019
and of Pelsmaeker & Aziz 2020 are not among them. The columns are the attributes of `Value`.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator

from benchmark.core.errors import UserError
from benchmark.core.settings import build

FILE = Path("paper/published.csv")
# Those of a record, and others: nll is of the source's own definition; ppl does not say of what it
# is, ppl_rec is of the reconstruction alone; rec and kl per token.
METRICS = {
    **dict.fromkeys(("neg_elbo", "rec", "kl", "mi", "mi_batch"), "nats per sentence"),
    **dict.fromkeys(("iw_nll", "nll"), "nats per sentence"),
    **dict.fromkeys(("rec_per_token", "kl_per_token"), "nats per token"),
    **dict.fromkeys(("ppl_elbo", "ppl_iw", "ppl_rec", "ppl"), "per token"),
    **dict.fromkeys(("au", "au_0.2"), "units"),
    "bleu": "share from 0 to 1",
    "train_hours": "hours",
}
KINDS = ("sum", "mi", "ppl", "column", "repeat", "twice")  # of misprints


def _must(test: Callable[[str], object], problem: str) -> AfterValidator:
    """Return a function that checks a cell; its text replaces ``{}`` in ``problem``."""

    def check(text: str) -> str:
        if not test(text):
            raise ValueError(problem.format(text))
        return text

    return AfterValidator(check)


_ANSWER = re.compile(r"yes|(nearly|no): .+")
_MARKS = re.compile(rf"(({'|'.join(KINDS)}): [^|]+( \| (?=.)|$))*")
_METRICS = ", ".join(METRICS)
Filled = Annotated[str, _must(str.strip, "is missing")]
Metric = Annotated[str, _must(METRICS.get, f"unknown '{{}}'; there are {_METRICS}")]
Number = Annotated[
    str, _must(re.compile(r"\d+(\.\d+)?").fullmatch, "'{}' is no number of plain digits")
]
Answer = Annotated[str, _must(_ANSWER.fullmatch, "must be yes, or nearly or no with a reason")]
Marks = Annotated[str, _must(_MARKS.fullmatch, f"must be KIND: REASON, KIND of {', '.join(KINDS)}")]


class Misprint(NamedTuple):
    """``value`` cannot be: ``text`` says what is wrong, by how much."""

    value: "Value"
    kind: str
    text: str


@dataclass(frozen=True)
class Value:
    """A printed value; the attributes are the columns of the file."""

    paper: Filled
    table: Filled
    dataset: Literal["ptb", "yahoo", "yelp", "snli"]  # our name where we have it
    coding: Literal["words", "GPT-2 pieces", "words, own split", "words, own tokens"]
    method: Filled  # as printed
    metric: Metric  # by our names
    value: Number  # as printed
    unit: str
    estimator: Filled
    baseline: str  # of ours, with the preset and the settings that the row is nearest to
    preset: str
    settings: str  # "target=5.0; lr=0.5"
    comparable: Answer
    misprint: Marks  # "KIND: what is wrong | KIND: ..."
    seen: Filled  # where it was read
    notes: str

    @property
    def number(self) -> float:
        """The value."""
        return float(self.value)

    @property
    def half(self) -> float:
        """Half of its last printed digit: what rounding leaves open."""
        return 0.5 * 10.0 ** -len(self.value.partition(".")[2])

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """What it shares with the values printed beside it."""
        return self.paper, self.table, self.dataset, self.coding, self.method

    @property
    def place(self) -> str:
        """Table and row, for a reader."""
        return f"{self.table}, {self.dataset}, {self.method}"

    @property
    def misprints(self) -> list[Misprint]:
        """What is wrong with it; ``tests/tools/misprints.py`` finds these."""
        parts = [part.partition(": ") for part in self.misprint.split(" | ") if part]
        return [Misprint(self, kind, text) for kind, _, text in parts]

    @property
    def set(self) -> dict[str, Any]:
        """``settings`` as a table."""
        table = {}
        for pair in filter(None, self.settings.split("; ")):
            key, _, text = pair.partition("=")
            try:
                table[key] = json.loads(text)
            except ValueError:
                table[key] = text
        return table


Printed = dict[str, Value]  # a printed row: its values by metric


def read(path: Path = FILE) -> list[Value]:
    """Read the file strictly; UserError names file, line and every mistake of the line."""
    columns = [column.name for column in fields(Value)]
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start + 1}") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    values: list[Value] = []
    seen: dict[tuple[str, ...], int] = {}
    try:
        if next(lines, []) != columns:
            raise UserError(f"{path}:1: the columns must be {', '.join(columns)}")
        for cells in lines:
            where = f"{path}:{lines.line_num}"
            if len(cells) != len(columns):
                raise UserError(f"{where}: {len(cells)} cells instead of {len(columns)}")
            value = build(Value, dict(zip(columns, cells, strict=True)), where)
            if value.unit != METRICS[value.metric]:
                raise UserError(f"{where}: unit: of {value.metric} must be {METRICS[value.metric]}")
            near = not value.comparable.startswith("no:")
            given = {bool(value.baseline), bool(value.preset)}
            if given != {near} or (value.settings and not near):
                raise UserError(
                    f"{where}: baseline and preset must be given where comparable is not no"
                )
            first = seen.setdefault((*value.row, value.metric), lines.line_num)
            if first != lines.line_num:
                raise UserError(f"{where}: {value.place}: {value.metric} is on line {first} "
                                "already")  # fmt: skip
            values.append(value)
    except csv.Error as error:
        raise UserError(f"{path}:{lines.line_num}: not valid CSV ({error})") from None
    return values


def rows(values: Sequence[Value]) -> list[Printed]:
    """Return printed rows: their values by metric."""
    by_row: dict[tuple[str, ...], Printed] = {}
    for value in values:
        by_row.setdefault(value.row, {})[value.metric] = value
    return list(by_row.values())


def listing(values: Sequence[Value]) -> str:
    """Return the misprints for a reader, paper by paper."""
    wrong = [one for value in values for one in value.misprints]
    papers = {value.paper for value in values}
    parts = [f"{len(values)} published values of {len(papers)} sources; {len(wrong)} misprints, "
             "all marked in its source's row."]  # fmt: skip
    for paper in dict.fromkeys(one.value.paper for one in wrong):
        parts.append(f"\n{paper}")
        parts += [f"- {one.value.place}: {one.text}" for one in wrong if one.value.paper == paper]
    return "\n".join(parts)
