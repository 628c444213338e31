"""Active units: latent dimensions whose posterior mean varies over the sentences."""

import torch
from torch import Tensor


def posterior_mean_variance(mu: Tensor) -> Tensor:
    """Variance over the split of each dimension of the posterior mean: Var_x(E[z_d | x]).

    Args:
        mu: (N, Z) posterior means.

    Returns:
        (Z,) float64 sample variances (divisor N - 1; 0 for a single sentence).

    Raises:
        ValueError: not (N, Z), or no sentence.
    """
    if mu.dim() != 2 or mu.shape[0] == 0:
        raise ValueError(f"mu must be (N, Z) with N > 0, got {tuple(mu.shape)}")
    return mu.detach().to(torch.float64).var(0, correction=min(1, mu.shape[0] - 1))


def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """How many dimensions have a posterior-mean variance above ``threshold``.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv 1509.00519 (0.01). The
    count leaps at the threshold: 32 dimensions of variance 0.011 count 32 and hold 0.18 nats, so
    keep the spectrum (``posterior_mean_variance``) beside it.

    Args:
        mu: (N, Z) posterior means.
        threshold: variance above which a dimension is active.
    """
    return int((posterior_mean_variance(mu) > threshold).sum())
