"""The command line: ``pcbench``, also ``python -m benchmark``.

Parsing only; `benchmark.commands` does the work and imports what each command needs. Exit status:
0 done, 1 a run failed or a check found something, 2 bad input, 75 interrupted (the same command
resumes).
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli import bench as benches
from benchmark.cli import data, describe, new, studies
from benchmark.cli import report as reports
from benchmark.cli import reproduce as reproduction
from benchmark.cli import runs as commands
from benchmark.cli import slurm as cluster
from benchmark.cli.options import (
    Commands,
    Parser,
    checkpoints,
    command,
    count,
    device,
    folders,
)
from benchmark.core.errors import UserError
from benchmark.core.provenance import warn_of_other_baselines

RUN = "of a run, or enough of its beginning, or the run's folder"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what went wrong into one line and an exit status."""
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    if any(word.split("=")[0] == "--data" for word in rest):
        top.error("--data names a data set for `run`; the folder of prepared data is --data-dir")
    if rest and "sbatch" not in arguments:
        words = sys.argv[1:] if argv is None else argv
        top.prog = f"pcbench {next(word for word in words if not word.startswith('-'))}"
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.sbatch = rest
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that it cannot show is no error
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        warn_of_other_baselines()
        status: int = arguments.do(arguments)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()
        return status
    except UserError as error:
        _say(str(error))
        return commands.status_of(error)
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has gone
        _drop_output()
        return 0
    except OSError as error:  # permissions, a full disk: the machine's state, not a defect
        _say(f"{error.filename or 'output'}: {error.strerror or error}")
        _drop_output()
        return 2


def _say(message: str) -> None:
    for line in message.splitlines():
        print(f"pcbench: {' '.join(line.split())}", file=sys.stderr)


def _drop_output() -> None:
    """Forget what standard output cannot take, so that Python does not try again at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Version(argparse.Action):
    """Asks git only where the version is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from benchmark.cli.doctor import short

        print(short())
        parser.exit()


def parser() -> Parser:
    """The whole command line."""
    top = Parser(
        "pcbench",
        description="A reproducible benchmark of posterior collapse in text VAEs.",
        epilog="example:\n  pcbench sweep paper/quickstart.toml --jobs 2\n"
        "  pcbench collect paper/quickstart.toml\n  pcbench report paper/quickstart.toml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, help="version, commit and torch's version")
    sub = top.add_subparsers(metavar="COMMAND", required=True)
    _run(sub)
    studies.add(sub)
    cluster.add(sub)
    reports.add(sub)
    reproduction.add(sub)
    benches.add(sub)
    _evaluate(sub)
    _sample(sub)
    data.add(sub)
    describe.add(sub)
    new.add(sub)
    do = command(sub, "doctor", "what a bug report must tell", "pcbench doctor")
    folders(do)
    do.set_defaults(do=commands.doctor)
    return top


def _run(sub: Commands) -> None:
    do = command(
        sub, "run", "train and evaluate one run, or resume it",
        "pcbench run paper/quickstart.toml --id exact_small-none-0-1234abcd",
        "pcbench run --data exact_small --baseline cyclical --set cycles=8 --set train.epochs=3",
    )  # fmt: skip
    do.add_argument("study", nargs="?", type=Path, metavar="STUDY", help="a study file")
    do.add_argument("--id", help="the run of STUDY; `pcbench sweep STUDY --list` prints all")
    do.add_argument(
        "--manifest", type=Path, metavar="FILE", help="the run --id of this file, not of STUDY"
    )
    do.add_argument(
        "--data", metavar="NAME", help="without STUDY: the data set, such as exact_small"
    )
    do.add_argument("--baseline", metavar="NAME", help="without STUDY: the baseline")
    do.add_argument("--file", type=Path, help="without STUDY: a baseline outside baselines/")
    do.add_argument("--seed", type=int, help="without STUDY: default 0")
    do.add_argument("--preset", help="without STUDY: default the data's own")
    do.add_argument("--precision", choices=["fp32", "bf16"], help="without STUDY: default fp32")
    do.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="without STUDY: the baseline's cycles=8, or train.epochs=3, model.latent=16",
    )  # fmt: skip
    device(do)
    folders(do)
    do.add_argument(
        "--keep", choices=["none", "best", "all"], default="best", help="weights kept at the end"
    )
    checkpoints(do)
    do.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="of the CPU, default 1; results differ by it",
    )
    do.add_argument("--quiet", action="store_true", help="no progress on standard error")
    do.add_argument("--dry-run", action="store_true", help="print the id and settings, train not")
    do.set_defaults(do=commands.run)


def _evaluate(sub: Commands) -> None:
    do = command(
        sub, "evaluate", "measure the weights of a finished run, or of a study's runs, again",
        "pcbench evaluate exact_small-none-0-1234abcd", "pcbench evaluate quickstart",
    )  # fmt: skip
    do.add_argument("id", metavar="ID", help="a run: prints its figures; or a study: measures the "
                    "runs whose record is of other settings or an older evaluation")  # fmt: skip
    device(do)
    folders(do)
    do.set_defaults(do=commands.evaluate)


def _sample(sub: Commands) -> None:
    do = command(
        sub, "sample", "print what a finished run writes",
        "pcbench sample exact_small-none-0-1234abcd",
        "pcbench sample exact_small-none-0-1234abcd --kind prior --number 100 --sampled --json",
    )  # fmt: skip
    do.add_argument("id", metavar="ID", help=RUN)
    do.add_argument(
        "--kind", choices=["all", "reconstructions", "prior", "interpolations"], default="all",
        help="default: %(default)s",
    )  # fmt: skip
    do.add_argument("--number", type=count, default=5, metavar="N", help="of each, default 5")
    do.add_argument("--seed", type=int, default=0, help="of sentences and draws, default 0")
    do.add_argument("--max-length", type=count, metavar="N",
                    help="of a text in tokens, default twice the mean sentence")  # fmt: skip
    how = do.add_mutually_exclusive_group()
    how.add_argument(
        "--greedy", action="store_true", default=None, dest="greedy",
        help="the likeliest word each time: default, but for a language model",
    )  # fmt: skip
    how.add_argument(
        "--sampled", action="store_false", default=None, dest="greedy",
        help="words drawn from p(x | z)",
    )  # fmt: skip
    do.add_argument("--json", action="store_true", help="one JSON object")
    folders(do)
    do.set_defaults(do=commands.sample)
