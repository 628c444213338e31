"""Mutual information of sentence and latent variable under the encoder, I_q(x; z).

It needs gap_nm = log q(z_n|x_m) - log q(z_n|x_n), for diagonal Gaussians, without ever holding an
(N, N, Z) array. Every log density is taken relative to one reference posterior r (the median of
each parameter, so an element of the data). With y = z - mu_r and d_m = mu_m - mu_r,

    log q(z_n|x_m) - log q(z_n|x_r) =
        -1/2 sum_d [ y^2 (1/var_m - 1/var_r) - 2 y d_m / var_m + d_m^2 / var_m + ln(var_m / var_r) ]

is a matrix product. Where all posteriors are identical each coefficient is exactly 0, and so is
each gap, in whatever order a matrix product adds. Where posteriors are narrow or far apart, the
terms are large and cancel. A bound on the round-off detects this, and the pairs that are close
enough to matter are computed again, directly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.measures import SATURATION
from benchmark.metrics.likelihood import mean_and_error

TOLERANCE = 1e-8  # nats: pairs whose round-off may exceed this are computed directly
NEGLIGIBLE = 60.0  # nats: a gap below -60 adds less than 1e-26 to a sum that holds a 1
PAIRS = 1 << 16  # pairs computed directly at a time


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of I_q(x; z), or of I_q(x; z | g), nats per sentence."""

    mi: float  # at most ``cap``
    cap: float  # ln N, the most that N sentences can show; `mi_given` averages it over groups
    saturated: bool  # less than 3 nats below ``cap``: print it as a lower bound
    error: float  # standard error of ``mi`` over sentences, nan for one sentence


def coupled_mi(mu: Tensor, logvar: Tensor, z: Tensor, chunk: int = 1024) -> MutualInformation:
    """Return the estimate I = mean_n [ log q(z_n|x_n) - log (1/N) sum_m q(z_n|x_m) ], nats.

    Both terms take the same z_n. The estimate is exactly 0.0 where all posteriors are identical and
    never above ln N. Its variance is a small fraction of that of the usual estimate (analytic
    entropy, sampled log q(z)), which goes below 0 under collapse and above ln N. In expectation it
    is a lower bound of the population's information, close to it up to about ln N - 3. A single
    estimate may lie a little below 0.

    Source: He et al. 2019, "Lagging Inference Networks and Posterior Collapse in Variational
    Autoencoders", arXiv 1901.05534 (the quantity); Poole et al. 2019, "On Variational Bounds of
    Mutual Information", arXiv 1905.06922 (this bound, with known conditional, and its cap).

    Args:
        mu: (N, Z) posterior means.
        logvar: (N, Z) posterior log-variances.
        z: (N, Z) one sample of each posterior. Draw it in float64 where posteriors are narrow:
            float32 near 30 resolves 2e-6 only.
        chunk: rows and columns of the N x N matrix held at a time; the memory is O(chunk^2 +
            N Z). It changes the value by round-off only, and not at all under collapse.
    """
    cap = math.log(mu.shape[0])
    return _information(_densities(mu, logvar, z, chunk), cap)


def mi_given(
    mu: Tensor, logvar: Tensor, z: Tensor, groups: NDArray[np.integer], chunk: int = 1024
) -> MutualInformation:
    """Return an estimate of I_q(x; z | g), nats per sentence, for the group g of each sentence.

    This is ``coupled_mi`` with another marginal: q(z|g), the mean of q(z|x_m) over the sentences of
    the same group. With the same draws the chain rule I(x; z) = I(g; z) + I(x; z | g) holds exactly
    on the split. So ``coupled_mi`` minus this estimate is the information of z on the group, 0 or
    more in expectation over the draws. As an estimate for the population that difference is too
    high, since a group has fewer sentences than the split and this estimate is further below the
    truth: by about 0.1 nats at 1.4 nats, for lengths of 1,000 sentences of the preset exact_small.

    The cap is the mean of ln n_g over sentences. A sentence alone in its group has q(z|g) =
    q(z|x): it adds 0 to the estimate and 0 to the cap.

    Args:
        mu, logvar, z, chunk: as for ``coupled_mi``.
        groups: (N,) the group of each sentence, such as its length.
    """
    terms = torch.empty(mu.shape[0], dtype=torch.float64, device=mu.device)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    for members in np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1]):
        index = torch.as_tensor(members, dtype=torch.int64, device=mu.device)
        terms[index] = _densities(mu[index], logvar[index], z[index], chunk)
    return _information(terms, float(np.mean(np.log(sizes)[group])))


def batch_mi(mu: Tensor, logvar: Tensor, z: Tensor, batches: Sequence[NDArray[np.int64]]) -> float:
    """Return the mean information within batches, nats per sentence, for comparison only.

    He et al. 2019 (arXiv 1901.05534) estimate I_q(x; z) inside each test batch of at most 32
    sentences and average with the batch sizes as weights. So the mean cannot exceed that of
    ln(batch size) (3.34 nats on the PTB test set) and does not estimate the information over the
    split: never put it in one column with ``coupled_mi``. One difference is intended: they take the
    analytic entropy and use a sample in log q(z) only; here each batch uses the coupled estimate.
    The expectation is the same, the noise is smaller, and collapse gives exactly 0.

    Args:
        mu, logvar, z: (N, Z), as for ``coupled_mi``.
        batches: index arrays into the N sentences, none of them empty.
    """
    total, count = 0.0, 0
    for batch in batches:
        index = torch.as_tensor(batch, dtype=torch.int64, device=mu.device)
        total += len(batch) * coupled_mi(mu[index], logvar[index], z[index]).mi
        count += len(batch)
    return total / count


def marginal_kl(kl: float, information: MutualInformation) -> float | None:
    """Return KL(q(z) || p(z)) = KL - I_q(x; z): prior mass that no sentence uses ("holes"), nats.

    In expectation this is an upper bound, since the estimated information is a lower bound of the
    population's. It is None where the information is saturated, as the difference then says
    nothing.

    Source: Hoffman & Johnson 2016, "ELBO surgery: yet another way to carve up the variational
    evidence lower bound" (NIPS workshop).

    Args:
        kl: mean KL of the split, nats per sentence.
        information: the estimate on the same sentences.
    """
    return None if information.saturated else kl - information.mi


def _information(terms: Tensor, cap: float) -> MutualInformation:
    """Return the estimate that is the mean of (N,) terms, one for each sentence."""
    mean, error = mean_and_error(terms)
    mi = min(mean, cap)  # the bound holds for each term; this trims round-off
    return MutualInformation(mi=mi, cap=cap, saturated=mi > cap - SATURATION, error=error)


def _densities(mu: Tensor, logvar: Tensor, z: Tensor, chunk: int) -> Tensor:
    """Return (N,) log q(z_n|x_n) - log (1/N) sum_m q(z_n|x_m)."""
    n = mu.shape[0]
    slices = [slice(start, min(start + chunk, n)) for start in range(0, n, chunk)]
    with torch.no_grad():
        gaps = _Gaps(mu, logvar, z)
        return torch.cat([_row(gaps, rows, slices, n) for rows in slices])


def _row(gaps: "_Gaps", rows: slice, columns: Sequence[slice], n: int) -> Tensor:
    """Return (R,) -log (1/N) sum_m exp(gap_nm), exactly 0 where every gap is 0."""
    # A running maximum over the blocks. The own posterior's gap is 0, so that the maximum can
    # start there without changing the value.
    top = torch.zeros(rows.stop - rows.start, dtype=torch.float64, device=gaps.mu.device)
    total = torch.zeros_like(top)
    for part in columns:
        block = gaps.block(rows, part)  # (R, C)
        higher = torch.maximum(top, block.amax(1))
        total = total * (top - higher).exp() + (block - higher[:, None]).exp().sum(1)
        top = higher
    return 0.0 - ((total / n).log() + top)


class _Gaps:
    """Blocks of the N x N matrix of gaps, in float64, on the device of the (N, Z) inputs."""

    def __init__(self, mu: Tensor, logvar: Tensor, z: Tensor) -> None:
        self.mu, self.logvar, self.z = (a.detach().to(torch.float64) for a in (mu, logvar, z))
        reference, centre = _median(self.logvar), _median(self.mu)
        ratio = self.logvar - reference  # (N, Z) ln(var_m / var_r)
        # expm1, so that it is exactly 0 for equal variances, whatever exp rounds to
        precision_gap = (-reference).exp() * torch.expm1(-ratio)  # 1/var_m - 1/var_r
        shift = self.mu - centre  # d_m
        self.offset = self.z - centre  # y
        self.quadratic = -0.5 * precision_gap
        self.slope = shift * (-self.logvar).exp()  # d_m / var_m
        self.constant = -0.5 * (shift * self.slope + ratio).sum(1)  # (N,)
        self.constant_size = 0.5 * (shift * self.slope + ratio.abs()).sum(1)  # (N,)
        self.round_off = (3 * mu.shape[1] + 8) * torch.finfo(torch.float64).eps
        y, slope = self.offset, self.slope
        self.own = (y * y * self.quadratic + y * slope).sum(1) + self.constant  # (N,)
        size = (y * y * self.quadratic.abs() + (y * slope).abs()).sum(1) + self.constant_size
        self.own_error = self.round_off * size  # (N,)

    def block(self, rows: slice, columns: slice) -> Tensor:
        """Return the (R, C) gap of each sample in ``rows`` under each posterior in ``columns``."""
        y = self.offset[rows]
        quadratic, slope = self.quadratic[columns], self.slope[columns]
        gap = (y * y) @ quadratic.T + y @ slope.T + self.constant[columns]
        gap -= self.own[rows, None]
        self._recompute(gap, rows, columns)
        start, stop = max(rows.start, columns.start), min(rows.stop, columns.stop)
        if start < stop:  # the own posterior: 0 by definition
            own = torch.arange(start, stop, device=gap.device)
            gap[own - rows.start, own - columns.start] = 0.0
        return gap

    def _recompute(self, gap: Tensor, rows: slice, columns: slice) -> None:
        """Compute directly, in place, the pairs that cancel and are near enough to count."""
        y, row_error = self.offset[rows].abs(), self.own_error[rows]
        quadratic, slope = self.quadratic[columns].abs(), self.slope[columns].abs()
        constant = self.constant_size[columns]
        reach = y.amax(0)  # (Z,) one bound for the block clears most blocks at once
        worst = row_error.max() + self.round_off * (
            (quadratic @ (reach * reach) + slope @ reach + constant).max()
        )
        if not bool((worst > TOLERANCE) & (gap.max() > -NEGLIGIBLE - worst)):
            return
        size = (y * y) @ quadratic.T + y @ slope.T + constant  # (R, C) sum of absolute terms
        error = row_error[:, None] + self.round_off * size
        pairs = ((error > TOLERANCE) & (gap > -NEGLIGIBLE - error)).nonzero()
        for part in torch.split(pairs, PAIRS):
            n, m = part[:, 0] + rows.start, part[:, 1] + columns.start
            gap[part[:, 0], part[:, 1]] = 0.5 * (self._distance(n, n) - self._distance(n, m)).sum(1)

    def _distance(self, n: Tensor, m: Tensor) -> Tensor:
        """Return -2 log q(z_n|x_m) by dimension, (K, Z), up to a constant."""
        square = (self.z[n] - self.mu[m]).square()
        return square * (-self.logvar[m]).exp() + self.logvar[m]


def _median(parameter: Tensor) -> Tensor:
    """Return the (Z,) lower median of each column.

    It sorts, since ``torch.median`` along a dimension returns unset memory for an expanded tensor
    (torch 2.13), and refuses to run on CUDA where deterministic algorithms are required.
    """
    return parameter.contiguous().sort(0).values[(parameter.shape[0] - 1) // 2]
