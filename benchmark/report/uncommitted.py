"""What a reader of a table must know of its records: which git has not, and which are stale."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.core import records
from benchmark.core.records import Record
from benchmark.sweep import plan


def remarks(study: str, path: Path, lines: Iterable[Record]) -> list[str]:
    """What a reader of a table must know of its records: which are not committed, which stale.

    Args:
        study: as the user named it.
        path: the collected file.
        lines: of that file.
    """
    known = [line for line in lines if records.is_done(line)]
    changed = Counter(line["config"]["baseline"] for line in known if plan.method_changed(line))
    rows = [(line["config"]["baseline"], line["label"]) for line in known if "label" in line]
    return _committed(path, known) + plan.edits(changed, f"pcbench sweep {study} --redo", rows)


def _committed(path: Path, known: Sequence[Record]) -> list[str]:
    """How many records are as in git's last commit, and the rows of the others."""
    shown = ["git", "-C", str(path.absolute().parent), "show", f"HEAD:./{path.name}"]
    try:
        there = subprocess.run(shown, capture_output=True, timeout=30)
        before = {records.digest(json.loads(line)) for line in there.stdout.splitlines()}
    except (OSError, subprocess.TimeoutExpired, ValueError, AttributeError):
        return []
    new = Counter(
        str(line.get("label", line["config"]["baseline"]))
        for line in known
        if records.digest(line) not in before
    )
    if there.returncode != 0 or not new:
        return []
    number = sum(new.values())
    named = ", ".join(f"{row} {count}" for row, count in new.items())
    return [f"{len(known) - number} records are as in the last commit; new or changed: {named}"]
