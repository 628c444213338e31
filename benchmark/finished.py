"""Finished runs: load the weights of one, or measure it again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark import checkpoint, records
from benchmark import data as corpora
from benchmark.config import RunConfig
from benchmark.data.corpus import Corpus
from benchmark.encoding import Measured
from benchmark.errors import UserError
from benchmark.evaluation import evaluate, recovery
from benchmark.model import TextVAE, build
from benchmark.seeds import generator


@dataclass
class LoadedRun:
    """A finished run, ready to use."""

    model: TextVAE
    vocabulary: corpora.Vocabulary
    config: RunConfig
    corpus: Corpus


def load_run(
    run_id: str, runs: Path | None = None, data: Path | None = None, device: str = "cpu"
) -> LoadedRun:
    """The best weights of a finished run, with its vocabulary and config.

    Args:
        run_id: the id, a folder of ``runs``.
        runs: by default ``$PCBENCH_RUNS`` or results/runs.
        data: by default ``$PCBENCH_DATA`` or .data.
        device: where the model shall be.

    Raises:
        UserError: no such run, or its weights were not kept.
    """
    folder = (runs or records.default_runs()) / run_id
    try:
        table = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no run with a readable config.json here") from error
    config = RunConfig.from_dict(table, str(folder / "config.json"))
    if config.id != run_id:
        raise UserError(
            f"{folder}: its config.json gives the id {config.id}; the code, a baseline's file or "
            "the config changed since: load the run with the commit that its record names"
        )
    if not (folder / "best.pt").exists():
        raise UserError(f"{folder}: no best.pt; the run is not finished or used --keep none")
    corpus = corpora.load(config.data, data or corpora.default_root())
    start = generator(config.seed, "init")
    model = build(config.model, config.method(), len(corpus.vocabulary), start)
    model.load_state_dict(checkpoint.load(folder / "best.pt")["weights"])
    return LoadedRun(model.to(device).eval(), corpus.vocabulary, config, corpus)


def evaluate_run(
    run_id: str, runs: Path | None = None, data: Path | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """Measure the best weights of a finished run on the test split, with today's code.

    Nothing is written: the record stays what the run found.

    Args:
        run_id: the id, a folder of ``runs``.
        runs: see `load_run`.
        data: see `load_run`.
        device: where to measure.

    Raises:
        UserError: see `load_run`.
    """
    run = load_run(run_id, runs, data, device)
    config, place = run.config, torch.device(device)
    test = Measured("test", run.corpus.splits["test"], config.seed, place)
    settings = config.evaluate
    with torch.autocast(place.type, torch.bfloat16, enabled=config.precision == "bf16"):
        found, _ = evaluate(
            run.model,
            run.corpus,
            test,
            settings.iw_samples,
            settings.max_length if settings.bleu else 0,
            config.method().selection_weight > 0,
        )
        return found | recovery(run.model, run.corpus, test)
