"""The batch at each step: a pure function of (data, seed, epoch, position)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.corpus import Corpus, Split
from benchmark.data.exact import ORDER, permutation, stream


@dataclass(frozen=True, eq=False)
class Batch:
    """Sentences of one length.

    Attributes:
        index: int64 (B,), the sentences' numbers in their split.
        tokens: int64 (B, T + 1), ``<s> w1 .. wn </s>`` with T = n + 1 scored tokens, no padding.
    """

    index: NDArray[np.int64]
    tokens: Tensor


def same_length_batches(split: Split, size: int) -> list[Batch]:
    """Cut a split into batches of exactly equal length and at most ``size`` sentences.

    Lengths ascend, sentences of one length keep the order of the file, every sentence is in
    exactly one batch; the last batch of a length may be smaller (H19, F19: 1,359 batches on PTB).
    """
    lengths = split.lengths
    order = np.argsort(lengths, kind="stable").astype(np.int64)
    borders = np.flatnonzero(np.diff(lengths[order])) + 1
    batches = []
    for group in np.split(order, borders):
        for start in range(0, len(group), size):
            index = group[start : start + size]
            columns = np.arange(lengths[index[0]] + 1)
            rows = split.tokens[split.offsets[index][:, None] + columns]
            batches.append(Batch(index, torch.from_numpy(rows.astype(np.int64))))
    return batches


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of ``n`` batches in an epoch, (n,): a pure function of its arguments."""
    order: NDArray[np.int64] = permutation(stream(seed, ORDER, epoch), 1, n)[0]
    return order


class Epochs:
    """The batches of a whole run, epoch by epoch, at most ``size`` sentences in each.

    Attributes:
        ends: the step at which each epoch ends.
    """

    def __init__(
        self, corpus: Corpus, seed: int, epochs: int, size: int, device: torch.device
    ) -> None:
        self._corpus, self._seed, self._size, self._device = corpus, seed, size, device
        # One epoch is held, since a step asks for the batches of its own epoch only.
        self._cut = lru_cache(maxsize=1)(self._cut_split)
        self._ordered = lru_cache(maxsize=1)(self._in_order)
        counts = [len(self._batches(epoch)) for epoch in range(epochs)]
        self.ends: list[int] = np.cumsum(counts).tolist()

    def batch(self, epoch: int, position: int) -> Tensor:
        """Return the batch at a position of an epoch, (B, T + 1), on the device."""
        return self._ordered(epoch)[position]

    def any(self, epoch: int, noise: torch.Generator) -> Tensor:
        """Draw a batch of an epoch, each equally likely, (B, T + 1), on the device."""
        batches = self._batches(epoch)
        drawn = torch.randint(len(batches), (1,), generator=noise, device=noise.device)
        return batches[int(drawn)]

    def _batches(self, epoch: int) -> list[Tensor]:
        return self._cut(epoch if self._corpus.fresh else 0)

    def _cut_split(self, epoch: int) -> list[Tensor]:
        split = self._corpus.training_split(self._seed, epoch)
        return [batch.tokens.to(self._device) for batch in same_length_batches(split, self._size)]

    def _in_order(self, epoch: int) -> list[Tensor]:
        batches = self._batches(epoch)
        return [batches[i] for i in epoch_order(len(batches), self._seed, epoch)]
