"""How a command is declared beside what it does, and the options that several commands share."""

import argparse
import inspect
import re
import sys
import tomllib
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Never, TypeAlias

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import check_linked


class Parser(argparse.ArgumentParser):
    """Raise usage errors like all others, so that `benchmark.cli.main` reports them alike."""

    def error(self, message: str) -> Never:
        raise UserError(f"{message}; see `{self.prog} --help`")


Option: TypeAlias = "Callable[[argparse._ActionsContainer], object]"
Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"
Do: TypeAlias = Callable[[Namespace], int]


def option(name: str, what: str, **settings: Any) -> Option:
    """Declare an argument by its name and help; ``settings`` are those of ``add_argument``."""
    return lambda parser: parser.add_argument(name, help=what, **settings)


flag = partial(option, action="store_true")
folder = partial(option, type=Path, metavar="DIR")
file = partial(option, type=Path, metavar="FILE")
repeated = partial(option, action="append", default=[])


def either(*options: Option) -> Option:
    """Declare options of which a command takes at most one."""

    def add(parser: "argparse._ActionsContainer") -> None:
        group = parser.add_mutually_exclusive_group()
        for one in options:
            one(group)

    return add


@dataclass(frozen=True)
class Command:
    """A command: a function that returns its exit status, and the arguments that it reads.

    The function's docstring is the help, and ends in examples. ``data_list`` is ``data list``.
    """

    do: Do
    options: Sequence[Option]

    @property
    def name(self) -> str:
        """The word that calls it."""
        return self.do.__name__.rpartition("_")[2]

    def add(self, sub: Subparsers) -> None:
        """Add the command's parser."""
        description, start, examples = (inspect.getdoc(self.do) or "").partition("\n\npcbench ")
        parser = _parser(sub, self.name, description, start + examples)
        for one in self.options:
            one(parser)
        parser.set_defaults(do=self.do, prog=parser.prog)


def command(*options: Option) -> Callable[[Do], Command]:
    """Declare the decorated function as a command."""
    return lambda do: Command(do, options)


@dataclass(frozen=True)
class Group:
    """A command that consists of commands, such as ``data list``."""

    name: str
    description: str
    example: str
    commands: Sequence[Command]

    def add(self, sub: Subparsers) -> None:
        """Add the parsers of all its commands."""
        parser = _parser(sub, self.name, self.description, self.example)
        inner = parser.add_subparsers(metavar="WHAT", required=True)
        for one in self.commands:
            one.add(inner)


def _parser(sub: Subparsers, name: str, description: str, examples: str) -> Parser:
    lines = examples.strip().splitlines()
    word = "example" if len(lines) == 1 else "examples"
    what = description.partition("\n")[0].removesuffix(".")
    return sub.add_parser(
        name,
        help=what[0].lower() + what[1:],
        description=description,
        epilog=f"{word}:\n  " + "\n  ".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def count(text: str) -> int:
    """Return an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text}")
    return int(text)


def seconds(text: str) -> float:
    """Return a number of seconds."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, at least 0, not {text}")
    return value


def integers(text: str) -> list[int]:
    """Return integers separated by commas."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be integers separated by commas, such as 0,1, not '{text}'"
        ) from None


def runs_folder(text: str) -> Path:
    """Return the runs folder that was given, or the default."""
    from benchmark.core import records

    path = Path(text) if text else records.default_runs()
    check_linked(path, "--runs")
    return path


def data_folder(text: str) -> Path:
    """Return the folder of prepared data that was given, or the default."""
    from benchmark import data

    return Path(text) if text else data.default_root()


STUDY = option("study", "a study file, or its name", type=Path, metavar="STUDY")
SEEDS = option("--seeds", "use only these seeds", type=integers, metavar="0,1")
DEVICE = option(
    "--device", "device to compute on; default: cpu", choices=["cpu", "cuda"], default="cpu"
)
CHECKPOINTS = option(
    "--checkpoint-seconds",
    "seconds between checkpoints; default: 60",
    type=seconds,
    default=60.0,
    metavar="S",
)
RESULTS = folder(
    "--results", "folder of collected records; default: %(default)s", default=Path("results")
)
# Of a default that is a text, argparse calls `type` too: each time that a command is called.
RUNS = folder(
    "--runs",
    "folder of runs; default: $PCBENCH_RUNS, or results/runs",
    type=runs_folder,
    default="",
)
DATA = folder(
    "--data-dir",
    "folder of prepared data; default: $PCBENCH_DATA, or .data",
    type=data_folder,
    default="",
)
FRESH = flag("--fresh", "also train the runs whose records are collected in --results")
RETRY = flag("--retry-failed", "also train the runs that failed three times")
# How runs are made, here or by Slurm.
HOW = (FRESH, RETRY, DEVICE, CHECKPOINTS, RUNS, DATA)
ONLY = repeated(
    "--only", "use only this row, or the run with this id; may be repeated", metavar="ROW"
)
SET = repeated("--set", "change a setting of all rows, such as train.epochs=3", metavar="KEY=VALUE")


def settings(pairs: Iterable[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the baseline's settings (``cycles=8``) and those of sections (``train.epochs=3``)."""
    from benchmark.core.settings import SECTIONS

    params: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    mistakes = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        section, dot, name = key.rpartition(".")
        table = sections.setdefault(section, {}) if dot else params
        if not equals or not key:
            mistakes.append(f"--set {pair}: write KEY=VALUE, such as train.epochs=3")
        elif dot and section not in SECTIONS:
            mistakes.append(f"--set {pair}: unknown section; {suggest(section, SECTIONS)}")
        elif name in table:
            mistakes.append(f"--set {pair}: {key} is given twice")
        table[name] = _value(text)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return params, sections


def _value(text: str) -> Any:
    """Return a value as TOML reads it, or .5 and 5. as numbers; anything else is a text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return float(text) if re.fullmatch(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", text) else text
    # A line feed in the text may have made a second key of its rest.
    return table["value"] if len(table) == 1 else text


def advise(data: Iterable[str], root: Path) -> None:
    """Name the nearest preset of each of the user's own texts, on standard error."""
    from benchmark.run.presets import advice

    for name in dict.fromkeys(data):
        if line := advice(name, root):
            say(line)


def say(message: str) -> None:
    """Print each line of a message on standard error."""
    for line in message.splitlines():
        print(f"pcbench: {' '.join(line.split())}", file=sys.stderr)
