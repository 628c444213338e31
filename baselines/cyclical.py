"""Cyclical annealing raises the KL weight from 0 to 1 in each of several cycles, then holds 1.

Formula: loss = rec + w(t) KL, with w(t) = floor + (1 - floor) min(1, phase / ratio), where t is the
    part of training done and phase = (cycles t / span) mod 1 the part of the cycle done. From
    t = span on w = 1.

Source: Fu et al., Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing, 2019,
    arXiv 1903.10145.

Settings in the source: the paper has M = 4 cycles and R = 0.5, from weight 0. The code for Penn
    Treebank has 4 cycles of 10 epochs, each with a rise from 0.1 to 1 over 4.5 epochs (R = 0.45);
    it also restarts a cosine learning rate with each cycle.

Differences here: the defaults are the paper's. The learning rate is an axis of its own
    (``lr_schedule``). ``span`` is an addition.
"""

from dataclasses import dataclass

from benchmark.annealing import cycle, lifted
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Cyclical(Baseline):
    """Hyper-parameters of cyclical annealing.

    Attributes:
        cycles: number of cycles, their M.
        ratio: part of a cycle that the rise takes, their R, above 0 and at most 1.
        floor: KL weight at which each cycle begins, 0 to 1.
        span: part of training that holds all cycles, above 0 and at most 1.
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
