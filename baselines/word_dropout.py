"""Word dropout: the decoder reads a sentence with holes, and must ask the latent what was there.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

HOLE = 0  # <pad>, which no batch holds elsewhere, so that it is a word of its own


@dataclass(frozen=True)
class WordDropout(Baseline):
    """``rate`` of the words read, not of those scored; ``warmup`` as in `monotonic`.

    The defaults are this suite's. The source puts ``<unk>`` where this has a word of its own.
    """

    rate: float = 0.5
    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 1 and 0 <= self.warmup <= 1):
            raise ValueError("rate and warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, length=self.warmup)

    def inputs(self, tokens: Tensor, generator: Generator | None) -> Tensor:
        drawn = torch.rand(tokens.shape, generator=generator, device=tokens.device)
        holes = drawn < self.rate
        holes[:, 0] = False  # <s>
        return tokens.masked_fill(holes, HOLE)
