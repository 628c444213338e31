"""CUDA graphs: an optimiser step replayed as one launch.

An eager step of these small models is bound by some hundred kernel launches; a graph for each shape
of batch takes them to one. The first batch of a shape is an ordinary step (it also sets up what the
libraries need), the second is captured, all later ones are replayed: each is one step, the same
arithmetic in the same order, with the same random numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark.baseline import Baseline

if TYPE_CHECKING:
    from benchmark.training import Training


def suits(baseline: Baseline) -> bool:
    """Whether a step is the same work each time: no feedback, nothing random but the noise."""
    plain = (Baseline.objective, Baseline.inputs)
    return (type(baseline).objective, type(baseline).inputs) == plain


class _Scheduled:
    """Stands in for the annealer inside a graph: the weight is a tensor, filled before a replay."""

    def __init__(self, weight: Tensor) -> None:
        self.tensor = weight

    def __call__(self, kld: Any) -> Any:
        return kld * self.tensor


class GraphedUpdate:
    """`Training.eager_update`, captured and replayed; call it with the tokens of a batch."""

    def __init__(self, training: "Training") -> None:
        self._training = training
        self._weight = torch.zeros((), device=training.device)
        self._seen: set[torch.Size] = set()
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        torch.cuda.set_stream(self._stream)

    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        self._weight.fill_(self._training.annealer.weight)
        if tokens.shape not in self._seen:
            self._seen.add(tokens.shape)
            with self._scheduled():
                return self._training.eager_update(tokens)
        if tokens.shape not in self._graphs:
            self._graphs[tokens.shape] = self._capture(tokens)
        graph, static, loss, kl = self._graphs[tokens.shape]
        static.copy_(tokens)
        graph.replay()
        return loss, kl

    def _capture(self, tokens: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._training.noise)
        static = tokens.clone()
        with (
            self._scheduled(),
            torch.cuda.graph(graph, pool=self._pool, stream=self._stream),
        ):
            loss, kl = self._training.eager_update(static)
        return graph, static, loss, kl

    @contextmanager
    def _scheduled(self) -> Iterator[None]:
        """The annealer's place taken by the weight's tensor."""
        annealer = self._training.annealer
        self._training.annealer = _Scheduled(self._weight)  # type: ignore[assignment]
        try:
            yield
        finally:
            self._training.annealer = annealer
