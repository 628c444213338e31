"""Logistic annealing raises the KL weight once from 0 to 1 along a sigmoid scaled to its length.

Formula: loss = rec + w(t) KL, with w(t) = (s(x) - s(0)) / (s(1) - s(0)),
    s(x) = 1 / (1 + exp(-10 (x - 1/2))), x = min(1, t / warmup), and t the part of training done.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349.

Settings in the source: the weight is a sigmoid of the step; its place and steepness are not known
    here.

Differences here: the curve begins at exactly 0 and ends at exactly 1. It takes the same quarter of
    training as `monotonic`.
"""

from dataclasses import dataclass

from benchmark.annealing import ramp, sigmoid
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Logistic(Baseline):
    """Hyper-parameters of logistic annealing.

    Attributes:
        warmup: part of training over which the KL weight rises, 0 to 1.
    """

    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return sigmoid(ramp(step, total, length=self.warmup), 1)
