"""Cosine annealing raises the KL weight once from 0 to 1 along half a cosine wave.

Formula: loss = rec + w(t) KL, with w(t) = (1 - cos(pi min(1, t / warmup))) / 2 and t the part of
    training done.

Source: the library vae-annealing, https://github.com/hubertrybka/vae-annealing, has this shape; no
    paper on it is known. The quarter of training is that of Fu et al., Cyclical Annealing Schedule:
    A Simple Approach to Mitigating KL Vanishing, 2019, arXiv 1903.10145.

Settings in the source: the library leaves the length of the rise to its user.

Differences here: the length is a part of training. It is that of `monotonic`, so that the two
    differ in the shape alone.
"""

from dataclasses import dataclass

from benchmark.annealing import cosine, ramp
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Cosine(Baseline):
    """Hyper-parameters of cosine annealing.

    Attributes:
        warmup: part of training over which the KL weight rises, 0 to 1.
    """

    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return cosine(ramp(step, total, length=self.warmup), 1)
