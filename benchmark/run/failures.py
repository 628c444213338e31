"""Count a run's failures, and tell errors of its method from errors of the suite.

``failures.jsonl`` in the run's folder gets a line for each failure while it trained or was
measured, and for each crash. After the third the run is left alone until asked for. A kill or a
preemption is no failure. An unexpected SIGKILL, which usually means that the kernel ran out of
memory, counts if the process left no new checkpoint behind: a run that dies at the same place each
time ends, and one that gets on does not. What fails before training begins does not count.
"""

import json
import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.model import registry
from benchmark.model.baseline import Run
from benchmark.run.config import RunConfig

if TYPE_CHECKING:  # a sweep counts failures without torch
    from torch import Tensor

    from benchmark.model.vae import Output

LIMIT = 3
_FILE = "failures.jsonl"


def add(folder: Path, reason: str) -> None:
    """Count a failure of the run in a folder; silent where nothing can be written."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason}
    with suppress(OSError), open(folder / _FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def count(folder: Path) -> int:
    """Return how often the run failed."""
    try:
        return len((folder / _FILE).read_bytes().splitlines())
    except OSError:
        return 0


def given_up(folder: Path) -> bool:
    """Return whether the run is left alone: it failed three times and has no record."""
    return count(folder) >= LIMIT and not records.finished(folder)


def mark(folder: Path) -> tuple[int, ...]:
    """Return a value that changes with each checkpoint and each part of the evaluation."""
    times = []
    for name in ("checkpoint.pt", "evaluation"):
        try:
            times.append((folder / name).stat().st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)


def where(config: RunConfig) -> str:
    """Return the path to show a user of the file that defines a run's method."""
    return registry.shown(registry.path_of(config.baseline, config.file))


def reason(error: Exception) -> str:
    """Return an error's type and message in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(": ")


@contextmanager
def blamed(config: RunConfig) -> Iterator[None]:
    """Turn an error that came through the method's file into a UserError: line, hook, reason.

    A slip in a hook would otherwise read like a fault of the suite. Other errors pass as they are,
    and so does a lack of memory.
    """
    import torch

    try:
        yield
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        path, cause = str(registry.path_of(config.baseline, config.file)), reason(error)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        if frames:
            line, hook = frames[-1].lineno, frames[0].name
            raise UserError(f"{where(config)}:{line}: {hook} raised {cause}") from error
        if isinstance(error, IndexError) and "inputs" in vars(type(config.method())):
            raise UserError(
                f"{where(config)}: inputs returned a word id that the vocabulary lacks ({cause})"
            ) from error
        raise


def check_loss(config: RunConfig, run: Run, out: "Output", loss: "Tensor") -> None:
    """Raise UserError if a method makes a non-finite loss of finite terms.

    Where the terms themselves are not finite the model has diverged, which the loop reports.
    """
    value = float(loss.detach())
    if math.isfinite(value):
        return
    rec, kl = float(out.rec.detach().mean()), float(out.kl.detach().sum(-1).mean())
    if not (math.isfinite(rec) and math.isfinite(kl)):
        return
    paid = float(run.criterion.penalty(out.kl).detach().mean())
    returned = {"weight": run.annealer.weight, "penalty": paid, "objective": value}
    hook = next(name for name, number in returned.items() if not math.isfinite(number))
    raise UserError(
        f"{where(config)}: {hook} returned {returned[hook]} at step {run.step}, although "
        f"the reconstruction, {rec:.4g}, and the KL, {kl:.4g}, are finite; correct {hook}"
    )


def suspects(config: RunConfig) -> str:
    """Return the hint for a diverged run: the method's hooks that a gradient passes through."""
    hooks = [n for n in ("build", "penalty", "objective") if n in vars(type(config.method()))]
    end = f"; if that does not help, look at {' and '.join(hooks)} in {where(config)}"
    return end if hooks else ""
