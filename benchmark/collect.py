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

from benchmark import origin, plan, records, sentences, status
from benchmark.data import recorded
from benchmark.files import write_atomic
from benchmark.leftovers import clear_finished
from benchmark.provenance import checkout
from benchmark.records import Record

if TYPE_CHECKING:
    from benchmark.study import Labelled, Study


@dataclass(frozen=True)
class Collected:
    """``path`` written, runs by status, ``notes`` for the user, how many records were taken."""

    path: Path
    counts: dict[str, int]
    notes: list[str]
    taken: dict[str, int]

    def show(self) -> None:
        """Print the notes on standard error, the counts on standard output."""
        for note in self.notes:
            print(f"pcbench: {note}", file=sys.stderr)
        counts = ", ".join(f"{number} {status}" for status, number in sorted(self.counts.items()))
        taken = ", ".join(f"{number} {how}" for how, number in self.taken.items())
        print(f"{self.path}: {counts}{taken and f' ({taken})'}", flush=True)


def collect(
    study: "Study",
    runs: Path,
    results: Path,
    prune: bool = False,
    seeds: Sequence[int] | None = None,
    replace: bool = False,
    other: Path | None = None,
) -> Collected:
    """Write one line for each run of the study, sorted by id, atomically.

    A line is the run's record with ``status`` "done", or for a run without one its status alone;
    beside it the ``label`` and ``row`` (place in the study) of its table row. A record collected
    before stays, also when the runs folder no longer has it. Where another one's metrics differ, a
    note says so, and ``replace`` takes the other one, unless it is of an older evaluation. Records
    of runs that the study no longer names stay too, with ``row`` null, unless ``prune``. What
    killed processes left in finished runs' folders is removed. What is known of each sentence goes
    into the study's ``sentences.npz``.

    Args:
        study: all of it.
        runs: the runs folder.
        results: the folder of the file.
        prune: drop records that the study no longer names.
        seeds: look for these alone; what was collected of the others stays.
        replace: take records whose metrics differ from collected ones.
        other: a file collected elsewhere, whose records are taken like those of the runs folder.

    Raises:
        UserError: a record or a collected file is damaged, or a file cannot be written; the records
            collected before are unchanged then.
    """
    path = results / f"{study.name}.jsonl"
    kept, theirs = _done(path) if path.exists() else {}, {} if other is None else _done(other)
    rows = {label: row for row, label in enumerate(study.labels)}
    lines: dict[str, Record] = {}
    notes: list[str] = []
    if foreign := theirs.keys() - {run.id for run in study.configs}:
        notes.append(f"{other}: {len(foreign)} records of runs that {study.path} does not name: "
                     "left out")  # fmt: skip
    if other is not None:
        configs = {run.id: run.config for run in study.configs}
        notes += origin.check(other, {i: theirs[i] for i in theirs if i in configs}, configs)
    taken = Counter[str]()
    for run in study.configs:
        base = {"label": run.label, "row": rows[run.label]}
        record = kept.pop(run.id, None)
        if record is None and seeds is not None and run.config.seed not in seeds:
            continue
        candidates = _of_folder(runs / run.id, record)
        if run.id in theirs:
            candidates.append((str(other), theirs[run.id]))
        for where, fresh in candidates:
            if record is None:
                record = fresh
                taken["new"] += 1
            elif different := _differences(record, fresh):
                newer = fresh.get("evaluation", 1) >= record.get("evaluation", 1)
                if replace and newer:
                    record = fresh
                    taken["replaced"] += 1
                else:
                    notes.append(_kept(where, different, path, newer))
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
        (sum(bool(one["dirty"]) for one in origins), "of code that was not committed"),
        (sum(one["commit"] is None for one in origins), "that name no commit"),
    ):
        if number:
            notes.append(f"{path}: {number} records {what}: not to contribute")
    text = "".join(records.dumps(lines[key]) + "\n" for key in sorted(lines))
    notes += sentences.collect(sentences.path_of(results, study.name), [*lines.values()], runs)
    write_atomic(path, text.encode())
    counts = Counter(line["status"] for line in lines.values() if line["row"] is not None)
    return Collected(path, dict(counts), notes, dict(taken))


def _done(path: Path) -> dict[str, Record]:
    """The records of a collected file by id."""
    return {line["id"]: line for line in records.read_jsonl(path) if records.is_done(line)}


def _of_folder(folder: Path, collected: Record | None) -> list[tuple[str, Record]]:
    """A run's records and their files: the one that was measured again counts as the newer."""
    file, again = folder / "record.json", folder / plan.MEASURED
    if not file.exists():
        return []
    clear_finished(folder)
    files = [again] if again.exists() else []
    if collected is None or not files:
        files.insert(0, file)
    return [(str(one), records.read(one)) for one in files]


def _differences(record: Record, fresh: Record) -> list[str]:
    """In what figures, or in what way of measuring, two records of one run differ."""
    ways = [one.get("evaluation_digest", "none") for one in (record, fresh)]
    other = [] if ways[0] == ways[1] else [f"evaluation_digest: {ways[0]} against {ways[1]}"]
    return records.differences(record, fresh, "metrics") + other


def _kept(where: str, different: Sequence[str], path: Path, newer: bool) -> str:
    """What to say of a record that differs from the collected one and is not taken."""
    more = f" and {len(different) - 1} more" if len(different) > 1 else ""
    mend = "--replace takes it" if newer else "it is of an older evaluation"
    return (f"{where}: differs from the record in {path}, which is kept ({mend}): "
            f"{different[0]}{more}")  # fmt: skip


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
