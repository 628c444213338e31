"""Finished runs: load the weights of one, measure it again, or let it write."""

import difflib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark import checkpoint, metrics, records
from benchmark import data as corpora
from benchmark.config import RunConfig
from benchmark.data.corpus import Corpus
from benchmark.device import open_device
from benchmark.encoding import Measured
from benchmark.errors import UserError
from benchmark.evaluation import evaluate, recovery
from benchmark.model import TextVAE, build
from benchmark.samples import Samples, draw
from benchmark.seeds import generator


@dataclass
class LoadedRun:
    """A finished run, ready to use."""

    model: TextVAE
    vocabulary: corpora.Vocabulary
    config: RunConfig
    corpus: Corpus

    def autocast(self) -> AbstractContextManager[None]:
        """The precision it was trained and measured in."""
        place = next(self.model.parameters()).device.type
        return torch.autocast(place, torch.bfloat16, enabled=self.config.precision == "bf16")


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
        UserError: no such run, one that is not finished, its weights were not kept, or there is no
            such device.
    """
    run_id = run_id.rstrip("/")  # as a shell completes a folder's name
    runs = runs or records.default_runs()
    folder = runs / run_id
    try:
        table = dict(json.loads((folder / "config.json").read_text()))
        if table.get("file"):
            table["file"] = str(folder / table["file"])  # the copy beside the config
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{folder}: no run with a readable config.json here; {_nearest(runs, run_id)}"
        ) from error
    config = RunConfig.from_dict(table, str(folder / "config.json"))
    if config.id != run_id:
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
    corpus = corpora.load(config.data, data or corpora.default_root())
    start = generator(config.seed, "init")
    model = build(config.model, config.method(), len(corpus.vocabulary), start)
    model.load_state_dict(checkpoint.load(folder / "best.pt")["weights"])
    return LoadedRun(model.to(place).eval(), corpus.vocabulary, config, corpus)


def _nearest(runs: Path, run_id: str) -> str:
    """What a user who mistook a run's name may have meant."""
    known = [path.parent.name for path in runs.glob("*/config.json")]
    near = difflib.get_close_matches(Path(run_id).name, known, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"--runs names the folder of runs; it holds {len(known)} now"


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
        UserError: see `load_run`; or there is no sacrebleu for BLEU.
    """
    run = load_run(run_id, runs, data, device)
    config, settings = run.config, run.config.evaluate
    if settings.bleu and run.model.latent:
        metrics.scorer()
    test = Measured("test", run.corpus.splits["test"], config.seed, torch.device(device))
    with run.autocast():
        found, _ = evaluate(
            run.model,
            run.corpus,
            test,
            settings.iw_samples,
            settings.max_length if settings.bleu else 0,
            config.method().selection_weight > 0,
        )
        return found | recovery(run.model, run.corpus, test)


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
