"""Finished runs: load the weights of one, measure it again, or let it write."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import data as corpora
from benchmark import metrics
from benchmark.core import ids, records
from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.model import checkpoint
from benchmark.model.device import open_device
from benchmark.model.vae import build
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import evaluate, recovery
from benchmark.run.loaded import LoadedRun
from benchmark.run.samples import Samples, draw


def load_run(
    run_id: str | Path,
    runs: str | Path | None = None,
    data_root: str | Path | None = None,
    device: str = "cpu",
) -> LoadedRun:
    """Load the best weights of a finished run, with its vocabulary and config.

    Args:
        run_id: the id, the beginning of one that no other run of ``runs`` has, or the run's folder.
        runs: by default ``$PCBENCH_RUNS`` or results/runs.
        data_root: of prepared data; by default ``$PCBENCH_DATA`` or .data.
        device: where the model shall be.

    Raises:
        UserError: no such run or several, one that is not finished, its weights were not kept, or
            there is no such device.
    """
    folder = ids.folder_of(run_id, Path(runs or records.default_runs()))
    try:
        table = dict(json.loads((folder / "config.json").read_text()))
        if table.get("file"):
            table["file"] = str(folder / table["file"])  # the copy beside the config
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder}: its config.json cannot be read ({error})") from error
    config = RunConfig.from_dict(table, str(folder / "config.json"))
    if config.id != folder.resolve().name:
        raise UserError(
            f"{folder}: its config.json gives the id {config.id}; the code, a baseline's file or "
            "the config changed since: load the run with the commit that its record names"
        )
    if not (folder / "record.json").exists():
        raise UserError(f"{folder}: the run is not finished; the command that began it goes on")
    if not (folder / "best.pt").exists():
        raise UserError(
            f"{folder}: no best.pt, the run used --keep none; run it again in another --runs folder"
        )
    place = open_device(device, config.precision)
    corpus = corpora.load(config.data, Path(data_root or corpora.default_root()))
    start = generator(config.seed, "init")
    model = build(config.model, config.method(), len(corpus.vocabulary), start)
    model.load_state_dict(checkpoint.load(folder / "best.pt")["weights"])
    record = records.read(folder / "record.json")
    return LoadedRun(model.to(place).eval(), corpus.vocabulary, config, corpus, record)


def evaluate_run(
    run_id: str | Path,
    runs: str | Path | None = None,
    data_root: str | Path | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Measure the best weights of a finished run on the test split, with today's code.

    Nothing is written: the record stays what the run found.

    Args:
        run_id: see `load_run`.
        runs: see `load_run`.
        data_root: see `load_run`.
        device: where to measure.

    Raises:
        UserError: see `load_run`; or there is no sacrebleu for BLEU.
    """
    run = load_run(run_id, runs, data_root, device)
    test = Measured("test", run.corpus.splits["test"], run.config.seed, run.device)
    return measure_test(run, test)[0]


def measure_test(run: LoadedRun, test: Measured) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure a run on the test split by its settings: `evaluation.evaluate`, with `recovery`.

    Raises:
        UserError: there is no sacrebleu for BLEU.
    """
    settings = run.config.evaluate
    if settings.bleu and run.model.latent:
        metrics.scorer()
    with run.autocast():
        found, details = evaluate(
            run.model,
            run.corpus,
            test,
            settings.iw_samples,
            settings.max_length if settings.bleu else 0,
            run.config.method().selection_weight > 0,
        )
        return found | recovery(run.model, run.corpus, test), details


def sample_run(
    run: LoadedRun,
    numbers: Mapping[str, int],
    seed: int = 0,
    max_length: int | None = None,
    greedy: bool | None = None,
) -> Samples:
    """What a finished run writes: `benchmark.samples.draw`, with its ``id``.

    Args:
        run: from `load_run`.
        numbers: how many of each of `benchmark.samples.KINDS`.
        seed: of sentences and draws.
        max_length: tokens after which a text is cut.
        greedy: the likeliest words, or drawn ones.

    Raises:
        UserError: see `benchmark.samples.draw`.
    """
    with run.autocast():
        found = draw(run.model, run.corpus, numbers, seed, max_length, greedy)
    return {"id": run.config.id, **found}
