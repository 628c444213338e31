"""Submitting a study: one manifest, arrays over its runs, and a job that collects and reports."""

import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core import provenance, records
from benchmark.core.errors import UserError
from benchmark.core.files import check_writable
from benchmark.run import claims, failures
from benchmark.sweep import costs, manifest, slurm_queue
from benchmark.sweep.plan import pending, remarks, standings
from benchmark.sweep.sweep import prepare

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study

REPORT_OPTIONS = "PCBENCH_REPORT_OPTIONS"
_OURS = ("--array", "-a", "--parsable", "--wrap", "-W", "--wait", "-o", "--output")
_CORES = ("-c", "--cpus-per", "-n", "--ntasks", "--exclusive")
# What a job's interpreter must be able to do; called with the checkout.
_TRIAL = """
import sys; print(sys.executable)
import torch, jinja2, benchmark.run.session, benchmark.sweep.slurm_task
from benchmark.core.provenance import checkout
if str(checkout()) != sys.argv[1]:
    sys.exit(f"imports the code of another checkout, {checkout()}")
"""


@dataclass(frozen=True)
class SubmitOptions:
    """How to submit; a dry run and a test write and submit nothing."""

    pack: int = 1  # runs a task
    limit: int | None = None  # tasks at a time; None leaves it to Slurm
    dry_run: bool = False  # print the commands
    test_only: bool = False  # ask sbatch whether it would take them
    sbatch: Sequence[str] = ()  # options for sbatch, unchanged
    only: Sequence[str] = ()  # rows or ids; all where there is none


def plan(
    wanted: "Study", runs: Path, options: manifest.Options, queue: slurm_queue.Queue | None
) -> tuple[list["Labelled"], Counter[str]]:
    """Return the runs to submit, and how many are left out for which reason."""
    left_out: Counter[str] = Counter()
    todo = []
    results = None if options.fresh or not options.results else Path(options.results)
    unfinished = {run.id for run in pending(wanted, runs, results)}
    for run in wanted.configs:
        folder = runs / run.id
        if records.finished(folder):
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
    return todo, left_out


def _at_work(folder: Path, queue: slurm_queue.Queue | None) -> bool:
    """Return whether a live claim stands on a run; that of a job that left the queue is dead."""
    holder = claims.holder(folder)
    if holder is None:
        return False
    return queue is None or holder.get("job") is None or holder["job"] in queue.jobs


def submit(study: "Study", runs: Path, options: manifest.Options, how: SubmitOptions) -> None:
    """Submit what of a study is not done, queued or running; ``options.seeds`` chooses its seeds.

    Raises:
        UserError: bad options, a seed that the study lacks, no Slurm, a folder that cannot be
            written, data not prepared, an interpreter without torch, or sbatch's own refusal.
    """
    for option in how.sbatch:
        if option.partition("=")[0] in _OURS:
            raise UserError(
                f"{option}: is set by `pcbench submit`; leave it out. --limit N bounds the tasks "
                "that run at a time; the jobs' output goes to logs/ in the runs folder"
            )
    wanted = replace(study, configs=tuple(study.of_seeds(options.seeds))).only(how.only)
    if not how.dry_run and shutil.which("sbatch") is None:
        raise UserError(
            "sbatch: not on the PATH; submit from a login node of the cluster, or load its module "
            "in slurm/site.sh; `pcbench sweep STUDY --jobs N` runs a study on this machine"
        )
    real = not (how.dry_run or how.test_only)
    if real:
        check_writable(runs, "--runs")
    queue = slurm_queue.queue()
    if queue is None and not how.dry_run:
        print("squeue does not answer: runs that are queued already may be submitted again")
    todo, left_out = plan(wanted, runs, options, queue)
    others = ", ".join(f"{number} {why}" for why, number in left_out.items())
    print(
        f"{study.name}: {len(todo)} of {len(wanted.configs)} runs to submit"
        f"{others and f' ({others})'}"
    )
    listed = standings(wanted, runs, Path(options.results))
    for line in remarks(wanted, [one for one in listed if one.stale], None):
        print(line)
    if options.fresh and any(one.place == "results" for one in listed):
        print(
            f"{options.results} holds records of these runs and keeps them; --results DIR makes a "
            "table of your own"
        )
    if not todo:
        return
    for line in costs.estimate(study, todo, runs, options, how.pack):
        print(line)
    if real:
        prepare(todo, Path(options.data))
    if not how.dry_run:
        _try_interpreter()
    frozen = manifest.build(study, todo, runs, options)
    if real:
        manifest.write(frozen, study)
        slurm_queue.logs(runs).mkdir(exist_ok=True)
    _send(frozen, how, real)


def _send(frozen: manifest.Manifest, how: SubmitOptions, real: bool) -> None:
    """Submit the arrays, none longer than Slurm takes, and the report job that awaits them."""
    jobs: list[str] = []
    tasks, most = -(-len(frozen.entries) // how.pack), slurm_queue.max_array_size()
    for offset in range(0, tasks, most):
        size = min(most, tasks - offset)
        words = [*_words(frozen, "", "%A_%a.log"), "--requeue", "--signal=B:USR1@120"]
        if how.pack > 1 and not any(option.startswith(_CORES) for option in how.sbatch):
            words.append(f"--cpus-per-task={how.pack}")
        words += how.sbatch
        if how.limit is not None and jobs:  # else the limit would hold for each array apart
            words.append(f"--dependency=afterany:{jobs[-1]}")
        words.append(f"--array=0-{size - 1}{'' if how.limit is None else f'%{how.limit}'}")
        words += [
            *_script("-m", "benchmark"),
            *slurm_queue.task_words(frozen.path, how.pack, offset),
        ]
        job = _sbatch(words, how, jobs)
        if real:
            note = {"job": job, "offset": offset, "tasks": size, "pack": how.pack}
            slurm_queue.remember(frozen, note)
            print(f"array job {job}: {size} tasks; output in {slurm_queue.logs(frozen.runs)}")
        jobs += [job] if job else []
    words = _words(frozen, "-report", "report_%j.log")
    given = os.environ.get(REPORT_OPTIONS)
    words += how.sbatch if given is None else shlex.split(given)
    words += [f"--dependency=afterany:{':'.join(jobs)}"] if jobs else []
    words += [*_script("-m", "benchmark"), "task", str(frozen.path), "--report"]
    job = _sbatch(words, how, jobs)
    if real:
        print(f"report job {job}: collects into {frozen.options.results} when all have ended")
        print(f"manifest {frozen.path}")


def _sbatch(words: Sequence[str], how: SubmitOptions, before: Sequence[str]) -> str:
    """Submit a job and return its number, or print how that would be done."""
    if how.dry_run:
        print(shlex.join(["sbatch", *words]))
        return f"ARRAY_{len(before)}"
    if how.test_only:
        print(slurm_queue.sbatch(["--test-only", *words]).stderr.strip())
        return ""
    try:
        return slurm_queue.sbatch(words).stdout.strip().partition(";")[0]
    except UserError as error:
        if not before:
            raise
        raise UserError(
            f"{error}; submitted already: {', '.join(before)}; submit again for the rest"
        ) from error


def _words(frozen: manifest.Manifest, end: str, log: str) -> list[str]:
    """Return the options of sbatch that all jobs have."""
    output = str(slurm_queue.logs(frozen.runs)).replace("%", "%%")
    name = f"--job-name=pcbench-{frozen.study}{end}"
    return ["--parsable", name, f"--output={output}/{log}", "--open-mode=append"]


def _script(*arguments: str) -> list[str]:
    """Return the batch file and its arguments: where it lies, as Slurm runs a copy elsewhere."""
    script = provenance.of_checkout("slurm/array.sbatch")
    return [str(script), str(provenance.checkout()), sys.executable, *arguments]


def _try_interpreter() -> None:
    """Import what a run needs as a job will, with the site's settings, before any is queued.

    Raises:
        UserError: the interpreter is not there, lacks torch, or imports another checkout.
    """
    done = subprocess.run(
        ["bash", *_script("-c", _TRIAL, str(provenance.checkout()))],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env=slurm_queue.environment(),
    )
    if done.returncode != 0:
        python = f"{done.stdout.splitlines()[-1]}: " if done.stdout.strip() else ""
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(
            f"the jobs' interpreter: {python}{reason}; jobs would fail; run `make install`, or "
            "name another interpreter with PCBENCH_PYTHON in slurm/site.sh"
        )
