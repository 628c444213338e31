"""Write ``results/<study>.jsonl`` from the runs' folders; nothing else writes that file.

``<study>.sentences.npz`` goes next to it, as far as the runs' folders are here.
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core import records, sentences
from benchmark.core.files import write_atomic
from benchmark.core.provenance import checkout
from benchmark.core.records import Record
from benchmark.core.schema import Origin
from benchmark.data import find
from benchmark.run.claims import clear_finished
from benchmark.sweep import origin, plan, status
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
        taken = ", ".join(f"{number} {how}" for how, number in self.taken.items() if number)
        print(f"{self.path}: {counts}{taken and f' ({taken})'}", flush=True)


@dataclass(frozen=True)
class Taking:
    """What collecting may take besides new records.

    Args:
        replace: a record whose numbers differ from the collected one's, or that came later.
        only: replace these runs alone.
        other: a file collected elsewhere, whose records are taken like those of the runs folder.
    """

    replace: bool = False
    only: Study | None = None
    other: Path | None = None


def collect(
    study: Study,
    runs: Path,
    results: Path,
    prune: bool = False,
    seeds: Sequence[int] | None = None,
    taking: Taking | None = None,
) -> Collected:
    """Write one line for each run of the study, sorted by id, atomically.

    A line is the run's record with ``status`` "done", or the status of a run without one; the
    ``label`` and ``row`` (place in the study) of its table row are added. A record collected
    before stays, also if the runs folder no longer has it. If another one's numbers differ, a note
    says so, and ``taking`` may take it. Records of runs that the study no longer names stay, too,
    with ``row`` null, unless ``prune``. What killed processes left in finished runs' folders is
    removed.

    Args:
        study: all of it.
        runs: the runs folder.
        results: the folder of the file.
        prune: drop records that the study no longer names.
        seeds: look for these alone; what was collected of the others stays.
        taking: what replaces a record; by default nothing does.

    Raises:
        UserError: a record or a collected file is damaged; the file is unchanged then.
    """
    taking = taking or Taking()
    path = results / f"{study.name}.jsonl"
    kept = plan.done(path) if path.exists() else {}
    theirs, notes = _theirs(study, taking.other)
    replaceable = {run.id for run in (taking.only or study).configs if taking.replace}
    labels, lines = study.labels, dict[str, Any]()
    replaced, new = [], 0
    for run in study.configs:
        record = old = kept.pop(run.id, None)
        if old is None and seeds is not None and run.config.seed not in seeds:
            continue
        candidates = _candidates(plan.home(runs, run.id), old)
        if run.id in theirs:
            candidates.append((taking.other, theirs[run.id]))
        for file, fresh in candidates:
            if record is None:
                record = fresh
                continue
            different = records.differences(record, fresh, "metrics", "evaluation_digest")
            worse = _worse(record, fresh)
            ends = [one["provenance"].get("finished", "") for one in (record, fresh)]
            if (different or ends[0] < ends[1]) and run.id in replaceable and not worse:
                record = fresh
            elif different:
                more = f" and {len(different) - 1} more" if len(different) > 1 else ""
                notes.append(
                    f"{file}: differs from the record in {path}, which is kept "
                    f"({worse or '--replace takes the new one'}): {different[0]}{more}"
                )
        if old is not None and record is not old:
            replaced.append(run.id)
        new += old is None and record is not None
        line = _absent(run, runs) if record is None else {**record, "status": "done"}
        lines[run.id] = line | {"label": run.label, "row": labels.index(run.label)}
    notes += _of_other_settings(study, runs, lines)
    if kept:
        fate = "dropped" if prune else "kept without a row (--prune drops them)"
        notes.append(f"{path}: {len(kept)} records of runs that the study no longer names: {fate}")
    if not prune:
        lines |= {key: {**line, "row": None} for key, line in kept.items()}
    if replaced:
        notes.append(f"{path}: replaced: {', '.join(replaced)}")
    notes += _doubts(path, study, lines)
    text = "".join(records.dumps(lines[key]) + "\n" for key in sorted(lines))
    notes += sentences.collect(sentences.path_of(results, study.name), [*lines.values()], runs)
    write_atomic(path, text.encode())
    counts = Counter(line["status"] for line in lines.values() if line["row"] is not None)
    return Collected(path, dict(counts), notes, {"new": new, "replaced": len(replaced)})


def _theirs(study: Study, file: Path | None) -> tuple[dict[str, Record], list[str]]:
    """Return checked records of the study's runs from another file, and notes on them."""
    if file is None:
        return {}, []
    configs = {run.id: run.config for run in study.configs}
    theirs = plan.done(file)
    ours = {run_id: line for run_id, line in theirs.items() if run_id in configs}
    notes = origin.check(file, ours, configs)
    if foreign := len(theirs) - len(ours):
        notes.append(f"{file}: {foreign} records of runs that {study.path} does not name: left out")
    return ours, notes


def _candidates(folder: Path | None, old: Record | None) -> list[tuple[Path | None, Record]]:
    """Return a run's files and their records, those measured again last."""
    if folder is None:
        return []
    clear_finished(folder)
    file, again = folder / records.FILE, folder / plan.MEASURED
    files = [file] if old is None or not again.exists() else []
    files += [again] if again.exists() else []
    return [(one, records.read(one)) for one in files]


def _worse(old: Record, fresh: Record) -> str:
    """Return why a record must not replace an older one, or an empty text."""
    if fresh.get("evaluation", 1) < old.get("evaluation", 1):
        return "the new one is of an older evaluation"
    if plan.method_changed(fresh) and not plan.method_changed(old):
        return "the new one is of an earlier method"
    return ""


def _of_other_settings(study: Study, runs: Path, lines: Mapping[str, Any]) -> list[str]:
    """Return a note on finished runs that match a missing run in all but settings."""
    missing = {key.rpartition("-")[0] for key, line in lines.items() if not records.is_done(line)}
    named = {run.id for run in study.configs}
    folders = [path.parent.name for path in runs.glob(f"*/{records.FILE}")] if missing else []
    others = sorted(f for f in folders if f not in named and f.rpartition("-")[0] in missing)
    if not others:
        return []
    return [
        f"{runs}: holds {len(others)} finished runs of other settings, such as {others[0]}: the "
        "study has changed, or they were trained with --set, which `pcbench collect` takes too"
    ]


def _doubts(path: Path, study: Study, lines: Mapping[str, Any]) -> list[str]:
    """Return notes on records that cannot be contributed or compared with the others."""
    known = [line for line in lines.values() if records.is_done(line)]
    runs = [line["provenance"] for line in known]
    origins: list[Origin] = [*runs, *(one["measured"] for one in runs if "measured" in one)]
    configs = {run.id: run.config for run in study.configs}
    measured = [line for line in known if {"evaluation", "evaluation_digest"} <= line.keys()]
    doubts = {
        "of code that was not committed cannot be contributed: commit it and train them again "
        "with `sweep --redo`": sum(bool(one.get("dirty")) for one in origins),
        "that name no commit cannot be contributed": sum(
            one.get("commit") is None for one in origins
        ),
        "were measured by other [evaluate] settings than the study's": sum(
            line["evaluation_digest"]
            != configs[line["id"]].evaluation_digest_of(line["evaluation"])
            for line in measured
            if line["id"] in configs
        ),
    }
    return [f"{path}: {number} records {what}" for what, number in doubts.items() if number]


def _absent(run: Labelled, runs: Path) -> dict[str, Any]:
    """Return the line of a run without a record, with the settings that name its table."""
    now, config = status.state(runs / run.id), run.config
    line = {"schema": records.SCHEMA, "id": run.id, "status": now.status}
    if now.status == "failed":
        line["error"] = without_folders(now.detail, runs)
    known = {"data": find(config.data).recorded, "seed": config.seed, "precision": config.precision}
    return line | {"config": known}


def without_folders(text: str, runs: Path) -> str:
    """Return an error's text without the folders of absolute paths, so that it can be committed.

    Known folders go whole, whatever blanks they hold; of any other path, its last name stays.
    Addresses (``https://...``) stay as they are.
    """
    for known in (runs.absolute(), runs.resolve(), checkout(), Path.cwd(), Path.home()):
        if known != Path(known.anchor):
            text = text.replace(f"{known}/", "")
    return re.sub(r"(?:(?<![\w:/.])|(?<=\btext:))/(?:[^\s/:;,'\"()]+/)+", "", text)
