"""What a run no longer needs, and what a killed process left in its folder.

SIGKILL amid the writing of a file leaves a temporary one; soon after the record, also the claim,
the checkpoint and the parts of the evaluation.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from benchmark.run import claims

_UNFINISHED = ("checkpoint.pt", "progress.json")


def clear_temporary(folder: Path) -> None:
    """Remove half-written files; for whoever holds the run, or finds nobody at it."""
    for pattern in (".*.tmp", ".record.*.copy"):
        for path in folder.glob(pattern):
            with suppress(OSError):
                path.unlink()


def clear_finished(folder: Path) -> None:
    """Remove from a finished run's folder what only an unfinished run needs.

    Silent where the folder is read-only: nothing is lost.
    """
    for name in _UNFINISHED:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "evaluation", ignore_errors=True)
    claims.clear_dead(folder)
    if claims.holder(folder) is None:
        clear_temporary(folder)
