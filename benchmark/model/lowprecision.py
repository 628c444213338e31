"""An LSTM and an output layer for bf16, where PyTorch's own are not accurate or fast enough.

They differ from PyTorch's under autocast only. In fp32, the reference, PyTorch's layers are used.
On a GPU, the LSTM can replay its kernels, in each precision.
"""

import os
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.model.replay import Function, Replay

State = tuple[Tensor, Tensor]

CACHED = 2**18  # logits in float32 at once, on a CPU: they stay in its cache
TINY = 1e-30  # probabilities below it are not exact in float32


def has_bf16() -> bool:
    """Return whether the CPU has bf16 arithmetic that oneDNN can use."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported())


class LSTM(nn.LSTM):
    """One layer over ``(B, T, inputs)``, in bf16 where autocast asks for bf16.

    On a GPU autocast hands fp16 to cuDNN's LSTM, whatever type it was asked for (torch 2.11).
    There a gradient below 6e-8 is 0, and an encoder that begins with small weights has such: its
    posterior could collapse by rounding alone. So this layer rounds to what was asked for itself.
    It does the same on a CPU without AVX-512, for which oneDNN has no bf16 kernel, and multiplies
    the rounded numbers in fp32.
    """

    # Off by default: the present form of `Replay` has not been tested on a GPU.
    replays: ClassVar[bool] = os.environ.get("PCBENCH_REPLAY") == "1"

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self._replays: dict[torch.dtype | None, Replay] = {}

    def forward(  # type: ignore[override]
        self, input: Tensor, hx: State | None = None
    ) -> tuple[Tensor, State]:
        """Return the states (B, T, H), and the last (h, c), each (1, B, H)."""
        kind = input.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        replayed = kind == "cuda" and self.training and self.replays
        if not replayed and (dtype is None or (kind == "cpu" and has_bf16())):
            states, last = super().forward(input, hx)
            return states, last
        compute = torch.float32 if kind == "cpu" else dtype
        work: Function = partial(rounded, self.hidden_size, dtype, compute, self.training)
        if replayed:
            if dtype not in self._replays:
                self._replays[dtype] = Replay(work)
            work = self._replays[dtype]
        weights = [getattr(self, name) for name in self._flat_weights_names]
        states, h, c = work(*weights, input, *(hx or ()))
        return states, (h, c)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy takes over; graphs belong to this layer's memory."""
        return {**super().__getstate__(), "_replays": {}}  # type: ignore[no-untyped-call]


def rounded(
    hidden: int, dtype: torch.dtype | None, compute: torch.dtype | None, train: bool,
    *tensors: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Return an LSTM's states (B, T, H), and its last h and c, each (1, B, H).

    Args:
        hidden: H.
        dtype: what all numbers are rounded to; None: they stay as they are.
        compute: what the rounded numbers are multiplied in.
        train: whether a backward pass may follow.
        tensors: the four weights, the input (B, T, inputs), and, unless both are 0, the first h
            and c, each (1, B, H).
    """
    *weights, input = tensors[:5]
    hx = list(tensors[5:]) or [input.new_zeros(1, len(input), hidden) for _ in range(2)]
    if dtype is not None:
        # cuDNN needs the weights next to each other in memory.
        block = torch.cat([weight.flatten() for weight in weights]).to(dtype)
        parts = torch.split(block, [weight.numel() for weight in weights])
        weights = [
            part.view_as(weight).to(compute) for part, weight in zip(parts, weights, strict=True)
        ]
        input, *hx = (part.to(dtype).to(compute) for part in (input, *hx))
    with torch.autocast(input.device.type, enabled=False):
        states, h, c = torch.lstm(
            input, hx, weights,
            has_biases=True, num_layers=1, dropout=0.0, train=train, bidirectional=False,
            batch_first=True,
        )  # fmt: skip
    return states, h, c


@dataclass(frozen=True)
class Logits:
    """``linear(states)``, (B, T, V), not yet computed.

    In bf16 the logits of a batch, their float32 copy, its log-softmax and the gradients of each
    would be most of a step's memory traffic. `nll` makes the output layer and the loss one
    function: tokens go through in chunks, all sums in float32, and one bf16 number a logit is kept
    for the gradient.
    """

    states: Tensor  # (B, T, H)
    linear: nn.Linear  # H to V

    @property
    def shape(self) -> torch.Size:
        return torch.Size((*self.states.shape[:-1], self.linear.out_features))

    def dense(self) -> Tensor:
        """Return the logits themselves, (B, T, V)."""
        out: Tensor = self.linear(self.states)
        return out

    def nll(self, targets: Tensor, ignore_index: int) -> Tensor:
        """Return -log p of each target (B, T), nats, float32; 0 where it is ``ignore_index``."""
        states, flat = self.states.flatten(0, -2), targets.flatten()
        weight, bias = self.linear.weight, self.linear.bias
        if torch.is_grad_enabled():
            loss: Tensor = _LinearNLL.apply(states, weight, bias, flat)  # type: ignore[no-untyped-call]
        else:
            loss = _losses(states.bfloat16(), weight.bfloat16(), bias, flat, None)
        return (loss * (flat != ignore_index)).view(targets.shape)


class _LinearNLL(torch.autograd.Function):
    """Computes -log softmax(states @ weight.T + bias)[target], with products in bf16."""

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
    """Return losses (N,) from bf16 states (N, H) and words (V, H); fill their slopes (N, V)."""
    some, block = len(low), len(low)
    if low.device.type == "cpu":
        # What is done to each logit takes as many tokens as the cache holds. The matrix product
        # takes at least as many as there are hidden units, so that reading all words again costs
        # no more than the arithmetic.
        some = max(1, CACHED // len(words))
        block = max(some, low.shape[1])
    columns = words.T
    if block < len(low) and len(low) > len(words) // 4:
        columns = columns.contiguous()  # once, instead of in each block
    parts = []
    for begin in range(0, len(low), block):
        rows = slice(begin, begin + block)
        out = None if slope is None else slope[rows]
        scores = _product(low[rows], columns, out)  # (block, V)
        for pair in zip(torch.split(scores, some), torch.split(targets[rows], some), strict=True):
            parts.append(_loss(*pair, bias, slope is not None))
    return torch.cat(parts)


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``left @ right`` in bf16, in ``out`` where that is given."""
    if left.device.type != "cpu" or has_bf16():
        return torch.mm(left, right, out=out)
    # On such a CPU PyTorch's product of bf16 numbers is about twenty times slower than fp32's.
    rounded = torch.mm(left.float(), right.float()).bfloat16()
    return rounded if out is None else out.copy_(rounded)


def _loss(scores: Tensor, targets: Tensor, bias: Tensor | None, learns: bool) -> Tensor:
    """Return losses (C,) from scores (C, V), which become the slopes where the model learns."""
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
    """Return the same by the log-softmax, on a GPU, where reading a number stalls the work."""
    logp = torch.log_softmax(logits, 1)
    wanted = logp.gather(1, target)
    if learns:
        scores.copy_(logp.exp_().scatter_(1, target, wanted.expm1()))
    return -wanted[:, 0]
