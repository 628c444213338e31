"""No annealing: the KL weight is 1 from the first step, which is the plain VAE.

Formula: loss = rec + KL.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349 (the VAE
    before its remedies).

Settings in the source: the KL weight is 1; the others are not known here.

Differences here: none in the loss. The sizes, the dropout and the optimiser are the study's.
"""

from dataclasses import dataclass

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class NoAnnealing(Baseline):
    """Hyper-parameters: none. The plain VAE."""
