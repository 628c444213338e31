"""Cyclical annealing: in each cycle the KL weight rises from 0 to 1, then stays at 1.

Source: Fu et al., Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing, 2019,
arXiv 1903.10145 (M = 4 cycles, R = 0.5).
"""

from dataclasses import dataclass

from benchmark.annealing import cycle, lifted
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Cyclical(Baseline):
    """``cycles`` is their M; ``ratio`` their R, the part of a cycle that the rise takes.

    ``floor`` is the weight at which each cycle begins: 0 in their paper, 0.1 in their code.
    ``span`` is the part of training that holds all cycles; after it the weight stays 1.
    """

    cycles: int = 4
    ratio: float = 0.5
    floor: float = 0.0
    span: float = 1.0

    def __post_init__(self) -> None:
        if self.cycles < 1 or not 0 < self.ratio <= 1:
            raise ValueError("cycles must be at least 1, and ratio above 0 and at most 1")
        if not 0 <= self.floor <= 1:
            raise ValueError("floor must lie between 0 and 1")
        if not 0 < self.span <= 1:
            raise ValueError("span must be above 0 and at most 1")

    def weight(self, step: float, total: float) -> float:
        if step >= self.span * total:
            return 1.0
        return lifted(cycle(step, self.span * total, self.cycles, self.ratio), self.floor)
