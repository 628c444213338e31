"""``pcbench baselines`` and ``pcbench new``: what the methods are, and a new one to start from."""

import ast
import builtins
import importlib.util
import inspect
import keyword
import math
import os
import re
import shlex
import sys
import textwrap
import typing
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import command, folder, option
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout

if TYPE_CHECKING:
    from benchmark.model.baseline import Baseline

WIDTH, ROWS = 64, 4  # characters of a plot
STEPS = 1_000  # of the training that is drawn
BLOCKS, PLAIN = " ▁▂▃▄▅▆▇█", " .:#"  # a character's parts, empty to full
LONGEST = 40  # characters of a new name
_TAKEN = {*dir(builtins), "Baseline"}


@command(option("name", "a baseline; default: list them all", nargs="?", metavar="NAME"))
def baselines(arguments: Namespace) -> int:
    """List the baselines, or show the formula, source and settings of one.

    pcbench baselines
    pcbench baselines cyclical
    """
    from benchmark.model import registry

    if arguments.name is None:
        for name in registry.names():
            print(f"{name:<21} {registry.describe(name)}")
        return 0
    try:
        BLOCKS.encode(getattr(sys.stdout, "encoding", None) or "ascii")
        print(text(arguments.name))
    except UnicodeEncodeError:
        print(text(arguments.name, PLAIN))
    return 0


def text(name: str, marks: str = BLOCKS) -> str:
    """Return a baseline's docstring, settings, and KL weight over training.

    Args:
        name: of a file in ``baselines/``.
        marks: characters of a plot, from empty to full.

    Raises:
        UserError: no such baseline, a broken file, or a weight that is no number of at least 0.
    """
    from benchmark.core.settings import build
    from benchmark.model import registry

    cls = registry.load(name)
    module = sys.modules[cls.__module__]
    method = build(cls, {}, f"baseline.{name}")
    settings = "\n".join(_settings(method)) or "    none"
    if not method.latent:
        weight = "none, for there is no latent variable"
    elif _by_feedback(Path(str(module.__file__)).read_bytes()):
        weight = "set by feedback in training, so it is known from a run's record alone"
    else:
        weights = [_weight(name, method, i * STEPS / (WIDTH - 1)) for i in range(WIDTH)]
        weight = "\n".join(["over training, with the default settings", *_plot(weights, marks)])
    return f"{inspect.getdoc(module) or name}\n\nSettings:\n{settings}\n\nKL weight: {weight}"


def _settings(method: "Baseline") -> Iterator[str]:
    """Yield each field with default and type, and what the class's docstring says of it."""
    cls = type(method)
    document = inspect.getdoc(cls) or ""
    described = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", document, re.MULTILINE))
    hints = typing.get_type_hints(cls)
    for field in fields(cls):
        hint = hints[field.name]
        kind = hint.__name__ if isinstance(hint, type) else str(hint)
        if typing.get_origin(hint) is typing.Literal:
            kind = f"one of {', '.join(map(str, typing.get_args(hint)))}"
        yield f"    {field.name} = {getattr(method, field.name)!r} ({kind})"
        if field.name in described:
            line = " ".join(described[field.name].split())
            yield textwrap.fill(line, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
    if fields(cls) and not described:
        yield textwrap.indent(document, " " * 8)


def _by_feedback(source: bytes) -> bool:
    """Return whether a file logs the weight that it used.

    A method that sets its weight by feedback must log it; its `weight` alone would mislead.
    """
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(
        getattr(call.func, "attr", "") == "log" and any(k.arg == "weight" for k in call.keywords)
        for call in calls
    )


def _weight(name: str, method: "Baseline", step: float) -> float:
    where = f"baselines/{name}.py: weight({step:g}, {STEPS})"
    try:
        weight = float(method.weight(step, STEPS))
    except Exception as error:
        raise UserError(f"{where}: {type(error).__name__}: {error}") from error
    if not 0 <= weight < math.inf:
        raise UserError(f"{where}: is {weight}; a weight must be a finite number of at least 0")
    return weight


def _plot(weights: Sequence[float], marks: str) -> list[str]:
    """Draw a bar for each weight; the axis ends at 1, or at the largest weight above it."""
    top, levels = max(1.0, *weights), len(marks) - 1
    heights = [round(weight / top * ROWS * levels) for weight in weights]
    rows = []
    for row in reversed(range(ROWS)):
        label = {ROWS - 1: f"{top:.3g}", 0: "0"}.get(row, "")
        bars = (marks[min(max(height - row * levels, 0), levels)] for height in heights)
        rows.append(f"{label:>8} |{''.join(bars)}".rstrip())
    return [*rows, f"{'0':>10}{'1':>{len(weights) - 1}} share of training"]


@command(
    option("name", "the name in baselines/NAME.py and paper/NAME.toml", metavar="NAME"),
    folder("--folder", "write both files here, not into the clone"),
)
def new(arguments: Namespace) -> int:
    """Write a new baseline and its study, to start from.

    pcbench new quadratic
    pcbench new quadratic --folder ~/mine
    """
    clone = (checkout() / "pyproject.toml").exists()  # an installed copy is nobody's to edit
    method, study = write(arguments.name, arguments.folder or (None if clone else Path()))
    print(f"{os.path.relpath(method)}: the method, a linear warm-up to start from: edit it")
    print(f"{os.path.relpath(study)}: its study, beside none, monotonic and cyclical")
    shown = shlex.quote(os.path.relpath(study))
    print(f"\npcbench sweep {shown} --jobs 2\npcbench collect {shown}\npcbench report {shown}")
    return 0


def write(name: str, folder: Path | None = None) -> tuple[Path, Path]:
    """Write a baseline and its study, and return both paths.

    Without a folder they go to ``baselines/`` and ``paper/`` of the checkout.

    Raises:
        UserError: the name will not do, or a file of that name is there.
    """
    from benchmark.core.files import check_writable, write_atomic
    from benchmark.model import registry

    if not (name.isascii() and name.isidentifier() and name[0] != "_" and len(name) <= LONGEST):
        raise UserError(
            f"new: {name!r}: a name must begin with a letter and have at most {LONGEST} "
            "letters, digits and underscores"
        )
    paper = registry.FOLDER.parent / "paper"
    usual = [registry.FOLDER / f"{name}.py", paper / f"{name}.toml"]
    files = [(folder or path.parent) / path.name for path in usual]
    for path in (*usual, *files):
        if os.path.lexists(path):
            raise UserError(f"{os.path.relpath(path)}: exists and is kept; choose another name")
    title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    hidden = [word for word in (name, title) if keyword.iskeyword(word) or word in _TAKEN]
    spec = importlib.util.find_spec(name)
    if hidden or (spec is not None and spec.origin is not None):
        raise UserError(
            f"new: '{name}' would hide Python's {[*hidden, name][0]}; choose another name"
        )
    for path in files:
        check_writable(path.parent, "--folder")
    line = f'file = "{name}.py"\n' if folder else ""
    templates = Path(__file__).parent / "templates"
    for template, path in zip(("baseline.txt", "study.txt"), files, strict=True):
        source = (templates / template).read_text(encoding="utf-8")
        write_atomic(path, source.format(name=name, title=title, file=line).encode())
    return files[0], files[1]
