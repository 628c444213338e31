"""What git has to say of a study's records: which are not committed, and which are stale."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmark.core import records
from benchmark.core.records import Record
from benchmark.sweep import plan


def remarks(study: str, path: Path, lines: Iterable[Record]) -> list[str]:
    """Return how many records are as in git's last commit, and which methods changed since.

    Args:
        study: as the user named it.
        path: the collected file.
        lines: of that file.
    """
    done = [line for line in lines if records.is_done(line)]
    changed = Counter(line["config"]["baseline"] for line in done if plan.method_changed(line))
    rows = [(line["config"]["baseline"], line["label"]) for line in done if "label" in line]
    stale = plan.edits(changed, f"pcbench sweep {study} --redo", rows)
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
