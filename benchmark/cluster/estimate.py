"""What a submission will need, from the finished runs that resemble it most."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmark import records
from benchmark.data import recorded
from benchmark.errors import UserError
from benchmark.manifest import Options
from benchmark.status import duration

if TYPE_CHECKING:
    from benchmark.study import Labelled, Study

# Bytes a parameter: while it trains a checkpoint with Adam's two moments and the best weights,
# and the next checkpoint before it replaces the last; then the best weights alone.
_TRAINING, _KEPT = 2 * 16, 4


def lines(
    study: "Study", todo: Sequence["Labelled"], runs: Path, options: Options, pack: int
) -> list[str]:
    """Time and disk for ``todo``, as a user reads them; what is unknown is said to be."""
    known = _known(study, runs, options)
    found = [_like(run, known) for run in todo]
    parts = [f"{len(todo)} runs in {-(-len(todo) // pack)} tasks"]
    costs = [cost for cost in found if cost is not None]
    if not costs:
        return [f"{parts[0]}; time and disk: unknown, no run like these has finished yet"]
    seconds = [cost[0] for cost in costs]
    guess = len(todo) / len(costs)
    total = sum(seconds) * guess
    said = f"about {duration(median(seconds))} a run, {duration(total)} in all, one after another"
    if len(costs) < len(todo):
        said += f" (unknown for {len(todo) - len(costs)} of them, taken like the others)"
    peak = sum(cost[1] for cost in costs) * guess
    free = shutil.disk_usage(next(p for p in (runs, *runs.absolute().parents) if p.exists())).free
    disk = f"up to {_size(peak * _TRAINING)} while they train, {_size(peak * _KEPT)} kept"
    return [f"{parts[0]}; time: {said}", f"disk: {disk}; {_size(free)} free in {runs}"]


def _known(study: "Study", runs: Path, options: Options) -> list[dict[str, Any]]:
    """The study's records, in the runs folder and collected, from the same kind of device."""
    found = {}
    try:
        for line in records.read_jsonl(Path(options.results) / f"{study.name}.jsonl"):
            found[line["id"]] = line
    except UserError:
        pass  # nothing collected yet
    for run in study.configs:
        try:
            found[run.id] = records.read(runs / run.id / "record.json")
        except UserError:
            continue
    gpu = options.device != "cpu"
    costly = [record for record in found.values() if "cost" in record]
    return [record for record in costly if (record["cost"]["device"] != "cpu") == gpu]


def _like(run: "Labelled", known: Sequence[dict[str, Any]]) -> tuple[float, int] | None:
    """Median seconds and parameters of finished runs with this data, precision and training."""
    settings = run.config.to_dict() | {"data": recorded(run.config.data)}
    same = ("data", "precision", "model", "train")
    near = [
        record for record in known if all(record["config"][key] == settings[key] for key in same)
    ]
    own = [record for record in near if record["config"]["baseline"] == run.config.baseline] or near
    if not own:
        return None
    return median(record["cost"]["seconds"] for record in own), own[0]["parameters"]


def _size(count: float) -> str:
    """Bytes as a person says them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
