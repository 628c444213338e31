"""``pcbench baselines``: the list of methods, or one: what it is, its settings, its weight."""

import ast
import inspect
import math
import re
import sys
import textwrap
import typing
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import Commands, command
from benchmark.core.errors import UserError

if TYPE_CHECKING:
    from benchmark.model.baseline import Baseline

WIDTH, ROWS = 64, 4  # characters of a plot
STEPS = 1_000  # of the training that is drawn
BLOCKS, PLAIN = " ▁▂▃▄▅▆▇█", " .:#"  # a character's parts, empty to full


def add(sub: Commands) -> None:
    """Its parser."""
    do = command(
        sub, "baselines", "list the baselines, or tell one's formula, source and settings",
        "pcbench baselines", "pcbench baselines cyclical",
    )  # fmt: skip
    do.add_argument("name", nargs="?", metavar="NAME", help="a baseline; default: list them")
    do.set_defaults(do=baselines)


def baselines(arguments: Namespace) -> int:
    """``pcbench baselines``."""
    from benchmark.model import registry as folder

    if arguments.name is None:
        for name in folder.names():
            print(f"{name:<21} {folder.describe(name)}")
        return 0
    try:
        BLOCKS.encode(getattr(sys.stdout, "encoding", None) or "ascii")
        marks = BLOCKS
    except UnicodeEncodeError:
        marks = PLAIN
    print(text(arguments.name, marks))
    return 0


def text(name: str, marks: str = BLOCKS) -> str:
    """Tell what a baseline is: its file's docstring, its settings, its KL weight over training.

    Args:
        name: of a file in ``baselines/``.
        marks: characters of a plot, from empty to full.

    Raises:
        UserError: no such baseline, a broken file, or a weight that is no number of at least 0.
    """
    from benchmark.core.settings import build
    from benchmark.model import registry as folder

    cls = folder.load(name)
    module = sys.modules[cls.__module__]
    method = build(cls, {}, f"baseline.{name}")
    settings = "\n".join(_settings(method)) or "    none"
    weight = "\n".join(_weight(name, method, marks))
    return f"{inspect.getdoc(module) or name}\n\nSettings:\n{settings}\n\nKL weight: {weight}"


def _settings(method: "Baseline") -> Iterator[str]:
    """Each field with default and type, and what the class's docstring says of it."""
    cls = type(method)
    document = inspect.getdoc(cls) or ""
    told = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", document, re.MULTILINE))
    hints = typing.get_type_hints(cls)
    for field in fields(cls):
        hint = hints[field.name]
        kind = hint.__name__ if isinstance(hint, type) else str(hint)
        if typing.get_origin(hint) is typing.Literal:
            kind = f"one of {', '.join(map(str, typing.get_args(hint)))}"
        yield f"    {field.name} = {getattr(method, field.name)!r} ({kind})"
        if field.name in told:
            line = " ".join(told[field.name].split())
            yield textwrap.fill(line, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
    if fields(cls) and not told:
        yield textwrap.indent(document, " " * 8)


def _weight(name: str, method: "Baseline", marks: str) -> Iterator[str]:
    """The weight by the defaults as a plot, or why there is none."""
    if not method.latent:
        yield "none, for there is no latent variable"
    elif _by_feedback(type(method)):
        yield "set by feedback in training, so it is known from a run's record alone"
    else:
        yield "over training, by the defaults"
        weights = [_at(name, method, i * STEPS / (WIDTH - 1)) for i in range(WIDTH)]
        yield from plot(weights, marks)


def _by_feedback(cls: "type[Baseline]") -> bool:
    """Whether the file logs the weight that it used, as a method must that sets it by feedback."""
    source = Path(str(sys.modules[cls.__module__].__file__)).read_bytes()
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "log"
        and any(keyword.arg == "weight" for keyword in node.keywords)
        for node in ast.walk(ast.parse(source))
    )


def _at(name: str, method: "Baseline", step: float) -> float:
    """The weight at a step of `STEPS`."""
    where = f"baselines/{name}.py: weight({step:g}, {STEPS})"
    try:
        weight = float(method.weight(step, STEPS))
    except Exception as error:
        raise UserError(f"{where}: {type(error).__name__}: {error}") from error
    if not 0 <= weight < math.inf:
        raise UserError(f"{where}: is {weight}; a weight is a finite number of at least 0")
    return weight


def plot(weights: Sequence[float], marks: str) -> list[str]:
    """Draw a bar for each weight; the axis ends at 1, or at the largest weight above it."""
    top, levels = max(1.0, *weights), len(marks) - 1
    heights = [round(weight / top * ROWS * levels) for weight in weights]
    rows = []
    for row in reversed(range(ROWS)):
        label = {ROWS - 1: f"{top:.3g}", 0: "0"}.get(row, "")
        bars = (marks[min(max(height - row * levels, 0), levels)] for height in heights)
        rows.append(f"{label:>8} |{''.join(bars)}".rstrip())
    return [*rows, f"{'0':>10}{'1':>{len(weights) - 1}} part of training"]
