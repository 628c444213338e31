"""The state of a study's runs, from their files alone: also on a copy of the runs folder."""

import glob
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.clock import duration
from benchmark.run import claims, failures
from benchmark.sweep import plan

if TYPE_CHECKING:
    from benchmark.sweep.study import Study


_ORDER = ("done", "collected", "stale", "running", "queued", "submitted", "stopped", "failed",
          "missing")  # fmt: skip

_PLACES = {"data": None, "file": None}  # settings that hold paths; the id tells the data


@dataclass(frozen=True)
class State:
    """One run's ``status`` and what there is to say about it.

    By its files one of `records.STATUSES`; in the table also "collected" (its record stands in the
    results alone), "stale" (see `benchmark.plan`), "queued" (Slurm says so) or "submitted" (it
    cannot be asked, but a submission was noted).
    """

    status: str
    detail: str = ""


def state(folder: Path) -> State:
    """The state of the run in a folder.

    Done: there is a record. Running: a live claim. Failed: an error was noted. Stopped: a
    checkpoint waits to be resumed. Otherwise missing.
    """
    if (folder / "record.json").exists():
        return State("done")
    if claims.holder(folder) is not None:
        return State("running", progress(folder))
    if (folder / "error.txt").exists():
        return State("failed", last_line(folder / "error.txt"))
    if (folder / "checkpoint.pt").exists():
        return State("stopped", progress(folder))
    return State("missing")


def progress(folder: Path) -> str:
    """How far a run is ("train 1,200/5,000, 40 s left"), or nothing where it has not said."""
    try:
        said: dict[str, Any] = json.loads((folder / "progress.json").read_text())
        left = said.get("seconds_left")
        text = f"{said['phase']} {said['step']:,}/{said['total']:,}"
        return text if left is None else f"{text}, {duration(left)} left"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def pace(folder: Path) -> tuple[str, float] | None:
    """The phase of a run and its seconds left, or None where the run has not said."""
    try:
        said: dict[str, Any] = json.loads((folder / "progress.json").read_text())
        return str(said["phase"]), float(said["seconds_left"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_line(path: Path) -> str:
    """The last line of a text file that is not blank, or nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def edited(study: "Study", runs: Path) -> list[str]:
    """A line for each outside baseline that was another file when earlier runs began.

    Its content enters the id, so that those runs are no longer the study's.
    """
    earlier: Counter[str] = Counter()
    for run in plan.pending(study, runs):
        if run.config.file is not None:
            alike = runs.glob(f"{glob.escape(run.id.rpartition('-')[0])}-*/config.json")
            others = [_settings(path) for path in alike if path.parent.name != run.id]
            earlier[run.config.file] += others.count(run.config.to_dict() | _PLACES)
    return [
        f"{file}: edited since {number} runs began with it; they stay, its rows are trained anew"
        for file, number in earlier.items()
        if number
    ]


def _settings(path: Path) -> dict[str, Any] | None:
    """A run's settings without what names places; None where it is no run of ours."""
    try:
        return dict(json.loads(path.read_text())) | _PLACES
    except (OSError, ValueError, TypeError):
        return None


def table(study: "Study", runs: Path, results: Path | None = None) -> str:
    """A grid of baselines by data sets: how many runs are in which state; then the particulars.

    ``results`` as in `plan.standings`.
    """
    from benchmark.sweep.held import held

    elsewhere = held(study, runs)
    standings = plan.standings(study, runs, results)
    states = {one.run.id: _standing(one, runs, elsewhere.runs) for one in standings}
    counts: dict[str, dict[str, Counter[str]]] = {}
    for run in study.configs:
        row = counts.setdefault(run.label, {})
        row.setdefault(run.config.data, Counter())[states[run.id].status] += 1
    columns = list(dict.fromkeys(run.config.data for run in study.configs))
    totals = {
        name: sum((row.get(name, Counter()) for row in counts.values()), Counter())
        for name in columns
    }
    rows = {**counts, "all": totals}
    lines = _aligned(
        [
            ["", *columns],
            *([label, *(_cell(row[c]) for c in columns)] for label, row in rows.items()),
        ]
    )
    seeds = elsewhere.seeds
    chosen = [run for run in study.configs if seeds is not None and run.config.seed in seeds]
    if seeds and len(chosen) < len(study.configs):
        count = Counter(states[run.id].status for run in chosen)
        lines.append(f"submitted with --seeds {','.join(map(str, sorted(seeds)))}: {_cell(count)}")
    for run in study.configs:
        if (now := states[run.id]).status in ("running", "queued", "submitted", "failed"):
            lines.append(f"{now.status}: {run.id}{f': {now.detail}' if now.detail else ''}")
    lines += plan.remarks(study, standings, results)
    again = [run for run in study.configs if (runs / plan.AGAIN / run.id).is_dir()]
    lines += [f"{len(again)} to be trained again, not yet all: --redo goes on"] if again else []
    return "\n".join([*lines, *elsewhere.notes])


def _standing(one: plan.Standing, runs: Path, queue: Mapping[str, State]) -> State:
    """The state of a run, also by its collected record."""
    now = _with_queue(one.run.id, runs, queue)
    if one.stale and now.status in ("done", "missing"):
        return State("stale")
    return State("collected") if one.place == "results" and now.status == "missing" else now


def _with_queue(run_id: str, runs: Path, queue: Mapping[str, State]) -> State:
    """The state by the run's files, or "queued" where the queue holds what is not at work."""
    now = state(runs / run_id)
    if now.status == "failed" and (times := failures.count(runs / run_id)):
        more = "; --retry-failed runs it again" if times >= failures.LIMIT else ""
        now = State("failed", f"{now.detail} (failed {times} times{more})")
    if now.status in ("done", "running") or run_id not in queue:
        return now
    waiting = queue[run_id]
    if waiting.status == "submitted" and now.status != "missing":
        return now  # its files are younger than the note of its submission
    return waiting


def _cell(count: Counter[str]) -> str:
    return ", ".join(f"{count[word]} {word}" for word in _ORDER if count[word])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
