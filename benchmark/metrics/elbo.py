"""Perplexity and the loss by token position."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

POSITIONS = 50


@dataclass(frozen=True)
class PositionLoss:
    """Mean loss at each token position.

    Attributes:
        mean: nats per token at position 1, 2, ...; entry ``positions`` (counting from 0), if there
            is one, is all later positions together.
        count: how many tokens each mean is over.
    """

    mean: list[float]
    count: list[int]


def perplexity(total_nats: float, tokens: int) -> float:
    """exp(total nats / tokens): infinite where that overflows.

    Args:
        total_nats: negative log-likelihood (or its bound) of the whole split, nats.
        tokens: tokens scored, words and ``</s>`` but not ``<s>``.

    Raises:
        ValueError: no token.
    """
    if tokens < 1:
        raise ValueError(f"perplexity needs at least one token, got {tokens}")
    try:
        return math.exp(total_nats / tokens)
    except OverflowError:
        return math.inf


def loss_by_position(token_nll: Iterable[Tensor], positions: int = POSITIONS) -> PositionLoss:
    """Mean negative log-likelihood of the 1st, 2nd, ... token, and of the rest together.

    Annealed text VAEs mostly remember the first words and the length (Bosc & Vincent 2020, "Do
    sequence-to-sequence VAEs learn global features of sentences?", arXiv 2004.07683).

    Args:
        token_nll: batches of equally long sentences, each (B, T), or single sentences, each (T,);
            nats per token, no padding.
        positions: how many positions stand alone; what comes after shares one further entry.

    Returns:
        min(longest, positions) entries, and one more if a sentence is longer than that.

    Raises:
        ValueError: a tensor of another shape, or ``positions`` below 1.
    """
    if positions < 1:
        raise ValueError(f"positions must be at least 1, got {positions}")
    total = torch.zeros(positions + 1, dtype=torch.float64)
    count = torch.zeros(positions + 1, dtype=torch.int64)
    for batch in token_nll:
        if batch.dim() not in (1, 2):
            raise ValueError(f"token losses must be (B, T) or (T,), got {tuple(batch.shape)}")
        rows = batch.detach().to(torch.float64).reshape(-1, batch.shape[-1])  # (B, T)
        length = min(rows.shape[1], positions)
        total[:length] += rows[:, :length].sum(0).cpu()
        count[:length] += rows.shape[0]
        rest = rows[:, positions:]
        total[positions] += rest.sum().cpu()
        count[positions] += rest.numel()
    seen = int((count > 0).sum())  # counts fall with the position, so these are the first ones
    mean = total[:seen] / count[:seen]
    return PositionLoss(mean=mean.tolist(), count=count[:seen].tolist())
