"""Settings that a data set's name may hold, such as ``exact:mix=0.2``, and the exact presets."""

import json
from ast import literal_eval
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.core.settings import build

GENERATOR_VERSION = 1  # raised when equal settings would generate other sentences

T = TypeVar("T")
Words = Annotated[int, Field(ge=1, le=100_000)]
Sentences = Annotated[int, Field(ge=1, le=10_000_000)]


def read(default: T, spec: str, items: Iterable[str]) -> T:
    """Return ``default`` with the settings that ``items`` such as ``mix=0.2`` change.

    Raises:
        UserError: no ``=``, an unknown key, a key set twice, a value of a wrong type or range.
    """
    values: dict[str, Any] = {}
    for item in items:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise UserError(f"{spec}: {key!r} is not a setting; write key=value")
        if key in values:
            raise UserError(f"{spec}: {key}: is set twice; keep one")
        values[key] = value
        if value in ("true", "false"):
            values[key] = value == "true"
        else:
            with suppress(ValueError, SyntaxError):  # of what is no number but text
                values[key] = literal_eval(value)
    return build(type(default), vars(default) | values, spec)


def overrides(settings: object, default: object) -> list[str]:
    """Return what differs from ``default`` as ``key=value``, in alphabetical order."""
    return [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in sorted(vars(settings).items())
        if value != vars(default)[key]
    ]


@dataclass(frozen=True)
class ExactSettings:
    """What fixes an exact language and its sample; the defaults are the preset ``exact``."""

    classes: Annotated[int, Field(ge=1, le=32_767)] = 16  # C, equally likely; stored as int16
    words: Words = 60  # W, of the language
    successors: Words = 4  # words that the Markov chain allows after a word
    topical: Words = 3  # words that a class favours
    # m, how often a word is drawn from the class instead of the chain
    mix: Annotated[float, Field(ge=0, le=1)] = 0.3
    # s, probability to end after each word from the ``min_length``-th on
    stop: Annotated[float, Field(ge=0.001, le=1)] = 0.1
    min_length: Annotated[int, Field(ge=1, le=1_000)] = 5  # words of a sentence
    sentences: Sentences = 10_000  # for training; in each epoch, if ``fresh``
    valid: Sentences = 1_000
    test: Sentences = 2_000
    fresh: bool = False  # draw new training sentences for each epoch
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 11  # of the language and of its sample

    def __post_init__(self) -> None:
        for key in ("successors", "topical"):
            if getattr(self, key) > self.words:
                raise ValueError(
                    f"{key}: {getattr(self, key)} exceeds words = {self.words}; "
                    f"use at most {self.words}"
                )

    @property
    def identity(self) -> str:
        """Hexadecimal sha256 of the settings and the generator's version; names play no part."""
        content = {"generator": GENERATOR_VERSION, "settings": asdict(self)}
        return sha256_bytes(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


PRESETS = {
    "exact_small": ExactSettings(
        words=40, successors=3, topical=2, mix=0.4, sentences=8_000, test=1_000, seed=2
    ),
    # Fewer classes and shorter sentences than exact_small, new ones in each epoch: a language model
    # comes within 0.3 nats of the truth.
    "exact_learnable": ExactSettings(
        classes=8,
        words=40,
        successors=3,
        topical=2,
        mix=0.4,
        stop=0.2,
        sentences=8_000,
        fresh=True,
        seed=20,
    ),
    "exact": ExactSettings(),
    "exact_medium": ExactSettings(classes=32, words=120, sentences=20_000, seed=0),
    # About as many tokens as PTB, and 450 a transition of the chain (exact: 580): what is hard is
    # the number of classes and words, not scarce data. Longer sentences carry I(x; c) = 94 % of
    # ln C, as in exact_small, although a single word tells less.
    "exact_hard": ExactSettings(
        classes=64,
        words=300,
        successors=5,
        topical=4,
        mix=0.25,
        min_length=8,
        sentences=40_000,
        valid=2_000,
        test=4_000,
        seed=0,
    ),
}
DESCRIPTIONS = {
    "exact_small": "exact language for the quickstart: 16 classes, 40 words, 8,000 sentences",
    "exact_learnable": "exact language that models can learn: 8 classes, 40 words, fresh sentences",
    "exact": "exact language: 16 classes, 60 words, 10,000 sentences",
    "exact_medium": "exact language: 32 classes, 120 words, 20,000 sentences",
    "exact_hard": "exact language: 64 classes, 300 words, 40,000 sentences, as large as PTB",
}
