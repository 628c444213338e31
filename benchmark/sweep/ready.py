"""What runs need before the first of them begins: data, libraries and a device, seen to once.

Without it each run of a sweep would fail by itself, and say so in a log of its own.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.sweep.pool import environment

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled


def prepare(todo: Sequence["Labelled"], root: Path) -> None:
    """Read the data of the runs; generate an exact language where it is missing.

    Raises:
        UserError: data is not prepared or damaged, or there is no sacrebleu for a run with BLEU.
    """
    bleu = any(run.config.evaluate.bleu and run.config.method().latent for run in todo)
    if bleu and find_spec("sacrebleu") is None:
        from benchmark import metrics

        metrics.scorer()
    for name in sorted({run.config.data for run in todo}):
        data.load(name, root)


def try_device(name: str, todo: Sequence["Labelled"], visible: Sequence[str] = ()) -> None:
    """Compute on a GPU with the precisions of the runs, in a process for each visible device.

    A process that ends frees the card's memory, and this one need not import torch. The CPU needs
    no trial.

    Args:
        name: the device of the runs.
        todo: the runs.
        visible: values of CUDA_VISIBLE_DEVICES that the runs will have; empty leaves it as it is.

    Raises:
        UserError: a device cannot be used.
    """
    if name == "cpu":
        return
    precisions = sorted({run.config.precision for run in todo})
    code = f"from benchmark.model.device import try_out; try_out({name!r}, {precisions!r})"
    places = [{"CUDA_VISIBLE_DEVICES": value} for value in dict.fromkeys(visible)] or [{}]
    trials = [
        subprocess.Popen([sys.executable, "-c", code], env=environment() | place, text=True,
                         errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for place in places
    ]  # fmt: skip
    said = [trial.communicate()[0] for trial in trials]
    for trial, place, text in zip(trials, places, said, strict=True):
        if trial.returncode != 0:
            lines = text.strip().splitlines() or [f"exit status {trial.returncode}"]
            where = "".join(f"{key}={value}: " for key, value in place.items())
            raise UserError(f"{where}{lines[-1]}")
