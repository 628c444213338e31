"""Reconstruction averaged over tokens beside a summed KL: a scale that much public code has.

Formula: loss = rec / T + KL, with T the tokens of the sentence. The KL weighs T times as much as in
    the bound, which alone can make a model collapse: a warning, not a remedy.

Source: no paper proposes it. It equals a beta-VAE with beta = T: Higgins et al., beta-VAE: Learning
    Basic Visual Concepts with a Constrained Variational Framework, 2017,
    https://openreview.net/forum?id=Sy2fzU9gl.

Settings in the source: a constant weight above 1.

Differences here: the weight is the sentence's length. Validation chooses by the bound at weight 1,
    as in every other row.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.baseline import Baseline, Run

if TYPE_CHECKING:
    from benchmark.baseline import Output


@dataclass(frozen=True)
class MeanReduction(Baseline):
    """Hyper-parameters: none. The plain VAE with the reconstruction in nats per token."""

    def objective(self, run: Run, out: "Output") -> Tensor:
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        tokens = out.targets.shape[1]  # of every sentence: a batch has one length
        loss: Tensor = rec / tokens + run.annealer(kl)
        return loss
