"""``pcbench submit`` and ``pcbench task``, which the files in ``slurm/`` call."""

from argparse import Namespace
from dataclasses import fields
from pathlib import Path

from benchmark.cli import options
from benchmark.cli.options import command, count, flag, folder, option
from benchmark.cli.studies import frozen_options, load_study
from benchmark.core import provenance
from benchmark.core.errors import UserError

PACK = option(
    "--pack", "runs at the same time in each task; default: 1", type=count, default=1, metavar="K"
)


@command(
    option("study", "a study file; options follow it", type=Path, metavar="STUDY"),
    PACK,
    option("--limit", "maximum number of tasks at a time", type=count, metavar="N"),
    options.SEEDS,
    options.ONLY,
    options.SET,
    *options.HOW,
    folder(
        "--results", "folder of collected records; default: results, with tables in paper/tables"
    ),
    flag("--dry-run", "print the sbatch commands; submit nothing"),
    flag("--test-only", "let sbatch check the commands; submit nothing"),
)
def submit(arguments: Namespace) -> int:
    """Submit the unfinished runs of a study to Slurm; slurm/submit.sh calls it.

    All other options go to sbatch.

    pcbench submit paper/main.toml --device cuda --partition=gpu --gres=gpu:1 --time=8:00:00
    pcbench submit paper/main.toml --pack 4 --limit 10 --dry-run
    """
    from benchmark.sweep.slurm_submit import SubmitOptions
    from benchmark.sweep.slurm_submit import submit as send
    from benchmark.sweep.study import locate

    toml = any(word.endswith(".toml") for word in arguments.sbatch)
    if toml and not locate(arguments.study).exists():
        raise UserError(
            f"submit: '{arguments.study}' is not a study file; STUDY comes first, before the "
            "options of sbatch"
        )
    if arguments.set and arguments.results is None:
        raise UserError("submit: --set makes another study; give a folder for it with --results")
    results = arguments.results or Path("results")
    tables = Path("paper/tables") if arguments.results is None else results / "tables"
    folders = {"results": str(results.absolute()), "tables": str(tables.absolute())}
    chosen = frozen_options(arguments, seeds=arguments.seeds, **folders)
    names = [field.name for field in fields(SubmitOptions)]
    how = SubmitOptions(**{name: getattr(arguments, name) for name in names})
    provenance.warn_of_no_commit()
    send(load_study(arguments), arguments.runs, chosen, how)
    return 0


@command(
    option("manifest", "a manifest that `pcbench submit` wrote", type=Path, metavar="MANIFEST"),
    option("--index", "the task; default: $SLURM_ARRAY_TASK_ID", type=int, metavar="I"),
    PACK,
    option("--offset", "number to add to the index", type=int, default=0, metavar="N"),
    flag("--report", "instead, collect the study's records and report"),
)
def task(arguments: Namespace) -> int:
    """Run one task of a submitted array; slurm/array.sbatch calls it.

    pcbench task results/runs/manifests/main-0123456789ab.json --index 0
    """
    from benchmark.sweep import slurm_task as tasks

    if arguments.report:
        return tasks.collect_and_report(arguments.manifest)
    return tasks.task(arguments.manifest, arguments.index, arguments.pack, arguments.offset)
