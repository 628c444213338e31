"""A run by what a user types: its id, the beginning of its id, or its folder."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from benchmark.core.errors import UserError

SHOWN = 10  # candidates that a message lists


def complete(given: str, known: Iterable[str], where: str, otherwise: str) -> str:
    """Return the one id that is ``given`` or begins with it.

    Args:
        given: an id or its beginning.
        known: ids.
        where: what holds them, for messages.
        otherwise: what to do where no id is near.

    Raises:
        UserError: no id begins so, with the nearest one, or several do, which are listed.
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
    told = f"did you mean '{near[0]}'?" if near else f"{len(ids)} others are there; {otherwise}"
    raise UserError(f"{where}: no run '{given}'; {told}")


def folder_of(given: str | Path, runs: Path) -> Path:
    """Return the folder of a run, one with a config.json.

    Args:
        given: the id, a beginning of it that no other run of ``runs`` has, or the run's folder.
        runs: the folder of runs.

    Raises:
        UserError: see `complete`.
    """
    text = os.fspath(given).rstrip("/")  # as a shell completes a folder's name
    if text:
        for folder in (runs / text, Path(text)):
            if (folder / "config.json").exists():
                return folder
    known = [path.parent.name for path in runs.glob("*/config.json")]
    return runs / complete(text, known, str(runs), "--runs names the folder of runs")
