"""The record of a finished run; ``results/README.md`` explains its fields."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from benchmark import data as corpora
from benchmark.core import records
from benchmark.core.files import plain
from benchmark.core.schema import Record
from benchmark.data.corpus import Corpus
from benchmark.model.device import device_name, peak_mb
from benchmark.model.weight_path import corners
from benchmark.run.config import EVALUATION, RunConfig
from benchmark.run.training import Training

CURVE_POINTS = 100


def assemble(
    training: Training,
    provenance: dict[str, Any],
    scores: dict[str, Any],
    details: dict[str, Any],
    seconds: float,
) -> Record:
    """Return the record of a run.

    Args:
        training: finished.
        provenance: of its first process, with the later ones noted.
        scores: ``valid``, ``test`` and ``last`` metrics.
        details: KL spectrum and loss by position; of an exact language also samples.
        seconds: that evaluation took.
    """
    config, train = training.config, training.corpus.splits["train"]
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    record: dict[str, Any] = {
        "schema": records.SCHEMA,
        "id": config.id,
        "config": describe_config(config),
        "evaluation": EVALUATION,
        "evaluation_digest": config.evaluation_digest,
        "data": describe_data(training.corpus),
        "metrics": scores,
        "curve": thinned_curve(training.curve),
        "weight_path": weight_path(training),
        **details,
        "updates": {**training.updates, "passes": training.tokens / int(train.lengths.sum())},
        "best_step": training.best["step"],
        "steps": training.total_steps,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "cost": {
            "seconds": training.seconds + seconds,
            "train_seconds": training.seconds,
            "evaluate_seconds": seconds,
            "tokens": training.tokens,
            "tokens_per_second": training.rate_of_tokens(),
            "peak_mb": peak_mb(training.device),
            "device": device_name(training.device),
        },
        "provenance": {**provenance, "finished": finished},
    }
    return cast(Record, record | {"digest": records.digest(record)})  # `write_exclusive` checks it


def thinned_curve(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most 100 points of the curve, the last among them."""
    stride = math.ceil(len(curve) / CURVE_POINTS)
    return curve[::-1][::stride][::-1] if stride > 1 else curve


def weight_path(training: Training) -> list[list[float]] | None:
    """Return the corners [step, weight] of the KL weights used; None without a latent."""
    if not training.baseline.latent:
        return None
    steps = training.weights.isfinite().nonzero()[:, 0]  # a phase that ended early has none
    used = training.weights[steps].numpy()
    return [list(corner) for corner in corners(steps.numpy(), used)]


def describe_config(config: RunConfig) -> dict[str, Any]:
    """Return all settings; a file outside the checkout by name and digest, without a path."""
    out = config.to_dict() | {"data": corpora.find(config.data).recorded}
    if config.file is not None:
        out |= {"file": plain(Path(config.file).name), "file_sha256": config.file_sha256}
    return out


def describe_data(corpus: Corpus) -> dict[str, Any]:
    """Return a record's facts on its data, with the truth of an exact language."""
    out: dict[str, Any] = {
        "name": corpus.spec,
        "sha256": corpus.sha256,
        "text_sha256": corpus.text_sha256 or corpus.sha256,
        "vocabulary": len(corpus.vocabulary),
        "vocabulary_sha256": corpus.vocabulary.sha256,
        "segmentation": corpus.vocabulary.segmentation,
        "lossless": {name: not corpus.substituted.get(name) for name in corpus.splits},
    }
    for name, split in corpus.splits.items():
        out[f"{name}_sentences"] = len(split)
        out[f"{name}_tokens"] = int(split.lengths.sum())
        out[f"{name}_words"] = corpus.scored_words(name)
    if corpus.language is not None:
        entropy, information = corpus.language.entropy(), corpus.language.information()
        out |= {
            "entropy": entropy.value,
            "entropy_se": entropy.error,
            "information": information.value,
            "information_se": information.error,
            "classes": corpus.language.settings.classes,
        }
    return out
