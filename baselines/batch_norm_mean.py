"""BN-VAE normalises the posterior means over the batch to a fixed scale, which keeps the KL up.

Formula: loss = rec + w(t) KL, with w(t) = min(1, t / warmup) and t the part of training done
    (warmup 0: w = 1). The mean of dimension d is gamma (mu_d - m_d) / sqrt(v_d + eps) + bias_d,
    with m_d and v_d the batch's mean and variance of mu_d. In training the KL is then on average
    at least sum_d (gamma^2 v_d / (v_d + eps) + bias_d^2) / 2, about latent x gamma^2 / 2.

Source: Zhu et al., A Batch Normalized Inference Network Keeps the KL Vanishing Away, 2020,
    arXiv 2004.12585.

Settings in the source: gamma 0.5 to 0.7. The command of their code has gamma 0.5, a KL weight that
    rises from 0 to 1 over 10 epochs, and SGD with learning rate 0.5. The encoder keeps its default
    initialisation. Batches of one sentence are left out.

Differences here: batches of one sentence are trained on with the running statistics. The defaults
    are gamma 0.6 and no warm-up. The encoder keeps its default initialisation here too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

if TYPE_CHECKING:
    from benchmark.baseline import TextVAE


class NormalisedPosterior(nn.Module):
    """q(z | x) whose mean has variance gamma^2 over the batch, and a free bias.

    With v_d the batch's variance of the mean before, the KL in training is on average at least
    sum_d (gamma^2 v_d / (v_d + eps) + bias_d^2) / 2: eps must not swallow v, so neither encoder
    nor this layer may begin too small.
    """

    def __init__(self, linear: nn.Linear, latent: int, gamma: float) -> None:
        super().__init__()
        self.linear, self.gamma = linear, gamma
        self.norm = nn.BatchNorm1d(latent, affine=False)
        self.bias = nn.Parameter(torch.zeros(latent))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H) to mean and log variance, each (B, Z)."""
        mu, logvar = self.linear(state).chunk(2, -1)
        self.norm.train(self.training and len(state) > 1)  # one sentence: running statistics
        return self.gamma * self.norm(mu) + self.bias, logvar


@dataclass(frozen=True)
class BatchNormMean(Baseline):
    """Hyper-parameters of BN-VAE.

    Attributes:
        gamma: standard deviation of the means over the batch, in each dimension, above 0.
        warmup: part of training over which the KL weight rises from 0 to 1; 0 for weight 1
            throughout.
    """

    gamma: float = 0.6
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.gamma <= 0:
            raise ValueError("gamma must be above 0")
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, length=self.warmup)

    def build(self, model: "TextVAE") -> "TextVAE":
        for module in [*model.encoder.modules(), *model.posterior.modules()]:
            if isinstance(module, nn.Embedding | nn.LSTM | nn.Linear):
                module.reset_parameters()
        linear = next(m for m in model.posterior.modules() if isinstance(m, nn.Linear))
        model.posterior = NormalisedPosterior(linear, model.latent, self.gamma)
        return model
