"""The distance of the KL from a target is paid for, on either side of it.

Formula: loss = rec + beta |KL - C(t)|, the KL averaged over the batch, with C(t) = target
    min(1, t / warmup) and t the part of training done. More KL is paid for below the target, by
    beta a nat, and costs as much above it.

Source: Prokhorov et al., On the Importance of the Kullback-Leibler Divergence Term in Variational
    Autoencoders for Text Generation, 2019, arXiv 1909.13668. The distance is of Burgess et al.,
    Understanding Disentangling in beta-VAE, 2018, arXiv 1804.03599.

Settings in the source: their code has beta 1 and targets 3, 15 and 100 nats for 64 dimensions; the
    target rises from 0 over two epochs.

Differences here: a batch holds sentences of one length, so the KL of every length is drawn to the
    target. The default target is that of `free_bits`; the rise is a part of training, by default
    two epochs of 40.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline, Run

if TYPE_CHECKING:
    from benchmark.baseline import Output


@dataclass(frozen=True)
class TargetRate(Baseline):
    """Hyper-parameters of a target rate.

    Attributes:
        target: the KL that is wanted, nats a sentence, at least 0.
        beta: price of a nat off the target, above 0; it stands for the KL weight.
        warmup: part of training over which the target rises from 0.
    """

    target: float = 8.0
    beta: float = 1.0
    warmup: float = 0.05

    def __post_init__(self) -> None:
        if self.target < 0 or self.beta <= 0 or not 0 <= self.warmup <= 1:
            raise ValueError("target must be at least 0, beta above 0, warmup between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return self.beta

    def objective(self, run: Run, out: "Output") -> Tensor:
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        wanted = self.target * ramp(run.step, run.total_steps, length=self.warmup)
        loss: Tensor = rec + run.annealer((kl - wanted).abs())
        return loss
