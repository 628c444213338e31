"""Run a study on one machine: all runs without a record, some at a time."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.core.files import check_writable
from benchmark.core.signals import INTERRUPTED, noted
from benchmark.run import failures
from benchmark.run.claims import claim
from benchmark.sweep import costs, manifest, plan
from benchmark.sweep.pool import LAUNCHER, Display, Pool, environment, visible_devices

if TYPE_CHECKING:
    from benchmark.sweep.study import Labelled, Study


def sweep(
    study: "Study",
    runs: Path,
    options: manifest.Options,
    jobs: int = 1,
    out: TextIO | None = None,
    launcher: Sequence[str] = LAUNCHER,
    again: bool = False,
) -> int:
    """Train the runs without a record, ``jobs`` at a time, all rows of the first seed first.

    A record collected in the ``results`` of the options counts, unless they are ``fresh``. A
    manifest freezes the runs first, so a study edited meanwhile changes none.

    With ``again``, runs that `plan.again` chose are trained next to what is there, which they
    replace in the end. Interrupted, it replaces nothing, and the same call goes on. A second
    process that trains runs of this folder again is refused.

    Returns:
        0 when all are done (or at work elsewhere), 1 when a run failed, 75 when interrupted.

    Raises:
        UserError: the runs folder cannot be written, data is not prepared, or the device cannot be
            used.
    """
    check_writable(runs, "--runs")
    train = partial(_train, study, jobs=jobs, out=out or sys.stderr, launcher=launcher)
    if not again:
        return train(runs, options)
    with claim(runs / plan.AGAIN):
        code = train(runs / plan.AGAIN, replace(options, fresh=True))
        moved = plan.adopt(runs, [run.id for run in study.configs]) if code != INTERRUPTED else 0
    if moved:
        Display(out or sys.stderr, len(study.configs)).note(
            f"{moved} trained again; their earlier results are in {runs / plan.REPLACED}; "
            f"`pcbench collect {shlex.quote(str(study.path))} --replace` takes the new records"
        )
    return code


def _train(
    study: "Study", runs: Path, options: manifest.Options,
    jobs: int, out: TextIO, launcher: Sequence[str],
) -> int:  # fmt: skip
    results = None if options.fresh or not options.results else Path(options.results)
    unfinished = plan.pending(study, runs, results)
    todo = tried(unfinished, runs, options.retry_failed)
    frozen = manifest.build(study, todo, runs, options)
    if todo:
        prepare(todo, Path(options.data))
        try_device(options.device, todo, visible_devices()[: min(jobs, len(todo))])
        manifest.write(frozen, study)
    total = len(study.configs)
    display, forecast = Display(out, total), None
    if display.live:
        earlier = costs.known(study, runs, Path(options.results), options.device)
        forecast = costs.Forecast(earlier)
    elif todo:
        display.note(f"{len(todo)} of {total} runs to train, {jobs} at a time")
    done = total - len(unfinished)
    pool = Pool(frozen, list(frozen.entries), jobs, display, done, launcher, forecast)
    with noted(pool.asked):
        pool.work()
    if given_up := len(unfinished) - len(todo):
        limit = failures.LIMIT
        display.note(f"{given_up} left out: failed {limit} times; use --retry-failed to run them")
    pool.summarise()
    if pool.asked:
        return INTERRUPTED
    return 1 if pool.failed or given_up else 0


def tried(unfinished: Sequence["Labelled"], runs: Path, retry_failed: bool) -> list["Labelled"]:
    """Return those among unfinished runs that have not failed too often, or all."""
    return [r for r in unfinished if retry_failed or not failures.given_up(runs / r.id)]


def prepare(todo: Sequence["Labelled"], root: Path) -> None:
    """Read the data of all runs once, so that a mistake shows here and not in each run's log.

    An exact language is generated where it is missing.

    Raises:
        UserError: data is not prepared or damaged, or there is no sacrebleu for a run with BLEU.
    """
    bleu = any(run.config.evaluate.bleu and run.config.method().latent for run in todo)
    if bleu and find_spec("sacrebleu") is None:
        from benchmark.metrics import scorer

        scorer()
    for name in sorted({run.config.data for run in todo}):
        data.load(name, root)


def try_device(name: str, todo: Sequence["Labelled"], visible: Sequence[str] = ()) -> None:
    """Compute on a GPU with the precisions of the runs; raise UserError if it cannot be used.

    ``visible`` are the values of CUDA_VISIBLE_DEVICES that the runs will have, if any.
    """
    if name == "cpu":
        return
    precisions = sorted({run.config.precision for run in todo})
    # In processes, all at once: each frees its card's memory, and this one need not start CUDA.
    code = f"from benchmark.model.device import try_out; try_out({name!r}, {precisions!r})"
    places = [{"CUDA_VISIBLE_DEVICES": one} for one in dict.fromkeys(visible)] or [{}]
    trial = partial(subprocess.Popen, [sys.executable, "-c", code], text=True, errors="replace")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    trials = [trial(env=environment() | place, **pipes) for place in places]
    outputs = [one.communicate()[0] for one in trials]
    for place, ended, output in zip(places, trials, outputs, strict=True):
        if ended.returncode != 0:
            lines = output.strip().splitlines() or [f"exit status {ended.returncode}"]
            where = "".join(f"{key}={value}: " for key, value in place.items())
            raise UserError(f"{where}{lines[-1]}")
