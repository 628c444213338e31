"""Cosine annealing: the KL weight rises once from 0 to 1 along half a cosine wave.

Source: the shape is that of the library vae-annealing; the quarter of training is that of
`monotonic`, so that the two differ in the shape alone (Fu et al., 2019, arXiv 1903.10145).
"""

from dataclasses import dataclass

from benchmark.annealing import cosine, ramp
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Cosine(Baseline):
    """``warmup`` is the part of training over which the weight rises."""

    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return cosine(ramp(step, total, length=self.warmup), 1)
