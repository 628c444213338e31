"""Mutual information between sentence and latent variable under the encoder, I_q(x; z)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.measures import SATURATION
from benchmark.metrics.posterior_gaps import PosteriorGaps


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of I_q(x; z), nats per sentence.

    Attributes:
        mi: the estimate, at most ``cap``.
        cap: ln N, what N sentences can show at most.
        saturated: ``mi > cap - 3``: print it as a lower bound.
        error: its standard error over sentences, nan for a single one.
    """

    mi: float
    cap: float
    saturated: bool
    error: float


def coupled_mi(mu: Tensor, logvar: Tensor, z: Tensor, chunk: int = 1024) -> MutualInformation:
    """I = mean_n [ log q(z_n|x_n) - log (1/N) sum_m q(z_n|x_m) ], the same z_n in both terms.

    Exactly 0.0 where all posteriors are identical, never above ln N, and with a small fraction of
    the variance of the usual estimate (analytic entropy, sampled log q(z)), which goes negative
    under collapse and above ln N. In expectation a lower bound of the population's information,
    close to it up to about ln N - 3. A single estimate may lie a little below 0.

    Source: He et al. 2019, "Lagging Inference Networks and Posterior Collapse in Variational
    Autoencoders", arXiv 1901.05534 (the quantity); Poole et al. 2019, "On Variational Bounds of
    Mutual Information", arXiv 1905.06922 (this bound, with known conditional, and its cap).

    Args:
        mu: (N, Z) posterior means.
        logvar: (N, Z) posterior log-variances.
        z: (N, Z) one sample of each posterior. Draw it in float64 where posteriors are narrow:
            float32 near 30 resolves 2e-6 only.
        chunk: rows and columns of the N x N matrix held at a time; the memory is O(chunk^2 +
            N Z). The value depends on it by round-off only, and not at all under collapse.

    Raises:
        ValueError: shapes that differ or are not (N, Z), no sentence, or ``chunk`` below 1.
    """
    if mu.dim() != 2 or mu.shape != logvar.shape or mu.shape != z.shape or mu.shape[0] == 0:
        shapes = f"{tuple(mu.shape)}, {tuple(logvar.shape)}, {tuple(z.shape)}"
        raise ValueError(f"mu, logvar and z must all be (N, Z) with N > 0, got {shapes}")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    n = mu.shape[0]
    with torch.no_grad():
        gaps = PosteriorGaps(mu, logvar, z)
        information = torch.cat(
            [_row_information(gaps, rows, n, chunk) for rows in _slices(n, chunk)]
        )
        mean = information.mean().item()
    cap = math.log(n)
    mi = min(mean, cap)  # the bound holds for each term; this trims round-off
    error = information.std().item() / math.sqrt(n) if n > 1 else math.nan
    return MutualInformation(mi=mi, cap=cap, saturated=mi > cap - SATURATION, error=error)


def batch_mi(mu: Tensor, logvar: Tensor, z: Tensor, batches: Sequence[NDArray[np.int64]]) -> float:
    """The information within batches, averaged over sentences: for comparison with He et al. only.

    He et al. 2019 (arXiv 1901.05534) estimate I_q(x; z) inside each test batch of at most 32
    sentences and average with the batch sizes as weights. So it cannot exceed the mean of
    ln(batch size) (3.34 nats on the PTB test set) and is no estimate of the information over the
    split: never put it in one column with ``coupled_mi``. One difference is kept on purpose: they
    take the analytic entropy and a sample in log q(z) only, here each batch uses the coupled
    estimate. The expectation is the same, the noise is less, and collapse gives exactly 0.

    Args:
        mu, logvar, z: (N, Z), as for ``coupled_mi``.
        batches: index arrays into the N sentences; empty ones are skipped.

    Returns:
        Nats per sentence.

    Raises:
        ValueError: no sentence in any batch.
    """
    total, count = 0.0, 0
    for batch in batches:
        index = torch.as_tensor(batch, dtype=torch.int64, device=mu.device)
        size = index.numel()
        if size == 0:
            continue
        total += size * coupled_mi(mu[index], logvar[index], z[index]).mi
        count += size
    if count == 0:
        raise ValueError("batch_mi needs at least one sentence in its batches")
    return total / count


def _row_information(gaps: PosteriorGaps, rows: slice, n: int, chunk: int) -> Tensor:
    """(R,) -log (1/N) sum_m exp(gap_nm): exactly 0 where every gap is 0, by a running maximum."""
    count = rows.stop - rows.start
    # The own posterior's gap is 0, so the maximum starts there without changing the value.
    top = torch.zeros(count, dtype=torch.float64, device=gaps.device)
    total = torch.zeros_like(top)
    for columns in _slices(n, chunk):
        block = gaps.block(rows, columns)  # (R, C)
        higher = torch.maximum(top, block.amax(1))
        total = total * (top - higher).exp() + (block - higher[:, None]).exp().sum(1)
        top = higher
    return 0.0 - ((total / n).log() + top)


def _slices(n: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, n)) for start in range(0, n, chunk)]
