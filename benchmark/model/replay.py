"""Start an LSTM's many small kernels at once on a GPU, by CUDA graphs.

A step at the sizes of Penn Treebank starts some hundred kernels of a few microseconds for each
LSTM. The processor takes several times as long to start them as the GPU to run them.
"""

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

MOST = 2**30  # bytes of recorded inputs, outputs and gradients of one function

Function = Callable[..., tuple[Tensor, ...]]
Key = tuple[tuple[torch.Size, torch.dtype, bool], ...]


class Replay:
    """Calls a function of tensors; from the second call with the same shapes on, by a graph.

    A graph starts the kernels of the function itself, in their order, so all numbers are equal to
    the bit. It reads and writes the same memory each time. So the function is called as it is where
    no gradient is asked for, and where an earlier call still waits for its backward pass. Do not
    add up gradients over several backward passes: begin each with gradients that are None.

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
        key = tuple((tensor.shape, tensor.dtype, tensor.requires_grad) for tensor in tensors)
        if key not in self._graphs:
            self._seen[key] += 1
            if self._seen[key] == 1 or self._bytes > MOST:
                return self._function(*tensors)
            self._graphs[key] = self._record(tensors)
        outputs = self._graphs[key](*tensors)
        self._waiting = weakref.ref(outputs[0].grad_fn)
        # The next replay overwrites what this one returned.
        return tuple(output.clone() for output in outputs)

    def _record(self, tensors: tuple[Tensor, ...]) -> Function:
        """Return a function that replays the graphs of both passes."""
        # The graph reads a parameter where it is, and copies other inputs to memory of its own. All
        # are new leaves, so that a later backward pass does not wait for the recording's stream.
        samples = tuple(
            (tensor.detach() if isinstance(tensor, nn.Parameter) else tensor.detach().clone())
            .requires_grad_(tensor.requires_grad)
            for tensor in tensors
        )  # fmt: skip
        self._bytes += 2 * sum(sample.numel() * sample.element_size() for sample in samples)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        warn = torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch
        warn(False)  # PyTorch warms up on one stream and records on another
        try:
            graphed = torch.cuda.make_graphed_callables(
                self._function, samples, num_warmup_iters=1, pool=self._pool
            )
        finally:
            warn(True)
        return cast(Function, graphed)
