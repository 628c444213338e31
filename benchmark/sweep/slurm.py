"""Asking Slurm: its commands, what is in the queue, and an environment without a job's own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.sweep import manifest

DEFAULT_MAX_ARRAY = 1001
# What a user may have set for Slurm's commands; all else a surrounding job has left behind.
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT")
_COMMAND = re.compile(r".* task (?P<manifest>/.+) --pack (?P<pack>\d+) --offset (?P<offset>\d+)$")
_SECONDS = 60


@dataclass(frozen=True)
class Queue:
    """What the user has in the queue: all job ids, and the states of the runs that arrays hold."""

    jobs: frozenset[str] = frozenset()
    runs: Mapping[str, str] = field(default_factory=dict)


def environment() -> dict[str, str]:
    """The environment without what a surrounding job left in it.

    Left in, an array's index would make every new job think that it is that task, and memory or
    device settings of the outer job would contradict those asked for.
    """
    inside = "SLURM_JOB_ID" in os.environ
    return {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("SLURM_") and name not in _KEPT)
        and name != "SBATCH_ARRAY_INX"
        and not (inside and name in ("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"))
    }


def require() -> None:
    """Refuse a machine without Slurm.

    Raises:
        UserError: there is no sbatch on the PATH.
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            "sbatch: not on the PATH; submit from a login node of the cluster, or load its module "
            "in slurm/site.sh; `pcbench sweep STUDY --jobs N` runs a study on this machine"
        )


def sbatch(arguments: Sequence[str]) -> tuple[str, str]:
    """Call sbatch.

    Returns:
        What it said on standard output and on standard error.

    Raises:
        UserError: it refused; its own words in one line.
    """
    done = _call(["sbatch", *arguments])
    if done.returncode != 0:
        said = re.sub(r"^sbatch: (error: )?", "", done.stderr.strip(), flags=re.MULTILINE)
        raise UserError(f"sbatch: {'; '.join(said.splitlines()) or 'failed without a word'}")
    return done.stdout.strip(), done.stderr.strip()


def max_array_size() -> int:
    """How many tasks an array may have; Slurm's default where it cannot be asked."""
    if shutil.which("scontrol") is None:
        return DEFAULT_MAX_ARRAY
    found = re.search(
        r"^MaxArraySize\s*=\s*(\d+)", _call(["scontrol", "show", "config"]).stdout, re.M
    )
    return int(found[1]) if found else DEFAULT_MAX_ARRAY


def queue() -> Queue | None:
    """The user's jobs that wait, run or are to run again; None where Slurm does not answer.

    A job that is only being cleaned up after its end is not among them.
    """
    if shutil.which("squeue") is None:
        return None
    try:
        done = _call(["squeue", "-h", "-r", "-u", str(os.getuid()), "-o", "%A|%K|%T|%o"])
    except UserError:
        return None
    return _queue(done.stdout) if done.returncode == 0 else None


def _queue(text: str) -> Queue:
    jobs: set[str] = set()
    runs: dict[str, str] = {}
    known: dict[Path, manifest.Manifest] = {}
    for line in text.split("\n"):
        job, index, state, command = [*line.split("|", 3), "", "", ""][:4]
        if not job.isdigit() or state == "COMPLETING":  # the rest of a command of several lines
            continue
        jobs.add(job)
        found = _COMMAND.match(command)
        if found is None or not index.isdigit():
            continue
        path = Path(found["manifest"])
        with suppress(UserError):  # a manifest that is gone
            if path not in known:
                known[path] = manifest.read(path)
            held = known[path]
            place = int(index) + int(found["offset"])
            runs |= {entry.id: state for entry in held.task(place, int(found["pack"]))}
    return Queue(frozenset(jobs), runs)


def task_words(path: Path, pack: int, offset: int) -> list[str]:
    """What an array's script is called with, and what `queue` recognises its tasks by."""
    return ["task", str(path), "--pack", str(pack), "--offset", str(offset)]


def job_name() -> str:
    """This job as Slurm's commands name it: ``12_3`` for a task of an array."""
    job, index = (os.environ.get(f"SLURM_ARRAY_{word}_ID") for word in ("JOB", "TASK"))
    return f"{job}_{index}" if job and index else os.environ["SLURM_JOB_ID"]


def requeue() -> str:
    """Ask Slurm to run this job, or this task of an array, again.

    Returns:
        What went wrong, or nothing.
    """
    try:
        done = _call(["scontrol", "requeue", job_name()], clean=False)
    except UserError as error:
        return str(error)
    return " ".join(done.stderr.split()) if done.returncode != 0 else ""


def _call(command: Sequence[str], clean: bool = True) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding=sys.getfilesystemencoding(),  # the output holds paths: any bytes
            errors=sys.getfilesystemencodeerrors(),
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env=environment() if clean else None,
        )
    except FileNotFoundError:
        raise UserError(f"{command[0]}: not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]}: no answer within {_SECONDS} s; try again") from None


def logs(runs: Path) -> Path:
    """Where the jobs' own output goes."""
    return runs.absolute() / "logs"
