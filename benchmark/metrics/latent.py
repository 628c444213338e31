"""How the latent variable is used: KL by dimension, active units, and the cost of another z."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.measures import ACTIVE
from benchmark.metrics.likelihood import mean_and_error

ALONE = -1


def kl_spectrum(kl: Tensor) -> Tensor:
    """Return the mean KL(q(z_d|x) || p(z_d)) of each latent dimension; their sum is the KL.

    Args:
        kl: (N, Z) analytic KL of each sentence and dimension, nats.

    Returns:
        (Z,) float64, nats per sentence, on the device of ``kl``.
    """
    return kl.detach().to(torch.float64).mean(0)


def posterior_mean_variance(mu: Tensor) -> Tensor:
    """Return the variance of each dimension of the posterior mean over the split.

    That is Var_x(E[z_d|x]).

    Args:
        mu: (N, Z) posterior means.

    Returns:
        (Z,) float64 sample variances (divisor N - 1; 0 for a single sentence).
    """
    return mu.detach().to(torch.float64).var(0, correction=min(1, mu.shape[0] - 1))


def active_units(mu: Tensor, threshold: float = ACTIVE) -> int:
    """Return how many latent dimensions have a posterior-mean variance above ``threshold``.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv 1509.00519 (0.01). The
    count jumps at the threshold: 32 dimensions of variance 0.011 count as 32 and hold 0.18 nats, so
    report the spectrum (``posterior_mean_variance``) beside it.

    Args:
        mu: (N, Z) posterior means.
        threshold: variance above which a dimension is active.
    """
    return int((posterior_mean_variance(mu) > threshold).sum())


def stranger_within_length(lengths: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Return for each sentence a random other sentence of equal length, its stranger.

    Within a length the strangers form one random cycle (Sattolo 1986, "An algorithm to generate a
    random cyclic permutation"), so no sentence is its own stranger. The draw depends on the lengths
    alone: every method and every run is measured with the same strangers. Neighbours in a file are
    no substitute: in document order, sentences of one article stand side by side, and the z of a
    sentence on the same topic costs less than that of any other.

    Args:
        lengths: (N,) length of each sentence.

    Returns:
        (N,) int64 index of the stranger, -1 where no other sentence has that length. The other
        entries are a permutation without fixed points.
    """
    length = np.asarray(lengths)
    stranger = np.full(len(length), ALONE, dtype=np.int64)
    for value in np.unique(length):
        bucket = np.flatnonzero(length == value)
        if len(bucket) == 1:
            continue
        # Python promises to keep the numbers of this generator alone equal between versions.
        draw = random.Random(int(value)).random
        order = list(range(len(bucket)))
        for i in range(len(bucket) - 1, 0, -1):
            j = int(draw() * i)  # below i, never i itself, which makes the permutation one cycle
            order[i], order[j] = order[j], order[i]
        stranger[bucket] = bucket[order]
    return stranger


def z_use(own: Tensor, swapped: Tensor, stranger: NDArray[np.int64]) -> tuple[float, float, int]:
    """Return the mean of NLL(x | the stranger's z) - NLL(x | own z), nats per sentence.

    KL, information and active units describe the encoder only; this is exactly 0 for a decoder that
    ignores z. The stranger has equal length, so that z earns nothing by the length alone.

    Args:
        own: (N,) NLL with a sample of the sentence's own posterior, nats.
        swapped: (N,) NLL with the stranger's sample; ignored where there is no stranger.
        stranger: (N,) from ``stranger_within_length``.

    Returns:
        The mean (nan if no sentence has a stranger), its standard error over sentences (nan for
        fewer than two) and the number of sentences; those without a stranger are left out.
    """
    paired = torch.from_numpy(np.flatnonzero(stranger != ALONE)).to(own.device)
    # Subtract in float64: the difference of two equal losses is exactly 0.
    gain = (swapped.detach().to(torch.float64) - own.detach().to(torch.float64))[paired]
    return *mean_and_error(gain), gain.numel()
