"""Published protocols as settings; other settings have the defaults of `benchmark.core.settings`.

Sources: ``fu2019_ptb``: Fu et al., Cyclical Annealing Schedule, 2019, arXiv 1903.10145, with a
constant learning rate. ``he2019_yahoo``: He et al., Lagging Inference Networks and Posterior
Collapse in Variational Autoencoders, 2019, arXiv 1901.05534. ``li2019_ptb``: Li et al., A
Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019, arXiv 1909.00868.
"""

import math
from pathlib import Path
from typing import Any

from benchmark import data as corpora

_HE2019_MODEL = {"feed": "cell", "bias": False, "init": 0.01, "init_embedding": 0.1}
_HE2019_TRAIN = {"epochs": 100, "optimiser": "sgd", "lr": 1.0, "lr_schedule": "halving"}
_EXACT_MODEL = {"feed": "cell", "init": 0.2, "init_embedding": 1.0}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "fu2019_ptb": {},
    "he2019_yahoo": {
        "model": {**_HE2019_MODEL, "embedding": 512, "hidden": 1024},
        "train": {**_HE2019_TRAIN, "patience": 2},
    },
    "li2019_ptb": {"model": _HE2019_MODEL, "train": {**_HE2019_TRAIN, "patience": 5}},
    # Chosen among some twenty settings: see CAVEATS.
    "exact_small": {
        "model": {**_EXACT_MODEL, "embedding": 32, "hidden": 64, "latent": 8, "dropout": 0.4},
        "train": {"epochs": 10, "batch_size": 64, "lr": 4e-3},
        "evaluate": {"iw_samples": 100},
    },
    # Chosen by the language model alone, on another language and another seed than are reported.
    "exact_learnable": {
        "model": {**_EXACT_MODEL, "embedding": 32, "hidden": 64, "latent": 8, "dropout": 0.0},
        "train": {"epochs": 40, "batch_size": 64, "lr": 4e-3, "lr_schedule": "cooldown"},
        "evaluate": {"iw_samples": 100},
    },
    "exact": {
        "model": {**_EXACT_MODEL, "embedding": 64, "hidden": 128, "latent": 16, "dropout": 0.2},
        "train": {"epochs": 15, "lr": 2e-3},
    },
}

DEFAULTS = "fu2019_ptb"  # the preset whose settings are all defaults

# The note above every table of a preset.
CAVEATS = {
    "exact_small": (
        "The preset exact_small was chosen so that the schedules differ within seconds, partly on "
        "test results of `none` and `cyclical` with seeds 0 and 1: differences between schedules "
        "are a demonstration here, and no evidence for one of them."
    ),
}

# Training sentences, types and mean length of the data that a preset was made for. `exact_small` is
# no advice for other data (see CAVEATS), and `li2019_ptb` has the data of `fu2019_ptb`.
MADE_FOR = {
    "exact": (10_000, 60, 14.0),
    "fu2019_ptb": (42_068, 9_999, 21.1),
    "he2019_yahoo": (100_000, 19_997, 79.0),
}


def nearest(sentences: int, types: int, length: float) -> str:
    """Return the preset made for the most similar data, by the product of three ratios.

    Sentences say how many updates an epoch has and how soon a network overfits, types and length
    how large it has to be.
    """
    sizes = (max(sentences, 1), max(types, 1), max(length, 1.0))

    def distance(name: str) -> float:
        pairs = zip(sizes, MADE_FOR[name], strict=True)
        return sum(abs(math.log(size / other)) for size, other in pairs)

    return min(MADE_FOR, key=distance)


def advice(spec: str, root: Path) -> str:
    """Return a line on the preset of a reader's own text; "" for other or unprepared data."""
    dataset = corpora.find(spec)
    if not (isinstance(dataset.kind, Path) and dataset.meta(root)):
        return ""
    text = corpora.describe(spec, root)
    unit = "words" if text["segmentation"] == "word" else "pieces"
    train = text["splits"]["train"]
    sizes = train["sentences"], text["types"], train[f"{unit}_mean"]
    best = nearest(*sizes)
    which = f'preset = "{best}" is' if best != DEFAULTS else "these are"
    return (
        f"{text['spec']}: without a preset, settings have the defaults ({DEFAULTS}); for "
        f"{_size(*sizes, unit)}, {which} nearest, made for {_size(*MADE_FOR[best], 'words')}"
    )


def _size(sentences: int, types: int, length: float, unit: str) -> str:
    return f"{sentences:,} sentences of {length:.0f} {unit}, {types:,} types"
