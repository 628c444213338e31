"""Reconstruction averaged over tokens beside a summed KL: a scale that much public code has.

The KL then weighs as many times more as a sentence has tokens, which alone can make a model
collapse. A warning, not a remedy; it is selected on validation like every other row.

Source: equal to a beta-VAE whose beta is the sentence's length: Higgins et al., beta-VAE: Learning
Basic Visual Concepts with a Constrained Variational Framework, 2017,
https://openreview.net/forum?id=Sy2fzU9gl.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.baseline import Baseline, Run

if TYPE_CHECKING:
    from benchmark.baseline import Output


@dataclass(frozen=True)
class MeanReduction(Baseline):
    """The plain VAE with the reconstruction in nats per token."""

    def objective(self, run: Run, out: "Output") -> Tensor:
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        tokens = out.targets.shape[1]  # of every sentence: a batch has one length
        loss: Tensor = rec / tokens + run.annealer(kl)
        return loss
