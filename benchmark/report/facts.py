"""Settings, digests and constants that the paper's text may cite, read from the code."""

import ast
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Quantity:
    """``text`` for LaTeX, and the number that a statement about it compares."""

    text: str
    value: float


def language(rest: str) -> Quantity:
    """A setting of an exact language: ``exact_small:words``."""
    from benchmark.data.settings import PRESETS

    name, field = rest.split(":")
    return whole(getattr(PRESETS[name], field))


def preset(rest: str) -> Quantity:
    """``fu2019_ptb:train.lr``."""
    name, _, path = rest.partition(":")
    section, field = path.split(".")
    return whole(setting(name, section, field))


def setting(preset: str, section: str, field: str) -> Any:
    """A preset's value, or the default where it states none."""
    from benchmark.core.settings import SECTIONS
    from benchmark.run.presets import PRESETS

    return {**asdict(SECTIONS[section]()), **PRESETS[preset].get(section, {})}[field]


def corpus(rest: str) -> Quantity:
    """The first eight digits of a file's digest: ``ptb:test``."""
    from benchmark.data.public import CORPORA

    name, part = rest.split(":")
    return Quantity(rf"\texttt{{{CORPORA[name].digest(part)[:8]}}}", math.nan)


def code(rest: str) -> Quantity:
    """A constant, read without importing the file: some need torch, which no report imports."""
    file, name = rest.split(":")
    for node in ast.parse((CODE / file).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name and isinstance(node, ast.Assign):
                return whole(ast.literal_eval(node.value))
    raise LookupError(f"benchmark/{file} has no constant {name}")


def whole(value: Any) -> Quantity:
    """A setting or a count as it is, thousands separated."""
    if isinstance(value, tuple | list):
        return Quantity(", ".join(whole(item).text for item in value), math.nan)
    if isinstance(value, str):
        return Quantity(value.replace("_", r"\_"), math.nan)
    text = f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return Quantity(text.replace(",", "{,}"), float(value))


def plain(value: float, digits: int) -> Quantity:
    text = f"{round(value, digits) + 0.0:,.{digits}f}".replace(",", "{,}")
    return Quantity(rf"\ensuremath{{{text}}}", value)
