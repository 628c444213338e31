"""Monotonic annealing raises the KL weight once from 0 to 1 in a straight line.

Formula: loss = rec + w(t) KL, with w(t) = floor + (1 - floor) min(1, t / warmup) and t the part of
    training done.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349. The
    quarter of training is that of Fu et al., Cyclical Annealing Schedule: A Simple Approach to
    Mitigating KL Vanishing, 2019, arXiv 1903.10145.

Settings in the source: Bowman et al. have a sigmoid of the step. The code of Fu et al. rises from
    0.1 to 1 within the first 10 of 40 epochs and reaches 1 in epoch 9; the annealed rows of He et
    al. (2019, arXiv 1901.05534) rise from 0.1 to 1 over 10 epochs of at most 100.

Differences here: the rise is a straight line. By default it begins at weight 0. Under halving,
    evaluations count from where the KL weight has its final value; in the code of He et al. they
    count from epoch 0.
"""

from dataclasses import dataclass

from benchmark.annealing import lifted, ramp
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Monotonic(Baseline):
    """Hyper-parameters of monotonic annealing.

    Attributes:
        warmup: part of training over which the KL weight rises, 0 to 1.
        floor: KL weight at the start of the rise, 0 to 1.
    """

    warmup: float = 0.25
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.warmup <= 1 and 0 <= self.floor <= 1):
            raise ValueError("warmup and floor must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return lifted(ramp(step, total, length=self.warmup), self.floor)
