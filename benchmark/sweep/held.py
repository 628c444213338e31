"""Which runs of a study Slurm holds: asked of the queue, else by the notes of submissions."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core.errors import UserError
from benchmark.sweep import manifest, slurm
from benchmark.sweep.status import State

if TYPE_CHECKING:
    from benchmark.sweep.study import Study

JOBS = ".jobs.json"


@dataclass(frozen=True)
class Held:
    """The state of each run that Slurm holds, and what a reader must know of how that was found.

    ``seeds`` are those of all submissions; None where one was of the whole study.
    """

    runs: Mapping[str, State] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seeds: Collection[int] | None = None


def held(study: "Study", runs: Path) -> Held:
    """What Slurm holds of a study whose runs folder has notes of submissions."""
    notes = sorted((runs / manifest.FOLDER).glob(f"{study.name}-*{JOBS}"))
    if not notes:
        return Held()
    frozen = [_manifest(path) for path in notes]
    chosen = [None if known is None else known.options.seeds for known in frozen]
    seeds = None if None in chosen else {seed for some in chosen for seed in some or ()}
    queue = slurm.queue()
    if queue is not None:
        queued = {i: State("queued", f"Slurm: {state.lower()}") for i, state in queue.runs.items()}
        return Held(queued, seeds=seeds)
    found: dict[str, State] = {}
    for path, known in zip(notes, frozen, strict=True):
        found |= {} if known is None else _submitted(path, known)
    note = "squeue is not to be asked here: 'submitted' is what was once handed to it"
    return Held(found, [note], seeds)


def _manifest(notes: Path) -> manifest.Manifest | None:
    """What the notes of a submission are about, or None where it is damaged or not here."""
    try:
        return manifest.read(notes.with_name(notes.name.removesuffix(JOBS) + ".json"))
    except UserError:
        return None


def _submitted(path: Path, frozen: manifest.Manifest) -> dict[str, State]:
    """The runs that one manifest's notes name, with their job and time."""
    found: dict[str, State] = {}
    try:
        for job in json.loads(path.read_bytes()):
            for number in range(job["tasks"]):
                task = job["offset"] + number
                state = State("submitted", f"job {job['job']}_{number}, {job['time']}")
                found |= {entry.id: state for entry in frozen.task(task, job["pack"])}
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return found  # damaged or copied by half: nothing to say
    return found
