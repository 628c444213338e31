"""Whose fault an error of training is: where it is the method's, by file, line and hook.

Without this, a slip in a hook would read like a fault of the suite, or of the learning rate.
"""

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.model import registry
from benchmark.run.config import RunConfig

if TYPE_CHECKING:
    from benchmark.model.vae import Output
    from benchmark.run.training import Training


def file_of(config: RunConfig) -> Path:
    """The file that defines a run's method."""
    return Path(config.file) if config.file else registry.FOLDER / f"{config.baseline}.py"


@contextmanager
def blamed(config: RunConfig) -> Iterator[None]:
    """Name the line of the method's file that an error came through, and the hook.

    Raises:
        UserError: in place of an error that came through that file. Other errors pass as they are,
            and so does a lack of memory.
    """
    try:
        yield
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        path = file_of(config)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        if not frames and isinstance(error, IndexError) and "inputs" in vars(type(config.method())):
            raise UserError(
                f"{registry.shown(path)}: inputs returned a word id that the vocabulary lacks "
                f"({reason(error)})"
            ) from error
        if not frames:
            raise
        place = f"{registry.shown(path)}:{frames[-1].lineno}"
        raise UserError(f"{place}: {frames[0].name} raised {reason(error)}") from error


def reason(error: Exception) -> str:
    """An error's type and message in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(": ")


def check_loss(run: "Training", out: "Output", loss: Tensor) -> None:
    """Raise UserError if a method makes a loss that is not finite from finite terms.

    Where the terms themselves are not finite the model has diverged, and the loop says so.
    """
    value = float(loss.detach())
    if math.isfinite(value):
        return
    with torch.no_grad():
        rec, kl = float(out.rec.mean()), float(out.kl.sum(-1).mean())
        paid = float(run.criterion.penalty(out.kl).mean())
    if not (math.isfinite(rec) and math.isfinite(kl)):
        return
    returned = {"weight": run.annealer.weight, "penalty": paid, "objective": value}
    hook = next(name for name, figure in returned.items() if not math.isfinite(figure))
    raise UserError(
        f"{registry.shown(file_of(run.config))}: {hook} returned {returned[hook]} at step "
        f"{run.step}, where the reconstruction, {rec:.4g}, and the KL, {kl:.4g}, are finite; mend "
        f"{hook}"
    )


def suspects(config: RunConfig) -> str:
    """The end of a message about divergence: the method's hooks that a gradient passes through."""
    hooks = [
        name for name in ("build", "penalty", "objective") if name in vars(type(config.method()))
    ]
    where = registry.shown(file_of(config))
    return f"; if that does not help, look at {' and '.join(hooks)} in {where}" if hooks else ""
