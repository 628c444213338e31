"""``pcbench run``, ``evaluate`` and ``sample``: one run."""

import json
import traceback
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli import options
from benchmark.cli.options import DATA, DEVICE, RUNS, command, count, file, flag, option, say
from benchmark.core import provenance
from benchmark.core.errors import UserError
from benchmark.core.signals import INTERRUPTED
from benchmark.run.claims import Claimed

if TYPE_CHECKING:
    from benchmark.run.config import RunConfig

INSTEAD = ("data", "baseline", "file", "seed", "preset", "precision")  # of a study
SET = "without STUDY: change a setting, such as cycles=8 (the baseline's) or train.epochs=3"
THREADS = "CPU threads; default: 1; results depend on the number"
MEASURED = """a run: its numbers are printed; or a study: the runs whose records have other settings
or an older evaluation are measured"""  # argparse joins the lines
KINDS = ["all", "reconstructions", "prior", "interpolations"]
LENGTH = "maximum tokens of a text; default: twice the mean sentence length"
GREEDY = "write the most likely word each time; the default, except for a language model"


@command(
    option("study", "a study file", nargs="?", type=Path, metavar="STUDY"),
    option("--id", "which run of STUDY; `pcbench sweep STUDY --list` prints all ids"),
    file("--manifest", "take the run from this manifest, not from STUDY"),
    option("--data", "without STUDY: the data set, such as exact_small", metavar="NAME"),
    option("--baseline", "without STUDY: the baseline", metavar="NAME"),
    file("--file", "without STUDY: the file of a baseline outside baselines/"),
    option("--seed", "without STUDY: the seed; default: 0", type=int),
    option("--preset", "without STUDY: the preset; default: the data set's own"),
    option("--precision", "without STUDY: the precision; default: fp32", choices=["fp32", "bf16"]),
    options.repeated("--set", SET, metavar="KEY=VALUE"),
    DEVICE,
    RUNS,
    DATA,
    option(
        "--keep",
        "which weights to keep at the end; default: %(default)s",
        choices=["none", "best", "all"],
        default="best",
    ),
    options.CHECKPOINTS,
    option("--threads", THREADS, type=count, default=1, metavar="N"),
    flag("--quiet", "show no progress on standard error"),
    flag("--dry-run", "print the id and settings without training"),
)
def run(arguments: Namespace) -> int:
    """Train and evaluate one run, or resume it.

    pcbench run paper/quickstart.toml --id exact_small-none-0-1234abcd
    pcbench run --data exact_small --baseline cyclical --set cycles=8 --set train.epochs=3
    """
    config = _config(arguments)
    folder = arguments.runs / config.id
    if arguments.dry_run:
        print(json.dumps({"id": config.id, **config.to_dict()}, indent=2))
        return 0
    if not (arguments.manifest or config.preset):  # with a manifest, the sweep has said it
        options.advise([config.data], arguments.data_dir)
    from benchmark.run.session import Interrupted, refuse_done
    from benchmark.run.session import run as train

    provenance.warn_of_no_commit()
    refuse_done(folder)  # before _noted, so that it is not logged as a failed run
    with _noted(folder):
        try:
            record = train(
                config,
                arguments.runs,
                arguments.data_dir,
                device=arguments.device,
                progress=not arguments.quiet,
                keep=arguments.keep,
                checkpoint_seconds=arguments.checkpoint_seconds,
                threads=arguments.threads,
            )
        except Interrupted as error:
            with suppress(OSError):  # a hangup: the terminal is gone
                say(f"{error}; the same command resumes")
            return INTERRUPTED
    test = record["metrics"]["test"]
    shown = [f"{k} {test[k]:.2f}" for k in ("neg_elbo", "kl", "mi") if test.get(k) is not None]
    print(f"{config.id}: done: {', '.join(shown)}")
    return 0


@contextmanager
def _noted(folder: Path) -> Iterator[None]:
    """Leave the reason of a failure in the run's error.txt; remove that of an earlier one.

    A run that could not begin has no folder, and gets none.
    """
    path = folder / "error.txt"
    with suppress(OSError):
        path.unlink()
    try:
        yield
    except Claimed:
        raise
    except Exception as error:
        short = isinstance(error, UserError)
        text = " ".join(str(error).split()) + "\n" if short else traceback.format_exc()
        with suppress(OSError):  # no folder, or the error is that nothing can be written
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        raise


def _config(arguments: Namespace) -> "RunConfig":
    """Return the run of a manifest, of a study, or of settings given one by one."""
    if arguments.manifest:
        from benchmark.sweep import manifest

        if arguments.study or arguments.id is None:
            raise UserError("run: give --manifest with --id and without STUDY")
        return manifest.read(arguments.manifest).find(arguments.id).resolve()
    given = {name: getattr(arguments, name) for name in INSTEAD}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.study:
        from benchmark.sweep import study

        if given or arguments.set:
            raise UserError(
                f"run: --{[*given, 'set'][0]} cannot be given with STUDY; set it in the study"
            )
        if arguments.id is None:
            raise UserError("run: --id is missing; `pcbench sweep STUDY --list` prints all ids")
        return study.load(arguments.study).find(arguments.id).config
    if not ("data" in given and "baseline" in given):
        raise UserError("run: give STUDY and --id, or --data NAME and --baseline NAME")
    if arguments.id is not None:
        raise UserError("run: --id needs STUDY")
    from benchmark.run.config import resolve

    params, sections = options.settings(arguments.set)
    given |= {"file": str(given["file"])} if "file" in given else {}
    return resolve(**{"seed": 0, **given}, params=params, sections=sections)


@command(option("id", MEASURED, metavar="ID"), DEVICE, RUNS, DATA)
def evaluate(arguments: Namespace) -> int:
    """Measure a finished run, or the runs of a study, again from the kept weights.

    pcbench evaluate exact_small-none-0-1234abcd
    pcbench evaluate quickstart
    """
    from benchmark.run.finished import load_run
    from benchmark.sweep import remeasure, study

    root, device = arguments.data_dir, arguments.device
    if study.locate(arguments.id).suffix == ".toml":
        number = remeasure.measure_study(study.load(arguments.id), arguments.runs, root, device)
        hint = f"; `pcbench collect {arguments.id} --replace` takes them" if number else ""
        print(f"{number} records measured{hint}")
        return 0
    metrics, _ = load_run(_run_folder(arguments), data_root=root, device=device).measure()
    print(json.dumps(metrics, indent=2, sort_keys=True))
    return 0


@command(
    option("id", "a run's id, or enough of its beginning, or its folder", metavar="ID"),
    option("--kind", "which texts; default: %(default)s", choices=KINDS, default="all"),
    option("--number", "how many of each kind; default: 5", type=count, default=5, metavar="N"),
    option("--seed", "seed for choosing sentences and sampling; default: 0", type=int, default=0),
    option("--max-length", LENGTH, type=count, metavar="N"),
    options.either(
        flag("--greedy", GREEDY, default=None),
        flag("--sampled", "draw the words from p(x | z)"),
    ),
    flag("--json", "print one JSON object"),
    RUNS,
    DATA,
)
def sample(arguments: Namespace) -> int:
    """Print texts that a finished run writes.

    pcbench sample exact_small-none-0-1234abcd
    pcbench sample exact_small-none-0-1234abcd --kind prior --number 100 --sampled --json
    """
    from benchmark.run import samples
    from benchmark.run.finished import load_run

    run = load_run(_run_folder(arguments), data_root=arguments.data_dir)
    kinds = samples.KINDS if arguments.kind == "all" else (arguments.kind,)
    if not run.model.latent and kinds != ("prior",):
        reason = f"{run.config.id}: {run.config.baseline} has no latent variable"
        if arguments.kind != "all":
            raise UserError(f"{reason}: no {arguments.kind}; choose --kind prior")
        say(f"{reason}: samples from the prior alone")
    numbers = dict.fromkeys(kinds, arguments.number)
    greedy = False if arguments.sampled else arguments.greedy  # None: the model's own default
    texts = run.draw(numbers, seed=arguments.seed, max_length=arguments.max_length, greedy=greedy)
    print(json.dumps(texts) if arguments.json else samples.shown(texts))
    return 0


def _run_folder(arguments: Namespace) -> Path:
    """Return the folder of the run that ID names; name the run if ID is a part of its id."""
    from benchmark.core import id_prefixes

    folder = id_prefixes.folder_of(arguments.id, arguments.runs)
    if folder.name.startswith(arguments.id) and folder.name != arguments.id:
        say(folder.name)
    return folder
