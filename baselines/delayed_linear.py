"""Delayed linear annealing keeps the KL weight at 0 for a while, then raises it linearly to 1.

Formula: loss = rec + w(t) KL, with w(t) = floor + (1 - floor) min(1, max(0, (t - delay) / ramp))
    and t the part of training done.

Source: the default fractions are those of a tutorial, whose reference is not known here. In the
    literature: Wu et al., On the Encoder-Decoder Incompatibility in Variational Text Modeling and
    Beyond, 2020, arXiv 2004.09189.

Settings in the source: the tutorial's text has 40 of 500 epochs at weight 0 and 20 of rise, its
    code 42 and 20. Wu et al. have 2,000 steps at 0 and 40,000 of rise, of 60,000.

Differences here: the defaults are the fractions of the tutorial's text. ``floor`` is an addition.
"""

from dataclasses import dataclass

from benchmark.annealing import lifted
from benchmark.annealing import ramp as rise
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class DelayedLinear(Baseline):
    """Hyper-parameters of delayed linear annealing.

    Attributes:
        delay: part of training before the rise, at least 0.
        ramp: part of training that the rise takes, at least 0; delay + ramp is at most 1.
        floor: KL weight before the rise, 0 to 1.
    """

    delay: float = 0.08
    ramp: float = 0.04
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.delay < 0 or self.ramp < 0 or self.delay + self.ramp > 1:
            raise ValueError("delay and ramp must be at least 0, and their sum at most 1")
        if not 0 <= self.floor <= 1:
            raise ValueError("floor must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return lifted(rise(step, total, start=self.delay, length=self.ramp), self.floor)
