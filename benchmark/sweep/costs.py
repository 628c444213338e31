"""Estimate the time and disk of runs from the records of the finished runs most like them."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapreplace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.records import Record
from benchmark.data import find
from benchmark.run.progress import duration
from benchmark.sweep import status
from benchmark.sweep.manifest import Entry, Options

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study

# Bytes a parameter: while it trains a checkpoint with Adam's two moments and the best weights,
# and the next checkpoint before it replaces the last; then the best weights alone.
_TRAINING, _KEPT = 2 * 16, 4


def known(study: "Study", runs: Path, results: Path, device: str) -> list[Record]:
    """Return a study's records from one kind of device, collected or in the runs folder."""
    by_id: dict[str, Record] = {}
    with suppress(UserError):  # nothing is collected yet
        by_id |= {line["id"]: line for line in records.read_jsonl(results / f"{study.name}.jsonl")}
    for run in study.configs:
        with suppress(UserError):  # not finished
            by_id[run.id] = records.read(runs / run.id / records.FILE)
    costly = [record for record in by_id.values() if "cost" in record]
    return [one for one in costly if (one["cost"]["device"] == "cpu") == (device == "cpu")]


def alike(settings: Mapping[str, Any], finished: Iterable[Record]) -> list[Record]:
    """Return the records with a run's data, precision, model and training.

    Args:
        settings: of the run, as its config's table.
        finished: records with their cost.

    Returns:
        Those of the run's baseline alone where there is one.
    """
    data, precision = find(settings["data"]).recorded, settings["precision"]
    near = [
        record
        for record in finished
        if (record["config"]["data"], record["config"]["precision"]) == (data, precision)
        # A record may be older than a setting.
        and record["config"]["model"].items() <= settings["model"].items()
        and record["config"]["train"].items() <= settings["train"].items()
    ]
    return [r for r in near if r["config"]["baseline"] == settings["baseline"]] or near


def estimate(
    study: "Study", todo: Sequence["Labelled"], runs: Path, options: Options, pack: int
) -> list[str]:
    """Return lines on the time and disk that ``todo`` will need, or that they are unknown."""
    finished = known(study, runs, Path(options.results), options.device)
    known_costs = [near for run in todo if (near := alike(run.config.to_dict(), finished))]
    head = f"{len(todo)} runs in {-(-len(todo) // pack)} tasks"
    if not known_costs:
        return [f"{head}; time and disk: unknown, no run like these has finished yet"]
    seconds = [median(record["cost"]["seconds"] for record in near) for near in known_costs]
    scale = len(todo) / len(known_costs)  # unknown costs are assumed to be like the others
    whole = duration(sum(seconds) * scale)
    time = f"about {duration(median(seconds))} a run, {whole} in all, one after another"
    if len(known_costs) < len(todo):
        time += (
            f" (unknown for {len(todo) - len(known_costs)} of them, assumed to be like the others)"
        )
    parameters = sum(near[0]["parameters"] for near in known_costs) * scale
    place = next(path for path in (runs, *runs.absolute().parents) if path.exists())
    disk = (
        f"up to {_size(parameters * _TRAINING)} while they train, {_size(parameters * _KEPT)} kept"
    )
    free = _size(shutil.disk_usage(place).free)
    return [f"{head}; time: {time}", f"disk: {disk}; {free} free in {runs}"]


def _size(count: float) -> str:
    """Return a number of bytes with a decimal unit, such as "12 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


@dataclass
class Forecast:
    """Predicts the rest of a sweep's time from earlier runs and from those it has finished.

    Args:
        earlier: records of runs that finished before, perhaps on another machine.
    """

    earlier: Sequence[Record]
    here: dict[str, Record] = field(default_factory=dict)
    _expected: dict[tuple[str, str], tuple[float, float] | None] = field(default_factory=dict)

    def learn(self, folder: Path, seconds: float) -> None:
        """Add a run that finished in this sweep, ``seconds`` after its process was started."""
        try:
            record: Record = records.read(folder / records.FILE)
        except UserError:
            return
        if cost := record.get("cost"):
            # A resumed run took longer than its last process; any other, the time to start too.
            cost = {**cost, "seconds": max(seconds, cost["seconds"])}
            self.here[record["id"]] = {**record, "cost": cost}
            self._expected.clear()

    def left(
        self, waiting: Sequence[Entry], active: Sequence[tuple[Entry, float, Path]], jobs: int
    ) -> float | None:
        """Return the seconds until all runs are done, ``jobs`` at a time, in their order.

        Args:
            waiting: the runs to start.
            active: the runs at work, each with the seconds since its start and its folder.
            jobs: runs at a time.

        Returns:
            None while nothing is known of any; a run of which nothing is known is taken like the
            others.
        """
        costs = [self._cost(entry) for entry in waiting]
        ages = [seconds for _, seconds, _ in active]
        rests = [self._rest(*process) for process in active]
        whole = [cost[0] for cost in costs if cost is not None]
        begun = [a + rest for a, rest in zip(ages, rests, strict=True) if rest is not None]
        if not (whole or begun):
            return None
        typical = median(whole or begun)
        slots = [
            max(typical - age, 0.0) if rest is None else rest
            for age, rest in zip(ages, rests, strict=True)
        ]
        slots = sorted([*slots, *[0.0] * (jobs - len(slots))])
        for cost in costs:  # the next run begins in the slot that is free first
            heapreplace(slots, slots[0] + (typical if cost is None else cost[0]))
        return max(slots)

    def _cost(self, entry: Entry) -> tuple[float, float] | None:
        """Return the median seconds of a run and of its evaluation among the runs most like it."""
        row = entry.label, entry.config["data"]
        if row not in self._expected:
            others = [record for record in self.earlier if record["id"] not in self.here]
            near = alike(entry.config, [*self.here.values(), *others])
            near = [record for record in near if record["id"] in self.here] or near
            seconds = [record["cost"]["seconds"] for record in near]
            evaluation = [record["cost"].get("evaluate_seconds", 0.0) for record in near]
            self._expected[row] = (median(seconds), median(evaluation)) if near else None
        return self._expected[row]

    def _rest(self, entry: Entry, seconds: float, folder: Path) -> float | None:
        """Return the seconds until an active run is done, by its pace or by runs like it."""
        cost = self._cost(entry)
        phase, _, left = status.pace(folder)
        if left is None:
            return None if cost is None else max(cost[0] - seconds, 0.0)
        return left + (cost[1] if cost is not None and phase == "train" else 0.0)
