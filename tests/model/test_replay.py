"""`Replay`, with a stand-in for CUDA graphs that, as they do, works in the same memory again."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.seeds import generator
from benchmark.model import replay
from benchmark.model.lowprecision import LSTM
from benchmark.model.replay import Function, Replay


def recorded(function: Function, samples: tuple[Tensor, ...], **options: Any) -> Function:
    """Stands in for ``torch.cuda.make_graphed_callables``.

    Inputs, outputs and gradients have memory of their own, which each call overwrites; what the
    backward pass needs is gone after it.
    """
    assert all(sample.is_leaf and not isinstance(sample, nn.Parameter) for sample in samples)
    outputs = [value.detach().clone() for value in function(*samples)]
    gradients = [torch.empty_like(sample) for sample in samples]
    kept: list[Tensor] = []

    class Graph(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
            for sample, tensor in zip(samples, tensors, strict=True):
                if sample.data_ptr() != tensor.data_ptr():
                    sample.data.copy_(tensor)
            with torch.enable_grad():
                kept[:] = function(*samples)
            for output, value in zip(outputs, kept, strict=True):
                output.copy_(value)
            return tuple(output.detach() for output in outputs)

        @staticmethod
        def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
            asked = [i for i, sample in enumerate(samples) if sample.requires_grad]
            assert kept, "consumed"
            found = torch.autograd.grad(kept, [samples[i] for i in asked], slopes)
            kept.clear()
            for i, value in zip(asked, found, strict=True):
                gradients[i].copy_(value)
            return tuple(
                gradient.detach() if sample.requires_grad else None
                for gradient, sample in zip(gradients, samples, strict=True)
            )

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


def test_gradients_stay_and_add_up(layer: Replay) -> None:
    inputs = [(words(3) + i).detach().requires_grad_() for i in range(4)]

    def added(function: Any) -> list[Tensor]:
        weight.grad = None
        for given in inputs:  # no gradient is reset in between
            given.grad = None
            function(weight, given)[0].square().sum().backward()
        assert weight.grad is not None
        found = [weight.grad.clone(), *(given.grad for given in inputs if given.grad is not None)]
        weight.grad.zero_()  # the same memory goes on
        function(weight, inputs[0])[0].sum().backward()
        return [*found, weight.grad]

    expected = added(work)
    assert all(map(torch.equal, added(layer), expected))
    assert all(map(torch.equal, added(layer), expected))
    assert len(calls) == 1


def test_a_second_backward_pass_through_one_call(layer: Replay) -> None:
    slope(layer, words(3))
    given = words(3)

    def twice(function: Any) -> list[Tensor]:
        loss = function(weight, given)[0].square().sum()
        found = [torch.autograd.grad(loss, [weight, given], retain_graph=True) for _ in range(3)]
        return [value for pair in found for value in pair]

    assert all(map(torch.equal, twice(layer), twice(work)))
    assert len(calls) == 1


def test_a_change_between_the_passes_is_refused_as_without_replay(layer: Replay) -> None:
    slope(layer, words(3))
    given = words(3)
    loss = layer(weight, given)[0].sum()
    with torch.no_grad():
        given.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_other_weights_are_read_and_none_is_overwritten(layer: Replay) -> None:
    before = weight.detach().clone()
    slope(layer, words(3))
    slope(layer, words(3))
    other = nn.Parameter(weight.detach() + 1)
    for given in (words(3), words(3)):
        assert torch.equal(layer(other, given)[0], work(other, given)[0])
    assert torch.equal(weight, before)


def test_a_copy_of_an_lstm_has_graphs_of_its_own() -> None:
    one = LSTM(4, 4)
    one._replays[None] = Replay(work)
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other._replays == {}
        assert torch.equal(other(words(2, 3))[0], one(words(2, 3))[0])
