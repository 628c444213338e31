"""DU-VAE keeps the posterior means apart by batch normalisation and drops variances at random.

Formula: loss = rec + w(t) KL, with w(t) = min(1, t / warmup) and t the part of training done
    (warmup 0: w = 1). The mean of dimension d is gamma_d (mu_d - m_d) / sqrt(v_d + eps) + bias_d,
    with m_d and v_d the batch's mean and variance of mu_d; gamma_d and bias_d are learned, and the
    root mean square of the gamma_d is gamma. The variance is k_d sigma_d^2 + c with
    c = alpha / (2 pi e). In training at w = 1, k_d is 0 with probability rate and otherwise
    1 / (1 - rate), drawn for each sentence; elsewhere it is 1. In training at w = 1 the KL of a
    batch of two sentences or more is on average at least
    sum_d (gamma_d^2 v_d / (v_d + eps) + bias_d^2 + rate (c - 1 - ln c)) / 2.

Source: Shen et al., Regularizing Variational Autoencoder with Diversity and Uncertainty Awareness,
    2021, arXiv 2110.12381.

Settings in the source: the command of their code for text has gamma 0.5, rate 0.2, alpha 1 and a
    KL weight that rises from 0 to 1 over 10 epochs; SGD has learning rate 1 by default. The encoder
    keeps its default initialisation. c is added only at w = 1. Batches below 16 sentences are left
    out of training.

Differences here: c is added from the first step on. Small batches are trained on, those of one
    sentence with the running statistics. The gradient of gamma_d takes account of the scaling to
    gamma. The default has no warm-up.
"""

from dataclasses import dataclass
from math import e, pi
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

if TYPE_CHECKING:
    from benchmark.baseline import Run, TextVAE


class DispersedPosterior(nn.Module):
    """q(z | x) with normalised means, and variances above c that are dropped to c at random."""

    def __init__(self, linear: nn.Linear, latent: int, method: "Dispersed") -> None:
        super().__init__()
        self.linear, self.rate = linear, method.rate
        self.scale, self.floor = method.gamma * latent**0.5, method.alpha / (2 * pi * e)
        self.norm = nn.BatchNorm1d(latent, affine=False)
        self.gamma, self.bias = nn.Parameter(torch.ones(latent)), nn.Parameter(torch.zeros(latent))
        self.kept: Tensor | None = None  # (B, Z), from `draw` to the pass that it belongs to

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H) to mean and log variance, each (B, Z), in the precision of the weights."""
        mu, logvar = self.linear(state).to(self.linear.weight.dtype).chunk(2, -1)
        self.norm.train(self.training and len(state) > 1)  # one sentence: running statistics
        gamma = self.scale * nn.functional.normalize(self.gamma, dim=0)
        kept, self.kept = 1.0 if self.kept is None else self.kept, None
        return gamma * self.norm(mu) + self.bias, (kept * logvar.exp() + self.floor).log()


def draw(model: "TextVAE", inputs: tuple[Any, ...]) -> None:
    """Draw which variances a training pass keeps, by its noise: a hook before the pass."""
    (tokens, noise, *_), posterior = inputs, cast(Any, model.posterior)
    kept = torch.empty(len(tokens), model.latent, device=tokens.device)
    posterior.kept = kept.bernoulli_(1 - posterior.rate, generator=noise) / (1 - posterior.rate)


@dataclass(frozen=True)
class Dispersed(Baseline):
    """Hyper-parameters of DU-VAE.

    Attributes:
        gamma: root mean square, over dimensions, of the means' standard deviation over the batch,
            above 0.
        rate: share of variances that are dropped in training, at least 0, below 1.
        alpha: least variance times 2 pi e, above 0; from 1 on no posterior has negative entropy.
        warmup: part of training over which the KL weight rises from 0 to 1; 0 for weight 1
            throughout.
    """

    gamma: float = 0.5
    rate: float = 0.2
    alpha: float = 1.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if min(self.gamma, self.alpha) <= 0 or not 0 <= self.rate < 1 or not 0 <= self.warmup <= 1:
            raise ValueError("gamma and alpha must be above 0, rate and warmup between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, length=self.warmup)

    def build(self, model: "TextVAE") -> "TextVAE":
        for module in [*model.encoder.modules(), *model.posterior.modules()]:
            if isinstance(module, nn.Embedding | nn.LSTM | nn.Linear):
                module.reset_parameters()
        linear = next(m for m in model.posterior.modules() if isinstance(m, nn.Linear))
        model.posterior = DispersedPosterior(linear, model.latent, self)
        model.register_forward_pre_hook(draw)
        return model

    def before_step(self, run: "Run") -> None:
        posterior = cast(Any, run.model.posterior)
        posterior.rate = self.rate if self.weight(run.step, run.total_steps) == 1 else 0.0
