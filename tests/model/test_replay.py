"""`Replay`, with a stand-in for CUDA graphs that, as they do, works in the same memory again."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.seeds import generator
from benchmark.model import replay
from benchmark.model.replay import Function, Replay


def recorded(function: Function, samples: tuple[Tensor, ...], **options: Any) -> Function:
    """Stands in for ``torch.cuda.make_graphed_callables``."""
    outputs = [value.detach().clone() for value in function(*samples)]
    kept: list[Tensor] = []

    class Graph(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
            for sample, tensor in zip(samples, tensors, strict=True):
                if sample.data_ptr() != tensor.data_ptr():
                    sample.copy_(tensor)
            with torch.enable_grad():
                kept[:] = function(*samples)
            for output, value in zip(outputs, kept, strict=True):
                output.copy_(value)
            return tuple(output.detach() for output in outputs)

        @staticmethod
        def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
            asked = [sample for sample in samples if sample.requires_grad]
            found = iter(torch.autograd.grad(kept, asked, slopes))
            return tuple(next(found) if s.requires_grad else None for s in samples)

    assert all(sample.is_leaf and not isinstance(sample, nn.Parameter) for sample in samples)
    calls.append(tuple(samples[-1].shape))
    return lambda *tensors: Graph.apply(*tensors)  # type: ignore[no-any-return, no-untyped-call]


calls: list[tuple[int, ...]] = []
weight = nn.Parameter(torch.randn(4, 4, generator=generator("weight")))


def work(weight: Tensor, words: Tensor) -> tuple[Tensor, ...]:
    return (words @ weight).tanh(), words.sum(0)


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Replay:
    calls.clear()
    weight.grad = None
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorded)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    return Replay(work)


def words(*shape: int) -> Tensor:
    return torch.randn(*shape, 4, generator=generator("words", *shape)).requires_grad_()


def slope(function: Any, given: Tensor) -> list[Tensor]:
    """The outputs, and the gradients of a function of them."""
    weight.grad = given.grad = None
    first, second = function(weight, given)
    (first.square().sum() + second.sum()).backward()
    assert weight.grad is not None
    assert given.grad is not None
    return [first.detach(), second.detach(), weight.grad.clone(), given.grad.clone()]


def test_a_shape_is_recorded_when_it_comes_again_and_gives_the_same_numbers(layer: Replay) -> None:
    for shape in ((3,), (5,), (3,), (3,), (5,), (5,), (3,)):
        given = words(*shape)
        found, expected = slope(layer, given), slope(work, given)
        assert all(map(torch.equal, found, expected))
    assert calls == [(3, 4), (5, 4)]


def test_what_one_call_returned_stays_after_the_next(layer: Replay) -> None:
    inputs = [(words(3) + i).detach().requires_grad_() for i in range(4)]
    kept = [slope(layer, given)[0] for given in inputs]
    for given, value in zip(inputs, kept, strict=True):
        assert torch.equal(value, work(weight, given)[0])


def test_two_calls_before_a_backward_pass(layer: Replay) -> None:
    slope(layer, words(3))
    slope(layer, words(3))
    one, two = words(3), (2 * words(3)).detach().requires_grad_()

    def both(function: Any) -> list[Tensor]:
        weight.grad = one.grad = two.grad = None
        loss = function(weight, one)[0].sum() + function(weight, two)[0].square().sum()
        loss.backward()
        found = [weight.grad, one.grad, two.grad]
        assert all(value is not None for value in found)
        return [value.clone() for value in found if value is not None]

    assert all(map(torch.equal, both(layer), both(work)))
    assert len(calls) == 1


def test_without_gradients_nothing_is_recorded(layer: Replay) -> None:
    for _ in range(3):
        with torch.no_grad():
            layer(weight, words(3))
        layer(weight.detach(), words(3).detach())
    assert calls == []


def test_it_records_within_its_memory(layer: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST", 100)
    for _ in range(3):
        slope(layer, words(3))
        slope(layer, words(5))
    assert calls == [(3, 4)]
