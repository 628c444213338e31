"""What of a study has a record, in the runs folder or collected, and what is still to be trained.

A collected line counts like a record, so that a new row costs no more than its own runs. A record
is stale where today's code would measure it otherwise, or where its method's file has changed;
it stays until `sweep --redo` has trained its run again.
"""

import glob
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout
from benchmark.core.records import Record
from benchmark.model import registry
from benchmark.run import claims
from benchmark.run.config import EVALUATION, RunConfig

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study

AGAIN, REPLACED = "again", "replaced"  # in the runs folder: what --redo trains, what stood before
MEASURED = "evaluated.json"  # in a run's folder: its record with figures measured again


@dataclass(frozen=True)
class Standing:
    """A run and its record; ``place`` is "runs" or "results", empty where there is none."""

    run: "Labelled"
    record: Record | None = None
    place: str = ""

    @property
    def method_changed(self) -> bool:
        """Whether the method's file was another one when the run was trained."""
        return self.record is not None and method_changed(self.record)

    @property
    def measured_otherwise(self) -> str:
        """Why today's code would measure other figures, or nothing."""
        return "" if self.record is None else _measured_otherwise(self.record, self.run.config)

    @property
    def stale(self) -> bool:
        """Whether the record says less than a new one would."""
        return bool(self.measured_otherwise) or self.method_changed


def standings(study: "Study", runs: Path, results: Path | None) -> list[Standing]:
    """Each run of a study with its record, the one in the runs folder before a collected one.

    A stale one in the runs folder gives way to a collected one that is not.

    Args:
        study: in its order.
        runs: the runs folder.
        results: the folder of collected files; None: collected records do not count.

    Raises:
        UserError: the collected file is damaged. A damaged record in the runs folder counts as
            none that can be stale; collecting tells what is wrong with it.
    """
    collected = _collected(study, results)
    listed = []
    for run in study.configs:
        folder = home(runs, run.id)
        here = Standing(run, latest(folder), "runs") if folder is not None else None
        there = Standing(run, collected[run.id], "results") if run.id in collected else None
        if here is not None and there is not None and here.stale and not there.stale:
            here = None
        listed.append(here or there or Standing(run))
    return listed


def pending(study: "Study", runs: Path, results: Path | None = None) -> list["Labelled"]:
    """The runs without a record, in the study's order; ``results`` as in `standings`."""
    collected = _collected(study, results)
    return [r for r in study.configs if r.id not in collected and home(runs, r.id) is None]


def home(runs: Path, run_id: str) -> Path | None:
    """The folder of a finished run; None where there is none.

    Its own, but for the moment in which `adopt` has moved the earlier one away.
    """
    places = (runs / run_id, runs / AGAIN / run_id)
    there = [place for place in places if (place / "record.json").exists()]
    return there[0] if there and (there[0] == places[0] or not places[0].exists()) else None


def _collected(study: "Study", results: Path | None) -> dict[str, Record]:
    path = results / f"{study.name}.jsonl" if results is not None else None
    return done(path) if path is not None and path.exists() else {}


def done(path: Path) -> dict[str, Record]:
    """The records of a collected file by id."""
    return {line["id"]: line for line in records.read_jsonl(path) if records.is_done(line)}


def latest(folder: Path) -> Record | None:
    """A run's record, with the figures measured last; None without one, or for a damaged one."""
    for name in (MEASURED, "record.json"):
        try:
            return records.read(folder / name)
        except UserError:
            continue
    return None


def _measured_otherwise(record: Record, config: RunConfig) -> str:
    version = record.get("evaluation", 1)  # records of version 1 do not tell it
    if version != EVALUATION:
        return f"evaluation {version}, today's is {EVALUATION}"
    if record.get("evaluation_digest", config.evaluation_digest) != config.evaluation_digest:
        return "other [evaluate] settings than the study's"
    return ""


def method_changed(record: Record) -> bool:
    """Whether a record's baseline was another file when its run was trained.

    A record without the file's digest is compared by its commit; where that is unknown too, it
    counts as unchanged. A file outside the checkout is part of the run's id.
    """
    name, origin = record["config"]["baseline"], record["provenance"]
    if record["config"].get("file") is not None:
        return False
    then = origin.get("method_sha256") or _digest_at(origin["commit"], name)
    return then is not None and then != _digest_now(name)


@cache
def _digest_now(name: str) -> str | None:
    try:
        return registry.digest(name)
    except UserError:
        return None


@cache
def _digest_at(commit: str | None, name: str) -> str | None:
    """The digest of a baseline's file in a commit, if git has it."""
    shown = ["git", "-C", str(checkout()), "show", f"{commit}:baselines/{name}.py"]
    try:
        done = subprocess.run(shown, capture_output=True, timeout=30)
        return registry.digest_of(done.stdout, name) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, UserError):
        return None


def remarks(study: "Study", listed: Sequence[Standing], results: Path | None) -> list[str]:
    """What a user must know of records that count as done: collected ones, stale ones."""
    said = []
    number = sum(one.place == "results" for one in listed)
    if number and results is not None:
        said.append(
            f"{number} of {len(listed)} runs count as done by {results / study.name}.jsonl; "
            "--fresh trains them here too"
        )
    changed = [one for one in listed if one.method_changed]
    named = shlex.quote(str(study.path))
    said += edits(
        Counter(one.run.config.baseline for one in changed),
        f"pcbench sweep {named} --redo",
        [(one.run.config.baseline, one.run.label) for one in changed],
    )
    otherwise = Counter(reason for one in listed if (reason := one.measured_otherwise))
    for reason, count in otherwise.items():
        said.append(
            f"{_records(count)} measured by {reason}; `pcbench evaluate {named}` measures "
            "kept weights again, --redo trains anew"
        )
    return said


def edits(changed: Counter[str], redo: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    """A line on baselines whose files changed since runs were trained.

    Args:
        changed: how many runs of each baseline.
        redo: the command that trains all stale records again; with a row it trains that alone.
        rows: baselines, with each of their rows.
    """
    if not changed:
        return []
    labels = {name: {label for of, label in rows if of == name} for name in changed}
    if len(changed) > 3 or any(len(of) > 1 for of in labels.values()):
        names = ", ".join(f"{name}.py" for name in sorted(changed))
        return [f"changed since {sum(changed.values())} of their runs: {names}; "
                f"`{redo} ROW` trains a row again"]  # fmt: skip
    return [
        f"{name}.py changed since {'this run' if count == 1 else f'these {count} runs'}; "
        f"`{redo} {shlex.quote(min(labels[name], default=name))}` trains "
        f"{'it' if count == 1 else 'them'} again"
        for name, count in sorted(changed.items())
    ]


def _records(count: int) -> str:
    return "1 record was" if count == 1 else f"{count} records were"


def again(study: "Study", runs: Path, results: Path | None, names: Sequence[str]) -> "Study":
    """The part of a study that `--redo` trains again: rows or ids, or all that is stale.

    Raises:
        UserError: no such row, nothing to train again, or a run is at work.
    """
    listed = standings(study.only(names), runs, results)
    chosen = [one.run for one in listed if one.place and (names or one.stale)]
    if not chosen:
        what = "of these runs has a record" if names else "has a stale record"
        raise UserError(f"{study.path}: nothing {what}; sweep without --redo trains what has none")
    for run in chosen:
        if claims.holder(runs / run.id) is not None:
            raise UserError(f"{runs / run.id}: is at work; train it again when it has ended")
    return replace(study, configs=tuple(chosen))


def adopt(runs: Path, ids: Iterable[str]) -> int:
    """Put runs that were trained again in their place; what stood there moves to ``replaced/``.

    The caller holds the claim of ``runs / AGAIN``, so that no two processes move.

    Returns:
        How many.

    Raises:
        UserError: the runs folder cannot be written.
    """
    moved = 0
    for run_id in ids:
        fresh, place = runs / AGAIN / run_id, runs / run_id
        if not (fresh / "record.json").exists() or claims.holder(place) is not None:
            continue
        try:
            if place.exists():
                (runs / REPLACED).mkdir(exist_ok=True)
                earlier = (runs / REPLACED).glob(f"{glob.escape(run_id)}.*")
                last = max((int(path.suffix[1:]) for path in earlier), default=0)
                place.rename(runs / REPLACED / f"{run_id}.{last + 1}")
            fresh.rename(place)
        except OSError as error:
            raise UserError(
                f"{place}: cannot be moved ({error.strerror}); free the folder, the same command "
                "goes on"
            ) from error
        moved += 1
    return moved
