"""The record of a finished run; ``results/README.md`` tells its fields."""

import platform
from datetime import UTC, datetime
from typing import Any

import torch

from benchmark.data.corpus import Corpus
from benchmark.records import SCHEMA, Record
from benchmark.training import Training


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
        details: KL spectrum and loss by position.
        seconds: that evaluation took.
    """
    train = training.corpus.splits["train"]
    passes = training.tokens / int(train.lengths.sum())
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "schema": SCHEMA,
        "id": training.config.id,
        "config": training.config.to_dict(),
        "evaluation_digest": training.config.evaluation_digest,
        "data": describe_data(training.corpus),
        "metrics": scores,
        "curve": training.thinned_curve(),
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
            "peak_mb": _peak_mb(training.device),
            "device": _device_name(training.device),
        },
        "provenance": {**provenance, "finished": finished},
    }


def describe_data(corpus: Corpus) -> dict[str, Any]:
    """What a reader of a record must know of the data; the truth of an exact language."""
    out: dict[str, Any] = {
        "name": corpus.spec,
        "sha256": corpus.sha256,
        "vocabulary": len(corpus.vocabulary),
    }
    for name, split in corpus.splits.items():
        out[f"{name}_sentences"] = len(split)
        out[f"{name}_tokens"] = int(split.lengths.sum())
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


def _peak_mb(device: torch.device) -> float:
    """Peak memory of this process: the card's on a GPU, the resident set else."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    scale = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
