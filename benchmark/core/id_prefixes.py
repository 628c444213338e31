"""A run as a user names it: by its id, the beginning of its id, or its folder."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from benchmark.core.errors import UserError

SHOWN = 10  # candidates that a message lists


def complete(given: str, known: Iterable[str], where: str, otherwise: str) -> str:
    """Return the one id of ``known`` that is ``given`` or begins with it.

    Raises:
        UserError: naming ``where``: no id begins so, with the nearest one, or ``otherwise`` if none
            is near; or several do, which are listed.
    """
    ids = sorted(set(known))
    fitting = [given] if given in ids else [run for run in ids if given and run.startswith(given)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        more = f", and {len(fitting) - SHOWN} more" if len(fitting) > SHOWN else ""
        raise UserError(
            f"{where}: {len(fitting)} runs begin with '{given}', give more of the id: "
            f"{', '.join(fitting[:SHOWN])}{more}"
        )
    near = difflib.get_close_matches(Path(given).name, ids, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"{len(ids)} others are there; {otherwise}"
    raise UserError(f"{where}: no run '{given}'; {hint}")


def folder_of(given: str | Path, runs: Path) -> Path:
    """Return a run's folder by its path, or by its id or the beginning of its id in ``runs``.

    Raises:
        UserError: see `complete`.
    """
    text = os.fspath(given).rstrip("/")  # as a shell completes a folder's name
    if text:
        for folder in (runs / text, Path(text)):
            if (folder / "config.json").exists():
                return folder
    ids = [path.parent.name for path in runs.glob("*/config.json")]
    return runs / complete(text, ids, str(runs), "--runs names the folder of runs")
