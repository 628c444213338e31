"""No annealing: the KL weight is 1 from the first step.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349 (the
VAE before its remedies).
"""

from dataclasses import dataclass

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class NoAnnealing(Baseline):
    """The plain VAE."""
