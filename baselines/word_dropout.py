"""Word dropout gives the decoder sentences with holes, so that it must ask the latent for them.

Formula: loss = rec + w(t) KL, with w(t) = min(1, t / warmup) and t the part of training done. Of
    the words that the decoder reads, each becomes a hole with probability ``rate``; the words
    scored stay whole, and so does ``<s>``.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349.

Settings in the source: ``<unk>`` stands for a dropped word; rate and warm-up are not known here.

Differences here: the hole is a word of its own, not ``<unk>``. The defaults are this suite's; the
    warm-up is that of `monotonic`.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

HOLE = 0  # <pad>, which no batch holds elsewhere, so that it is a word of its own


@dataclass(frozen=True)
class WordDropout(Baseline):
    """Hyper-parameters of word dropout.

    Attributes:
        rate: probability, 0 to 1, that a word read is dropped.
        warmup: part of training over which the KL weight rises from 0 to 1.
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
