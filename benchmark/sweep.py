"""A study on one machine: a pool of processes, one run each; and the collection of their records.

Each run is ``python -m benchmark run STUDY --id ID`` with one thread and its own log, so that a run
started by hand, by the pool or by a cluster is the same thing. Nothing shared is written to.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from benchmark import provenance, status
from benchmark.errors import UserError
from benchmark.status import pending as pending

if TYPE_CHECKING:
    from benchmark.study import Labelled, Study

INTERRUPTED = 75  # "try again": the run keeps its checkpoint
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # glibc: keep freed memory, so that a step need not ask the system anew for its logits. On PTB,
    # one thread, 5 interleaved pairs: training 1.03 to 1.22 times as fast (median 1.16).
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
}
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def sweep(
    study: "Study",
    runs: Path,
    data: Path,
    jobs: int = 1,
    device: str = "cpu",
    checkpoint_seconds: float = 60.0,
    out: TextIO | None = None,
    launcher: Sequence[str] = (sys.executable, "-m", "benchmark"),
) -> int:
    """Run what has no record, ``jobs`` at a time, all rows of the first seed first.

    Args:
        study: what to run.
        runs: the runs folder.
        data: the folder of prepared data.
        jobs: processes at a time.
        device: ``"cpu"`` or ``"cuda"``.
        checkpoint_seconds: between two checkpoints of a run.
        out: where progress goes; standard error by default.
        launcher: what stands before ``run STUDY --id ID`` in each command.

    Returns:
        0 when all are done (or at work elsewhere), 1 when a run failed, 75 when interrupted.

    Raises:
        UserError: ``jobs`` below 1, or the runs folder cannot be written.
    """
    if jobs < 1:
        raise UserError(f"--jobs: {jobs} is not at least 1")
    _writable(runs)
    todo = pending(study, runs)
    done = len(study.configs) - len(todo)
    options = ["--runs", str(runs), "--data-dir", str(data), "--device", device]
    options += ["--checkpoint-seconds", str(checkpoint_seconds)]
    commands = {
        run.id: [*launcher, "run", str(study.path), "--id", run.id, *options] for run in todo
    }
    pool = _Pool(todo, commands, runs, jobs, _Display(out or sys.stderr, len(study.configs)), done)
    with _Forward(pool):
        pool.work()
    pool.display.finish(pool.summary())
    if pool.interrupted:
        return INTERRUPTED
    return 1 if pool.failed else 0


def _writable(runs: Path) -> None:
    """Refuse a runs folder that cannot be written once, not once a run."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs) as file:
            file.write(b"x")
    except OSError as error:
        raise UserError(
            f"{runs}: cannot be written ({error.strerror}); choose another folder by --runs"
        ) from error


@dataclass
class _Pool:
    """The runs waiting, at work, and over."""

    waiting: list["Labelled"]
    commands: dict[str, list[str]]
    runs: Path
    jobs: int
    display: "_Display"
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    active: dict[str, tuple["Labelled", "subprocess.Popen[bytes]", float]] = field(
        default_factory=dict
    )
    interrupted: int = 0

    def work(self) -> None:
        """Start, watch and reap until nothing is left."""
        while self.active or (self.waiting and not self.interrupted):
            while self.waiting and len(self.active) < self.jobs and not self.interrupted:
                self._start(self.waiting.pop(0))
            for run_id in [i for i, (_, p, _) in self.active.items() if p.poll() is not None]:
                self._reap(run_id)
            self.display.show(self._line())
            if self.active:
                time.sleep(0.1)

    def _start(self, run: "Labelled") -> None:
        folder = self.runs / run.id
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        for name, value in ENVIRONMENT.items():
            environment.setdefault(name, value)
        path = [str(provenance.checkout()), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / "log.txt", "ab") as log:
                process = subprocess.Popen(
                    self.commands[run.id],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C reaches it through us alone, once
                )
        except OSError as error:
            self.failed[run.id] = f"{folder}: cannot be written ({error.strerror})"
            return
        self.active[run.id] = (run, process, time.monotonic())
        if self.interrupted:  # the signal came while it started
            process.send_signal(signal.SIGTERM)

    def _reap(self, run_id: str) -> None:
        run, process, started = self.active.pop(run_id)
        code, folder = process.returncode, self.runs / run_id
        took = status.duration(time.monotonic() - started)
        name = f"{run.label}, {run.config.data}, seed {run.config.seed}"
        if (folder / "record.json").exists() and code == 0:
            self.done += 1
            self.display.note(f"{self.done}/{self.display.total} done: {name} ({took})")
        elif code == INTERRUPTED or self.interrupted:
            self.elsewhere.append(run_id)
        else:
            self.failed[run_id] = _reason(folder, code)
            self.display.note(f"failed: {name}: {self.failed[run_id]}")

    def stop(self, number: int) -> None:
        """Pass a signal on; the second one kills."""
        self.interrupted += 1
        for _, process, _ in self.active.values():
            process.send_signal(signal.SIGTERM if self.interrupted == 1 else signal.SIGKILL)

    def _line(self) -> str:
        parts = [f"{self.done}/{self.display.total} done"]
        for run, _, _ in self.active.values():
            step = status.progress(self.runs / run.id)
            parts.append(f"{run.label} {run.config.seed}{f': {step}' if step else ''}")
        return " | ".join(parts)

    def summary(self) -> list[str]:
        """What a user must know at the end."""
        lines = [f"failed: {i}: {reason}" for i, reason in self.failed.items()]
        if self.failed:
            lines.append(f"{len(self.failed)} failed; logs: {self.runs}/ID/log.txt")
        if self.interrupted:
            lines.append("interrupted; the same command resumes from the checkpoints")
        elif self.elsewhere:
            lines.append(f"{len(self.elsewhere)} left to other processes or stopped from outside")
        return [*lines, f"{self.done}/{self.display.total} done"]


def _reason(folder: Path, code: int) -> str:
    """Why a run failed, in a line; kept in its error.txt when the run could not say so itself."""
    path = folder / "error.txt"
    if code >= 0:
        return (
            status.last_line(path) or status.last_line(folder / "log.txt") or f"exit status {code}"
        )
    reason = f"killed by {signal.Signals(-code).name}"
    with contextlib.suppress(OSError):
        path.write_text(reason + "\n")
    return reason


class _Forward:
    """While the block runs, SIGTERM and SIGINT go to the pool's processes."""

    def __init__(self, pool: _Pool) -> None:
        self.pool = pool

    def __enter__(self) -> None:
        self.before = {number: signal.signal(number, self._pass) for number in _SIGNALS}

    def _pass(self, number: int, frame: FrameType | None) -> None:
        self.pool.stop(number)

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


class _Display:
    """One line that changes on a terminal; elsewhere a line for each event."""

    def __init__(self, out: TextIO, total: int) -> None:
        self.out, self.total, self.live, self.last = out, total, out.isatty(), 0.0

    def show(self, line: str) -> None:
        if self.live and time.monotonic() - self.last > 0.25:
            width = shutil.get_terminal_size().columns - 1
            self.out.write(f"\r\x1b[K{line[:width]}")
            self.out.flush()
            self.last = time.monotonic()

    def note(self, line: str) -> None:
        self.out.write(("\r\x1b[K" if self.live else "") + line + "\n")
        self.out.flush()

    def finish(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.note(line)
