"""Ask git which of a study's records are not committed, and which are stale."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark.core import records
from benchmark.sweep import plan


def remarks(study: str, path: Path, lines: Iterable[Any]) -> list[str]:
    """Return how many records are as in git's last commit, and which methods changed since.

    Args:
        study: as the user named it.
        path: the collected file.
        lines: of that file.
    """
    done = [line for line in lines if records.is_done(line)]
    stale = plan.edits(filter(plan.method_changed, done), f"pcbench sweep {study} --redo")
    try:
        shown = subprocess.run(
            ["git", "-C", str(path.absolute().parent), "show", f"HEAD:./{path.name}"],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        committed = {records.digest(json.loads(line)) for line in shown.stdout.splitlines()}
    except (OSError, subprocess.SubprocessError, ValueError, AttributeError):
        return stale  # no git, no such file in its last commit, or lines that were no records
    new = Counter(
        str(line.get("label", line["config"]["baseline"]))
        for line in done
        if records.digest(line) not in committed
    )
    if not new:
        return stale
    rest = len(done) - new.total()
    named = ", ".join(f"{row} {count}" for row, count in new.items())
    return [f"{rest} records are as in the last commit; new or changed: {named}", *stale]
