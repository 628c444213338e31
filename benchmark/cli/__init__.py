"""The command line: ``pcbench``, also ``python -m benchmark``.

A module declares each command beside what it does, and imports what the command needs when it is
called, so that ``pcbench --help`` is instant. Exit status: 0 done, 1 a run failed or a check found
something, 2 bad input, 75 interrupted (the same command resumes).
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from benchmark.cli import bench, data, doctor, methods, report, reproduce, runs, slurm, studies
from benchmark.cli.options import Parser, say
from benchmark.core.errors import UserError
from benchmark.core.provenance import warn_of_other_baselines
from benchmark.core.signals import INTERRUPTED
from benchmark.run.claims import Claimed

COMMANDS = (
    runs.run,
    studies.sweep,
    studies.collect,
    slurm.submit,
    slurm.task,
    report.report,
    report.PLOT,
    reproduce.reproduce,
    bench.bench,
    runs.evaluate,
    runs.sample,
    data.GROUP,
    methods.baselines,
    methods.new,
    doctor.doctor,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what went wrong into one line and an exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # it spells out letters that it cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments = _parsed(sys.argv[1:] if argv is None else argv)
        warn_of_other_baselines()
        status: int = arguments.do(arguments)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()
        return status
    except UserError as error:
        say(str(error))
        return INTERRUPTED if isinstance(error, Claimed) else 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except OSError as error:  # permissions, a full disk: the machine's state, not a defect
        if error.filename is None and sys.stdout is not None:
            # Python would try again at its end to write what standard output did not take.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has gone
            return 0
        say(f"{error.filename or 'output'}: {error.strerror or error}")
        return 2


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    top = parser()
    arguments, rest = top.parse_known_args(words)
    if any(word.split("=")[0] == "--data" for word in rest):
        top.error("--data names a data set for `run`; the folder of prepared data is --data-dir")
    if rest and arguments.do is not slurm.submit.do:
        top.prog = arguments.prog
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.words, arguments.sbatch = words, rest
    return arguments


class _Version(argparse.Action):
    """Asks git only where the version is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(doctor.short())
        parser.exit()


def parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(
        "pcbench",
        description="A reproducible benchmark of posterior collapse in text VAEs.\n\n"
        "A study is a TOML file in paper/ that lists data sets, baselines (training methods) and\n"
        "seeds. A run trains one baseline on one data set with one seed, and leaves a record.",
        epilog="example:\n  pcbench sweep paper/quickstart.toml --jobs 2\n"
        "  pcbench collect paper/quickstart.toml\n  pcbench report paper/quickstart.toml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, help="print version, commit and torch's version")
    sub = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(sub)
    return top
