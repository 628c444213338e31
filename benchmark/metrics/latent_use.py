"""Whether the decoder uses z: the loss with another sentence's z against the loss with its own."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALONE = -1


def swap_within_length(lengths: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Give each sentence a partner of equal length: the next one of its length, cyclically.

    Args:
        lengths: (N,) length of each sentence.

    Returns:
        (N,) int64 index of the partner, -1 where no other sentence has that length. Apart from
        those it is a permutation without fixed points.

    Raises:
        ValueError: not one-dimensional.
    """
    length = np.asarray(lengths)
    if length.ndim != 1:
        raise ValueError(f"lengths must be (N,), got {length.shape}")
    partner = np.full(len(length), ALONE, dtype=np.int64)
    for value in np.unique(length):
        bucket = np.flatnonzero(length == value)
        if len(bucket) > 1:
            partner[bucket] = np.roll(bucket, -1)
    return partner


def z_use(own: Tensor, swapped: Tensor, partner: NDArray[np.int64]) -> tuple[float, int]:
    """Mean of NLL(x | z of the partner) - NLL(x | own z), nats per sentence.

    KL, information and active units look at the encoder only; this is 0, exactly, for a decoder
    that ignores z. The partner has equal length, so that z is not credited with the length.

    Args:
        own: (N,) NLL with a sample of the sentence's own posterior, nats.
        swapped: (N,) NLL with the partner's sample; ignored where there is no partner.
        partner: (N,) from ``swap_within_length``.

    Returns:
        The mean (nan if no sentence has a partner) and the number of sentences it is over;
        N minus that number were alone in their length and are left out.

    Raises:
        ValueError: the three are not (N,) alike.
    """
    if own.dim() != 1 or own.shape != swapped.shape or own.shape != partner.shape:
        shapes = f"{tuple(own.shape)}, {tuple(swapped.shape)}, {partner.shape}"
        raise ValueError(f"own, swapped and partner must all be (N,), got {shapes}")
    paired = torch.as_tensor(partner != ALONE, device=own.device)
    # Subtract in float64: the difference of two equal losses is exactly 0.
    gain = (swapped.detach().to(torch.float64) - own.detach().to(torch.float64))[paired]
    return gain.mean().item(), gain.numel()
