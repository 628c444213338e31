"""Logistic annealing: the KL weight rises once from 0 to 1 along a sigmoid scaled to its length.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349 (their
weight is a sigmoid of the step); here it begins at exactly 0 and ends at exactly 1, in the same
quarter of training as `monotonic`.
"""

from dataclasses import dataclass

from benchmark.annealing import ramp, sigmoid
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Logistic(Baseline):
    """``warmup`` is the part of training over which the weight rises."""

    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return sigmoid(ramp(step, total, length=self.warmup), 1)
