"""Settings of the exact language, its presets, and how a name such as ``exact:mix=0.2`` is read."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import sha256_bytes

GENERATOR_VERSION = 1  # raised when equal settings would generate other sentences

_RANGES = {
    "classes": (1, 32_767),
    "words": (1, 100_000),
    "successors": (1, 100_000),
    "topical": (1, 100_000),
    "mix": (0.0, 1.0),
    "min_length": (1, 1_000),
    "sentences": (1, 10_000_000),
    "valid": (1, 10_000_000),
    "test": (1, 10_000_000),
    "seed": (0, 2**63 - 1),
    "stop": (0.001, 1.0),
}


@dataclass(frozen=True)
class ExactSettings:
    """What fixes an exact language and its sample; the defaults are the preset ``exact``.

    Attributes:
        classes: C, classes of a sentence, equally likely.
        words: W, words of the language.
        successors: words that the Markov chain allows after a word.
        topical: words that a class favours.
        mix: m, how often a word is drawn from the class instead of the chain.
        stop: s, probability to end after each word from the ``min_length``-th on.
        min_length: least number of words in a sentence.
        sentences: training sentences (each epoch, where ``fresh``).
        valid: validation sentences.
        test: test sentences.
        fresh: draw new training sentences for each epoch.
        seed: of the language and of its sample.
    """

    classes: int = 16
    words: int = 60
    successors: int = 4
    topical: int = 3
    mix: float = 0.3
    stop: float = 0.1
    min_length: int = 5
    sentences: int = 10_000
    valid: int = 1_000
    test: int = 2_000
    fresh: bool = False
    seed: int = 11


PRESETS = {
    "exact_small": ExactSettings(
        words=40, successors=3, topical=2, mix=0.4, sentences=8_000, test=1_000, seed=2
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
    "exact": "exact language: 16 classes, 60 words, 10,000 sentences",
    "exact_medium": "exact language: 32 classes, 120 words, 20,000 sentences",
    "exact_hard": "exact language: 64 classes, 300 words, 40,000 sentences, as large as PTB",
}


def parse(spec: str) -> tuple[str, ExactSettings]:
    """Read ``preset`` or ``preset:key=value,...``; returns the preset's name and the settings.

    Raises:
        UserError: unknown preset or key, a value of the wrong type or out of its range.
    """
    name, colon, text = spec.partition(":")
    if name not in PRESETS:
        raise UserError(f"{name}: unknown data set; {suggest(name, PRESETS)}")
    preset = PRESETS[name]
    if not colon:
        return name, preset
    kinds = {field.name: type(getattr(preset, field.name)) for field in fields(preset)}
    overrides = read(spec, text.split(","), kinds)
    settings = replace(preset, **overrides)  # type: ignore[arg-type]
    _validate(spec, settings)
    return name, settings


def overrides_of(name: str, settings: ExactSettings) -> dict[str, str]:
    """The settings that differ from the preset's, by key in alphabetical order, as text."""
    default = asdict(PRESETS[name])
    changed = {key: value for key, value in asdict(settings).items() if value != default[key]}
    return {key: json.dumps(changed[key]) for key in sorted(changed)}


def identity(settings: ExactSettings) -> str:
    """Hexadecimal sha256 of the settings and the generator's version; names play no part."""
    content = {"generator": GENERATOR_VERSION, "settings": asdict(settings)}
    return sha256_bytes(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def read(
    spec: str, items: Iterable[str], kinds: Mapping[str, type]
) -> dict[str, bool | int | float | str]:
    """The values of ``key=value`` texts, each of the type that ``kinds`` gives its key.

    Raises:
        UserError: no ``=``, an unknown key, a key set twice, a value of the wrong type.
    """
    values: dict[str, bool | int | float | str] = {}
    for item in items:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise UserError(f"{spec}: {item.strip()!r} is no setting; write key=value")
        if key not in kinds:
            raise UserError(f"{spec}: {key}: unknown setting; {suggest(key, kinds)}")
        if key in values:
            raise UserError(f"{spec}: {key}: set twice; keep one")
        values[key] = _value(spec, key, value, kinds[key])
    return values


def _value(spec: str, key: str, text: str, kind: type) -> bool | int | float | str:
    """One setting's value from its text."""
    if kind is str:
        return text
    try:
        if kind is bool:
            return {"true": True, "false": False}[text]
        return int(text) if kind is int else float(text)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise UserError(f"{spec}: {key}: {text!r} is not {wanted}") from None


def _validate(spec: str, settings: ExactSettings) -> None:
    """Refuse settings that describe no language."""
    for key, (low, high) in _RANGES.items():
        value = getattr(settings, key)
        if not low <= value <= high or not math.isfinite(value):
            raise UserError(f"{spec}: {key}: {value} is out of range; use {low} to {high}")
    for key in ("successors", "topical"):
        if getattr(settings, key) > settings.words:
            raise UserError(
                f"{spec}: {key}: {getattr(settings, key)} exceeds words = {settings.words}; "
                f"use at most {settings.words}"
            )
