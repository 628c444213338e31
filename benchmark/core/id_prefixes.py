"""Find a run by its id, by the beginning of its id, or by its folder."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from benchmark.core.errors import UserError

SHOWN = 10  # candidates that a message lists


def complete(given: str, known: Iterable[str], where: str, otherwise: str) -> str:
    """Return the only id in ``known`` that equals ``given`` or begins with it.

    Raises:
        UserError: no id begins so, or several do. The message begins with ``where``; it names the
            nearest id, or ``otherwise`` if none is near, or the ids that begin so.
    """
    ids = sorted(set(known))
    fitting = [given] if given in ids else [run for run in ids if given and run.startswith(given)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        more = f", and {len(fitting) - SHOWN} more" if len(fitting) > SHOWN else ""
        raise UserError(
            f"{where}: {len(fitting)} runs have an id that begins with '{given}'; give more of it: "
            f"{', '.join(fitting[:SHOWN])}{more}"
        )
    near = difflib.get_close_matches(Path(given).name, ids, 1)
    hint = f"none of the {len(ids)} ids there is like it; {otherwise}"
    hint = f"did you mean '{near[0]}'?" if near else hint
    raise UserError(f"{where}: no run '{given}'; {hint}")


def folder_of(given: str | Path, runs: Path) -> Path:
    """Return a run's folder, given its path, its id or the beginning of its id in ``runs``.

    Raises:
        UserError: see `complete`.
    """
    text = os.fspath(given).rstrip("/")  # as a shell completes a folder's name
    if text:
        for folder in (runs / text, Path(text)):
            if (folder / "config.json").exists():
                return folder
    ids = [path.parent.name for path in runs.glob("*/config.json")]
    return runs / complete(text, ids, str(runs), "--runs chooses another folder of runs")
