"""From the runs' folders to ``results/<study>.jsonl``: the only writer of that file.

Beside it goes ``<study>.sentences.npz``, as far as the runs' folders are here.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import records, sentences, status
from benchmark.data import recorded
from benchmark.files import write_atomic
from benchmark.leftovers import clear_finished
from benchmark.provenance import checkout
from benchmark.records import Record

if TYPE_CHECKING:
    from benchmark.study import Labelled, Study


@dataclass(frozen=True)
class Collected:
    """``path`` written, runs ``counts`` by status, and ``notes`` for the user."""

    path: Path
    counts: dict[str, int]
    notes: list[str]

    def show(self) -> None:
        """Print the notes on standard error, the counts on standard output."""
        for note in self.notes:
            print(f"pcbench: {note}", file=sys.stderr)
        counts = ", ".join(f"{number} {status}" for status, number in sorted(self.counts.items()))
        print(f"{self.path}: {counts}", flush=True)


def collect(
    study: "Study",
    runs: Path,
    results: Path,
    prune: bool = False,
    seeds: Sequence[int] | None = None,
) -> Collected:
    """Write one line for each run of the study, sorted by id, atomically.

    A line is the run's record with ``status`` "done", or for a run without one its status alone;
    beside it the ``label`` and ``row`` (place in the study) of its table row. A record collected
    before stays, also when the runs folder no longer has it; where both exist and their metrics
    differ, the collected one stays and a note says so. Records of runs that the study no longer
    names stay too, with ``row`` null, unless ``prune``. With ``seeds`` only these are looked for;
    what was collected of the others stays. What killed processes left in finished runs' folders is
    removed. What is known of each sentence goes into the study's ``sentences.npz``.

    Raises:
        UserError: a record or a collected file is damaged, or a file cannot be written; the records
            collected before are unchanged then.
    """
    path = results / f"{study.name}.jsonl"
    kept = {line["id"]: line for line in records.read_jsonl(path)} if path.exists() else {}
    kept = {key: line for key, line in kept.items() if records.is_done(line)}
    rows = {label: row for row, label in enumerate(study.labels)}
    lines: dict[str, Record] = {}
    notes: list[str] = []
    for run in study.configs:
        base = {"label": run.label, "row": rows[run.label]}
        file = runs / run.id / "record.json"
        fresh = records.read(file) if file.exists() else None
        if fresh is not None:
            clear_finished(file.parent)
        old = kept.pop(run.id, None)
        if old is None and seeds is not None and run.config.seed not in seeds:
            continue
        if old is not None and fresh is not None:
            notes += _compare(old, fresh, path, file)
        record = old or fresh
        if record is not None:
            lines[run.id] = {**record, **base, "status": "done"}
        else:
            lines[run.id] = _absent(run, runs) | base
    if kept:
        fate = "dropped" if prune else "kept without a row (--prune drops them)"
        notes.append(f"{path}: {len(kept)} records of runs that the study no longer names: {fate}")
    if not prune:
        lines |= {key: {**line, "row": None} for key, line in kept.items()}
    origins = [line["provenance"] for line in lines.values() if records.is_done(line)]
    for number, what in (
        (sum(bool(origin["dirty"]) for origin in origins), "of code that was not committed"),
        (sum(origin["commit"] is None for origin in origins), "that name no commit"),
    ):
        if number:
            notes.append(f"{path}: {number} records {what}: not to contribute")
    text = "".join(records.dumps(lines[key]) + "\n" for key in sorted(lines))
    notes += sentences.collect(sentences.path_of(results, study.name), [*lines.values()], runs)
    write_atomic(path, text.encode())
    counts = Counter(line["status"] for line in lines.values() if line["row"] is not None)
    return Collected(path, dict(counts), notes)


def _compare(old: Record, fresh: Record, path: Path, file: Path) -> list[str]:
    found = [text for text in records.differences(old, fresh) if text.startswith("metrics")]
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [f"{file}: differs from the record in {path}, which is kept: {found[0]}{more}"]


def _absent(run: "Labelled", runs: Path) -> Record:
    """The line of a run without a record: with what decides in which table it is missing."""
    now = status.state(runs / run.id)
    line: Record = {"schema": records.SCHEMA, "id": run.id, "status": now.status}
    if now.status == "failed":
        line["error"] = without_folders(now.detail, runs)
    of = run.config
    known = {"data": recorded(of.data), "seed": of.seed, "precision": of.precision}
    return line | {"config": known}


def without_folders(text: str, runs: Path) -> str:
    """An error's text as it may be committed: no absolute path keeps the folders before its name.

    Folders that are known go whole, whatever blanks they hold; of any other path, its last name
    stays. Addresses (``https://...``) stay as they are.
    """
    for known in (runs.absolute(), runs.resolve(), checkout(), Path.cwd(), Path.home()):
        if known != Path(known.anchor):
            text = text.replace(f"{known}/", "")
    return re.sub(r"(?:(?<![\w:/.])|(?<=\btext:))/(?:[^\s/:;,'\"()]+/)+", "", text)
