"""A constant KL weight, by default below 1: the latent costs less, and the bound is looser.

Formula: loss = rec + beta KL.

Source: Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
    Framework, 2017, https://openreview.net/forum?id=Sy2fzU9gl.

Settings in the source: a weight above 1.

Differences here: the default weight is below 1. Validation chooses the best step by the loss with
    the same weight.
"""

from dataclasses import dataclass

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Beta(Baseline):
    """Hyper-parameters of the constant weight.

    Attributes:
        beta: KL weight, above 0, in training and where validation chooses the best step.
    """

    beta: float = 0.5

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError("beta must be above 0; at 0 it is the autoencoder")

    @property
    def selection_weight(self) -> float:
        return self.beta

    def weight(self, step: float, total: float) -> float:
        return self.beta
