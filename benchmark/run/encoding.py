"""The split for evaluation, the one encoder pass that all metrics use, and the probes.

All noise is a function of (seed, split, sentence), so neither the size of a bucket nor a restart
changes it.
"""

import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import metrics
from benchmark.core.seeds import generator
from benchmark.data.batches import Batch, same_length_batches
from benchmark.data.corpus import Corpus, Split
from benchmark.model.loss import gaussian_kl
from benchmark.model.vae import TextVAE

BUCKET = 32  # sentences measured together; also the batches of He et al. 2019's mutual information
WIDE = 512  # sentences encoded together
SUBSET = 500  # sentences, at most, that validation decodes a second time for z_use
PROBED = 10_000  # training sentences, at most, by which probes of length and words are trained
WORDS = 4  # of a sentence, from its first, that are probed
READ = ("recovered_length", *(f"recovered_word_{place}" for place in range(1, WORDS + 1)))
PROBES = ("recovered", "recovered_mean", "mi_given_length", "mi_given_length_cap", *READ)


class Measured:
    """A split as evaluation reads it: length buckets, and the noise of each sentence.

    Args:
        name: of the split, part of the noise's seed.
        split: N sentences.
        seed: the run's.
        device: where the model is.
    """

    def __init__(self, name: str, split: Split, seed: int, device: torch.device) -> None:
        self.name, self.split, self.seed, self.device = name, split, seed, device
        self.lengths = split.lengths
        self.tokens = int(self.lengths.sum())
        self.buckets = same_length_batches(split, BUCKET)
        self.wide = same_length_batches(split, WIDE)
        self.stranger = metrics.stranger_within_length(self.lengths)

    @cached_property
    def subset(self) -> list[Batch]:
        """At most `SUBSET` sentences that have a stranger, spread evenly over the split."""
        known = np.flatnonzero(self.stranger >= 0)
        known = known[:: -(-len(known) // SUBSET) or 1]
        picked = [(batch, np.flatnonzero(np.isin(batch.index, known))) for batch in self.wide]
        return [Batch(batch.index[some], batch.tokens[some]) for batch, some in picked if some.size]

    def in_order(self, values: list[NDArray[Any]]) -> NDArray[Any]:
        """Return the results of all buckets joined, row by row in the split's order."""
        joined = np.concatenate(values)
        out = np.empty_like(joined)
        out[np.concatenate([bucket.index for bucket in self.buckets])] = joined
        return out

    def first_noise(self, latent: int) -> Tensor:
        """Return the noise of MI, z_use and the one-sample bound, (N, Z), float64."""
        noise = generator(self.seed, self.name, "first")
        drawn = torch.randn(len(self.split), latent, generator=noise, dtype=torch.float64)
        return drawn.to(self.device)

    def importance_noise(self, sentence: int, samples: int, latent: int) -> Tensor:
        """Return the noise of one sentence for importance sampling, (S, Z), on the CPU."""
        noise = generator(self.seed, self.name, "importance", sentence)
        return torch.randn(samples, latent, generator=noise)


@dataclass
class Encoded:
    """The encoder's output for a whole split, in the split's order."""

    mu: Tensor  # (N, Z) float32
    logvar: Tensor  # (N, Z) float32
    z: Tensor  # (N, Z) float64, one sample

    @cached_property
    def kl(self) -> Tensor:
        """Return the KL of each sentence and dimension, (N, Z), nats, float64."""
        return gaussian_kl(self.mu.double(), self.logvar.double())


@torch.no_grad()
def encode(model: TextVAE, split: Measured) -> Encoded:
    """Return the encoder's output for the split, from one pass."""
    mu = torch.empty(len(split.split), model.latent, device=split.device)
    logvar = torch.empty_like(mu)
    for bucket in split.wide if model.latent else []:
        rows = torch.from_numpy(bucket.index).to(split.device)
        mu[rows], logvar[rows] = model.encode(bucket.tokens.to(split.device))
    z = mu.double() + split.first_noise(model.latent) * (0.5 * logvar.double()).exp()
    return Encoded(mu, logvar, z)


@torch.no_grad()
def recovery(model: TextVAE, corpus: Corpus, test: Measured) -> dict[str, Any]:
    """Return the `PROBES` of the latent on the test split, with their standard errors.

    The probes are trained on the training split: with few sentences they would over-fit, and find
    less than there is. Those of the length and of words take at most 10,000 sentences of it, drawn
    by lot. Nothing without a latent variable; a class is of an exact language only.
    """
    if not model.latent:
        return {}
    whole, language = corpus.splits["train"], corpus.language
    lot = random.Random(0).random  # numbers that Python keeps between versions
    some = np.sort(np.argsort([lot() for _ in range(len(whole))])[:PROBED])
    read = whole if language else _taken(whole, some)
    a, b = encode(model, Measured("train", read, test.seed, test.device)), encode(model, test)
    information = metrics.mi_given(b.mu, b.logvar, b.z, test.lengths)
    values = {
        "mi_given_length": information.mi,
        "mi_given_length_se": finite(information.error),
        "mi_given_length_cap": information.cap,
    }
    labels = [metrics.length_label(whole.lengths, test.lengths)]
    labels += map(metrics.word_label, _words(whole), _words(test.split))
    z = a.z[torch.from_numpy(some)] if language else a.z
    for name, label in zip(READ, labels, strict=True):
        value, error = metrics.recovered_label(z, some, b.z, label)
        values |= {name: finite(value), f"{name}_se": finite(error)}
    if language:
        assert whole.classes is not None
        assert test.split.classes is not None
        known, asked = whole.classes, test.split.classes
        classes = language.settings.classes
        value, error = metrics.recovered(a.z.cpu(), known, b.z.cpu(), asked, classes)
        mean, _ = metrics.recovered(a.mu.cpu(), known, b.mu.cpu(), asked, classes)
        values |= {"recovered": value, "recovered_se": finite(error), "recovered_mean": mean}
    return values


def finite(value: float) -> float | None:
    """Return the value; None if there are too few sentences for it."""
    return value if math.isfinite(value) else None


def _taken(split: Split, rows: NDArray[np.int64]) -> Split:
    """Return the sentences of a split with these indices."""
    return Split.of([split.sentence(row)[1:-1].tolist() for row in rows.tolist()])


def _words(split: Split) -> NDArray[np.int64]:
    """Return the first words of each sentence, (`WORDS`, N); behind its last word stands </s>."""
    places = split.offsets[:-1] + np.arange(1, WORDS + 1)[:, None]
    return np.asarray(split.tokens[np.minimum(places, split.offsets[1:] - 1)], dtype=np.int64)
