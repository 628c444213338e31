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

from benchmark import commands
from benchmark import data_commands as data
from benchmark import reproduce as reproduction
from benchmark.bench import commands as benches
from benchmark.cluster import commands as cluster
from benchmark.errors import UserError
from benchmark.options import (
    Commands,
    Parser,
    checkpoints,
    command,
    count,
    device,
    folders,
    results,
    retry,
    seeds,
)
from benchmark.provenance import warn_of_other_baselines
from benchmark.report import commands as reports


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what went wrong into one line and an exit status."""
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    if rest and "sbatch" not in arguments:
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
    print(f"pcbench: {' '.join(message.split())}", file=sys.stderr)


def _drop_output() -> None:
    """Forget what standard output cannot take, so that Python does not try again at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    sub = top.add_subparsers(metavar="COMMAND", required=True)
    _run(sub)
    _sweep(sub)
    cluster.add(sub)
    _collect(sub)
    reports.add(sub)
    reproduction.add(sub)
    benches.add(sub)
    _evaluate(sub)
    _sample(sub)
    data.add(sub)
    do = command(sub, "baselines", "list the baselines", "pcbench baselines")
    do.set_defaults(do=commands.baselines)
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
        "--data",
        metavar="NAME",
        help="without STUDY: the data set, such as exact_small; with STUDY: as --data-dir",
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
    folders(do, data=False)
    do.add_argument("--data-dir", type=Path, metavar="DIR", help="prepared data ($PCBENCH_DATA)")
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


def _sweep(sub: Commands) -> None:
    do = command(
        sub, "sweep", "run all of a study that has no record yet",
        "pcbench sweep paper/quickstart.toml --jobs 2",
        "pcbench sweep paper/main.toml --seeds 0,1 --device cuda",
        "pcbench sweep paper/main.toml --status",
    )  # fmt: skip
    do.add_argument("study", type=Path, metavar="STUDY", help="a study file")
    do.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time, default 1")
    do.add_argument("--seeds", type=seeds, metavar="0,1", help="only these seeds")
    retry(do)
    device(do)
    checkpoints(do)
    folders(do)
    what = do.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="print all ids, one a line")
    what.add_argument("--pending", action="store_true", help="print the ids without a record")
    what.add_argument("--dry-run", action="store_true", help="print what would run")
    what.add_argument("--status", action="store_true", help="print the state of all runs")
    do.set_defaults(do=commands.sweep)


def _collect(sub: Commands) -> None:
    do = command(
        sub, "collect", "gather a study's records in results/STUDY.jsonl",
        "pcbench collect paper/quickstart.toml",
    )  # fmt: skip
    do.add_argument("study", type=Path, metavar="STUDY", help="a study file")
    do.add_argument("--seeds", type=seeds, metavar="0,1", help="only these seeds are expected")
    results(do)
    do.add_argument("--prune", action="store_true", help="drop records the study no longer names")
    folders(do, data=False)
    do.set_defaults(do=commands.collect)


def _evaluate(sub: Commands) -> None:
    do = command(
        sub, "evaluate", "measure a finished run's weights again; its record stays",
        "pcbench evaluate exact_small-none-0-1234abcd",
    )  # fmt: skip
    do.add_argument("id", metavar="ID")
    device(do)
    folders(do)
    do.set_defaults(do=commands.evaluate)


def _sample(sub: Commands) -> None:
    do = command(
        sub, "sample", "print what a finished run writes",
        "pcbench sample exact_small-none-0-1234abcd",
        "pcbench sample exact_small-none-0-1234abcd --kind prior --number 100 --sampled --json",
    )  # fmt: skip
    do.add_argument("id", metavar="ID")
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
