"""A study on one machine: all of its runs without a record, some at a time."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from benchmark.core.errors import UserError
from benchmark.core.files import check_writable
from benchmark.core.signals import INTERRUPTED as INTERRUPTED
from benchmark.core.signals import noted
from benchmark.run import failures
from benchmark.run.claims import claim
from benchmark.sweep import costs, manifest, plan, ready
from benchmark.sweep.pool import LAUNCHER, Display, Pool

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study


def sweep(
    study: "Study",
    runs: Path,
    options: manifest.Options,
    jobs: int = 1,
    devices: Sequence[str] = (),
    out: TextIO | None = None,
    launcher: Sequence[str] = LAUNCHER,
) -> int:
    """Run what has no record, ``jobs`` at a time, all rows of the first seed first.

    A manifest freezes the runs first, so a study edited meanwhile changes none.

    Args:
        study: what to run.
        runs: the runs folder.
        options: of the runs; records collected in their ``results`` count as done, unless
            ``fresh``.
        jobs: processes at a time.
        devices: see `benchmark.pool.Pool`.
        out: where progress goes; standard error by default.
        launcher: see `benchmark.pool.Pool`.

    Returns:
        0 when all are done (or at work elsewhere), 1 when a run failed, 75 when interrupted.

    Raises:
        UserError: ``jobs`` below 1, the runs folder cannot be written, data is not prepared, or
            the device cannot be used.
    """
    if jobs < 1:
        raise UserError(f"--jobs: {jobs} is not at least 1")
    check_writable(runs, "--runs")
    results = None if options.fresh or not options.results else Path(options.results)
    unfinished = plan.pending(study, runs, results)
    todo = tried(unfinished, runs, options.retry_failed)
    if todo:
        ready.prepare(todo, Path(options.data))
        ready.try_device(options.device, todo, devices[: min(jobs, len(todo))])
    frozen = manifest.build(study, todo, runs, options)
    if todo:
        manifest.write(frozen, study)
    done = len(study.configs) - len(unfinished)
    display = Display(out or sys.stderr, len(study.configs))
    forecast = None
    if display.live:
        earlier = costs.known(study, runs, Path(options.results), options.device)
        forecast = costs.Forecast(earlier)
    elif todo:
        display.note(f"{len(todo)} of {len(study.configs)} runs to train, {jobs} at a time")
    pool = Pool(frozen, list(frozen.entries), jobs, display, devices, done, launcher, forecast)
    with noted(pool.asked):
        pool.work()
    given_up = len(unfinished) - len(todo)
    if given_up:
        display.note(
            f"{given_up} left out: failed {failures.LIMIT} times; --retry-failed runs them"
        )
    display.finish(pool.summary())
    if pool.asked:
        return INTERRUPTED
    return 1 if pool.failed or given_up else 0


def sweep_again(
    study: "Study",
    runs: Path,
    options: manifest.Options,
    jobs: int = 1,
    devices: Sequence[str] = (),
    out: TextIO | None = None,
    launcher: Sequence[str] = LAUNCHER,
) -> int:
    """Train runs again beside what is there, which they replace in the end.

    Interrupted, it replaces nothing, and the same call goes on.

    Args: see `sweep`; ``study`` is what `plan.again` chose.

    Raises:
        UserError: see `sweep`; or another process trains runs of this folder again.
    """
    check_writable(runs, "--runs")
    with claim(runs / plan.AGAIN):
        fresh = replace(options, fresh=True)
        code = sweep(study, runs / plan.AGAIN, fresh, jobs, devices, out, launcher)
        moved = plan.adopt(runs, [run.id for run in study.configs]) if code != INTERRUPTED else 0
    if moved:
        Display(out or sys.stderr, len(study.configs)).note(
            f"{moved} trained again; what was there lies in {runs / plan.REPLACED}; "
            f"`pcbench collect {shlex.quote(str(study.path))} --replace` takes the new records"
        )
    return code


def tried(unfinished: Sequence["Labelled"], runs: Path, retry_failed: bool) -> list["Labelled"]:
    """Those among unfinished runs that have not failed too often, or all."""
    return [r for r in unfinished if retry_failed or not failures.given_up(runs / r.id)]
