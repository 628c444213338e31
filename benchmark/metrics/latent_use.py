"""Whether the decoder uses z: the loss with another sentence's z against the loss with its own."""

import math
import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALONE = -1


def stranger_within_length(lengths: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Give each sentence a random other one of equal length, its stranger.

    Within a length the strangers form one random cycle (Sattolo 1986, "An algorithm to generate a
    random cyclic permutation"), so no sentence is its own stranger. The draw depends on the lengths
    alone: every method and every run is measured with the same strangers. Neighbours in a file will
    not do: text in document order puts sentences of one article side by side, and z of the same
    topic costs less than z of another.

    Args:
        lengths: (N,) length of each sentence.

    Returns:
        (N,) int64 index of the stranger, -1 where no other sentence has that length. Apart from
        those it is a permutation without fixed points.

    Raises:
        ValueError: not one-dimensional.
    """
    length = np.asarray(lengths)
    if length.ndim != 1:
        raise ValueError(f"lengths must be (N,), got {length.shape}")
    stranger = np.full(len(length), ALONE, dtype=np.int64)
    for value in np.unique(length):
        bucket = np.flatnonzero(length == value)
        if len(bucket) > 1:
            stranger[bucket] = bucket[_cyclic_order(len(bucket), int(value))]
    return stranger


def _cyclic_order(size: int, seed: int) -> list[int]:
    """A random cyclic permutation of ``range(size)``."""
    draw = random.Random(seed).random  # the one generator that Python keeps equal over versions
    order = list(range(size))
    for i in range(size - 1, 0, -1):
        j = int(draw() * i)  # below i, never i itself: that makes the permutation one cycle
        order[i], order[j] = order[j], order[i]
    return order


def z_use(own: Tensor, swapped: Tensor, stranger: NDArray[np.int64]) -> tuple[float, float, int]:
    """Mean of NLL(x | z of the stranger) - NLL(x | own z), nats per sentence.

    KL, information and active units look at the encoder only; this is 0, exactly, for a decoder
    that ignores z. The stranger has equal length, so that z is not credited with the length.

    Args:
        own: (N,) NLL with a sample of the sentence's own posterior, nats.
        swapped: (N,) NLL with the stranger's sample; ignored where there is no stranger.
        stranger: (N,) from ``stranger_within_length``.

    Returns:
        The mean (nan if no sentence has a stranger), its standard error over sentences (nan for
        fewer than two) and the number of sentences; those alone in their length are left out.

    Raises:
        ValueError: the three are not (N,) alike.
    """
    if own.dim() != 1 or own.shape != swapped.shape or own.shape != stranger.shape:
        shapes = f"{tuple(own.shape)}, {tuple(swapped.shape)}, {stranger.shape}"
        raise ValueError(f"own, swapped and stranger must all be (N,), got {shapes}")
    paired = torch.from_numpy(np.flatnonzero(stranger != ALONE)).to(own.device)
    # Subtract in float64: the difference of two equal losses is exactly 0.
    gain = (swapped.detach().to(torch.float64) - own.detach().to(torch.float64))[paired]
    count = gain.numel()
    error = gain.std().item() / math.sqrt(count) if count > 1 else math.nan
    return gain.mean().item(), error, count
