"""``pcbench sweep`` and ``pcbench collect``: the runs of a study, and their records."""

import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli import runs as commands
from benchmark.cli.options import (
    Commands,
    checkpoints,
    chosen,
    command,
    device,
    folders,
    fresh,
    results,
    retry,
    seeds,
)
from benchmark.core import provenance
from benchmark.core.errors import UserError

if TYPE_CHECKING:
    from benchmark.sweep.study import Study


def add(sub: Commands) -> None:
    """Their parsers."""
    _sweep(sub)
    _collect(sub)


def _sweep(sub: Commands) -> None:
    do = command(
        sub, "sweep", "run all of a study that has no record yet",
        "pcbench sweep paper/quickstart.toml --jobs 2",
        "pcbench sweep main --seeds 0,1 --only cyclical --device cuda",
        "pcbench sweep main --status",
        "pcbench sweep main --redo cyclical",
    )  # fmt: skip
    do.add_argument("study", type=Path, metavar="STUDY", help="a study file, or its name")
    do.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time, default 1")
    do.add_argument("--seeds", type=seeds, metavar="0,1", help="only these seeds")
    chosen(do)
    do.add_argument(
        "--redo", nargs="?", const="", metavar="ROW",
        help="train a row, a run's id, or all stale records again; what is there stays until then",
    )  # fmt: skip
    results(do)
    fresh(do)
    retry(do)
    device(do)
    checkpoints(do)
    folders(do)
    what = do.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="print all ids, one a line")
    what.add_argument("--pending", action="store_true", help="print the ids without a record")
    what.add_argument("--dry-run", action="store_true", help="print what would run")
    what.add_argument("--status", action="store_true", help="print the state of all runs")
    do.set_defaults(do=sweep)


def _collect(sub: Commands) -> None:
    do = command(
        sub, "collect", "gather a study's records in results/STUDY.jsonl",
        "pcbench collect paper/quickstart.toml", "pcbench collect quickstart --replace",
        "pcbench collect quickstart --from theirs.jsonl",
    )  # fmt: skip
    do.add_argument("study", type=Path, metavar="STUDY", help="a study file, or its name")
    do.add_argument("--seeds", type=seeds, metavar="0,1", help="only these seeds are expected")
    chosen(do)
    results(do)
    do.add_argument("--from", type=Path, dest="other", metavar="FILE",
                    help="also the records of another collected file, checked")  # fmt: skip
    do.add_argument("--replace", action="store_true",
                    help="take records that differ from collected ones")  # fmt: skip
    do.add_argument("--prune", action="store_true", help="drop records the study no longer names")
    folders(do, data=False)
    do.set_defaults(do=collect)


def sweep(arguments: Namespace) -> int:
    """``pcbench sweep``."""
    from benchmark.sweep import plan, pool, status
    from benchmark.sweep import sweep as sweeping
    from benchmark.sweep.manifest import Options

    loaded = chosen_study(arguments).only(arguments.only)
    runs, results = commands.runs_folder(arguments), None if arguments.fresh else arguments.results
    again = arguments.redo is not None
    if again:
        loaded = plan.again(loaded, runs, results, list(filter(None, [arguments.redo])))
    if arguments.status:
        print(status.table(loaded, runs, results))
        return 0
    for note in status.edited(loaded, runs):
        print(f"pcbench: {note}", file=sys.stderr)
    if arguments.list:
        print("\n".join(run.id for run in loaded.configs))
        return 0
    if not again:
        for note in plan.remarks(loaded, plan.standings(loaded, runs, results), results):
            print(f"pcbench: {note}", file=sys.stderr)
    todo = [*loaded.configs] if again else plan.pending(loaded, runs, results)
    if arguments.pending:
        sys.stdout.write("".join(f"{run.id}\n" for run in todo))
        return 0
    if arguments.dry_run:
        home = runs / plan.AGAIN if again else runs
        todo = sweeping.tried(todo, home, arguments.retry_failed)
        for run in todo:
            print(f"would run {run.id} ({run.label}) in {home / run.id}")
        print(f"{len(todo)} of {len(loaded.configs)} runs, {arguments.jobs} at a time")
        return 0
    root = commands.data_root(arguments)
    configs = [run.config for run in loaded.configs]
    commands.advise([one.data for one in configs if one.preset is None], root)
    options = Options(
        data=str(root.absolute()),
        results=str(arguments.results.absolute()),
        device=arguments.device,
        checkpoint_seconds=arguments.checkpoint_seconds,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
    )
    provenance.warn_of_no_commit()
    train = sweeping.sweep_again if again else sweeping.sweep
    code = train(loaded, runs, options, arguments.jobs, pool.visible_devices())
    if arguments.set:
        named = shlex.join([str(arguments.study), *(f"--set={one}" for one in arguments.set)])
        print(
            f"pcbench: with --set it is another study: pcbench collect {named} --results DIR; "
            f"pcbench report {shlex.quote(str(arguments.study))} --results DIR",
            file=sys.stderr,
        )
    return code


def chosen_study(arguments: Namespace) -> "Study":
    """The study that was named, with the seeds and ``--set`` of a command."""
    from benchmark.sweep import study

    params, sections = commands.settings(arguments.set)
    if params:
        raise UserError(
            f"--set {next(iter(params))}: in a study each row has its own; give SECTION.KEY=VALUE, "
            "such as train.epochs=3"
        )
    if "evaluate" in sections:
        raise UserError(
            "--set evaluate...: is no part of a run's id, so its records would pass for the "
            "study's; change [evaluate] in the study, or in a copy of another name"
        )
    return study.load(arguments.study, arguments.seeds, sections)


def collect(arguments: Namespace) -> int:
    """``pcbench collect``."""
    from benchmark.sweep import collect as collecting

    if arguments.set and arguments.results.resolve() == Path("results").resolve():
        raise UserError("collect: --set makes another study; --results names a folder for it")
    loaded = chosen_study(Namespace(**{**vars(arguments), "seeds": None}))
    loaded.of_seeds(arguments.seeds)  # refuses seeds that the study lacks
    collecting.collect(
        loaded,
        commands.runs_folder(arguments),
        arguments.results,
        arguments.prune,
        arguments.seeds,
        collecting.Taking(arguments.replace, loaded.only(arguments.only), arguments.other),
    ).show()
    return 0
