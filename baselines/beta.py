"""A constant KL weight, by default below 1: less is paid for the latent, and the bound is looser.

Source: Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
Framework, 2017, https://openreview.net/forum?id=Sy2fzU9gl (there with a weight above 1).
"""

from dataclasses import dataclass

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Beta(Baseline):
    """``beta`` is the weight, in training and when validation chooses the best step."""

    beta: float = 0.5

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError("beta must be above 0; at 0 it is the autoencoder")

    @property
    def selection_weight(self) -> float:
        return self.beta

    def weight(self, step: float, total: float) -> float:
        return self.beta
