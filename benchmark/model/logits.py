"""Scores of all words that are not yet computed, and their negative log-likelihood without them.

In bf16 the logits of a batch, their float32 copy, its log-softmax and the gradients of each would
be most of a step's memory traffic. Here the output layer and the loss are one function: tokens go
through in chunks, all sums in float32, and one bf16 number a logit is kept for the gradient.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.model.lstm import has_bf16

CACHED = 2**18  # logits in float32 at once, on a CPU: they stay in its cache
TINY = 1e-30  # probabilities below it are not exact in float32


@dataclass(frozen=True)
class Logits:
    """``linear(states)``, (B, T, V), for a loss that can do without; `dense` computes it."""

    states: Tensor  # (B, T, H)
    linear: nn.Linear  # H to V

    @property
    def shape(self) -> torch.Size:
        return torch.Size((*self.states.shape[:-1], self.linear.out_features))

    def dense(self) -> Tensor:
        """The logits themselves, (B, T, V)."""
        out: Tensor = self.linear(self.states)
        return out

    def nll(self, targets: Tensor, ignore_index: int) -> Tensor:
        """Negative log-probability of each target (B, T), nats, float32; 0 where ignored."""
        states, flat = self.states.flatten(0, -2), targets.flatten()
        weight, bias = self.linear.weight, self.linear.bias
        if torch.is_grad_enabled():
            loss: Tensor = _LinearNLL.apply(states, weight, bias, flat)  # type: ignore[no-untyped-call]
        else:
            loss = _losses(states.bfloat16(), weight.bfloat16(), bias, flat, None)
        return (loss * (flat != ignore_index)).view(targets.shape)


class _LinearNLL(torch.autograd.Function):
    """-log softmax(states @ weight.T + bias)[target], matrix products in bf16."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
    ) -> Tensor:
        low, words = states.bfloat16(), weight.bfloat16()
        slope = low.new_empty(len(low), len(words))
        loss = _losses(low, words, bias, targets, slope)
        ctx.save_for_backward(low, words, slope)
        ctx.dtypes = states.dtype, weight.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        low, words, slope = ctx.saved_tensors
        scale = grad.bfloat16()[:, None]
        states = _product(slope, words) * scale
        weight = _product(slope.T, low * scale)
        bias = _product(scale.T, slope)[0].float() if ctx.needs_input_grad[2] else None
        return states.to(ctx.dtypes[0]), weight.to(ctx.dtypes[1]), bias, None


def _losses(
    low: Tensor, words: Tensor, bias: Tensor | None, targets: Tensor, slope: Tensor | None
) -> Tensor:
    """Losses (N,) from states (N, H), words (V, H), both bf16; their slopes (N, V) where wanted.

    On a CPU, what is done to each logit takes as many tokens as its cache holds; the matrix product
    at least as many as there are hidden units, so that reading all words again costs no more than
    the arithmetic.
    """
    some, block = len(low), len(low)
    if low.device.type == "cpu":
        some = max(1, CACHED // len(words))
        block = max(some, low.shape[1])
    columns = words.T
    if block < len(low) and len(low) > len(words) // 4:
        columns = columns.contiguous()  # once, where else each block would do it
    parts = []
    for begin in range(0, len(low), block):
        rows = slice(begin, begin + block)
        out = None if slope is None else slope[rows]
        scores = _product(low[rows], columns, out)  # (block, V)
        for pair in zip(torch.split(scores, some), torch.split(targets[rows], some), strict=True):
            parts.append(_loss(*pair, bias, slope is not None))
    return torch.cat(parts)


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """``left @ right`` in bf16, into ``out`` where that is given.

    On a CPU without bf16 arithmetic the same numbers are multiplied in fp32 and the result is
    rounded: PyTorch's own product of bf16 numbers is there about twenty times slower than fp32's.
    """
    if left.device.type != "cpu" or has_bf16():
        return torch.mm(left, right, out=out)
    rounded = torch.mm(left.float(), right.float()).bfloat16()
    return rounded if out is None else out.copy_(rounded)


def _loss(scores: Tensor, targets: Tensor, bias: Tensor | None, learns: bool) -> Tensor:
    """Losses (C,) from scores (C, V), which become the losses' slopes where the model learns."""
    target = targets[:, None]
    logits = scores.float() if bias is None else scores.float() + bias
    if scores.device.type != "cpu":
        return _loss_without_looking(logits, scores, target, learns)
    probability = torch.softmax(logits, 1, out=logits)
    wanted = probability.gather(1, target)
    loss = -wanted.log()
    if bool((wanted < TINY).any()):
        logits = scores.float() if bias is None else scores.float() + bias
        loss = logits.logsumexp(1, keepdim=True) - logits.gather(1, target)
    if learns:
        scores.copy_(probability.scatter_(1, target, wanted - 1))
    return loss[:, 0]


def _loss_without_looking(logits: Tensor, scores: Tensor, target: Tensor, learns: bool) -> Tensor:
    """The same from the log-softmax, for a GPU: there, looking at a number is waiting for it."""
    known = torch.log_softmax(logits, 1)
    wanted = known.gather(1, target)
    if learns:
        scores.copy_(known.exp_().scatter_(1, target, wanted.expm1()))
    return -wanted[:, 0]
