"""What is measured on: random sentences of a corpus's sizes, and the model of its protocol."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.core.tokens import SPECIALS
from benchmark.data.corpus import Corpus, Split
from benchmark.data.vocabulary import WordVocabulary
from benchmark.run.config import RunConfig, resolve

BATCH = 32


@dataclass(frozen=True)
class Size:
    """Sizes of a corpus and its model.

    Attributes:
        preset: the protocol whose model and optimiser it has.
        vocabulary: words, the three specials among them.
        lengths: scored tokens of the training batches, one batch of 32 sentences each.
        test: sentences of each length to evaluate.
        scored: sentences of the middle length that importance sampling scores at a time.
    """

    preset: str
    vocabulary: int
    lengths: tuple[int, ...]
    test: int
    scored: int

    @property
    def middle(self) -> int:
        return self.lengths[len(self.lengths) // 2]


# The lengths are about the deciles of Penn Treebank's tokens, and the mean of Yahoo's.
SIZES = {
    "ptb": Size("li2019_ptb", 10_002, (8, 12, 15, 18, 20, 22, 24, 27, 31, 38), 100, 6),
    "yahoo": Size("he2019_yahoo", 20_001, (80,), 128, 1),
    "exact": Size("exact_small", 43, (5, 8, 11, 15, 20, 27), 100, 32),
}


def config(size: Size, precision: str, samples: int = 500) -> RunConfig:
    """The plain VAE of the protocol; the data's name stands for no data here."""
    sections: dict[str, dict[str, Any]] = {"evaluate": {"iw_samples": samples}}
    return resolve(
        "exact_small", "none", 0, precision=precision, preset=size.preset, sections=sections
    )


def corpus(size: Size) -> Corpus:
    """Random words in sentences of the lengths: one training batch each, some to evaluate."""
    noise = np.random.default_rng(0)
    words = [*SPECIALS, *(f"w{i}" for i in range(3, size.vocabulary))]

    def split(each: int) -> Split:
        rows = [
            noise.integers(3, size.vocabulary, length - 1).tolist()
            for length in size.lengths
            for _ in range(each)
        ]
        return Split.of(rows)

    splits = {"train": split(BATCH), "valid": split(size.test), "test": split(size.test)}
    return Corpus("random", WordVocabulary(words), splits, "none")


def flops_a_token(found: RunConfig, vocabulary: int) -> float:
    """Floating-point operations of one training step, a token: three times those of a pass.

    A multiplication and an addition each; of both LSTMs and the output layer, the rest is small.
    """
    model = found.model
    encoder = 4 * model.hidden * (model.embedding + model.hidden)
    decoder = 4 * model.hidden * (model.embedding + model.latent + model.hidden)
    return 6.0 * (encoder + decoder + model.hidden * vocabulary)
