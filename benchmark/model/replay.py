"""Start an LSTM's many small kernels at once on a GPU, by CUDA graphs.

A step at the sizes of Penn Treebank starts some hundred kernels of a few microseconds for each
LSTM. The processor takes several times as long to start them as the GPU to run them.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

MOST = 2**30  # bytes, roughly, of what the graphs of one function keep

Function = Callable[..., tuple[Tensor, ...]]
Key = tuple[tuple[torch.Size, torch.dtype, bool, int], ...]


class Replay:
    """Calls a function of tensors; from the second call with the same shapes on, by a graph.

    A graph starts the kernels of the function itself, in their order, so all numbers are equal to
    the bit. It works in the same memory each time. So the function is called as it is where no
    gradient is asked for, and where an earlier call still waits for its backward pass.

    Args:
        function: computes tensors from tensors, all on one GPU, by a fixed sequence of kernels,
            without random numbers. Parameters that it uses are among its arguments.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._seen: Counter[Key] = Counter()
        self._graphs: dict[Key, Function] = {}
        self._pool: Any = None  # of memory; graphs that never run at the same time share it
        self._bytes = 0
        self._waiting: Callable[[], Any] = lambda: None  # the latest backward pass, if it lives

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return ``function(*tensors)``."""
        learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        if not learns or self._waiting() is not None:
            return self._function(*tensors)
        key = tuple((t.shape, t.dtype, t.requires_grad, _address(t)) for t in tensors)
        if key not in self._graphs:
            self._seen[key] += 1
            if self._seen[key] == 1 or self._bytes > MOST:
                return self._function(*tensors)
            self._graphs[key] = self._record(tensors)
        outputs: tuple[Tensor, ...] = _Replayed.apply(  # type: ignore[no-untyped-call]
            self._graphs[key], self._function, *tensors
        )
        self._waiting = weakref.ref(outputs[0].grad_fn)
        return outputs

    def _record(self, tensors: tuple[Tensor, ...]) -> Function:
        """Return a function that replays the graphs of both passes."""
        # The graph reads a parameter where it is, and copies other inputs to memory of its own.
        samples = _leaves(t if isinstance(t, nn.Parameter) else t.clone() for t in tensors)
        self._bytes += sum(
            t.numel() * t.element_size() * (1 if isinstance(t, nn.Parameter) else 2)
            for t in tensors
        )
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        warn = torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch
        warn(False)  # PyTorch warms up on one stream and records on another
        try:
            with torch.autocast("cuda", enabled=False):
                graphed = torch.cuda.make_graphed_callables(
                    self._function, samples, num_warmup_iters=1, pool=self._pool
                )
        finally:
            warn(True)
        return cast(Function, graphed)


class _Replayed(torch.autograd.Function):
    """Replays both passes; what it returns stays as it is when the graph runs again.

    A graph's backward pass can run once, so a second one computes the function anew.
    """

    @staticmethod
    def forward(
        ctx: Any, graphed: Function, function: Function, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*tensors)
        ctx.function = function
        leaves = _leaves(tensors)
        with torch.enable_grad():
            outputs = graphed(*leaves)
        ctx.replayed = leaves, outputs
        return tuple(output.detach().clone() for output in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors  # raises if one was changed in between
        if ctx.replayed is None:
            leaves = _leaves(tensors)
            with torch.enable_grad():
                outputs = ctx.function(*leaves)
        else:
            (leaves, outputs), ctx.replayed = ctx.replayed, None
        asked = [leaf for leaf in leaves if leaf.requires_grad]
        found = iter(torch.autograd.grad(outputs, asked, slopes))
        return (None, None, *(next(found).clone() if t.requires_grad else None for t in leaves))


def _leaves(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Return the tensors, in the same memory, as leaves of a graph of their own."""
    return tuple(t.detach().requires_grad_(t.requires_grad) for t in tensors)


def _address(tensor: Tensor) -> int:
    """Return where a parameter is: a graph of others would overwrite them."""
    return tensor.data_ptr() if isinstance(tensor, nn.Parameter) else 0
