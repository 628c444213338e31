"""Submitting a study: one manifest, arrays over its runs, and a job that collects and reports.

What was submitted is noted beside the manifest (``<manifest>.jobs.json``), so that the state of a
sweep can be told where Slurm cannot be asked.
"""

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core import provenance
from benchmark.core.errors import UserError
from benchmark.core.files import check_writable, write_atomic
from benchmark.run import claims, failures
from benchmark.sweep import estimate, manifest, ready, slurm
from benchmark.sweep.held import JOBS
from benchmark.sweep.plan import pending, remarks, standings

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study

REPORT_OPTIONS = "PCBENCH_REPORT_OPTIONS"
_OURS = ("--array", "-a", "--parsable", "--wrap", "-W", "--wait", "-o", "--output")
_CORES = ("-c", "--cpus-per", "-n", "--ntasks", "--exclusive")
# What a job's interpreter must be able to do; called with the checkout.
_TRIAL = """
import sys; print(sys.executable)
import torch, benchmark.run
from benchmark.core.provenance import checkout
if str(checkout()) != sys.argv[1]:
    sys.exit(f"imports the code of another checkout, {checkout()}")
"""


@dataclass(frozen=True)
class Wish:
    """How to submit.

    Args:
        pack: runs a task.
        limit: tasks at a time; None leaves it to Slurm.
        dry_run: print the commands; write and submit nothing.
        test_only: ask sbatch whether it would take them; write and submit nothing.
        sbatch: options for sbatch, unchanged.
        only: rows or ids; all where there is none.
    """

    pack: int = 1
    limit: int | None = None
    dry_run: bool = False
    test_only: bool = False
    sbatch: Sequence[str] = ()
    only: Sequence[str] = ()

    def check(self) -> None:
        """Refuse what cannot be done.

        Raises:
            UserError: a number below 1, or an option of sbatch that is not the user's here.
        """
        if self.pack < 1:
            raise UserError(f"--pack: {self.pack} is not at least 1")
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit: {self.limit} is not at least 1")
        for option in self.sbatch:
            if option.partition("=")[0] in _OURS:
                raise UserError(
                    f"{option}: is chosen here; --limit N bounds the tasks at a time, and the "
                    "jobs' output goes to logs/ in the runs folder"
                )


@dataclass(frozen=True)
class Plan:
    """What of a study is to be submitted, and how many runs are left out for which reason."""

    todo: list["Labelled"]
    left_out: Counter[str]


def plan(wanted: "Study", runs: Path, options: manifest.Options, queue: slurm.Queue | None) -> Plan:
    """Leave out what is done, at work, in the queue, or failed too often."""
    left_out: Counter[str] = Counter()
    todo = []
    results = None if options.fresh or not options.results else Path(options.results)
    unfinished = {run.id for run in pending(wanted, runs, results)}
    for run in wanted.configs:
        folder = runs / run.id
        if (folder / "record.json").exists():
            left_out["done"] += 1
        elif run.id not in unfinished:
            left_out["collected already (--fresh submits them)"] += 1
        elif queue is not None and run.id in queue.runs:
            left_out["queued or running"] += 1
        elif _at_work(folder, queue):
            left_out["at work outside the queue"] += 1
        elif failures.given_up(folder) and not options.retry_failed:
            left_out[f"failed {failures.LIMIT} times (--retry-failed submits them)"] += 1
        else:
            todo.append(run)
    return Plan(todo, left_out)


def _at_work(folder: Path, queue: slurm.Queue | None) -> bool:
    """Whether a live claim stands on a run; that of a job which has left the queue is dead."""
    holder = claims.holder(folder)
    if holder is None:
        return False
    return queue is None or holder.get("job") is None or holder["job"] in queue.jobs


def submit(study: "Study", runs: Path, options: manifest.Options, wish: Wish) -> int:
    """Submit what of a study is not done, queued or running.

    Args:
        study: all of it; ``options.seeds`` chooses among its seeds.
        runs: the runs folder.
        options: of the runs and of the report.
        wish: how to submit.

    Returns:
        0.

    Raises:
        UserError: bad options, a seed that the study lacks, no Slurm, a folder that cannot be
            written, data not prepared, an interpreter without torch, or sbatch's own refusal.
    """
    wish.check()
    wanted = replace(study, configs=tuple(study.of_seeds(options.seeds))).only(wish.only)
    dry = wish.dry_run or wish.test_only
    if not wish.dry_run:
        slurm.require()
    if not dry:
        check_writable(runs, "--runs")
    queue = slurm.queue()
    if queue is None and not wish.dry_run:
        print("squeue does not answer: what is in the queue cannot be left out")
    planned = plan(wanted, runs, options, queue)
    others = ", ".join(f"{number} {why}" for why, number in planned.left_out.items())
    print(
        f"{study.name}: {len(planned.todo)} of {len(wanted.configs)} runs to submit"
        f"{others and f' ({others})'}"
    )
    listed = standings(wanted, runs, Path(options.results))
    for line in remarks(wanted, [one for one in listed if one.stale], None):
        print(line)
    if options.fresh and any(one.place == "results" for one in listed):
        print(f"{options.results} holds records of these runs and keeps them; --results DIR makes "
              "a table of your own")  # fmt: skip
    if not planned.todo:
        return 0
    for line in estimate.lines(study, planned.todo, runs, options, wish.pack):
        print(line)
    if not dry:
        ready.prepare(planned.todo, Path(options.data))
    if not wish.dry_run:
        _try_interpreter()
    frozen = manifest.build(study, planned.todo, runs, options)
    if not dry:
        manifest.write(frozen, study)
        slurm.logs(runs).mkdir(exist_ok=True)
    _send(frozen, wish)
    return 0


def _send(frozen: manifest.Manifest, wish: Wish) -> None:
    """Hand the arrays and the report job to sbatch, or print how that would be done."""
    jobs: list[str] = []
    for number, (offset, size) in enumerate(_chunks(frozen, wish.pack)):
        words = _array_words(frozen, wish, offset, size, jobs)
        if wish.dry_run:
            print(shlex.join(["sbatch", *words]))
            jobs.append(f"ARRAY_{number}")
        elif wish.test_only:
            print(slurm.sbatch(["--test-only", *words])[1])
        else:
            jobs.append(_job(words, jobs))
            _remember(frozen, {"job": jobs[-1], "offset": offset, "tasks": size, "pack": wish.pack})
            print(f"array job {jobs[-1]}: {size} tasks; output in {slurm.logs(frozen.runs)}")
    words = _report_words(frozen, wish, jobs)
    if wish.dry_run:
        print(shlex.join(["sbatch", *words]))
    elif wish.test_only:
        print(slurm.sbatch(["--test-only", *words])[1])
    else:
        report = _job(words, jobs)
        print(f"report job {report}: collects into {frozen.options.results} when all have ended")
        print(f"manifest {frozen.path}")


def _chunks(frozen: manifest.Manifest, pack: int) -> Iterator[tuple[int, int]]:
    """Offset and number of tasks of each array: none longer than Slurm takes."""
    tasks, most = -(-len(frozen.entries) // pack), slurm.max_array_size()
    for offset in range(0, tasks, most):
        yield offset, min(most, tasks - offset)


def _array_words(
    frozen: manifest.Manifest, wish: Wish, offset: int, size: int, before: Sequence[str]
) -> list[str]:
    words = _common(frozen, f"pcbench-{frozen.study}", "%A_%a.log")
    words += ["--requeue", "--signal=B:USR1@120"]
    if wish.pack > 1 and not any(option.startswith(_CORES) for option in wish.sbatch):
        words.append(f"--cpus-per-task={wish.pack}")
    words += wish.sbatch
    if wish.limit is not None and before:  # else the limit would hold for each array apart
        words.append(f"--dependency=afterany:{before[-1]}")
    limit = "" if wish.limit is None else f"%{wish.limit}"
    words.append(f"--array=0-{size - 1}{limit}")
    return words + _script("-m", "benchmark") + slurm.task_words(frozen.path, wish.pack, offset)


def _report_words(frozen: manifest.Manifest, wish: Wish, jobs: Sequence[str]) -> list[str]:
    words = _common(frozen, f"pcbench-{frozen.study}-report", "report_%j.log")
    given = os.environ.get(REPORT_OPTIONS)
    words += wish.sbatch if given is None else shlex.split(given)
    if jobs:
        words.append(f"--dependency=afterany:{':'.join(jobs)}")
    return [*words, *_script("-m", "benchmark"), "task", str(frozen.path), "--report"]


def _common(frozen: manifest.Manifest, name: str, log: str) -> list[str]:
    folder = str(slurm.logs(frozen.runs)).replace("%", "%%")
    return [
        "--parsable", f"--job-name={name}", f"--output={folder}/{log}", "--open-mode=append",
    ]  # fmt: skip


def _script(*arguments: str) -> list[str]:
    """The batch file, and what it cannot know: Slurm runs a copy of it, in another folder."""
    script = provenance.of_checkout("slurm/array.sbatch")
    return [str(script), str(provenance.checkout()), sys.executable, *arguments]


def _try_interpreter() -> None:
    """Import what a run needs as a job will, with the site's settings, before any is queued.

    Raises:
        UserError: the interpreter is not there, lacks torch, or imports another checkout.
    """
    done = subprocess.run(
        ["bash", *_script("-c", _TRIAL, str(provenance.checkout()))],
        capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        env=slurm.environment(),
    )  # fmt: skip
    if done.returncode != 0:
        python = f"{done.stdout.splitlines()[-1]}: " if done.stdout.strip() else ""
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(
            f"the jobs' interpreter: {python}{reason}; jobs would fail: `make install`, or name "
            "another by PCBENCH_PYTHON in slurm/site.sh"
        )


def _job(words: Sequence[str], before: Sequence[str]) -> str:
    """Submit; the job's number."""
    try:
        return slurm.sbatch(words)[0].partition(";")[0]
    except UserError as error:
        if not before:
            raise
        raise UserError(
            f"{error}; submitted already: {', '.join(before)}; submit again for the rest"
        ) from error


def _remember(frozen: manifest.Manifest, job: dict[str, object]) -> None:
    path = frozen.path.with_suffix(JOBS)
    known = json.loads(path.read_bytes()) if path.exists() else []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomic(path, (json.dumps([*known, {**job, "time": now}], indent=1) + "\n").encode())
