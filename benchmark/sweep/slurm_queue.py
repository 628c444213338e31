"""Slurm: its commands, what is in the queue, and the notes of what was submitted.

A submission is noted beside its manifest, in ``<manifest>.jobs.json``, so that the state of a sweep
is known where Slurm cannot be asked.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.sweep import manifest

# What a user may have set for Slurm's commands; all else a surrounding job has left behind.
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT")
_COMMAND = re.compile(r".* task (?P<manifest>/.+) --pack (?P<pack>\d+) --offset (?P<offset>\d+)$")
_DEFAULT_MAX_ARRAY = 1001
_SECONDS = 60
_JOBS = ".jobs.json"


@dataclass(frozen=True)
class Queue:
    """What the user has in the queue: all job ids, and the states of the runs that arrays hold."""

    jobs: frozenset[str] = frozenset()
    runs: Mapping[str, str] = field(default_factory=dict)


def environment() -> dict[str, str]:
    """Return the environment without what a surrounding job left in it.

    Left in, an array's index would make every new job think that it is that task, and memory or
    device settings of the outer job would contradict those asked for.
    """
    left_behind = {name for name in os.environ if name.startswith("SLURM_") and name not in _KEPT}
    left_behind.add("SBATCH_ARRAY_INX")
    if "SLURM_JOB_ID" in os.environ:
        left_behind |= {"CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"}
    return {name: value for name, value in os.environ.items() if name not in left_behind}


def sbatch(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Call sbatch.

    Raises:
        UserError: it refused; its own words in one line.
    """
    done = _call(["sbatch", *arguments])
    if done.returncode != 0:
        reason = re.sub(r"^sbatch: (error: )?", "", done.stderr.strip(), flags=re.MULTILINE)
        raise UserError(f"sbatch: {'; '.join(reason.splitlines()) or 'failed without a message'}")
    return done


def max_array_size() -> int:
    """Return how many tasks an array may have; Slurm's default where it cannot be asked."""
    if shutil.which("scontrol") is None:
        return _DEFAULT_MAX_ARRAY
    shown = _call(["scontrol", "show", "config"]).stdout
    size = re.search(r"^MaxArraySize\s*=\s*(\d+)", shown, re.MULTILINE)
    return int(size[1]) if size else _DEFAULT_MAX_ARRAY


def queue() -> Queue | None:
    """Return the user's jobs that wait, run or are to run again; None if Slurm does not answer."""
    try:
        done = _call(["squeue", "-h", "-r", "-u", str(os.getuid()), "-o", "%A|%K|%T|%o"])
    except UserError:
        return None
    if done.returncode != 0:
        return None
    jobs: set[str] = set()
    runs: dict[str, str] = {}
    known: dict[Path, manifest.Manifest] = {}
    for line in done.stdout.split("\n"):
        job, index, state, command = [*line.split("|", 3), "", "", ""][:4]
        # No number: the rest of a command of several lines. Completing: it has ended, and Slurm
        # cleans up after it.
        if not job.isdigit() or state == "COMPLETING":
            continue
        jobs.add(job)
        task = _COMMAND.match(command)
        if task is None or not index.isdigit():
            continue
        path, place = Path(task["manifest"]), int(index) + int(task["offset"])
        with suppress(UserError):  # a manifest that is gone
            if path not in known:
                known[path] = manifest.read(path)
            runs |= {entry.id: state for entry in known[path].task(place, int(task["pack"]))}
    return Queue(frozenset(jobs), runs)


def task_words(path: Path, pack: int, offset: int) -> list[str]:
    """Return what an array's script is called with, and what `queue` recognises its tasks by."""
    return ["task", str(path), "--pack", str(pack), "--offset", str(offset)]


def job_name() -> str:
    """Return this job as Slurm's commands name it: ``12_3`` for a task of an array."""
    job, index = (os.environ.get(f"SLURM_ARRAY_{word}_ID") for word in ("JOB", "TASK"))
    return f"{job}_{index}" if job and index else os.environ["SLURM_JOB_ID"]


def requeue() -> str:
    """Ask Slurm to run this job, or this task of an array, again; return what went wrong."""
    try:
        done = _call(["scontrol", "requeue", job_name()], env=None)
    except UserError as error:
        return str(error)
    return " ".join(done.stderr.split()) if done.returncode != 0 else ""


def _call(command: Sequence[str], **changes: Any) -> "subprocess.CompletedProcess[str]":
    settings: dict[str, Any] = {"env": environment(), **changes}
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding=sys.getfilesystemencoding(),  # the output holds paths: any bytes
            errors=sys.getfilesystemencodeerrors(),
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            **settings,
        )
    except FileNotFoundError:
        raise UserError(f"{command[0]}: not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]}: no answer within {_SECONDS} s; try again") from None


def logs(runs: Path) -> Path:
    """Return the folder of the jobs' own output."""
    return runs.absolute() / "logs"


def remember(frozen: manifest.Manifest, job: Mapping[str, object]) -> None:
    """Note a submitted job beside its manifest."""
    path = frozen.path.with_suffix(_JOBS)
    earlier = json.loads(path.read_bytes()) if path.exists() else []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomic(path, (json.dumps([*earlier, {**job, "time": now}], indent=1) + "\n").encode())


def submissions(runs: Path, study: str) -> list[tuple[Path, manifest.Manifest | None]]:
    """Return the notes of all submissions of a study, the latest last, each with its manifest.

    The manifest is None where it is damaged or was not copied.
    """
    notes = list((runs / manifest.FOLDER).glob(f"{study}-*{_JOBS}"))
    pairs: list[tuple[Path, manifest.Manifest | None]] = []
    for path in sorted(notes, key=lambda path: path.stat().st_mtime):
        try:
            frozen = manifest.read(path.with_name(path.name.removesuffix(_JOBS) + ".json"))
        except UserError:
            frozen = None
        pairs.append((path, frozen))
    return pairs
