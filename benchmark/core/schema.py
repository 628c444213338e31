"""The shape of a result record, checked by pydantic; ``results/README.md`` explains its fields.

The types say what must be there, of which type and in which range. Keys that are not named here
are kept, so that records of newer code can be read. A `NotRequired` key is absent from records of
code that did not know it.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes

SCHEMA = 1
MOST = 8  # mistakes that a message lists
Split = Literal["valid", "test", "last"]
Status = Literal["done", "running", "stopped", "failed", "missing"]

_STRICT = ConfigDict(strict=True, extra="allow")  # holds for the types inside, too

# float32 ends at 3e38: a number beyond these bounds is damage, and would overflow when squared.
LARGEST = 1e100
Number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Count = Annotated[float, Field(allow_inf_nan=False, ge=0, le=LARGEST)]
Perplexity = Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e300)]
Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Size = Annotated[int, Field(ge=1, le=2**63 - 1)]  # numbers are divided by it
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]
RunId = Annotated[str, Field(pattern=r"^\w[\w=.,:+-]*$")]  # it names a folder


class Metrics(TypedDict, extra_items=Number | None):  # type: ignore[call-arg]  # PEP 728
    """Numbers of one split; null where a model has no such number.

    Further keys, such as ``au_0.05`` and ``recovered_word_1``, hold a number or null, too.
    """

    neg_elbo: Number
    rec: Number
    kl: Number
    mi: NotRequired[Number | None]
    mi_se: NotRequired[Number | None]
    mi_cap: NotRequired[Number | None]
    mi_given_length: NotRequired[Number | None]
    mi_given_length_se: NotRequired[Number | None]
    mi_given_length_cap: NotRequired[Number | None]
    mi_batch: NotRequired[Number | None]
    marginal_kl: NotRequired[Number | None]
    au: NotRequired[Count | None]
    iw_nll: NotRequired[Number | None]
    iw_gap_se: NotRequired[Number | None]
    iw_curve: NotRequired[list[Pair] | None]
    iw_upper_bound: NotRequired[bool | None]
    ess: NotRequired[Number | None]
    ppl_elbo: NotRequired[Perplexity | None]
    ppl_iw: NotRequired[Perplexity | None]
    z_use: NotRequired[Number | None]
    z_use_se: NotRequired[Number | None]
    bleu: NotRequired[Count | None]
    excess: NotRequired[Number | None]
    excess_se: NotRequired[Number | None]
    recovered: NotRequired[Number | None]
    recovered_se: NotRequired[Number | None]
    recovered_mean: NotRequired[Number | None]
    recovered_length: NotRequired[Number | None]
    recovered_length_se: NotRequired[Number | None]


class Splits(TypedDict):
    """``last`` is of the last weights on the test split, the others of the best weights."""

    valid: Metrics
    test: Metrics
    last: Metrics


class Config(TypedDict):
    """The resolved settings of a run."""

    data: str
    baseline: str
    seed: Integer
    precision: str
    params: dict[str, Any]
    model: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]
    preset: NotRequired[str | None]
    file: NotRequired[str | None]
    file_sha256: NotRequired[str]


class Data(TypedDict):
    """The corpus; ``entropy`` to ``classes`` of an exact language only."""

    name: str
    sha256: str
    text_sha256: NotRequired[str]
    segmentation: NotRequired[str]
    vocabulary: NotRequired[Integer]
    vocabulary_sha256: NotRequired[str]
    lossless: NotRequired[dict[str, bool]]
    train_sentences: NotRequired[Size]
    train_tokens: NotRequired[Size]
    train_words: NotRequired[Size]
    valid_sentences: NotRequired[Size]
    valid_tokens: NotRequired[Size]
    valid_words: NotRequired[Size]
    test_sentences: NotRequired[Size]
    test_tokens: NotRequired[Size]
    test_words: NotRequired[Size]
    entropy: NotRequired[Number]
    entropy_se: NotRequired[Number]
    information: NotRequired[Number]
    information_se: NotRequired[Number]
    classes: NotRequired[Integer]


class Point(TypedDict, extra_items=Number | None):  # type: ignore[call-arg]  # PEP 728
    """One validation during training: numbers, and what the method logged."""

    step: Integer
    lr: NotRequired[Number]


class Updates(TypedDict):
    """Optimiser steps of each half; ``passes`` over the training data."""

    encoder: Integer
    decoder: Integer
    passes: Number


class Cost(TypedDict):
    """Time and memory of a run; ``device`` is its model's name."""

    seconds: Number
    train_seconds: NotRequired[Number]
    evaluate_seconds: NotRequired[Number]
    tokens: Integer
    tokens_per_second: Number
    peak_mb: Number
    device: str


class Origin(TypedDict):
    """The code that made numbers; null where git does not say."""

    commit: str | None
    code_sha256: str
    dirty: bool | None


class Provenance(Origin):
    """Code and machine of a run; ``measured`` is the origin of a later evaluation."""

    python: str
    torch: str
    cpu: str
    threads: Integer
    code_sha256_resumed: NotRequired[list[str]]
    finished: NotRequired[str]
    resumed: NotRequired[Integer]
    method_sha256: NotRequired[str]
    processor: NotRequired[str]
    measured: NotRequired[Origin]


@with_config(_STRICT)
class Record(TypedDict):
    """A finished run; a collected line adds ``status``, ``label`` and ``row``.

    The line of a run without a record has the keys of `Absent` only: ask `is_done` first.
    """

    schema: Literal[1]
    id: RunId
    config: Config
    data: Data
    metrics: Splits
    curve: list[Point]
    kl_spectrum: list[Number] | None
    loss_by_position: list[Pair] | None
    updates: Updates
    best_step: Integer
    parameters: Integer
    cost: Cost
    provenance: Provenance
    evaluation: NotRequired[Integer]
    evaluation_digest: NotRequired[str]
    weight_path: NotRequired[list[Pair] | None]
    steps: NotRequired[Integer]
    samples: NotRequired[dict[str, Any]]
    digest: NotRequired[str]
    status: NotRequired[Status]
    label: NotRequired[str]
    row: NotRequired[Integer | None]
    error: NotRequired[str]


class AbsentConfig(TypedDict):
    """What decides in which table a run is missing."""

    data: str
    seed: Integer


@with_config(_STRICT)
class Absent(TypedDict):
    """The collected line of a run without a record."""

    schema: Literal[1]
    id: RunId
    status: Status
    config: AbsentConfig
    label: NotRequired[str]
    row: NotRequired[Integer | None]
    error: NotRequired[str]


_RECORD: TypeAdapter[Any] = TypeAdapter(Record)
_ABSENT: TypeAdapter[Any] = TypeAdapter(Absent)


def is_done(line: Mapping[str, Any]) -> bool:
    """Return whether a collected line is a record, not the status of a run without one."""
    return bool(line.get("status", "done") == "done")


def validate(line: object, where: str, absent: bool = False) -> None:
    """Check that an object is the record of a finished run.

    Args:
        line: the object, as JSON has it.
        where: its file and line, for the message.
        absent: allow the line of a run without a record, too.

    Raises:
        UserError: all mistakes in one line.
    """
    if not isinstance(line, dict):
        raise UserError(f"{where}: a record must be a JSON object")
    if line.get("schema") != SCHEMA:  # the other fields may mean something else
        known = f"this version reads schema {SCHEMA}"
        raise UserError(f"{where}: unknown schema {line.get('schema')!r}; {known}")
    shape = _ABSENT if absent and not is_done(line) else _RECORD
    try:
        shape.validate_python(line)
        dumps(line).encode()  # keys that the shape does not name
    except ValidationError as error:
        texts = [_worded(one) for one in error.errors()]
        more = f"; and {len(texts) - MOST} more" if len(texts) > MOST else ""
        raise UserError(f"{where}: {'; '.join(texts[:MOST])}{more}") from None
    except (ValueError, RecursionError) as error:  # 1e999, or half of a surrogate pair
        raise UserError(f"{where}: holds a value that JSON cannot represent: {error}") from None
    if line.get("row") is not None and "label" not in line:
        raise UserError(f"{where}: lacks 'label'")
    if "samples" in line and "entropy" not in line["data"]:
        raise UserError(f"{where}: samples: for an exact language only; other text is not ours")


def _worded(error: Mapping[str, Any]) -> str:
    """Return the text of a mistake: "metrics.test.kl: must be a valid number, not null"."""
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"lacks '{place}'"
    rule = error["msg"].partition(" should ")[2].partition(" after validation")[0]
    if error["type"] in ("less_than_equal", "greater_than_equal"):  # it writes 1e100 in digits
        limits = error["ctx"]
        rule = f"be at most {limits['le']:g}" if "le" in limits else f"be at least {limits['ge']:g}"
    return f"{place}: must {rule}, not {json.dumps(error['input'], default=repr)[:80]}"


def dumps(record: Mapping[str, Any]) -> str:
    """Return a record as one line of JSON: keys sorted, no blanks, no NaN, no line feed."""
    return json.dumps(
        record, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def digest(record: Mapping[str, Any]) -> str:
    """Return the hexadecimal sha256 of a record as its run wrote it."""
    collected = ("digest", "status", "label", "row")  # added later
    return sha256_bytes(dumps({k: v for k, v in record.items() if k not in collected}).encode())
