"""Free bits: the KL costs nothing below a floor, so nothing is gained by giving the latent up.

Formula: loss = rec + w(t) P, with w(t) = min(1, t / warmup) and t the part of training done. KL_d
    is the KL of dimension d of Z, and P by ``kind``
    sentence: max(target, sum_d KL_d);
    dimension: sum_d max(target / Z, KL_d);
    batch: max(target, mean over the batch of sum_d KL_d);
    batch_dimension: sum_d max(target / Z, mean over the batch of KL_d).

Source: ``batch_dimension`` is of Kingma et al., Improving Variational Inference with Inverse
    Autoregressive Flow, 2016, arXiv 1606.04934. ``sentence``, ``dimension`` and ``batch`` are 1, 2
    and 3 in the code of Li et al., A Surprisingly Effective Fix for Deep Latent Variable Modeling
    of Text, 2019, arXiv 1909.00868.

Settings in the source: Li et al. publish ``dimension``; target 8 nats for 32 dimensions in the
    commands of their code, 5 in their row of Penn Treebank; warm-up over 10 epochs of at most 100;
    SGD with learning rate 0.5. Those of Kingma et al. are not known here.

Differences here: the default warm-up is that of `monotonic`, a quarter of training. Li et al. train
    an auto-encoder first, which is `pretrained_free_bits`. Under halving, evaluations count from
    where the KL weight has its final value; in their code they count from epoch 0.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class FreeBits(Baseline):
    """Hyper-parameters of free bits.

    Attributes:
        target: nats a sentence that are free, at least 0; an equal share of each dimension where
            ``kind`` counts by dimension.
        kind: of what they are free: of each ``sentence``, of each sentence and ``dimension``, of
            the mean over the ``batch``, or of that mean in each dimension, ``batch_dimension``.
        warmup: part of training over which the KL weight rises from 0 to 1.
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
