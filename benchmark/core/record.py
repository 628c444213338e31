"""The shape of a result record, checked by pydantic; ``results/README.md`` explains its fields.

The types say what must be there, of which type and in which range. Keys that are not named here
are kept, so that records of newer code can be read. A `NotRequired` key is absent from records of
code that did not know it.
"""

from typing import Annotated, Any, Literal, NotRequired, get_args

from pydantic import Field
from typing_extensions import TypedDict

SCHEMA = 1
Status = Literal["done", "running", "stopped", "failed", "missing"]
Split = Literal["valid", "test", "last"]
STATUSES: tuple[Status, ...] = get_args(Status)
SPLITS: tuple[Split, ...] = get_args(Split)

# float32 ends at 3e38: a figure beyond these bounds is damage, and would overflow when squared.
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e100, le=1e100)]
Perplexity = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e300)]
Size = Annotated[int, Field(ge=1, le=10**100)]  # figures are divided by it
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]
RunId = Annotated[str, Field(pattern=r"^\w[\w=.,:+-]*$")]  # it names a folder


class Metrics(TypedDict, extra_items=Number | None):  # type: ignore[call-arg]  # PEP 728
    """Figures of one split; null where a model has no such figure.

    Further keys, such as ``au_0.05``, hold a number or null, too.
    """

    neg_elbo: Number
    rec: Number
    kl: Number
    mi: NotRequired[Number | None]
    mi_se: NotRequired[Number | None]
    mi_cap: NotRequired[Number | None]
    mi_batch: NotRequired[Number | None]
    marginal_kl: NotRequired[Number | None]
    au: NotRequired[Number | None]
    iw_nll: NotRequired[Number | None]
    iw_gap_se: NotRequired[Number | None]
    iw_curve: NotRequired[list[Pair] | None]
    iw_upper_bound: NotRequired[bool | None]
    ess: NotRequired[Number | None]
    ppl_elbo: NotRequired[Perplexity | None]
    ppl_iw: NotRequired[Perplexity | None]
    z_use: NotRequired[Number | None]
    z_use_se: NotRequired[Number | None]
    bleu: NotRequired[Number | None]
    excess: NotRequired[Number | None]
    excess_se: NotRequired[Number | None]
    recovered: NotRequired[Number | None]
    recovered_se: NotRequired[Number | None]
    recovered_mean: NotRequired[Number | None]


class Splits(TypedDict):
    """``last`` is of the last weights on the test split, the others of the best weights."""

    valid: Metrics
    test: Metrics
    last: Metrics


class Config(TypedDict):
    """The resolved settings of a run."""

    data: str
    baseline: str
    seed: int
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
    vocabulary: NotRequired[int]
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
    classes: NotRequired[int]


class Point(TypedDict, extra_items=Number | None):  # type: ignore[call-arg]  # PEP 728
    """One validation during training: figures, and what the method logged."""

    step: Number


class Updates(TypedDict):
    """Optimiser steps of each half; ``passes`` over the training data."""

    encoder: int
    decoder: int
    passes: Number


class Cost(TypedDict):
    """Time and memory of a run; ``device`` is its model's name."""

    seconds: Number
    train_seconds: NotRequired[Number]
    evaluate_seconds: NotRequired[Number]
    tokens: int
    tokens_per_second: Number
    peak_mb: Number
    device: str


class Origin(TypedDict):
    """The code that made figures; null where git does not say."""

    commit: str | None
    code_sha256: str
    dirty: bool | None


class Provenance(Origin):
    """Code and machine of a run; ``measured`` is the origin of a later evaluation."""

    python: str
    torch: str
    cpu: str
    threads: int
    code_sha256_resumed: NotRequired[list[str]]
    finished: NotRequired[str]
    resumed: NotRequired[int]
    method_sha256: NotRequired[str]
    processor: NotRequired[str]
    measured: NotRequired[Origin]


class Record(TypedDict):
    """A finished run. A collected line adds ``status``, ``label`` and ``row``.

    The line of a run without a record has only ``schema``, ``id``, ``status``, ``label``, ``row``,
    ``error`` and the first keys of ``config``: ask `is_done` first.
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
    best_step: int
    parameters: int
    cost: Cost
    provenance: Provenance
    evaluation: NotRequired[int]
    evaluation_digest: NotRequired[str]
    weight_path: NotRequired[list[Pair] | None]
    steps: NotRequired[int]
    samples: NotRequired[dict[str, Any]]
    digest: NotRequired[str]
    status: NotRequired[Status]
    label: NotRequired[str]
    row: NotRequired[int | None]
    error: NotRequired[str]
