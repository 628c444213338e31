"""Monotonic annealing: the KL weight rises once from 0 to 1 in a straight line.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349; the
quarter of training is that of Fu et al., Cyclical Annealing Schedule, 2019, arXiv 1903.10145.
"""

from dataclasses import dataclass

from benchmark.annealing import lifted, ramp
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Monotonic(Baseline):
    """``warmup`` is the part of training over which the weight rises, from ``floor`` to 1."""

    warmup: float = 0.25
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.warmup <= 1 and 0 <= self.floor <= 1):
            raise ValueError("warmup and floor must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return lifted(ramp(step, total, length=self.warmup), self.floor)
