"""Where the KL term lies: over latent dimensions, and between information and marginal mismatch."""

import torch
from torch import Tensor

from benchmark.metrics.mutual_information import MutualInformation


def kl_spectrum(kl: Tensor) -> Tensor:
    """Mean KL(q(z_d|x) || p(z_d)) of each latent dimension; its sum is the KL of the split.

    Args:
        kl: (N, Z) analytic KL of each sentence and dimension, nats.

    Returns:
        (Z,) float64, nats per sentence, on the device of ``kl``.

    Raises:
        ValueError: not (N, Z), or no sentence.
    """
    if kl.dim() != 2 or kl.shape[0] == 0:
        raise ValueError(f"kl must be (N, Z) with N > 0, got {tuple(kl.shape)}")
    return kl.detach().to(torch.float64).mean(0)


def marginal_kl(kl: float, information: MutualInformation) -> float | None:
    """KL(q(z) || p(z)) = KL - I_q(x; z): prior mass that no sentence uses ("holes"), nats.

    An upper bound in expectation, since the estimated information is a lower bound of the
    population's. None where the information is saturated: the difference then says nothing.

    Source: Hoffman & Johnson 2016, "ELBO surgery: yet another way to carve up the variational
    evidence lower bound" (NIPS workshop).

    Args:
        kl: mean KL of the split, nats per sentence.
        information: the estimate on the same sentences.
    """
    return None if information.saturated else kl - information.mi
