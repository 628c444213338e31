"""A tiny exact language and a tiny model: for the tests of what trains and measures."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import data
from benchmark.data.corpus import Corpus
from benchmark.data.exact import TEST, TRAIN, VALID
from benchmark.model import checkpoint
from benchmark.model.lowprecision import has_bf16
from benchmark.run.config import RunConfig, resolve
from benchmark.run.training import Training

# For what is said of bf16 arithmetic itself. Elsewhere a CPU multiplies rounded numbers in fp32,
# slowly: that a run in bf16 is whole and near fp32 holds on both, and needs no such mark.
needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="needs a CPU with bf16")

SPEC = "exact_small:classes=4,sentences=160,stop=0.3,test=48,valid=40,words=12"
PRESET = "fu2019_ptb"  # the defaults: so that no other preset matters here
MODEL = {
    "embedding": 6,
    "hidden": 8,
    "latent": 3,
    "dropout": 0.3,
    "feed": "cell",
    "init": 0.3,
    "init_embedding": 1.0,
}
TRAINING = {"epochs": 2, "lr": 0.002}
EVALUATE = {"iw_samples": 10, "max_length": 12}
# The same for a study file, smaller still: where only what is written matters.
SETTINGS = """[model]
embedding = 6
hidden = 8
latent = 2
[train]
epochs = 1
[evaluate]
iw_samples = 2
max_length = 9
"""


@cache
def corpus(spec: str = SPEC) -> Corpus:
    """The data in memory."""
    found = data.find(spec)
    language = found.language
    assert language is not None
    sizes = language.settings
    splits = {
        "train": language.sample(sizes.sentences, TRAIN),
        "valid": language.sample(sizes.valid, VALID),
        "test": language.sample(sizes.test, TEST),
    }
    return Corpus(found.name, language.vocabulary(), splits, found.identity, language)


def config(
    baseline: str = "none",
    seed: int = 0,
    params: dict[str, Any] | None = None,
    data: str = SPEC,
    model: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    **others: Any,
) -> RunConfig:
    """A run of two epochs, fourteen steps each."""
    sections = {
        "model": {**MODEL, **(model or {})},
        "train": {**TRAINING, **(train or {})},
        "evaluate": EVALUATE,
    }
    return resolve(data, baseline, seed, params=params, preset=PRESET, sections=sections, **others)


def training(run: RunConfig) -> Training:
    return Training(run, corpus(run.data), torch.device("cpu"))


class Enough(Exception):
    """Raised by `until` to leave the training loop."""


def until(run: Training, step: int) -> None:
    """Train up to a step."""

    def after_step() -> None:
        if run.step >= step:
            raise Enough

    advance(run, after_step)


def advance(run: Training, after_step: Callable[[], None] = lambda: None) -> None:
    """Train to the end, or until ``after_step`` has had enough."""
    try:
        run.train(after_step)
    except Enough:
        return


def resumed(run: RunConfig, step: int, folder: Path) -> Training:
    """A finished run that was saved to a file and loaded again after ``step`` steps."""
    first, again = training(run), training(run)
    until(first, step)
    checkpoint.save(folder / "checkpoint.pt", first.state())
    again.load_state(checkpoint.load(folder / "checkpoint.pt"))
    advance(again)
    return again


def same(a: Any, b: Any) -> bool:
    """Equality to the bit of nested tables, lists, tensors and numbers."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return (
            isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        )
    if isinstance(a, list | tuple):
        return (
            type(a) is type(b)
            and len(a) == len(b)
            and all(same(x, y) for x, y in zip(a, b, strict=True))
        )
    return bool(a == b)
