"""A task of a submitted array: its runs side by side; and the job that collects and reports.

USR1 (the time limit is near) and TERM (preemption, scancel) go on to the runs, which checkpoint
at their next step and exit. Only after them, and only on USR1, Slurm is asked to run the task
again; then the exit status is 75.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.core.signals import INTERRUPTED, noted
from benchmark.run import failures
from benchmark.sweep import manifest, pool, slurm_queue
from benchmark.sweep.collect import collect
from benchmark.sweep.pool import LAUNCHER, Display, Pool

IDLE_TURNS = 5  # so many turns of a task in a row without any progress, and it asks for no more


def task(
    path: Path,
    index: int | None,
    pack: int = 1,
    offset: int = 0,
    launcher: Sequence[str] = LAUNCHER,
) -> int:
    """Run the entries of a manifest that belong to an index, all ``pack`` of them at once.

    Args:
        path: the manifest.
        index: None takes that of the array task it runs in.
        pack: entries a task.
        offset: what the index of the array is counted from.
        launcher: see `Pool`.

    Returns:
        0 when all are done (or at work elsewhere), 1 when a run failed, 75 when interrupted.
    """
    frozen = manifest.read(path)
    if index is None:
        text = os.environ.get("SLURM_ARRAY_TASK_ID", "")
        if not text.isdigit():
            raise UserError("task: --index is missing, and this is not an array task of Slurm")
        index = int(text)
    entries = frozen.task(offset + index, pack)
    display = Display(sys.stderr, len(entries))
    retry = frozen.options.retry_failed
    todo = [e for e in entries if retry or not failures.given_up(frozen.runs / e.id)]
    for entry in entries:
        word = "run" if entry in todo else f"left out, failed {failures.LIMIT} times:"
        display.note(f"{word} {entry.id}: log in {frozen.runs / entry.id / 'log.txt'}")
    working = Pool(frozen, list(todo), pack, display, launcher=launcher)
    with noted(working.asked):
        working.work()
        working.summarise()
        if working.left:
            _ask_for_another_turn(working)
            return INTERRUPTED
    return 1 if working.failed or len(todo) < len(entries) else 0


def _ask_for_another_turn(ended: Pool) -> None:
    """Have Slurm requeue the task if its time limit ended it. Slurm's TERM may follow at once."""
    if "SLURM_JOB_ID" not in os.environ or set(ended.asked) != {signal.SIGUSR1}:
        return
    # A file counts the turns in a row, this one included, in which no run got on: a dot each.
    path = slurm_queue.logs(ended.manifest.runs) / f"{slurm_queue.job_name()}.idle"
    if ended.moved:
        path.unlink(missing_ok=True)
    else:
        turns = 1 + (path.stat().st_size if path.exists() else 0)
        write_atomic(path, b"." * turns)
        if turns >= IDLE_TURNS:
            ended.display.note(
                f"no run got on in {IDLE_TURNS} turns: not asking for another one; give --time "
                "more than the start and two minutes need, then submit again"
            )
            return
    ended.display.note("asking Slurm to run this task again")
    if problem := slurm_queue.requeue():
        ended.display.note(f"requeue: {problem}; submit the study again to go on")


def collect_and_report(path: Path) -> int:
    """Collect the study as it was submitted; return the exit status of `pcbench report`."""
    frozen = latest = manifest.read(path)
    # Where it was submitted again meanwhile, the newest manifest says what belongs to it.
    for _, other in slurm_queue.submissions(frozen.runs, frozen.study):
        if other is not None and other.study_path == frozen.study_path:
            latest = other
    options = frozen.options
    results = Path(options.results)
    collect(latest.restore(), frozen.runs, results, seeds=options.seeds).show()
    # A command, because reports build on sweeps.
    where = ["--results", str(results), "--out", options.tables]
    report = subprocess.run([*LAUNCHER, "report", frozen.study, *where], env=pool.environment())
    return report.returncode
