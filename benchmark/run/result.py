"""The record of a finished run; ``results/README.md`` tells its fields."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark import data as corpora
from benchmark.core.files import plain
from benchmark.core.records import SCHEMA, Record, digest
from benchmark.data.corpus import Corpus
from benchmark.model.device import device_name, peak_mb
from benchmark.run.config import EVALUATION, RunConfig
from benchmark.run.training import Training


def assemble(
    training: Training,
    provenance: dict[str, Any],
    scores: dict[str, Any],
    details: dict[str, Any],
    seconds: float,
) -> Record:
    """Everything that is kept of a run.

    Args:
        training: finished.
        provenance: of its first process, with the later ones noted.
        scores: ``valid``, ``test`` and ``last`` metrics.
        details: KL spectrum and loss by position; of an exact language also samples.
        seconds: that evaluation took.
    """
    train = training.corpus.splits["train"]
    passes = training.tokens / int(train.lengths.sum())
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    record: Record = {
        "schema": SCHEMA,
        "id": training.config.id,
        "config": describe_config(training.config),
        "evaluation": EVALUATION,
        "evaluation_digest": training.config.evaluation_digest,
        "data": describe_data(training.corpus),
        "metrics": scores,
        "curve": training.thinned_curve(),
        "weight_path": training.weight_path(),
        **details,
        "updates": {**training.updates, "passes": passes},
        "best_step": training.best["step"],
        "steps": training.total_steps,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "cost": {
            "seconds": training.seconds + seconds,
            "train_seconds": training.seconds,
            "evaluate_seconds": seconds,
            "tokens": training.tokens,
            "tokens_per_second": training.tokens / max(training.seconds, 1e-9),
            "peak_mb": peak_mb(training.device),
            "device": device_name(training.device),
        },
        "provenance": {**provenance, "finished": finished},
    }
    return record | {"digest": digest(record)}


def describe_config(config: RunConfig) -> dict[str, Any]:
    """All settings; of what lies outside the checkout the name and digest, no path."""
    out = config.to_dict() | {"data": corpora.recorded(config.data)}
    if config.file is not None:
        out["file"] = plain(Path(config.file).name)
        out["file_sha256"] = config.file_sha256
    return out


def describe_data(corpus: Corpus) -> dict[str, Any]:
    """What a reader of a record must know of the data; the truth of an exact language."""
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
