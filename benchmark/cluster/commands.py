"""``pcbench submit`` and ``pcbench task``: what the files in ``slurm/`` call."""

from argparse import Namespace
from pathlib import Path

from benchmark import commands
from benchmark.errors import UserError


def submit(arguments: Namespace) -> int:
    """``pcbench submit``."""
    from benchmark import study
    from benchmark.cluster.submit import Wish
    from benchmark.cluster.submit import submit as send
    from benchmark.manifest import Options

    if not arguments.study.exists() and any(word.endswith(".toml") for word in arguments.sbatch):
        raise UserError(f"submit: '{arguments.study}' is no study file; STUDY comes first, before "
                        "the options of sbatch")  # fmt: skip
    study.load(arguments.study, arguments.seeds)  # refuses seeds that the study lacks
    loaded = study.load(arguments.study)
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
    )
    wish = Wish(
        arguments.pack,
        arguments.limit,
        arguments.dry_run,
        arguments.test_only,
        arguments.sbatch,
    )
    return send(loaded, commands.runs_folder(arguments), options, wish)


def task(arguments: Namespace) -> int:
    """``pcbench task``."""
    from benchmark.cluster import task as tasks

    if arguments.report:
        return tasks.collect_and_report(arguments.manifest)
    return tasks.task(arguments.manifest, arguments.index, arguments.pack, arguments.offset)
