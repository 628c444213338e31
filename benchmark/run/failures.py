"""How often a run failed by itself: after the third time it is left alone until asked for.

``failures.jsonl`` in the run's folder gets a line for each failure while it trained or was
measured, and for each crash. A kill or a preemption is none. A SIGKILL that nobody announced is
probably the kernel's answer to a full memory: it counts when the process left no new checkpoint
behind, so that a run which dies at the same place each time ends, and one which gets on does not.
What fails before training begins (no data, no such device) costs nothing and does not count.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

LIMIT = 3
_FILE = "failures.jsonl"


def add(folder: Path, reason: str) -> None:
    """Count a failure of the run in a folder; silent where nothing can be written."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason}
    with suppress(OSError), open(folder / _FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def count(folder: Path) -> int:
    """How often the run failed."""
    try:
        return len((folder / _FILE).read_bytes().splitlines())
    except OSError:
        return 0


def given_up(folder: Path) -> bool:
    """Whether the run is left alone: it failed three times and has no record."""
    return count(folder) >= LIMIT and not (folder / "record.json").exists()


def mark(folder: Path) -> tuple[int, ...]:
    """Something that changes with each checkpoint and each part of the evaluation."""
    found = []
    for name in ("checkpoint.pt", "evaluation"):
        try:
            found.append((folder / name).stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)
