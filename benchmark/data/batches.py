"""Batches of exactly equal length, fixed once; only their order changes from epoch to epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.corpus import Split
from benchmark.data.streams import ORDER, permutation, stream


@dataclass(frozen=True, eq=False)
class Batch:
    """Sentences of one length.

    Attributes:
        index: int64 (B,), the sentences' numbers in their split.
        tokens: int64 (B, T + 1), ``<s> w1 .. wn </s>`` with T = n + 1 scored tokens, no padding.
    """

    index: NDArray[np.int64]
    tokens: torch.Tensor


def same_length_batches(split: Split, size: int) -> list[Batch]:
    """Cut a split into batches of exactly equal length and at most ``size`` sentences.

    Lengths ascend, sentences of one length keep the order of the file, every sentence is in
    exactly one batch; the last batch of a length may be smaller (H19, F19: 1,359 batches on PTB).

    Raises:
        ValueError: ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f"batch size must be at least 1, got {size}")
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
    """The order of ``n`` batches in an epoch, (n,): a pure function of its arguments."""
    order: NDArray[np.int64] = permutation(stream(seed, ORDER, epoch), 1, n)[0]
    return order
