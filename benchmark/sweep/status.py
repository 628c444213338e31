"""The state of a study's runs, from their files alone: also on a copy of the runs folder."""

import glob
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.run import claims, failures
from benchmark.run.progress import duration
from benchmark.sweep import plan, slurm_queue
from benchmark.sweep.manifest import Manifest

if TYPE_CHECKING:
    from benchmark.sweep.study import Study

_ORDER = ("done", "collected", "stale", "running", "queued", "submitted", "stopped", "failed")
_DAMAGED = (OSError, ValueError, KeyError, TypeError)  # of JSON that is absent or copied by half
_PLACES = {"data": None, "file": None}  # settings that hold paths; the id tells the data


@dataclass(frozen=True)
class State:
    """One run's ``status`` and what there is to say about it.

    By its files one of `record.Status`; in the table also "collected" (its record stands in the
    results alone), "stale" (see `benchmark.sweep.plan`), "queued" (Slurm says so) or "submitted"
    (it cannot be asked, but a submission was noted).
    """

    status: str
    detail: str = ""


def state(folder: Path) -> State:
    """Return the state of the run in a folder.

    Done: there is a record. Running: a live claim. Failed: an error was noted. Stopped: a
    checkpoint waits to be resumed. Otherwise missing.
    """
    if records.finished(folder):
        return State("done")
    if claims.holder(folder) is not None:
        return State("running", progress(folder))
    if (folder / "error.txt").exists():
        return State("failed", last_line(folder / "error.txt"))
    if (folder / "checkpoint.pt").exists():
        return State("stopped", progress(folder))
    return State("missing")


def pace(folder: Path) -> tuple[str, str, float | None]:
    """Return a run's phase, its steps in it, and the phase's seconds left, as far as it says so."""
    try:
        written: dict[str, Any] = json.loads((folder / "progress.json").read_text())
        left = written["seconds_left"]
        steps = f"{written['step']:,}/{written['total']:,}"
        return written["phase"], steps, None if left is None else float(left)
    except _DAMAGED:
        return "", "", None


def progress(folder: Path) -> str:
    """Return how far a run is ("train 1,200/5,000, 40 s left"), or nothing if it has not said."""
    phase, steps, left = pace(folder)
    return f"{phase} {steps}".strip() + ("" if left is None else f", {duration(left)} left")


def last_line(path: Path) -> str:
    """Return the last line of a text file that is not blank, or nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def edited(study: "Study", runs: Path) -> list[str]:
    """Return a line for each outside baseline that was another file when earlier runs began.

    Its content enters the id, so that those runs are no longer the study's.
    """
    earlier: Counter[str] = Counter()
    for run in plan.pending(study, runs):
        if run.config.file is not None:
            alike = runs.glob(f"{glob.escape(run.id.rpartition('-')[0])}-*/config.json")
            others = [_settings(path) for path in alike if path.parent.name != run.id]
            earlier[run.config.file] += others.count(run.config.to_dict() | _PLACES)
    return [
        f"{file}: edited since {number} runs began with it; they stay, and its rows train again"
        for file, number in earlier.items()
        if number
    ]


def _settings(path: Path) -> dict[str, Any] | None:
    """Return a run's settings without paths, or None if the folder is not a run."""
    try:
        return dict(json.loads(path.read_text())) | _PLACES
    except _DAMAGED:
        return None


def table(study: "Study", runs: Path, results: Path | None = None) -> str:
    """Return a grid of baselines by data sets, how many runs are in which state; then details.

    ``results`` as in `plan.standings`.
    """
    submissions = slurm_queue.submissions(runs, study.name)
    waiting, notes = _waiting(submissions)
    standings = plan.standings(study, runs, results)
    states = {one.run.id: _state(one, runs, waiting) for one in standings}
    counts: defaultdict[tuple[str | None, str], Counter[str]] = defaultdict(Counter)
    for run in study.configs:
        for row in (run.label, None):  # None: the row of all, which a label might be called
            counts[row, run.config.data][states[run.id].status] += 1
    columns = list(dict.fromkeys(run.config.data for run in study.configs))
    grid = [["", *columns]]
    for row in (*study.labels, None):
        grid.append([row or "all", *(_cell(counts[row, name]) for name in columns)])
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    padded = ([f"{c:<{w}}" for c, w in zip(row, widths, strict=True)] for row in grid)
    lines = ["  ".join(row).rstrip() for row in padded]
    chosen_seeds = [None if frozen is None else frozen.options.seeds for _, frozen in submissions]
    # None: one submission was of the whole study, or its manifest is lost.
    seeds = set() if None in chosen_seeds else {s for chosen in chosen_seeds for s in chosen or ()}
    chosen = [run for run in study.configs if run.config.seed in seeds]
    if seeds and len(chosen) < len(study.configs):
        cell = _cell(Counter(states[run.id].status for run in chosen))
        lines.append(f"submitted with --seeds {','.join(map(str, sorted(seeds)))}: {cell}")
    for run in study.configs:
        now = states[run.id]
        if now.status in ("running", "queued", "submitted", "failed"):
            lines.append(f"{now.status}: {run.id}{f': {now.detail}' if now.detail else ''}")
    lines += plan.remarks(study, standings, results)
    again = [run for run in study.configs if (runs / plan.AGAIN / run.id).is_dir()]
    lines += [f"{len(again)} are being trained again; use --redo to finish them"] if again else []
    return "\n".join([*lines, *notes])


def _cell(count: Counter[str]) -> str:
    return ", ".join(f"{count[word]} {word}" for word in (*_ORDER, "missing") if count[word])


def _state(one: plan.Standing, runs: Path, waiting: Mapping[str, State]) -> State:
    """Return the state of a run by its files, its collected record, and what Slurm holds."""
    folder = runs / one.run.id
    now = state(folder)
    if now.status == "failed" and (times := failures.count(folder)):
        more = "; --retry-failed runs it again" if times >= failures.LIMIT else ""
        now = State("failed", f"{now.detail} (failed {times} times{more})")
    slurm = waiting.get(one.run.id)
    # The files of a run that was submitted once are younger than the note of its submission.
    if slurm and now.status not in ("done", "running"):
        now = slurm if slurm.status == "queued" or now.status == "missing" else now
    if one.stale and now.status in ("done", "missing"):
        return State("stale")
    return State("collected") if one.place == "results" and now.status == "missing" else now


Submissions = Sequence[tuple[Path, Manifest | None]]


def _waiting(submissions: Submissions) -> tuple[dict[str, State], list[str]]:
    """Return the state of each run that Slurm holds, or held once where it cannot be asked."""
    if not submissions:
        return {}, []
    queue = slurm_queue.queue()
    if queue is not None:
        return {i: State("queued", f"Slurm: {s.lower()}") for i, s in queue.runs.items()}, []
    waiting: dict[str, State] = {}
    for path, frozen in submissions:
        if frozen is None:
            continue
        with suppress(UserError, *_DAMAGED):
            for job in json.loads(path.read_bytes()):
                for number in range(job["tasks"]):
                    now = State("submitted", f"job {job['job']}_{number}, {job['time']}")
                    entries = frozen.task(job["offset"] + number, job["pack"])
                    waiting |= {entry.id: now for entry in entries}
    return waiting, [
        "squeue cannot be asked here: 'submitted' marks runs that were submitted earlier"
    ]
