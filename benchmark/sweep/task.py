"""A task of a submitted array: its runs side by side; and the job that collects and reports.

USR1 (the time limit is near) and TERM (preemption, scancel) go on to the runs, which checkpoint
at their next step and exit. Only after them, and only on USR1, Slurm is asked to run the task
again; then the exit status is 75.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.core.signals import INTERRUPTED, noted
from benchmark.run import failures
from benchmark.sweep import manifest, slurm
from benchmark.sweep.held import JOBS
from benchmark.sweep.pool import LAUNCHER, Display, Pool, visible_devices

IDLE_TURNS = 5  # so many turns of a task in a row without any progress, and it asks for no more


def task(
    path: Path,
    index: int | None,
    pack: int = 1,
    offset: int = 0,
    launcher: Sequence[str] = LAUNCHER,
) -> int:
    """Run the entries of an index, all at once.

    Args:
        path: the manifest.
        index: None takes that of the array task it runs in.
        pack: entries a task.
        offset: what the index of the array is counted from.
        launcher: see `benchmark.pool.Pool`.

    Returns:
        0 when all are done (or at work elsewhere), 1 when a run failed, 75 when interrupted.

    Raises:
        UserError: no such manifest or index.
    """
    if pack < 1:
        raise UserError(f"--pack: {pack} is not at least 1")
    frozen = manifest.read(path)
    entries = frozen.task(offset + (_index() if index is None else index), pack)
    display = Display(sys.stderr, len(entries))
    retry = frozen.options.retry_failed
    todo = [e for e in entries if retry or not failures.given_up(frozen.runs / e.id)]
    for entry in entries:
        word = "run" if entry in todo else f"left out, failed {failures.LIMIT} times:"
        display.note(f"{word} {entry.id}: log in {frozen.runs / entry.id / 'log.txt'}")
    pool = Pool(frozen, list(todo), pack, display, visible_devices(), launcher=launcher)
    with noted(pool.asked):
        pool.work()
        display.finish(pool.summary())
        if pool.left:
            _again(pool, display)
            return INTERRUPTED
    return 1 if pool.failed or len(todo) < len(entries) else 0


def _index() -> int:
    text = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    if not text.isdigit():
        raise UserError("task: --index is missing, and this is no array task of Slurm")
    return int(text)


def _again(pool: Pool, display: Display) -> None:
    """Ask for another turn if the time limit ended this one. Slurm's TERM may follow at once."""
    if "SLURM_JOB_ID" not in os.environ or set(pool.asked) != {signal.SIGUSR1}:
        return
    if _idle(pool) >= IDLE_TURNS:
        display.note(
            f"no run got on in {IDLE_TURNS} turns: not asking for another one; give --time more "
            "than the start and two minutes need, then submit again"
        )
        return
    display.note("asking Slurm to run this task again")
    problem = slurm.requeue()
    if problem:
        display.note(f"requeue: {problem}; submit the study again to go on")


def _idle(pool: Pool) -> int:
    """How many turns in a row, this one included, no run of this task got on."""
    path = slurm.logs(pool.manifest.runs) / f"{slurm.job_name()}.idle"
    if pool.moved:
        path.unlink(missing_ok=True)
        return 0
    turns = 1 + (path.stat().st_size if path.exists() else 0)
    write_atomic(path, b"." * turns)
    return turns


def collect_and_report(path: Path) -> int:
    """Collect the study as it was submitted, and write its report.

    Where the study was submitted again meanwhile, the newest manifest says what belongs to it.

    Returns:
        0, or 1 when the report doubts the records.

    Raises:
        UserError: see `benchmark.collect.collect` and `benchmark.report.report`.
    """
    from benchmark.report import report as reporting
    from benchmark.sweep.collect import collect

    frozen = manifest.read(path)
    study = _newest(frozen).restore()
    options = frozen.options
    collect(study, frozen.runs, Path(options.results), seeds=options.seeds).show()
    results = Path(options.results)
    found = reporting.read(study.name, results)
    found.write(reporting.places(study.name, results, Path(options.tables)))
    print(found.shown, end="")
    return 1 if found.wrong else 0


def _newest(frozen: manifest.Manifest) -> manifest.Manifest:
    """The manifest of the same study file that was submitted last."""
    others = frozen.path.parent.glob(f"{frozen.study}-*{JOBS}")
    newest = max(others, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        return frozen
    try:
        found = manifest.read(newest.with_name(newest.name.removesuffix(JOBS) + ".json"))
    except UserError:
        return frozen
    return found if found.study_path == frozen.study_path else frozen
