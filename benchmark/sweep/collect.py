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

from benchmark.core import records, sentences
from benchmark.core.files import write_atomic
from benchmark.core.provenance import checkout
from benchmark.core.records import Record
from benchmark.data import recorded
from benchmark.run.claims import clear_finished
from benchmark.sweep import origin, plan, status

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study


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


@dataclass(frozen=True)
class Taking:
    """What collecting may take beside new records.

    Args:
        replace: a record whose figures differ from the collected one's, or that came later.
        only: replace these runs alone.
        other: a file collected elsewhere, whose records are taken like those of the runs folder.
    """

    replace: bool = False
    only: "Study | None" = None
    other: Path | None = None

    def replaces(self, old: Record, fresh: Record) -> bool:
        """Whether a record takes the place of a collected one, which is not the better one."""
        chosen = self.only is None or any(run.id == fresh["id"] for run in self.only.configs)
        return self.replace and chosen and not _worse(old, fresh)


def collect(
    study: "Study",
    runs: Path,
    results: Path,
    prune: bool = False,
    seeds: Sequence[int] | None = None,
    taking: Taking | None = None,
) -> Collected:
    """Write one line for each run of the study, sorted by id, atomically.

    A line is the run's record with ``status`` "done", or for a run without one its status alone;
    beside it the ``label`` and ``row`` (place in the study) of its table row. A record collected
    before stays, also when the runs folder no longer has it. Where another one's figures differ, a
    note says so, and ``taking`` may take it. Records of runs that the study no longer names stay
    too, with ``row`` null, unless ``prune``. What killed processes left in finished runs' folders
    is removed. What is known of each sentence goes into the study's ``sentences.npz``.

    Args:
        study: all of it.
        runs: the runs folder.
        results: the folder of the file.
        prune: drop records that the study no longer names.
        seeds: look for these alone; what was collected of the others stays.
        taking: what replaces a record; nothing does by default.

    Raises:
        UserError: a record or a collected file is damaged, or a file cannot be written; the records
            collected before are unchanged then.
    """
    taking = taking or Taking()
    path = results / f"{study.name}.jsonl"
    kept = plan.done(path) if path.exists() else {}
    theirs, notes = _of_others(study, taking.other)
    rows = {label: row for row, label in enumerate(study.labels)}
    lines: dict[str, Record] = {}
    taken: dict[str, list[str]] = {"new": [], "replaced": []}
    for run in study.configs:
        base = {"label": run.label, "row": rows[run.label]}
        record = kept.pop(run.id, None)
        if record is None and seeds is not None and run.config.seed not in seeds:
            continue
        candidates = _of_folder(plan.home(runs, run.id), record)
        if run.id in theirs:
            candidates.append((str(taking.other), theirs[run.id]))
        for where, fresh in candidates:
            if record is None:
                record = fresh
                taken["new"].append(run.id)
            elif records.digest(fresh) != records.digest(record):
                different = _differences(record, fresh)
                if (different or _later(record, fresh)) and taking.replaces(record, fresh):
                    record = fresh
                    taken["replaced"].append(run.id)
                elif different:
                    notes.append(_kept(where, different, path, _worse(record, fresh)))
        if record is not None:
            lines[run.id] = {**record, **base, "status": "done"}
        else:
            lines[run.id] = _absent(run, runs) | base
    notes += _of_other_settings(study, runs, lines)
    if kept:
        fate = "dropped" if prune else "kept without a row (--prune drops them)"
        notes.append(f"{path}: {len(kept)} records of runs that the study no longer names: {fate}")
    if not prune:
        lines |= {key: {**line, "row": None} for key, line in kept.items()}
    if taken["replaced"]:
        notes.append(f"{path}: replaced: {', '.join(taken['replaced'])}")
    notes += _doubts(path, study, lines)
    text = "".join(records.dumps(lines[key]) + "\n" for key in sorted(lines))
    notes += sentences.collect(sentences.path_of(results, study.name), [*lines.values()], runs)
    write_atomic(path, text.encode())
    counts = Counter(line["status"] for line in lines.values() if line["row"] is not None)
    return Collected(
        path, dict(counts), notes, {how: len(ids) for how, ids in taken.items() if ids}
    )


def _of_other_settings(study: "Study", runs: Path, lines: dict[str, Record]) -> list[str]:
    """Finished runs of the same data, baselines and seeds that the study does not name."""
    missing = {key.rpartition("-")[0] for key, line in lines.items() if not records.is_done(line)}
    named = {run.id for run in study.configs}
    others = sorted(
        path.parent.name
        for path in (runs.glob("*/record.json") if missing else ())
        if path.parent.name not in named and path.parent.name.rpartition("-")[0] in missing
    )
    if not others:
        return []
    return [
        f"{runs}: holds {len(others)} finished runs of other settings, such as {others[0]}: the "
        "study changed, or they were swept with --set, which collect takes too"
    ]


def _of_others(study: "Study", other: Path | None) -> tuple[dict[str, Record], list[str]]:
    """Another's records of the study's runs, checked, and what is to be said of them."""
    if other is None:
        return {}, []
    configs = {run.id: run.config for run in study.configs}
    theirs = plan.done(other)
    ours = {run_id: line for run_id, line in theirs.items() if run_id in configs}
    notes = origin.check(other, ours, configs)
    if foreign := len(theirs) - len(ours):
        notes.append(
            f"{other}: {foreign} records of runs that {study.path} does not name: left out"
        )
    return ours, notes


def _of_folder(folder: Path | None, collected: Record | None) -> list[tuple[str, Record]]:
    """A run's records and their files: the one that was measured again counts as the newer."""
    if folder is None:
        return []
    clear_finished(folder)
    file, again = folder / "record.json", folder / plan.MEASURED
    files = [again] if again.exists() else []
    if collected is None or not files:
        files.insert(0, file)
    return [(str(one), records.read(one)) for one in files]


def _differences(record: Record, fresh: Record) -> list[str]:
    """In what figures, or in what way of measuring, two records of one run differ."""
    ways = [one.get("evaluation_digest", "none") for one in (record, fresh)]
    other = [] if ways[0] == ways[1] else [f"evaluation_digest: {ways[0]} against {ways[1]}"]
    return records.differences(record, fresh, "metrics") + other


def _later(old: Record, fresh: Record) -> bool:
    """Whether a record was finished after another."""
    ends = [one["provenance"].get("finished", "") for one in (old, fresh)]
    return bool(ends[0] < ends[1])


def _worse(old: Record, fresh: Record) -> str:
    """Why a record must not take the place of another, or nothing."""
    if fresh.get("evaluation", 1) < old.get("evaluation", 1):
        return "it is of an older evaluation"
    if plan.method_changed(fresh) and not plan.method_changed(old):
        return "it is of an earlier method"
    return ""


def _kept(where: str, different: Sequence[str], path: Path, worse: str) -> str:
    """What to say of a record that differs from the collected one and is not taken."""
    more = f" and {len(different) - 1} more" if len(different) > 1 else ""
    return (f"{where}: differs from the record in {path}, which is kept "
            f"({worse or '--replace takes it'}): {different[0]}{more}")  # fmt: skip


def _doubts(path: Path, study: "Study", lines: dict[str, Record]) -> list[str]:
    """How many records are not fit to contribute, or not to stand beside the others."""
    known = {key: line for key, line in lines.items() if records.is_done(line)}
    origins = [line["provenance"] for line in known.values()]
    origins += [one["measured"] for one in origins if "measured" in one]
    configs = {run.id: run.config for run in study.configs}
    other = sum(
        line["evaluation_digest"] != configs[key].evaluation_digest_of(line["evaluation"])
        for key, line in known.items()
        if key in configs and "evaluation" in line and "evaluation_digest" in line
    )
    return [
        f"{path}: {number} records {what}"
        for number, what in (
            (sum(bool(one.get("dirty")) for one in origins),
             "of code that was not committed: not to contribute; commit it, `sweep --redo` trains "
             "them again"),
            (sum(one.get("commit") is None for one in origins),
             "that name no commit: not to contribute"),
            (other, "measured by other [evaluate] settings than the study's"),
        )
        if number
    ]  # fmt: skip


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
