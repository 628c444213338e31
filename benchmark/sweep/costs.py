"""What runs take, from the records of finished runs that resemble them most."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapreplace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.records import Record
from benchmark.data import recorded
from benchmark.sweep import status

if TYPE_CHECKING:
    from benchmark.sweep.manifest import Entry
    from benchmark.sweep.study import Study

_SAME = ("data", "precision")


def known(study: "Study", runs: Path, results: Path, device: str) -> list[Record]:
    """A study's records, collected and in the runs folder, from the same kind of device."""
    found = {}
    try:
        for line in records.read_jsonl(results / f"{study.name}.jsonl"):
            found[line["id"]] = line
    except UserError:
        pass  # nothing collected yet
    for run in study.configs:
        try:
            found[run.id] = records.read(runs / run.id / "record.json")
        except UserError:
            continue
    gpu = device != "cpu"
    costly = [record for record in found.values() if "cost" in record]
    return [record for record in costly if (record["cost"]["device"] != "cpu") == gpu]


def alike(settings: Mapping[str, Any], finished: Iterable[Record]) -> list[Record]:
    """The records of a run's data, precision, model and training.

    Args:
        settings: of the run, as its config's table.
        finished: records with their cost.

    Returns:
        Those of the run's baseline alone where there is one.
    """
    wanted = {**settings, "data": recorded(settings["data"])}
    near = [r for r in finished if all(r["config"][key] == wanted[key] for key in _SAME)]
    for part in ("model", "train"):  # a record may be older than a setting
        near = [r for r in near if r["config"][part].items() <= wanted[part].items()]
    return [r for r in near if r["config"]["baseline"] == wanted["baseline"]] or near


@dataclass
class Forecast:
    """How long the rest of a sweep takes, by earlier runs and by those that it has finished.

    Args:
        earlier: records of runs that finished before, perhaps on another machine.
    """

    earlier: Sequence[Record]
    here: list[Record] = field(default_factory=list)
    _expected: dict[tuple[str, str], tuple[float, float] | None] = field(default_factory=dict)

    def learn(self, folder: Path, seconds: float) -> None:
        """Add a run that finished in this sweep, ``seconds`` after its process was started."""
        try:
            record = records.read(folder / "record.json")
        except UserError:
            return
        if "cost" in record:
            # A resumed run took longer than its last process; any other, the time to start too.
            seconds = max(seconds, record["cost"]["seconds"])
            self.here.append({**record, "cost": {**record["cost"], "seconds": seconds}})
            self._expected.clear()

    def left(
        self,
        waiting: Sequence["Entry"],
        active: Sequence[tuple["Entry", float, Path]],
        jobs: int,
    ) -> float | None:
        """Seconds until all runs are done, ``jobs`` at a time, in their order.

        A run of which nothing is known is taken like the others.

        Args:
            waiting: the runs to start.
            active: the runs at work, each with the seconds since its start and its folder.
            jobs: runs at a time.

        Returns:
            None while nothing is known of any.
        """
        costs = [self._cost(entry) for entry in waiting]
        rests = [self._rest(*process) for process in active]
        sizes = [cost[0] for cost in costs if cost is not None] or [
            seconds + rest
            for (_, seconds, _), rest in zip(active, rests, strict=True)
            if rest is not None
        ]
        if not sizes:
            return None
        typical = median(sizes)
        slots = [
            max(typical - seconds, 0.0) if rest is None else rest
            for (_, seconds, _), rest in zip(active, rests, strict=True)
        ]
        slots = sorted([*slots, *[0.0] * (jobs - len(slots))])
        for cost in costs:
            heapreplace(slots, slots[0] + (typical if cost is None else cost[0]))
        return max(slots)

    def _cost(self, entry: "Entry") -> tuple[float, float] | None:
        """Median seconds of a whole run, and of its evaluation, by the runs most like it."""
        row = entry.label, entry.config["data"]
        if row not in self._expected:
            here = {record["id"] for record in self.here}
            others = [record for record in self.earlier if record["id"] not in here]
            near = alike(entry.config, [*self.here, *others])
            costs = [r["cost"] for r in [r for r in near if r["id"] in here] or near]
            seconds = [cost["seconds"] for cost in costs]
            evaluation = [cost.get("evaluate_seconds", 0.0) for cost in costs]
            self._expected[row] = (median(seconds), median(evaluation)) if costs else None
        return self._expected[row]

    def _rest(self, entry: "Entry", seconds: float, folder: Path) -> float | None:
        """Seconds until a run at work is done: by its pace, else by runs like it."""
        cost, pace = self._cost(entry), status.pace(folder)
        if pace is None:
            return None if cost is None else max(cost[0] - seconds, 0.0)
        phase, left = pace
        return left + (cost[1] if cost is not None and phase == "train" else 0.0)
