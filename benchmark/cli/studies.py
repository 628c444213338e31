"""``pcbench sweep`` and ``pcbench collect``: the runs of a study, and their records."""

import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli import options
from benchmark.cli.options import ONLY, RESULTS, RUNS, SEEDS, SET, STUDY, command, flag, say
from benchmark.core import provenance
from benchmark.core.errors import UserError

if TYPE_CHECKING:
    from benchmark.sweep.manifest import Options
    from benchmark.sweep.study import Study


EXPECTED = "expect only these seeds"
JOBS = "number of runs at a time; default: 1"
REDO = """train again a row, the run with an id, or without ROW all runs with stale records; old
records stay until then"""  # argparse joins the lines


@command(
    STUDY,
    options.option("--jobs", JOBS, type=options.count, default=1, metavar="N"),
    SEEDS,
    ONLY,
    SET,
    options.option("--redo", REDO, nargs="?", const="", metavar="ROW"),
    RESULTS,
    *options.HOW,
    options.either(
        flag("--list", "print all ids, one per line"),
        flag("--pending", "print the ids of runs without a record"),
        flag("--dry-run", "print what would run"),
        flag("--status", "print the state of all runs"),
    ),
)
def sweep(arguments: Namespace) -> int:
    """Train and evaluate all runs of a study that have no record yet.

    pcbench sweep paper/quickstart.toml --jobs 2
    pcbench sweep main --seeds 0,1 --only cyclical --device cuda
    pcbench sweep main --status
    pcbench sweep main --redo cyclical
    """
    from benchmark.sweep import plan, status
    from benchmark.sweep import sweep as sweeping

    study = load_study(arguments, arguments.seeds).only(arguments.only)
    runs, results = arguments.runs, None if arguments.fresh else arguments.results
    again = arguments.redo is not None
    if again:
        study = plan.again(study, runs, results, [arguments.redo] if arguments.redo else [])
    if arguments.status:
        print(status.table(study, runs, results))
        return 0
    for note in status.edited(study, runs):
        say(note)
    if arguments.list:
        print("\n".join(run.id for run in study.configs))
        return 0
    if not again:
        for note in plan.remarks(study, plan.standings(study, runs, results), results):
            say(note)
    todo = [*study.configs] if again else plan.pending(study, runs, results)
    if arguments.pending:
        print("".join(f"{run.id}\n" for run in todo), end="")
        return 0
    if arguments.dry_run:
        home = runs / plan.AGAIN if again else runs
        todo = sweeping.tried(todo, home, arguments.retry_failed)
        for run in todo:
            print(f"would run {run.id} ({run.label}) in {home / run.id}")
        print(f"{len(todo)} of {len(study.configs)} runs, {arguments.jobs} at a time")
        return 0
    configs = [run.config for run in study.configs]
    options.advise([config.data for config in configs if config.preset is None], arguments.data_dir)
    chosen = frozen_options(arguments, results=str(arguments.results.absolute()))
    provenance.warn_of_no_commit()
    code = sweeping.sweep(study, runs, chosen, arguments.jobs, again=again)
    if arguments.set:
        named = shlex.quote(str(arguments.study))
        changes = shlex.join(f"--set={one}" for one in arguments.set)
        say(
            f"with --set this is another study: pcbench collect {named} {changes} --results DIR; "
            f"pcbench report {named} --results DIR"
        )
    return code


@command(
    STUDY,
    options.option("--seeds", EXPECTED, type=options.integers, metavar="0,1"),
    ONLY,
    SET,
    RESULTS,
    options.file(
        "--from", "also take the records of another collected file, after checks", dest="other"
    ),
    flag("--replace", "replace collected records that differ from the runs', or are older"),
    flag("--prune", "drop the records of runs that the study no longer has"),
    RUNS,
)
def collect(arguments: Namespace) -> int:
    """Gather a study's records in results/STUDY.jsonl.

    pcbench collect paper/quickstart.toml
    pcbench collect quickstart --replace
    pcbench collect quickstart --from theirs.jsonl
    """
    from benchmark.sweep import collect as collecting

    if arguments.set and arguments.results.resolve() == Path("results").resolve():
        raise UserError("collect: --set makes another study; give a folder for it with --results")
    study = load_study(arguments)
    study.of_seeds(arguments.seeds)  # refuses seeds that the study lacks
    collecting.collect(
        study,
        arguments.runs,
        arguments.results,
        arguments.prune,
        arguments.seeds,
        collecting.Taking(arguments.replace, study.only(arguments.only), arguments.other),
    ).show()
    return 0


def load_study(arguments: Namespace, seeds: list[int] | None = None) -> "Study":
    """Return the study that was named, with the ``--set`` of a command, of some seeds or all."""
    from benchmark.sweep import study

    params, sections = options.settings(arguments.set)
    if params:
        raise UserError(
            f"--set {next(iter(params))}: in a study each row has its own; give SECTION.KEY=VALUE, "
            "such as train.epochs=3"
        )
    if "evaluate" in sections:
        raise UserError(
            "--set evaluate...: is not part of a run's id, so its records would pass for the "
            "study's; change [evaluate] in the study, or in a copy of another name"
        )
    return study.load(arguments.study, seeds, sections)


def frozen_options(arguments: Namespace, **others: Any) -> "Options":
    """Return what a manifest keeps of a command's options; ``others`` as in `Options`."""
    from benchmark.sweep.manifest import Options

    return Options(
        data=str(arguments.data_dir.absolute()),
        device=arguments.device,
        checkpoint_seconds=arguments.checkpoint_seconds,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
        **others,
    )
