"""Importance-weighted estimate of the negative log-likelihood."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.core.measures import CONVERGED

SIZES = (1, 10, 100, 500)


@dataclass(frozen=True)
class ImportanceNLL:
    """IW-NLL of each sentence, nats per sentence, float64.

    Attributes:
        curve: size -> (N,) estimate with that many samples, in rising order of size; the last
            one uses all S samples at once and is the figure to report.
        ess: (N,) effective sample size of all S weights, between 1 and S.
        upper_bound: the mean still falls by more than 0.1 nats from the second largest size to
            the largest (or there is one size only): print the value as an upper bound.
    """

    curve: dict[int, Tensor]
    ess: Tensor
    upper_bound: bool


def importance_nll(log_weights: Tensor, sizes: Sequence[int] = SIZES) -> ImportanceNLL:
    """-log (1/K) sum_k w_k for several K from the same S draws, w = p(x|z) p(z) / q(z|x).

    For each size K the S draws are cut into S / K consecutive blocks; the value is the mean over
    blocks of -log mean(w in the block). Blocks of one size are unions of blocks of the next
    smaller, so by Jensen's inequality (the log of a mean is at least the mean of the logs) the
    curve falls with K for every sentence, up to round-off; nothing is clamped.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv 1509.00519. The effective
    sample size is (sum w)^2 / sum w^2 (Kong 1992).

    Args:
        log_weights: (N, S) log p(x, z_s) - log q(z_s|x), nats.
        sizes: wanted sizes. S is always one; those that do not nest (divide S and the next larger
            size kept) are left out, so that any S works.

    Raises:
        ValueError: not (N, S) with N, S > 0, or a size below 1.
    """
    if log_weights.dim() != 2 or log_weights.numel() == 0:
        raise ValueError(f"log_weights must be (N, S), N, S > 0, got {tuple(log_weights.shape)}")
    weights = log_weights.detach().to(torch.float64)
    n, draws = weights.shape
    curve = {}
    for size in _nested(draws, sizes):
        blocks = weights.reshape(n, draws // size, size)
        curve[size] = (math.log(size) - blocks.logsumexp(2)).mean(1)
    ess = (2 * weights.logsumexp(1) - (2 * weights).logsumexp(1)).exp()
    means = [value.mean().item() for value in curve.values()]
    upper_bound = len(means) == 1 or means[-2] - means[-1] > CONVERGED
    return ImportanceNLL(curve=curve, ess=ess, upper_bound=upper_bound)


def _nested(draws: int, sizes: Sequence[int]) -> list[int]:
    """The sizes to use, rising, each dividing the next, the last one ``draws``."""
    if any(size < 1 for size in sizes):
        raise ValueError(f"sizes must be at least 1, got {tuple(sizes)}")
    kept = [draws]
    for size in sorted(set(sizes), reverse=True):
        if size < kept[-1] and kept[-1] % size == 0:
            kept.append(size)
    return kept[::-1]
