"""A pool of processes, one run each: `pcbench sweep` on one machine, and a task of a cluster.

Each run is ``python -m benchmark run --manifest FILE --id ID`` with one thread and its own log, so
that a run started by hand, by a sweep or by a cluster is the same thing. Nothing shared is written.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import TextIO

from benchmark.core import provenance, records
from benchmark.core.signals import ASKING, CTRL_C, INTERRUPTED
from benchmark.run import claims, failures
from benchmark.run.progress import Clock, duration
from benchmark.sweep import status
from benchmark.sweep.costs import Forecast
from benchmark.sweep.manifest import Entry, Manifest

LAUNCHER = (sys.executable, "-m", "benchmark")
_STOPPED = {INTERRUPTED, CTRL_C, *(-number for number in ASKING)}


class Outcome(Enum):
    """How a run's process ended."""

    DONE = auto()
    STOPPED = auto()  # the same command resumes it
    FAILED = auto()


def outcome(folder: Path, code: int, asked: bool) -> Outcome:
    """Return how a run's process ended, by its folder and its exit status.

    ``asked`` is whether signals were passed on to it; then any of them may have ended it.
    """
    # With both, another process had the record first and this one's numbers differ from it.
    if records.finished(folder) and not (folder / "error.txt").exists():
        return Outcome.DONE
    stopped = code in _STOPPED or (asked and code < 0)
    return Outcome.STOPPED if stopped else Outcome.FAILED


@dataclass
class Process:
    """A run at work: since when, in which slot, and the checkpoint that it started from."""

    entry: Entry
    popen: "subprocess.Popen[bytes]"
    started: float
    slot: int
    marker: tuple[int, ...]


def visible_devices() -> list[str]:
    """Return the devices in CUDA_VISIBLE_DEVICES, as Slurm or the user named them."""
    return [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]


@dataclass
class Pool:
    """The runs waiting, at work, and over."""

    manifest: Manifest
    waiting: list[Entry]  # of the manifest, in order
    jobs: int  # processes at a time
    display: "Display"
    done: int = 0  # of the display's total, also before
    launcher: Sequence[str] = LAUNCHER  # stands before ``run --manifest ...`` in each command
    forecast: Forecast | None = None  # of the time left, for a display that changes
    devices: Sequence[str] = field(default_factory=visible_devices)  # given out in turn
    active: list[Process] = field(default_factory=list)
    claimed: list[tuple[Entry, float]] = field(default_factory=list)  # with a first heartbeat
    elsewhere: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # signals, as `signals.noted` collects them
    passed_on: int = 0  # how many of them
    moved: bool = False  # whether a run finished or left a new checkpoint

    @property
    def left(self) -> bool:
        """Whether a signal kept it from finishing."""
        return bool(self.asked and (self.waiting or self.claimed or self.elsewhere))

    def work(self) -> None:
        """Start, watch and reap until nothing is left or a signal came."""
        while self.active or ((self.waiting or self.claimed) and not self.asked):
            self._look_at_claimed()
            while self.waiting and len(self.active) < self.jobs and not self.asked:
                self._admit(self.waiting.pop(0))
            self._pass_signals_on()
            ended = [process for process in self.active if process.popen.poll() is not None]
            for process in ended:
                self.active.remove(process)
                self._reap(process)
            self.display.show(self._line)
            if self.active or self.claimed:
                time.sleep(0.1)

    def _look_at_claimed(self) -> None:
        """Leave a claimed run to its process if the heart beats on; take it over if it stops.

        A claim whose heart has stopped was a killed process's, perhaps on another machine.
        """
        claimed, self.claimed = self.claimed, []
        for entry, first in claimed:
            beat = claims.beat(self._folder(entry))
            if beat is None:
                self.waiting.append(entry)
            elif beat == first:
                self.claimed.append((entry, first))
            else:
                self.elsewhere.append(entry.id)
                self.display.note(f"left to another process: {entry.id}")

    def _admit(self, entry: Entry) -> None:
        """Start a run, unless it is done or claimed meanwhile."""
        folder = self._folder(entry)
        if records.finished(folder):
            self._note_done(entry, "done elsewhere")
        elif (beat := claims.beat(folder)) is not None:
            self.claimed.append((entry, beat))
        else:
            try:
                self._start(entry, folder)
            except OSError as error:
                self._note_failed(entry, f"{folder}: cannot be written ({error.strerror})")

    def _start(self, entry: Entry, folder: Path) -> None:
        slot = min(set(range(self.jobs)) - {process.slot for process in self.active})
        variables = environment()
        if self.devices:
            variables["CUDA_VISIBLE_DEVICES"] = device = self.devices[slot % len(self.devices)]
            if not self.display.live:
                self.display.note(f"start: {entry.id} with CUDA_VISIBLE_DEVICES={device}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "error.txt").unlink(missing_ok=True)
        options = self.manifest.options
        words = {
            "--manifest": self.manifest.path,
            "--id": entry.id,
            "--runs": self.manifest.runs,
            "--data-dir": options.data,
            "--device": options.device,
            "--checkpoint-seconds": options.checkpoint_seconds,
        }
        command = [*self.launcher, "run", *(str(word) for pair in words.items() for word in pair)]
        with open(folder / "log.txt", "ab") as log:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                # At a terminal Ctrl-C reaches it through us alone; in a job it stays in our
                # group, so that it ends with us.
                start_new_session="SLURM_JOB_ID" not in os.environ,
            )
        started = time.monotonic()
        self.active.append(Process(entry, popen, started, slot, failures.mark(folder)))

    def _pass_signals_on(self) -> None:
        for number in self.asked[self.passed_on :]:
            self.passed_on += 1
            sent = signal.SIGUSR1 if number == signal.SIGUSR1 else signal.SIGTERM
            if number == signal.SIGINT and self.asked[: self.passed_on].count(number) > 1:
                sent = signal.SIGKILL  # a second Ctrl-C waits for no checkpoint
            for process in self.active:
                process.popen.send_signal(sent)

    def _reap(self, process: Process) -> None:
        entry, code, folder = process.entry, process.popen.returncode, self._folder(process.entry)
        self.moved |= failures.mark(folder) != process.marker
        match outcome(folder, code, bool(self.asked)):
            case Outcome.DONE:
                seconds = time.monotonic() - process.started
                if self.forecast is not None:
                    self.forecast.learn(folder, seconds)
                self._note_done(entry, duration(seconds))
            case Outcome.STOPPED:
                self.elsewhere.append(entry.id)
            case Outcome.FAILED:
                self._note_failed(entry, _reason(folder, code, process.marker))

    def _note_failed(self, entry: Entry, reason: str) -> None:
        self.failed.append(entry.id)
        self.display.note(f"failed: {entry.name}: {reason}")

    def _note_done(self, entry: Entry, how: str) -> None:
        self.done += 1
        self.display.note(f"{self.done}/{self.display.total} done: {entry.name} ({how})")

    def _line(self) -> str:
        """Return the status line: runs done, the time left for all, and each active run."""
        about = ""
        if self.forecast is not None and not self.asked:
            now = time.monotonic()
            active = [(p.entry, now - p.started, self._folder(p.entry)) for p in self.active]
            left = self.forecast.left(self.waiting, active, self.jobs)
            about = "" if left is None else f", about {duration(left)} left"
        parts = [f"{self.done}/{self.display.total} done{about}"]
        for process in self.active:
            step = status.progress(self._folder(process.entry))
            name = f"{process.entry.label} {process.entry.config['seed']}"
            parts.append(f"{name}: {step}" if step else name)
        return " | ".join(parts)

    def summarise(self) -> None:
        """Print the result of all runs; the reason of a failure was printed when it came."""
        for run_id in self.failed:
            self.display.note(f"log: {self.manifest.runs / run_id / 'log.txt'}")
        if self.failed:
            self.display.note(f"{len(self.failed)} failed")
        if self.asked:
            self.display.note("interrupted; the same command resumes from the checkpoints")
        elif self.elsewhere:
            number = len(self.elsewhere)
            self.display.note(
                f"{number} left: another process trains them, or a signal stopped them"
            )
        self.display.note(f"{self.done}/{self.display.total} done")

    def _folder(self, entry: Entry) -> Path:
        return self.manifest.runs / entry.id


def environment() -> dict[str, str]:
    """Return the variables of a run's process: one thread, and this checkout's code anywhere."""
    path = [str(provenance.checkout()), *filter(None, [os.environ.get("PYTHONPATH")])]
    fixed = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(path)}
    return {"OMP_NUM_THREADS": "1", **os.environ, **fixed}


def _reason(folder: Path, code: int, before: tuple[int, ...]) -> str:
    """Return one line on why a run failed; note and count what the run itself could not."""
    note = folder / "error.txt"
    if code >= 0:
        if noted := status.last_line(note):
            return noted
        reason = status.last_line(folder / "log.txt") or f"exit status {code} without a record"
    elif -code == signal.SIGKILL:
        reason = "killed by SIGKILL (out of memory?)"
        # An unexpected SIGKILL usually means that the kernel ran out of memory. It counts unless
        # the run got further: one that dies at the same place each time has to end.
        if failures.mark(folder) == before:
            failures.add(folder, reason)
    else:
        reason = f"killed by {signal.Signals(-code).name}"
        failures.add(folder, reason)
    with suppress(OSError):
        note.write_text(reason + "\n", encoding="utf-8", errors="backslashreplace")
    return reason


class Display:
    """One line that changes on a terminal; elsewhere a line for each event with its time."""

    def __init__(self, out: TextIO, total: int) -> None:
        self.out, self.total, self.live = out, total, out.isatty()
        self._clock, self._shown = Clock(), 0.0

    def show(self, line: Callable[[], str]) -> None:
        """Replace the line that changes, where there is one and it is a quarter second old."""
        if self.live and time.monotonic() - self._shown > 0.25:
            width = shutil.get_terminal_size().columns - 1
            self._put(f"\r\x1b[K{line()[:width]}")
            self._shown = time.monotonic()

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self._put(f"\r\x1b[K{line}\n" if self.live else f"{self._clock(line)}\n")

    def _put(self, text: str) -> None:
        with suppress(OSError):  # the terminal may be gone: the runs must not outlive the pool
            self.out.write(text)
            self.out.flush()
