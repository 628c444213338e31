"""What a submission will need, from the finished runs that resemble it most."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmark.core.clock import duration
from benchmark.sweep import costs
from benchmark.sweep.manifest import Options

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study

# Bytes a parameter: while it trains a checkpoint with Adam's two moments and the best weights,
# and the next checkpoint before it replaces the last; then the best weights alone.
_TRAINING, _KEPT = 2 * 16, 4


def lines(
    study: "Study", todo: Sequence["Labelled"], runs: Path, options: Options, pack: int
) -> list[str]:
    """Time and disk for ``todo``, as a user reads them; what is unknown is said to be."""
    known = costs.known(study, runs, Path(options.results), options.device)
    found = [near for run in todo if (near := costs.alike(run.config.to_dict(), known))]
    head = f"{len(todo)} runs in {-(-len(todo) // pack)} tasks"
    if not found:
        return [f"{head}; time and disk: unknown, no run like these has finished yet"]
    seconds = [median(record["cost"]["seconds"] for record in near) for near in found]
    guess = len(todo) / len(found)
    total = sum(seconds) * guess
    said = f"about {duration(median(seconds))} a run, {duration(total)} in all, one after another"
    if len(found) < len(todo):
        said += f" (unknown for {len(todo) - len(found)} of them, taken like the others)"
    peak = sum(near[0]["parameters"] for near in found) * guess
    free = shutil.disk_usage(next(p for p in (runs, *runs.absolute().parents) if p.exists())).free
    disk = f"up to {_size(peak * _TRAINING)} while they train, {_size(peak * _KEPT)} kept"
    return [f"{head}; time: {said}", f"disk: {disk}; {_size(free)} free in {runs}"]


def _size(count: float) -> str:
    """Bytes as a person says them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
