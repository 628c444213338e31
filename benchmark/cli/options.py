"""What the commands' parsers share: how a mistake is told, and the options of several."""

import argparse
from pathlib import Path
from typing import Never, TypeAlias


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line; ``--help`` tells the rest."""

    def error(self, message: str) -> Never:
        self.exit(2, f"pcbench: {message}; see `{self.prog} --help`\n")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def command(sub: Commands, name: str, what: str, *examples: str) -> Parser:
    """A command with its description and examples."""
    word = "example" if len(examples) == 1 else "examples"
    return sub.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"{word}:\n  " + "\n  ".join(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def folders(do: Parser, runs: bool = True, data: bool = True) -> None:
    """``--runs`` and ``--data-dir``."""
    if runs:
        do.add_argument(
            "--runs", type=Path, metavar="DIR", help="runs ($PCBENCH_RUNS, or results/runs)"
        )
    if data:
        do.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="prepared data ($PCBENCH_DATA, or .data)"
        )


def device(do: Parser) -> None:
    """``--device``."""
    do.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: cpu")


def seeds(text: str) -> list[int]:
    """Integers separated by commas."""
    return [int(seed) for seed in text.split(",")]


seeds.__name__ = "list of integers"  # argparse's message names it


def seconds(text: str) -> float:
    """A number of seconds from 0 on."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


def checkpoints(do: Parser) -> None:
    """``--checkpoint-seconds``."""
    do.add_argument(
        "--checkpoint-seconds", type=seconds, default=60.0, metavar="S", help="default: 60"
    )


def retry(do: Parser) -> None:
    """``--retry-failed``."""
    do.add_argument(
        "--retry-failed", action="store_true", help="also the runs that failed three times"
    )


def chosen(do: Parser) -> None:
    """``--only`` and ``--set``."""
    do.add_argument("--only", action="append", default=[], metavar="ROW",
                    help="only this row, or run's id; may be given again")  # fmt: skip
    do.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="of all rows: train.epochs=3, model.latent=16",
    )  # fmt: skip


def fresh(do: Parser) -> None:
    """``--fresh``."""
    do.add_argument(
        "--fresh", action="store_true", help="train also what --results holds collected records of"
    )


def results(do: Parser) -> None:
    """``--results``."""
    do.add_argument("--results", type=Path, default=Path("results"), metavar="DIR",
                    help="of collected records, default: %(default)s")  # fmt: skip


def count(text: str) -> int:
    """An integer from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


count.__name__ = "integer"
