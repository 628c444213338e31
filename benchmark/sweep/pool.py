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
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from benchmark.core import provenance, signals
from benchmark.core.clock import Clock, duration
from benchmark.core.signals import CTRL_C, INTERRUPTED
from benchmark.run import claims, failures
from benchmark.sweep import status

if TYPE_CHECKING:
    from benchmark.sweep.costs import Forecast
    from benchmark.sweep.manifest import Entry, Manifest

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # glibc: keep freed memory, so that a step need not ask the system anew for its logits. On PTB,
    # one thread, 5 interleaved pairs: training 1.03 to 1.22 times as fast (median 1.16).
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
}
LAUNCHER = (sys.executable, "-m", "benchmark")
_STOPPED = {INTERRUPTED, CTRL_C, *(-number for number in signals.ASKING)}


@dataclass
class Process:
    """A run at work: its process, since when, its slot, and what it had reached before."""

    entry: "Entry"
    popen: "subprocess.Popen[bytes]"
    started: float
    slot: int
    mark: tuple[int, ...]


@dataclass
class Pool:
    """The runs waiting, at work, and over.

    Args:
        manifest: where the processes read their settings.
        waiting: its entries to run, in order.
        jobs: processes at a time.
        display: where progress goes.
        devices: values of CUDA_VISIBLE_DEVICES, given to the processes in turn.
        done: how many of the display's total were done before.
        launcher: what stands before ``run --manifest ...`` in each command.
        forecast: of the time left, for a display that changes.
    """

    manifest: "Manifest"
    waiting: list["Entry"]
    jobs: int
    display: "Display"
    devices: Sequence[str] = ()
    done: int = 0
    launcher: Sequence[str] = LAUNCHER
    forecast: "Forecast | None" = None
    failed: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    active: dict[str, Process] = field(default_factory=dict)
    held: dict[str, tuple["Entry", float]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    told: int = 0
    moved: bool = False  # whether a run finished or left a new checkpoint

    @property
    def left(self) -> bool:
        """Whether a signal kept it from finishing."""
        return bool(self.asked and (self.waiting or self.held or self.elsewhere))

    def work(self) -> None:
        """Start, watch and reap until nothing is left or a signal came."""
        while self.active or ((self.waiting or self.held) and not self.asked):
            self._look_at_held()
            while self.waiting and len(self.active) < self.jobs and not self.asked:
                self._admit(self.waiting.pop(0))
            self._obey()
            for run_id in [i for i, p in self.active.items() if p.popen.poll() is not None]:
                self._reap(self.active.pop(run_id))
            if self.display.due():
                self.display.show(self._line())
            if self.active or self.held:
                time.sleep(0.1)

    def _obey(self) -> None:
        """Pass new signals on; a second Ctrl-C kills."""
        for number in self.asked[self.told :]:
            self.told += 1
            again = number == signal.SIGINT and self.asked[: self.told].count(number) > 1
            sent = signal.SIGUSR1 if number == signal.SIGUSR1 else signal.SIGTERM
            for process in self.active.values():
                process.popen.send_signal(signal.SIGKILL if again else sent)

    def _admit(self, entry: "Entry") -> None:
        """Start a run, unless it is done or claimed meanwhile."""
        folder = self.manifest.runs / entry.id
        if (folder / "record.json").exists():
            self._note_done(entry, "done elsewhere")
        elif (beat := claims.beat(folder)) is not None:
            self.held[entry.id] = (entry, beat)
        else:
            self._start(entry, folder)

    def _look_at_held(self) -> None:
        """A claim whose heart beats on is somebody's at work; one that does not soon blocks no
        more: it was a killed process's, perhaps on another machine."""
        for entry, first in list(self.held.values()):
            beat = claims.beat(self.manifest.runs / entry.id)
            if beat is None:
                del self.held[entry.id]
                self.waiting.append(entry)
            elif beat != first:
                del self.held[entry.id]
                self.elsewhere.append(entry.id)
                self.display.note(f"left to another process: {entry.id}")

    def _start(self, entry: "Entry", folder: Path) -> None:
        slot = min(set(range(self.jobs)) - {process.slot for process in self.active.values()})
        variables = environment()
        where = ""
        if self.devices:
            variables["CUDA_VISIBLE_DEVICES"] = self.devices[slot % len(self.devices)]
            where = f" with CUDA_VISIBLE_DEVICES={variables['CUDA_VISIBLE_DEVICES']}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "error.txt").unlink(missing_ok=True)
            with open(folder / "log.txt", "ab") as log:
                popen = subprocess.Popen(
                    self._command(entry),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=variables,
                    # At a terminal Ctrl-C reaches it through us alone; in a job it stays in our
                    # group, so that it ends with us.
                    start_new_session="SLURM_JOB_ID" not in os.environ,
                )
        except OSError as error:
            self._note_failed(entry, f"{folder}: cannot be written ({error.strerror})")
            return
        self.active[entry.id] = Process(entry, popen, time.monotonic(), slot, failures.mark(folder))
        if where and not self.display.live:
            self.display.note(f"start: {entry.id}{where}")

    def _command(self, entry: "Entry") -> list[str]:
        options = self.manifest.options
        return [
            *self.launcher, "run", "--manifest", str(self.manifest.path), "--id", entry.id,
            "--runs", str(self.manifest.runs), "--data-dir", options.data,
            "--device", options.device, "--checkpoint-seconds", str(options.checkpoint_seconds),
        ]  # fmt: skip

    def _reap(self, process: Process) -> None:
        entry, code = process.entry, process.popen.returncode
        folder = self.manifest.runs / entry.id
        self.moved |= failures.mark(folder) != process.mark
        if (folder / "record.json").exists() and not (folder / "error.txt").exists():
            seconds = time.monotonic() - process.started
            if self.forecast is not None:
                self.forecast.learn(folder, seconds)
            self._note_done(entry, duration(seconds))
        elif code in _STOPPED or (self.asked and code < 0):
            self.elsewhere.append(entry.id)
        else:
            self._note_failed(entry, _reason(folder, code, process.mark))

    def _note_failed(self, entry: "Entry", reason: str) -> None:
        self.failed.append(entry.id)
        self.display.note(f"failed: {entry.name}: {reason}")

    def _note_done(self, entry: "Entry", how: str) -> None:
        self.done += 1
        self.display.note(f"{self.done}/{self.display.total} done: {entry.name} ({how})")

    def _line(self) -> str:
        """Runs done, the time left for all, and each run at work."""
        runs, now = self.manifest.runs, time.monotonic()
        left = None
        if self.forecast is not None and not self.asked:
            active = [(p.entry, now - p.started, runs / p.entry.id) for p in self.active.values()]
            left = self.forecast.left(self.waiting, active, self.jobs)
        about = "" if left is None else f", about {duration(left)} left"
        parts = [f"{self.done}/{self.display.total} done{about}"]
        for process in self.active.values():
            entry = process.entry
            step = status.progress(runs / entry.id)
            seed = entry.config["seed"]
            parts.append(f"{entry.label} {seed}{f': {step}' if step else ''}")
        return " | ".join(parts)

    def summary(self) -> list[str]:
        """What a user must know at the end; why a run failed was said when it did."""
        lines = [f"log: {self.manifest.runs / run_id / 'log.txt'}" for run_id in self.failed]
        if self.failed:
            lines.append(f"{len(self.failed)} failed")
        if self.asked:
            lines.append("interrupted; the same command resumes from the checkpoints")
        elif self.elsewhere:
            lines.append(f"{len(self.elsewhere)} left to other processes or stopped from outside")
        return [*lines, f"{self.done}/{self.display.total} done"]


def visible_devices() -> list[str]:
    """The devices in CUDA_VISIBLE_DEVICES, as Slurm or the user named them."""
    return [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]


def environment() -> dict[str, str]:
    """Of a run's process: one thread, and this checkout's code wherever it is started."""
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for name, value in ENVIRONMENT.items():
        variables.setdefault(name, value)
    path = [str(provenance.checkout()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return variables | {"PYTHONPATH": os.pathsep.join(path)}


def _reason(folder: Path, code: int, before: tuple[int, ...]) -> str:
    """Why a run failed, in a line; kept and counted when the run could not do so itself."""
    path = folder / "error.txt"
    said = status.last_line(path)
    if said and code >= 0:
        return said
    if code >= 0:
        reason = status.last_line(folder / "log.txt") or f"exit status {code} without a record"
    else:
        reason = f"killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            reason += " (out of memory?)"
        if -code != signal.SIGKILL or failures.mark(folder) == before:
            failures.add(folder, reason)
    with suppress(OSError):
        path.write_text(reason + "\n", encoding="utf-8", errors="backslashreplace")
    return reason


class Display:
    """One line that changes on a terminal; elsewhere a line for each event with its time."""

    def __init__(self, out: TextIO, total: int) -> None:
        self.out, self.total, self.live, self.last = out, total, out.isatty(), 0.0
        self._clock = Clock()

    def due(self) -> bool:
        """Whether the line that changes is wanted, and old."""
        return self.live and time.monotonic() - self.last > 0.25

    def show(self, line: str) -> None:
        """Replace the line that changes."""
        width = shutil.get_terminal_size().columns - 1
        self._put(f"\r\x1b[K{line[:width]}")
        self.last = time.monotonic()

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self._put(f"\r\x1b[K{line}\n" if self.live else f"{self._clock(line)}\n")

    def finish(self, lines: Iterable[str]) -> None:
        """Print the lines at the end."""
        for line in lines:
            self.note(line)

    def _put(self, text: str) -> None:
        with suppress(OSError):  # the terminal may be gone: the runs must not outlive the pool
            self.out.write(text)
            self.out.flush()
