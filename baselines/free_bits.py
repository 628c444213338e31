"""Free bits: the KL costs nothing below a floor, so nothing is gained by giving the latent up.

Source: Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, 2016,
arXiv 1606.04934 (``batch_dimension``); Li et al., A Surprisingly Effective Fix for Deep Latent
Variable Modeling of Text, 2019, arXiv 1909.00868 (``sentence``, ``dimension``, ``batch``: 1, 2, 3
of their code; ``dimension`` is the published one, a target of 8 that of their commands).
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class FreeBits(Baseline):
    """``target`` nats a sentence are free; ``kind`` says of what.

    ``sentence``: of each sentence's whole KL. ``dimension``: of each sentence and dimension, an
    equal share. ``batch``: of the batch's mean KL. ``batch_dimension``: of its mean in each
    dimension, an equal share. ``warmup`` is the part of training over which the weight rises
    (the default is `monotonic`'s; Li et al. have a tenth).
    """

    target: float = 8.0
    kind: Literal["sentence", "dimension", "batch", "batch_dimension"] = "dimension"
    warmup: float = 0.25

    def __post_init__(self) -> None:
        if self.target < 0 or not 0 <= self.warmup <= 1:
            raise ValueError("target must be at least 0, and warmup between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, length=self.warmup)

    def penalty(self, kl: Tensor) -> Tensor:
        share = self.target / kl.shape[1]
        if self.kind == "sentence":
            return kl.sum(-1).clamp(min=self.target)
        if self.kind == "dimension":
            return kl.clamp(min=share).sum(-1)
        if self.kind == "batch":
            return kl.sum(-1).mean().clamp(min=self.target).expand(len(kl))
        return kl.mean(0).clamp(min=share).sum().expand(len(kl))
