"""What each command does. Imports stand inside, so that `pcbench --help` is instant."""

import json
import os
import re
import sys
import tomllib
import traceback
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core import provenance
from benchmark.core.errors import UserError, suggest
from benchmark.core.signals import INTERRUPTED

if TYPE_CHECKING:
    from benchmark.run.config import RunConfig

RESUMABLE = INTERRUPTED


def status_of(error: UserError) -> int:
    """The exit status for an error: 75 where trying again may help, else 2."""
    from benchmark.run.claims import Claimed

    return RESUMABLE if isinstance(error, Claimed) else 2


def run(arguments: Namespace) -> int:
    """``pcbench run``."""
    config = _config(arguments)
    runs = runs_folder(arguments)
    folder = runs / config.id
    if arguments.dry_run:
        print(json.dumps({"id": config.id, **config.to_dict()}, indent=2))
        return 0
    if not (arguments.manifest or config.preset):  # with a manifest, the sweep has said it
        advise([config.data], data_root(arguments))
    from benchmark.run.session import Interrupted, refuse_done
    from benchmark.run.session import run as train

    provenance.warn_of_no_commit()
    refuse_done(folder)  # before _noted: this is no failure of the run
    with _noted(folder):
        try:
            record = train(
                config,
                runs,
                data_root(arguments),
                device=arguments.device,
                progress=not arguments.quiet,
                keep=arguments.keep,
                checkpoint_seconds=arguments.checkpoint_seconds,
                threads=arguments.threads,
            )
        except Interrupted as error:
            with suppress(OSError):  # a hangup: the terminal is gone
                print(f"pcbench: {error}; the same command resumes", file=sys.stderr)
            return RESUMABLE
    test = record["metrics"]["test"]
    shown = [f"{k} {test[k]:.2f}" for k in ("neg_elbo", "kl", "mi") if test.get(k) is not None]
    print(f"{config.id}: done: {', '.join(shown)}")
    return 0


@contextmanager
def _noted(folder: Path) -> Iterator[None]:
    """Leave the reason of a failure in the run's error.txt; remove that of an earlier one.

    A run that could not begin has no folder, and gets none.
    """
    from benchmark.run.claims import Claimed

    path = folder / "error.txt"
    with suppress(OSError):
        path.unlink()
    try:
        yield
    except Exception as error:
        if not isinstance(error, Claimed):
            line = " ".join(str(error).split()) + "\n"
            with suppress(OSError):  # no folder, or the error is that nothing can be written
                text = line if isinstance(error, UserError) else traceback.format_exc()
                path.write_text(text, encoding="utf-8", errors="backslashreplace")
        raise


def _config(arguments: Namespace) -> "RunConfig":
    if arguments.manifest:
        from benchmark.sweep import manifest

        if arguments.study or arguments.id is None:
            raise UserError("run: --manifest goes with --id, without STUDY")
        return manifest.read(arguments.manifest).find(arguments.id).resolve()
    return _of_study(arguments) if arguments.study else _of_flags(arguments)


def _of_study(arguments: Namespace) -> "RunConfig":
    from benchmark.sweep import study

    given = [name for name in ("data", "baseline", "file", "seed", "preset", "precision")
             if getattr(arguments, name) is not None]  # fmt: skip
    if given or arguments.set:
        raise UserError(f"run: --{(given or ['set'])[0]} goes without STUDY; set it in the study")
    if arguments.id is None:
        raise UserError("run: --id is missing; `pcbench sweep STUDY --list` prints all ids")
    return study.load(arguments.study).find(arguments.id).config


def _of_flags(arguments: Namespace) -> "RunConfig":
    from benchmark.run.config import resolve

    if not arguments.data or not arguments.baseline:
        raise UserError("run: give STUDY and --id, or --data NAME and --baseline NAME")
    if arguments.id is not None:
        raise UserError("run: --id goes with STUDY")
    params, sections = settings(arguments.set)
    return resolve(
        data=arguments.data,
        baseline=arguments.baseline,
        seed=arguments.seed or 0,
        params=params,
        precision=arguments.precision or "fp32",
        preset=arguments.preset,
        sections=sections,
        file=str(arguments.file) if arguments.file else None,
    )


def settings(pairs: list[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """``cycles=8`` to the baseline's settings; ``train.epochs=3`` to those of a section."""
    from benchmark.core.settings import SECTIONS

    params: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        section, dot, name = key.rpartition(".")
        if not equals or not key:
            raise UserError(f"--set {pair}: write KEY=VALUE, such as train.epochs=3")
        if dot and section not in SECTIONS:
            raise UserError(f"--set {pair}: unknown section; {suggest(section, SECTIONS)}")
        table = sections.setdefault(section, {}) if dot else params
        if name in table:
            raise UserError(f"--set {pair}: {key} is given twice")
        table[name] = _value(text)
    return params, sections


def _value(text: str) -> Any:
    """As TOML reads it, and numbers such as .5 too; what is neither is a text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return float(text) if re.fullmatch(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", text) else text
    return table["value"] if len(table) == 1 else text


def advise(data: Iterable[str], root: Path) -> None:
    """Name the nearest preset of a reader's own texts among data without a preset."""
    from benchmark.run.presets import advice

    for name in dict.fromkeys(data):
        if told := advice(name, root):
            print(f"pcbench: {told}", file=sys.stderr)


def runs_folder(arguments: Namespace) -> Path:
    """The runs folder that was given, or the default."""
    from benchmark.core import records

    return _there(arguments.runs or records.default_runs(), "--runs")


def run_of(arguments: Namespace) -> Path:
    """The folder of the run that ID names, whose id is told where only its beginning was given."""
    from benchmark.core import ids

    folder = ids.folder_of(arguments.id, runs_folder(arguments))
    if folder.name.startswith(arguments.id) and folder.name != arguments.id:
        print(f"pcbench: {folder.name}", file=sys.stderr)
    return folder


def data_root(arguments: Namespace) -> Path:
    """The folder of prepared data that was given, or the default."""
    from benchmark import data

    return _there(arguments.data_dir or data.default_root(), "--data-dir")


def _there(folder: Path, option: str) -> Path:
    """A folder that need not exist, but must not be, nor lie in, a link to nothing."""
    for link in (folder, *folder.parents):
        if link.is_symlink() and not link.exists():
            raise UserError(f"{link}: links to {os.readlink(link)}, which is not there; make that "
                            f"folder, or choose another by {option}")  # fmt: skip
    return folder


def evaluate(arguments: Namespace) -> int:
    """``pcbench evaluate``."""
    from benchmark.sweep.study import load, locate

    if locate(arguments.id).suffix == ".toml":
        from benchmark.sweep.remeasure import measure_study

        folders = runs_folder(arguments), data_root(arguments)
        number = measure_study(load(arguments.id), *folders, arguments.device)
        mend = f"; `pcbench collect {arguments.id} --replace` takes them" if number else ""
        print(f"{number} records measured{mend}")
        return 0
    from benchmark.run.finished import evaluate_run

    run = run_of(arguments)
    found = evaluate_run(run, data_root=data_root(arguments), device=arguments.device)
    print(json.dumps(found, indent=2, sort_keys=True))
    return 0


def sample(arguments: Namespace) -> int:
    """``pcbench sample``."""
    from benchmark.run import samples
    from benchmark.run.finished import load_run, sample_run

    run = load_run(run_of(arguments), data_root=data_root(arguments))
    kinds = samples.KINDS if arguments.kind == "all" else (arguments.kind,)
    if not run.model.latent and kinds != ("prior",):
        reason = f"{run.config.id}: {run.config.baseline} has no latent variable"
        if arguments.kind != "all":
            raise UserError(f"{reason}: no {arguments.kind}; choose --kind prior")
        print(f"pcbench: {reason}: samples from the prior alone", file=sys.stderr)
    numbers = dict.fromkeys(kinds, arguments.number)
    found = sample_run(run, numbers, arguments.seed, arguments.max_length, arguments.greedy)
    print(json.dumps(found) if arguments.json else samples.shown(found))
    return 0


def doctor(arguments: Namespace) -> int:
    """``pcbench doctor``."""
    from benchmark.cli import doctor as examination

    for name, value in examination.examine(runs_folder(arguments), data_root(arguments)):
        print(f"{name:<19} {value}")
    return 0
