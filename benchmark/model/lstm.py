"""The recurrent layer: PyTorch's LSTM, in bf16 where bf16 was asked for."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class LSTM(nn.LSTM):
    """One layer over ``(B, T, inputs)``.

    On a GPU autocast hands fp16 to cuDNN's LSTM, whatever type it was asked for (torch 2.11).
    There a gradient below 6e-8 is 0, and an encoder that begins with small weights has such: its
    posterior could collapse by rounding alone. So this layer rounds to what was asked for itself.
    It does the same on a CPU without AVX-512, for which oneDNN has no bf16 kernel, and multiplies
    the rounded numbers in fp32.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, batch_first=True)

    def forward(  # type: ignore[override]
        self, input: Tensor, hx: State | None = None
    ) -> tuple[Tensor, State]:
        """States (B, T, H), and the last (h, c), each (1, B, H)."""
        kind = input.device.type
        if not torch.is_autocast_enabled(kind) or (kind == "cpu" and has_bf16()):
            states, last = super().forward(input, hx)
            return states, last
        dtype = torch.get_autocast_dtype(kind)
        return self.within(dtype, input, hx, torch.float32 if kind == "cpu" else dtype)

    def within(
        self, dtype: torch.dtype, input: Tensor, hx: State | None, compute: torch.dtype
    ) -> tuple[Tensor, State]:
        """`forward` with weights and inputs rounded to ``dtype``, multiplied in ``compute``.

        Gradients have their own type.
        """
        zeros = input.new_zeros(1, len(input), self.hidden_size)
        state = [part.to(dtype).to(compute) for part in hx or (zeros, zeros)]
        weights = _in_one_block([getattr(self, name) for name in self._flat_weights_names], dtype)
        weights = [weight.to(compute) for weight in weights]
        with torch.autocast(input.device.type, enabled=False):
            states, h, c = torch.lstm(
                input.to(dtype).to(compute),
                state,
                weights,
                self.bias,
                1,
                0.0,
                self.training,
                False,
                True,
            )
        return states, (h, c)


def has_bf16() -> bool:
    """Whether the CPU has bf16 arithmetic that oneDNN can use."""
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(known and known())


def _in_one_block(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Copies of the weights, one behind the other in memory, as cuDNN takes them."""
    block = torch.cat([weight.flatten() for weight in weights]).to(dtype)
    parts = torch.split(block, [weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
