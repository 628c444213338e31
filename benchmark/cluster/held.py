"""Which runs of a study Slurm holds: asked of the queue, else by the notes of submissions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import manifest
from benchmark.cluster import slurm
from benchmark.errors import UserError
from benchmark.status import State

if TYPE_CHECKING:
    from benchmark.study import Study

JOBS = ".jobs.json"


@dataclass(frozen=True)
class Held:
    """The state of each run that Slurm holds, and what a reader must know of how that was found."""

    runs: Mapping[str, State] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def held(study: "Study", runs: Path) -> Held:
    """What Slurm holds of a study whose runs folder has notes of submissions."""
    notes = sorted((runs / manifest.FOLDER).glob(f"{study.name}-*{JOBS}"))
    if not notes:
        return Held()
    queue = slurm.queue()
    if queue is not None:
        return Held(
            {i: State("queued", f"Slurm: {state.lower()}") for i, state in queue.runs.items()}
        )
    found: dict[str, State] = {}
    for path in notes:
        found |= _submitted(path)
    return Held(
        found, ["squeue is not to be asked here: 'submitted' is what was once handed to it"]
    )


def _submitted(path: Path) -> dict[str, State]:
    """The runs that one manifest's notes name, with their job and time."""
    found: dict[str, State] = {}
    try:
        frozen = manifest.read(path.with_name(path.name.removesuffix(JOBS) + ".json"))
        for job in json.loads(path.read_bytes()):
            for number in range(job["tasks"]):
                task = job["offset"] + number
                state = State("submitted", f"job {job['job']}_{number}, {job['time']}")
                found |= {entry.id: state for entry in frozen.task(task, job["pack"])}
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return found  # damaged or copied by half: nothing to say
    return found
