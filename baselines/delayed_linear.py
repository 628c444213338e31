"""Delayed linear annealing: the KL weight stays 0 for a while, then rises to 1 in a straight line.

Source: the default fractions are a tutorial's (40 of 500 epochs at 0, 20 rising); the literature's
are 2,000 steps at 0 and 40,000 rising of 60,000: Wu et al., On the Encoder-Decoder Incompatibility
in Variational Text Modeling and Beyond, 2020, arXiv 2004.09189.
"""

from dataclasses import dataclass

from benchmark.annealing import lifted
from benchmark.annealing import ramp as rise
from benchmark.baseline import Baseline


@dataclass(frozen=True)
class DelayedLinear(Baseline):
    """``delay`` and ``ramp`` are parts of training: the time before the rise, and that of the rise.

    ``floor`` is the weight before it.
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
