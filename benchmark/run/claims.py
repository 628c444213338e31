"""Claims: at most one live process trains a run; the claim of a dead process blocks nobody.

A claim is a folder ``claim-<token>`` made in the run's folder, holding a ``heartbeat`` file whose
time is refreshed by a thread. Each process makes its own claim first and looks for others second,
so if two come together, at least one sees the other and gives way. Stale claims are removed.
Time is read from the file system that holds the claims, so clocks of machines need not agree.
If a suspended process wakes after its claim was taken over, two train one run: they compute the
same numbers, and the first complete record wins.
"""

import json
import os
import platform
import random
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError

BEAT = 10.0  # seconds between two heartbeats
STALE = 60.0  # seconds without one after which a claim counts as dead
_ATTEMPTS = 5


class Claimed(UserError):
    """Another live process holds the run."""


@contextmanager
def claim(folder: Path, beat: float = BEAT, stale: float = STALE) -> Iterator[None]:
    """Hold the run in ``folder`` while the block runs.

    Raises:
        Claimed: another live process holds it.
        UserError: the folder cannot be written.
    """
    try:
        mine = _take(folder, stale)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); free some space or choose another "
            "--runs folder"
        ) from error
    stopped = threading.Event()

    def refresh() -> None:
        while not stopped.wait(beat):
            with suppress(OSError):  # a full or absent disk: the run itself reports it
                os.utime(mine / "heartbeat")

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        shutil.rmtree(mine, ignore_errors=True)


def holder(folder: Path, stale: float = STALE) -> dict[str, Any] | None:
    """Return the live claim on a run by its files ({"pid", "host", "job"}), or None."""
    now = time.time()
    live = (path for path in folder.glob("claim-*") if _alive(path, now, stale))
    return next(map(_content, live), None)


def beat(folder: Path, stale: float = STALE) -> float | None:
    """Return the time of the last heartbeat of a live claim, or None without a live claim."""
    now, beats = time.time(), []
    for path in folder.glob("claim-*"):
        with suppress(OSError):
            if _alive(path, now, stale):
                beats.append(_last_beat(path))
    return max(beats, default=None)


def clear_temporary(folder: Path) -> None:
    """Remove half-written files, which a SIGKILL leaves.

    Call it only while holding the run, or when no process does.
    """
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            path.unlink()


def clear_finished(folder: Path) -> None:
    """Remove from a finished run's folder what only an unfinished run needs.

    A process that was killed soon after its record leaves all of it, its claim too. Silent where
    the folder is read-only: nothing is lost.
    """
    for name in ("checkpoint.pt", "progress.json"):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "evaluation", ignore_errors=True)
    now = time.time()
    for path in folder.glob("claim-*"):
        if not _alive(path, now, STALE):
            shutil.rmtree(path, ignore_errors=True)
    if holder(folder) is None:
        clear_temporary(folder)


def _take(folder: Path, stale: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        mine = folder / f"claim-{secrets.token_hex(8)}"
        mine.mkdir()
        try:
            heart = mine / "heartbeat"
            job = os.environ.get("SLURM_JOB_ID")
            heart.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "job": job}))
            now = heart.stat().st_mtime
            others = [path for path in folder.glob("claim-*") if path != mine]
            live = [path for path in others if _alive(path, now, stale)]
        except BaseException:
            shutil.rmtree(mine, ignore_errors=True)
            raise
        if not live:
            for path in others:
                shutil.rmtree(path, ignore_errors=True)
            return mine
        shutil.rmtree(mine, ignore_errors=True)
        if attempt + 1 < _ATTEMPTS:  # two newcomers may have given way to each other
            time.sleep(random.uniform(0.01, 0.1) * (attempt + 1))
    raise Claimed(
        f"{folder}: another process ({_content(live[0]).get('pid', 'unknown')}) holds this run; "
        "wait for it or stop it"
    )


def _last_beat(path: Path) -> float:
    heart = path / "heartbeat"
    return (heart if heart.exists() else path).stat().st_mtime


def _alive(path: Path, now: float, stale: float) -> bool:
    """Return whether a claim's process may still be there."""
    try:
        age = now - _last_beat(path)
    except FileNotFoundError:
        return False
    if age > stale:
        return False
    content = _content(path)
    if content.get("host") != platform.node() or not isinstance(content.get("pid"), int):
        return True
    try:
        os.kill(content["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        pass
    return True


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / "heartbeat").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
