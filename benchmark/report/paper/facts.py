"""Numbers of the paper that come from code, settings and generated languages, not from records.

`benchmark.report.paper.quantities` says what their keys are.
"""

import importlib
import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmark.core.measures import FIRST_WORDS
from benchmark.core.settings import SECTIONS
from benchmark.data import find
from benchmark.data.exact import TEST
from benchmark.data.public import CORPORA
from benchmark.data.settings import PRESETS as LANGUAGES
from benchmark.run.presets import PRESETS


@dataclass(frozen=True)
class Quantity:
    """``text`` for LaTeX, and the number that a statement about it compares."""

    text: str
    value: float = math.nan


def whole(value: Any) -> Quantity:
    """Return a setting or a count as it is, thousands separated."""
    if isinstance(value, tuple | list):
        return Quantity(", ".join(whole(item).text for item in value))
    if isinstance(value, str):
        return Quantity(value.replace("_", r"\_"))
    text = f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return Quantity(text.replace(",", "{,}"), float(value))


def rounded(value: float, digits: int) -> Quantity:
    """Return a number of so many decimals."""
    text = f"{round(value, digits) + 0.0:,.{digits}f}".replace(",", "{,}")  # + 0.0: no "-0.00"
    return Quantity(rf"\ensuremath{{{text}}}", value)


@cache
def _gain(name: str) -> list[float]:
    """Return by token position what knowing the class is worth, nats a test sentence."""
    language = find(name).language
    if language is None:
        raise LookupError(f"{name} is no exact language")
    split = language.sample(language.settings.test, TEST)
    known, alone = language.token_log_prob(split)
    return [float(nats) / len(split) for nats in np.bincount(split.places, known - alone)[1:]]


def of_truth(rest: str) -> Quantity:
    name, _, field = rest.rpartition(":")
    gain = _gain(name)
    whole_gain, first = math.fsum(gain), math.fsum(gain[:FIRST_WORDS])
    values = {"all": (whole_gain, 2), "first": (first, 2), "share": (100 * first / whole_gain, 0)}
    return rounded(*values[field])


def of_language(rest: str) -> Any:
    name, field = rest.split(":")
    return getattr(LANGUAGES[name], field)


def of_preset(rest: str) -> Any:
    name, _, path = rest.partition(":")
    section, field = path.split(".")
    return {**asdict(SECTIONS[section]()), **PRESETS[name].get(section, {})}[field]


def of_corpus(rest: str) -> Quantity:
    name, part = rest.split(":")
    return Quantity(rf"\texttt{{{CORPORA[name].digest(part)[:8]}}}")


def of_code(rest: str) -> Any:
    file, name = rest.split(":")
    module = file.removesuffix(".py").replace("/", ".")
    return getattr(importlib.import_module(f"benchmark.{module}"), name)
