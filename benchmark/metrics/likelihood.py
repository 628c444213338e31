"""Likelihood: the importance-weighted estimate, excess nats, and the loss by position."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.measures import CONVERGED

SIZES = (1, 10, 100, 500)
POSITIONS = 50


@dataclass(frozen=True)
class ImportanceNLL:
    """IW-NLL of each sentence, nats, float64.

    Attributes:
        curve: size -> (N,) estimate with that many samples, in rising order of size; the last
            estimate uses all S samples at once and is the one to report.
        ess: (N,) effective sample size of all S weights, between 1 and S.
        upper_bound: True if the mean still falls by more than 0.1 nats from the second largest
            size to the largest, or if there is one size only; print the value as a bound then.
    """

    curve: dict[int, Tensor]
    ess: Tensor
    upper_bound: bool


def importance_nll(log_weights: Tensor, sizes: Sequence[int] = SIZES) -> ImportanceNLL:
    """Return estimates of -log (1/K) sum_k w_k for several K from the same S draws.

    The weights are w = p(x|z) p(z) / q(z|x).

    For each size K the S draws are cut into S / K consecutive blocks; the value is the mean over
    blocks of -log mean(w in the block). Each block is a union of blocks of the next smaller
    size. By Jensen's inequality (the log of a mean is at least the mean of the logs) the curve
    therefore falls with K for every sentence, up to round-off; nothing is clamped.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv 1509.00519. The effective
    sample size is (sum w)^2 / sum w^2 (Kong 1992).

    Args:
        log_weights: (N, S) log p(x, z_s) - log q(z_s|x), nats.
        sizes: the sizes K, from 1. S is always added. Sizes that do not nest (divide S and the
            next larger size kept) are left out, so that any S works.
    """
    weights = log_weights.detach().to(torch.float64)
    n, draws = weights.shape
    nested = [draws]
    for size in sorted(set(sizes), reverse=True):
        if size < nested[-1] and nested[-1] % size == 0:
            nested.append(size)
    curve = {}
    for size in reversed(nested):
        blocks = weights.reshape(n, draws // size, size)
        curve[size] = (math.log(size) - blocks.logsumexp(2)).mean(1)
    ess = (2 * weights.logsumexp(1) - (2 * weights).logsumexp(1)).exp()
    means = [value.mean().item() for value in curve.values()]
    upper_bound = len(means) == 1 or means[-2] - means[-1] > CONVERGED
    return ImportanceNLL(curve=curve, ess=ess, upper_bound=upper_bound)


def excess(nll: Tensor, log_prob: Tensor | NDArray[Any]) -> tuple[float, float]:
    """Return the mean of (model NLL + true log p(x)) over sentences, and its standard error.

    The mean is an unbiased, paired estimate of KL(p || model), nats per sentence. Subtracting the
    entropy instead would add noise, since a sentence's log p varies by tens of nats.

    Args:
        nll: (N,) the model's (importance-weighted) NLL, nats.
        log_prob: (N,) the true log p(x), nats.
    """
    truth = torch.as_tensor(log_prob).to(nll.device, torch.float64)
    return mean_and_error(nll.detach().to(torch.float64) + truth)


@dataclass(frozen=True)
class PositionLoss:
    """Mean loss at each token position."""

    # Nats per token at position 1, 2, ...; one further entry, if there is one, is for all later
    # positions together.
    mean: list[float]
    count: list[int]  # how many tokens each mean is over


def loss_by_position(token_nll: Iterable[Tensor], positions: int = POSITIONS) -> PositionLoss:
    """Return the mean NLL of the 1st, 2nd, ... token, and of all later tokens together.

    Annealed text VAEs mostly remember the first words and the length (Bosc & Vincent 2020, "Do
    sequence-to-sequence VAEs learn global features of sentences?", arXiv 2004.07683).

    Args:
        token_nll: batches of equally long sentences, each (B, T), or single sentences, each (T,);
            nats per token, no padding.
        positions: how many positions have an entry each; all later ones share one more.

    Returns:
        min(longest, positions) entries, and one more if a sentence is longer than that.
    """
    total = torch.zeros(positions + 1, dtype=torch.float64)
    count = torch.zeros(positions + 1, dtype=torch.int64)
    for batch in token_nll:
        rows = batch.detach().to(torch.float64).reshape(-1, batch.shape[-1])  # (B, T)
        length = min(rows.shape[1], positions)
        total[:length] += rows[:, :length].sum(0).cpu()
        count[:length] += rows.shape[0]
        rest = rows[:, positions:]
        total[positions] += rest.sum().cpu()
        count[positions] += rest.numel()
    seen = int((count > 0).sum())  # counts fall with the position, so these are the first ones
    mean = total[:seen] / count[:seen]
    return PositionLoss(mean=mean.tolist(), count=count[:seen].tolist())


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Return the mean of (N,) values and its standard error, nan for fewer than two."""
    count = values.numel()
    error = values.std().item() / math.sqrt(count) if count > 1 else math.nan
    return values.mean().item(), error
