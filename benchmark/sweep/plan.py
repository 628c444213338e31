"""Which runs of a study have a record, in the runs folder or collected, and which are to train.

A collected line counts like a record, so that a new row costs only its own runs. A record is stale
if today's code would measure it otherwise, or if its method's file has changed; it stays until
`sweep --redo` has trained its run again.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout, git
from benchmark.core.records import Record
from benchmark.model import registry
from benchmark.run import claims
from benchmark.run.config import EVALUATION
from benchmark.sweep.study import Labelled, Study

AGAIN, REPLACED = "again", "replaced"  # in the runs folder: what --redo trains, what stood before
MEASURED = "evaluated.json"  # in a run's folder: its record with numbers measured again


@dataclass(frozen=True)
class Standing:
    """A run and its record; ``place`` is "runs" or "results", empty if there is none."""

    run: Labelled
    record: Record | None = None
    place: str = ""

    @property
    def method_changed(self) -> bool:
        """Whether the method's file was another one when the run was trained."""
        return self.record is not None and method_changed(self.record)

    @property
    def measured_otherwise(self) -> str:
        """Why today's code would measure other numbers, or nothing."""
        if self.record is None:
            return ""
        if (version := self.record.get("evaluation", 1)) != EVALUATION:
            return f"evaluation {version}, today's is {EVALUATION}"
        today = self.run.config.evaluation_digest
        same = self.record.get("evaluation_digest", today) == today
        return "" if same else "other [evaluate] settings than the study's"

    @property
    def stale(self) -> bool:
        """Whether the record says less than a new one would."""
        return bool(self.measured_otherwise) or self.method_changed


def standings(study: Study, runs: Path, results: Path | None) -> list[Standing]:
    """Return each run of a study with its record: that of the runs folder before a collected one.

    A stale one in the runs folder gives way to a collected one that is not.

    Args:
        study: in its order.
        runs: the runs folder.
        results: the folder of collected files; None: collected records do not count.
    """
    collected = _collected(study, results)
    listed = []
    for run in study.configs:
        folder = home(runs, run.id)
        one = Standing(run, latest(folder), "runs") if folder is not None else Standing(run)
        if run.id in collected and (not one.place or one.stale):
            other = Standing(run, collected[run.id], "results")
            one = one if one.place and other.stale else other
        listed.append(one)
    return listed


def pending(study: Study, runs: Path, results: Path | None = None) -> list[Labelled]:
    """Return the runs without a record, in the study's order; ``results`` as in `standings`."""
    collected = _collected(study, results)
    return [r for r in study.configs if r.id not in collected and home(runs, r.id) is None]


def _collected(study: Study, results: Path | None) -> dict[str, Record]:
    path = results / f"{study.name}.jsonl" if results is not None else None
    return done(path) if path is not None and path.exists() else {}


def home(runs: Path, run_id: str) -> Path | None:
    """Return the folder of a finished run, or None.

    It is the run's own, except for the moment in which `adopt` has moved the earlier one away.
    """
    place, fresh = runs / run_id, runs / AGAIN / run_id
    if records.finished(place):
        return place
    return fresh if records.finished(fresh) and not place.exists() else None


def done(path: Path) -> dict[str, Record]:
    """Return the records of a collected file by id."""
    return {line["id"]: line for line in records.read_jsonl(path) if records.is_done(line)}


def latest(folder: Path) -> Record | None:
    """Return a run's record with the numbers measured last, or None.

    A damaged one counts as none: collecting says what is wrong with it.
    """
    for name in (MEASURED, records.FILE):
        try:
            record: Record = records.read(folder / name)
            return record
        except UserError:
            continue
    return None


def method_changed(record: Record) -> bool:
    """Return whether a record's baseline was another file when its run was trained.

    A record without the file's digest is compared by its commit; if Git does not have that either,
    it counts as unchanged. A file outside the checkout is part of the run's id.
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
    """Return the digest of a baseline's file in a commit, if Git has it."""
    shown = git(checkout(), "show", f"{commit}:baselines/{name}.py")
    try:
        return None if shown.returncode else registry.digest_of(shown.stdout, name)
    except UserError:
        return None


def remarks(study: Study, listed: Sequence[Standing], results: Path | None) -> list[str]:
    """Return notes on records that count as done although they are collected or stale."""
    lines = []
    number = sum(one.place == "results" for one in listed)
    if number and results is not None:
        lines.append(
            f"{number} of {len(listed)} runs count as done, by {results / study.name}.jsonl; "
            "use --fresh to train them here too"
        )
    named = shlex.quote(str(study.path))
    labelled: list[Record] = [
        {**one.record, "label": one.run.label} for one in listed if one.record is not None
    ]
    lines += edits(filter(method_changed, labelled), f"pcbench sweep {named} --redo")
    for reason, count in Counter(one.measured_otherwise for one in listed).items():
        if reason:
            lines.append(
                f"{'1 record was' if count == 1 else f'{count} records were'} measured by "
                f"{reason}; `pcbench evaluate {named}` measures kept weights again; --redo trains "
                "the runs again"
            )
    return lines


def edits(changed: Iterable[Record], redo: str) -> list[str]:
    """Return a line on baselines whose files changed since runs were trained, if there are any.

    Args:
        changed: the records of those runs.
        redo: the command that trains all stale records again; with a row it trains that alone.
    """
    lines = list(changed)
    if not lines:
        return []
    names = sorted({f"{line['config']['baseline']}.py" for line in lines})
    rows = {line.get("label", line["config"]["baseline"]) for line in lines}
    row, what = (shlex.quote(min(rows)), "it") if len(rows) == 1 else ("ROW", "a row")
    number = f"{len(lines)} runs" if len(lines) > 1 else "a run"
    return [f"{', '.join(names)} changed since {number}; `{redo} {row}` trains {what} again"]


def again(study: Study, runs: Path, results: Path | None, names: Sequence[str]) -> Study:
    """Return the part of a study that `--redo` trains again: rows or ids, or all that is stale.

    Raises:
        UserError: no such row, nothing to train again, or a run is at work.
    """
    listed = standings(study.only(names), runs, results)
    chosen = tuple(one.run for one in listed if one.place and (names or one.stale))
    if not chosen:
        what = "of these runs has a record" if names else "has a stale record"
        raise UserError(
            f"{study.path}: nothing {what}; leave out --redo to train the runs without one"
        )
    for run in chosen:
        if claims.holder(runs / run.id) is not None:
            raise UserError(f"{runs / run.id}: is being trained; use --redo when it has ended")
    return replace(study, configs=chosen)


def adopt(runs: Path, ids: Iterable[str]) -> int:
    """Put runs that were trained again in their place; what stood there moves to ``replaced/``.

    The caller holds the claim of ``runs / AGAIN``, so that no two processes move.

    Returns:
        How many.
    """
    moved = 0
    for run_id in ids:
        fresh, place = runs / AGAIN / run_id, runs / run_id
        if not records.finished(fresh) or claims.holder(place) is not None:
            continue
        if place.exists():  # killed between the two moves, the same command goes on: see `home`
            (runs / REPLACED).mkdir(exist_ok=True)
            earlier = (runs / REPLACED).glob(f"{run_id}.*")
            last = max((int(path.suffix[1:]) for path in earlier), default=0)
            place.rename(runs / REPLACED / f"{run_id}.{last + 1}")
        fresh.rename(place)
        moved += 1
    return moved
