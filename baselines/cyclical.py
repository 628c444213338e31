"""Cyclical annealing: in each cycle the KL weight rises from 0 to 1, then stays at 1.

Source: Fu et al., Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing, 2019,
arXiv 1903.10145 (M = 4 cycles, R = 0.5).
"""

from dataclasses import dataclass

from benchmark.annealing import cycle
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Cyclical(Baseline):
    """``cycles`` is their M; ``ratio`` their R, the part of a cycle that the rise takes."""

    cycles: int = 4
    ratio: float = 0.5

    def __post_init__(self) -> None:
        if self.cycles < 1 or not 0 < self.ratio <= 1:
            raise ValueError("cycles must be at least 1, and ratio above 0 and at most 1")

    def weight(self, step: float, total: float) -> float:
        return cycle(step, total, self.cycles, self.ratio)
