"""delta-VAE restricts the posterior so that the KL of each dimension is never below a set rate.

Formula: loss = rec + w(t) KL, with w(t) = min(1, t / warmup) and t the part of training done
    (warmup 0: w = 1). sigma_d = low + (high - low) sigmoid(s_d), and mu_d^2 = 2 rate + 1 +
    ln sigma_d^2 - sigma_d^2 + max(0, a_d) + 1e-6 with mu_d > 0. Here a_d and s_d are linear in the
    sentence's state, and low < 1 < high are where ln sigma^2 - sigma^2 + 2 rate + 1 = 0. The KL is
    then rate + (max(0, a_d) + 1e-6) / 2, whatever sigma_d is.

Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, arXiv 1901.03416; the
    form with independent latent variables. The formula is that of the code of Zhu et al., A Batch
    Normalized Inference Network Keeps the KL Vanishing Away, 2020, arXiv 2004.12585, which names
    equation 4 of Razavi et al. as its source.

Settings in the source: those of Razavi et al. are not known here. The code of Zhu et al. has rate
    0.15, means and variances without bias, and weights from U(-0.01, 0.01), embeddings from
    U(-0.1, 0.1).

Differences here: bias and initialisation are those of the model's settings. Zhu et al. keep the
    sigmoid above 1/50. The default has no warm-up.
"""

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

from torch import Tensor, nn

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

if TYPE_CHECKING:
    from benchmark.baseline import TextVAE


class BoundedPosterior(nn.Module):
    """q(z | x) whose KL is at least ``rate`` in each dimension, for any weights and any input.

    Where a_d is below 0 for all sentences it has no gradient. sigma_d still has one, and costs no
    KL: what it says of the sentence is free.
    """

    def __init__(self, linear: nn.Linear, rate: float) -> None:
        super().__init__()
        self.linear, self.most = linear, 1 + 2 * rate
        low, high = 0.0, 2 * self.most  # bounds of the variance; both come from outside
        for _ in range(1000):
            low, high = exp(low - self.most), self.most + log(high)
        self.low, self.high = low**0.5, high**0.5

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H) to mean and log variance, each (B, Z), in the precision of the weights."""
        a, s = self.linear(state).to(self.linear.weight.dtype).chunk(2, -1)
        sigma = self.low + (self.high - self.low) * s.sigmoid()
        logvar = 2 * sigma.log()
        lacking = (self.most + logvar - sigma.square()).clamp(min=0)  # only round-off is below 0
        return (lacking + a.relu() + 1e-6).sqrt(), logvar


@dataclass(frozen=True)
class DeltaVAE(Baseline):
    """Hyper-parameters of delta-VAE.

    Attributes:
        rate: nats that the KL of each dimension has at least, above 0.
        warmup: part of training over which the KL weight rises from 0 to 1; 0 for weight 1
            throughout.
    """

    rate: float = 0.15
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.rate <= 0 or not 0 <= self.warmup <= 1:
            raise ValueError("rate must be above 0, and warmup between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, length=self.warmup)

    def build(self, model: "TextVAE") -> "TextVAE":
        linear = next(m for m in model.posterior.modules() if isinstance(m, nn.Linear))
        model.posterior = BoundedPosterior(linear, self.rate)
        return model
