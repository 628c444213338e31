"""Published figures: ``paper/published.csv``, one value a line, each with its source.

Columns: ``paper``, ``table``, ``dataset`` (our name where we have it), ``coding`` (what the tokens
are), ``method`` as printed, ``metric`` by our names (`METRICS`), ``value`` as printed, ``unit``,
``estimator``; ``baseline``, ``preset`` and ``settings`` of ours that the row is nearest to;
``comparable`` (yes, nearly, or no, with the reason); ``misprint`` (which checks of
`benchmark.report.misprints` the printed value is known to fail); ``seen`` (where it was read);
``notes``. No source prints a spread over seeds.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError, suggest

FILE = Path("paper/published.csv")
DATASETS = ("ptb", "yahoo", "yelp", "snli")
CODINGS = ("words", "GPT-2 pieces", "words, own split", "words, own tokens")
# Of ours: those of a record. Others: nll, of its own definition; ppl, not told of what; ppl_rec, of
# the reconstruction alone; rec and kl per token.
METRICS = {
    **dict.fromkeys(("neg_elbo", "rec", "kl", "mi", "mi_batch"), "nats per sentence"),
    **dict.fromkeys(("iw_nll", "nll"), "nats per sentence"),
    **dict.fromkeys(("rec_per_token", "kl_per_token"), "nats per token"),
    **dict.fromkeys(("ppl_elbo", "ppl_iw", "ppl_rec", "ppl"), "per token"),
    **dict.fromkeys(("au", "au_0.2"), "units"),
    "bleu": "share from 0 to 1",
    "train_hours": "hours",
}  # fmt: skip
KINDS = ("sum", "mi", "ppl", "column", "repeat", "twice")  # of misprints


@dataclass(frozen=True)
class Value:
    """A printed value; the attributes are the columns of the file."""

    paper: str
    table: str
    dataset: str
    coding: str
    method: str
    metric: str
    value: str
    unit: str
    estimator: str
    baseline: str
    preset: str
    settings: str
    comparable: str
    misprint: str
    seen: str
    notes: str

    @property
    def number(self) -> float:
        """The value."""
        return float(self.value)

    @property
    def half(self) -> float:
        """Half of its last printed digit: what rounding leaves open."""
        _, _, digits = self.value.partition(".")
        return 0.5 * 10.0 ** -len(digits)

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """What it shares with the values printed beside it."""
        return self.paper, self.table, self.dataset, self.coding, self.method

    @property
    def place(self) -> str:
        """Table and row, for a reader."""
        return f"{self.table}, {self.dataset}, {self.method}"

    @property
    def kinds(self) -> list[str]:
        """The misprints that are known."""
        return self.misprint.split()

    @property
    def set(self) -> dict[str, Any]:
        """``settings``, "target=5.0; lr=0.5", as a table."""
        pairs = (pair.strip().split("=", 1) for pair in self.settings.split(";") if pair.strip())
        return {key: _parsed(text) for key, text in pairs}


@dataclass(frozen=True)
class Misprint:
    """``value`` fails the check ``kind``; ``text`` says what is wrong and by how much."""

    value: Value
    kind: str
    text: str

    @property
    def known(self) -> bool:
        """Whether the file marks it: then it is printed so, and no mistake of ours."""
        return self.kind in self.value.kinds


Printed = Mapping[str, Value]  # a printed row: its values by metric


def read(path: Path = FILE) -> list[Value]:
    """Read the file strictly.

    Raises:
        UserError: naming file and line: it is missing, no UTF-8, a column is missing or unknown, a
            value is no number, a name is unknown, a source is missing, or a value stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    columns = [column.name for column in fields(Value)]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    values: list[Value] = []
    seen: dict[tuple[str, ...], int] = {}
    try:
        head = next(reader, [])
        if head != columns:
            raise UserError(f"{path}:1: the columns must be {', '.join(columns)}")
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(columns):
                raise UserError(f"{where}: {len(cells)} cells instead of {len(columns)}")
            value = Value(*cells)
            _check(value, where)
            key = (*value.row, value.metric)
            if key in seen:
                raise UserError(f"{where}: {value.place}: {value.metric} stands on line "
                                f"{seen[key]} already")  # fmt: skip
            seen[key] = reader.line_num
            values.append(value)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not valid CSV ({error})") from None
    return values


def _check(value: Value, where: str) -> None:
    """Names are known, the value is a number as printed, and its source is told."""
    for name, known in (
        ("dataset", DATASETS), ("coding", CODINGS), ("metric", tuple(METRICS)),
    ):  # fmt: skip
        given = getattr(value, name)
        if given not in known:
            raise UserError(f"{where}: {name}: unknown '{given}'; {suggest(given, known)}")
    for name in ("paper", "table", "method", "estimator", "seen"):
        if not getattr(value, name).strip():
            raise UserError(f"{where}: {name} is missing")
    if not value.value.replace(".", "", 1).isdecimal() or not math.isfinite(value.number):
        raise UserError(f"{where}: value: '{value.value}' is no number of plain digits")
    if value.unit != METRICS[value.metric]:
        raise UserError(f"{where}: unit: of {value.metric} must be {METRICS[value.metric]}")
    for kind in value.kinds:
        if kind not in KINDS:
            raise UserError(f"{where}: misprint: unknown '{kind}'; {suggest(kind, KINDS)}")
    answer, _, reason = value.comparable.partition(": ")
    if answer not in ("yes", "nearly", "no") or (answer == "yes") == bool(reason):
        raise UserError(f"{where}: comparable: must be yes, or nearly or no with a reason")
    mapped = [bool(value.baseline), bool(value.preset)]
    if mapped != [answer != "no"] * 2 or (value.settings and answer == "no"):
        raise UserError(f"{where}: baseline and preset must be given where comparable is not no")


def _parsed(text: str) -> Any:
    """A setting's value: a number, or the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def rows(values: Sequence[Value]) -> Mapping[tuple[str, ...], Printed]:
    """Printed rows: their values by metric."""
    found: dict[tuple[str, ...], dict[str, Value]] = {}
    for value in values:
        found.setdefault(value.row, {})[value.metric] = value
    return found
