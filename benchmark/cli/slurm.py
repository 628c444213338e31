"""``pcbench submit`` and ``pcbench task``, which the files in ``slurm/`` call."""

from argparse import Namespace
from pathlib import Path

from benchmark.cli import runs as commands
from benchmark.cli.options import (
    Commands,
    checkpoints,
    chosen,
    command,
    device,
    folders,
    fresh,
    retry,
    seeds,
)
from benchmark.cli.studies import chosen_study
from benchmark.core import provenance
from benchmark.core.errors import UserError


def add(sub: Commands) -> None:
    """Their parsers."""
    _add_submit(sub)
    _add_task(sub)


def _add_submit(sub: Commands) -> None:
    do = command(
        sub, "submit", "submit what of a study is not done to Slurm; slurm/submit.sh calls it",
        "pcbench submit paper/main.toml --device cuda --partition=gpu --gres=gpu:1 --time=8:00:00",
        "pcbench submit paper/main.toml --pack 4 --limit 10 --dry-run",
    )  # fmt: skip
    do.add_argument("study", type=Path, metavar="STUDY", help="a study file; options follow it")
    do.add_argument("--pack", type=int, default=1, metavar="K", help="runs a task, default 1")
    do.add_argument("--limit", type=int, metavar="N", help="tasks at a time")
    do.add_argument("--seeds", type=seeds, metavar="0,1", help="only these seeds")
    chosen(do)
    fresh(do)
    retry(do)
    device(do)
    checkpoints(do)
    folders(do)
    do.add_argument("--results", type=Path, metavar="DIR",
                    help="of collected records (results; its table in paper/tables)")  # fmt: skip
    do.add_argument("--dry-run", action="store_true", help="print the sbatch commands only")
    do.add_argument("--test-only", action="store_true", help="ask sbatch whether it would do")
    do.epilog = f"every other option goes to sbatch\n\n{do.epilog}"
    do.set_defaults(do=submit, sbatch=[])


def _add_task(sub: Commands) -> None:
    do = command(
        sub, "task", "one task of a submitted array; slurm/array.sbatch calls it",
        "pcbench task results/runs/manifests/main-0123456789ab.json --index 0",
    )  # fmt: skip
    do.add_argument("manifest", type=Path, metavar="MANIFEST", help="of `pcbench submit`")
    do.add_argument("--index", type=int, metavar="I", help="default: $SLURM_ARRAY_TASK_ID")
    do.add_argument("--pack", type=int, default=1, metavar="K", help="runs a task, default 1")
    do.add_argument("--offset", type=int, default=0, metavar="N", help="added to the index")
    do.add_argument("--report", action="store_true", help="instead: collect and report")
    do.set_defaults(do=task)


def submit(arguments: Namespace) -> int:
    """``pcbench submit``."""
    from benchmark.sweep.manifest import Options
    from benchmark.sweep.study import locate
    from benchmark.sweep.submit import Wish
    from benchmark.sweep.submit import submit as send

    toml = any(word.endswith(".toml") for word in arguments.sbatch)
    if toml and not locate(arguments.study).exists():
        raise UserError(f"submit: '{arguments.study}' is no study file; STUDY comes first, before "
                        "the options of sbatch")  # fmt: skip
    if arguments.set and arguments.results is None:
        raise UserError("submit: --set makes another study; --results names a folder for it")
    loaded = chosen_study(Namespace(**{**vars(arguments), "seeds": None}))
    results = arguments.results or Path("results")
    tables = Path("paper/tables") if arguments.results is None else results / "tables"
    options = Options(
        data=str(commands.data_root(arguments).absolute()),
        results=str(results.absolute()),
        tables=str(tables.absolute()),
        device=arguments.device,
        checkpoint_seconds=arguments.checkpoint_seconds,
        seeds=arguments.seeds,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
    )
    wish = Wish(
        arguments.pack,
        arguments.limit,
        arguments.dry_run,
        arguments.test_only,
        arguments.sbatch,
        arguments.only,
    )
    provenance.warn_of_no_commit()
    return send(loaded, commands.runs_folder(arguments), options, wish)


def task(arguments: Namespace) -> int:
    """``pcbench task``."""
    from benchmark.sweep import task as tasks

    if arguments.report:
        return tasks.collect_and_report(arguments.manifest)
    return tasks.task(arguments.manifest, arguments.index, arguments.pack, arguments.offset)
