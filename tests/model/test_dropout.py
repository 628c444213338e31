"""Dropout masks are a function of the seed and the sizes, and of nothing else.

That a run resumed in the middle draws the same ones: `test_interrupted_run.py`, which kills at any
step.
"""

from collections.abc import Callable, Iterator

import pytest
import tiny
import torch
from torch import Tensor

from benchmark.core.seeds import generator
from benchmark.model.lowprecision import LSTM
from benchmark.model.vae import dropout

B, T, H, RATE = 6, 9, 20, 0.4
orders = pytest.mark.parametrize("time_first", [False, True])


@pytest.fixture(autouse=True)
def one_thread_again() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def block(*sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=generator(0, "block"))


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sentence by sentence": lambda x: x.contiguous(),
    "token by token": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "unit by unit": lambda x: x.permute(2, 1, 0).contiguous().permute(2, 1, 0),
    "a part of a larger block": lambda x: torch.cat([x, x], -1)[..., :H],
}


@orders
def test_the_mask_does_not_depend_on_memory(time_first: bool) -> None:
    values = block(B, T, H)
    found = []
    for laid_out in LAYOUTS.values():
        x = laid_out(values)
        assert torch.equal(x, values)
        found.append(dropout(x, RATE, generator(1), time_first=time_first))
    assert len({laid_out(values).stride() for laid_out in LAYOUTS.values()}) == 4
    assert all(torch.equal(one, found[0]) for one in found[1:])


@orders
def test_nor_on_the_number_of_threads(time_first: bool) -> None:
    values = block(64, 50, 128)  # enough numbers for PyTorch to share them out
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(dropout(values, RATE, generator(1), time_first=time_first))
    assert torch.equal(*found)


def test_the_order_is_the_one_that_seeds_have_always_meant() -> None:
    """As the mask came out when it took over the memory of what it hides, which PROTOCOL 1 means.

    Embedded words lie sentence by sentence, what an LSTM returns token by token.
    """

    def before(x: Tensor) -> Tensor:
        return x * torch.empty_like(x).bernoulli_(1 - RATE, generator=generator(1)) / (1 - RATE)

    embedded = torch.nn.Embedding(30, H)(torch.arange(B * (T + 1)).view(B, T + 1)[:, :-1] % 30)
    assert torch.equal(dropout(embedded, RATE, generator(1)), before(embedded))
    states = block(T, B, H).transpose(0, 1)
    assert torch.equal(dropout(states, RATE, generator(1), time_first=True), before(states))
    assert not torch.equal(dropout(states, RATE, generator(1)), before(states))
    layer, _ = LSTM(H, H)(block(B, T, H))
    by_token = layer.transpose(0, 1).contiguous().transpose(0, 1)
    assert torch.equal(dropout(layer, RATE, generator(1), time_first=True), before(by_token))


@orders
def test_it_keeps_its_share_and_the_expectation(time_first: bool) -> None:
    x = torch.ones(40, 50, 100)
    assert dropout(x, RATE, None, time_first) is x
    assert dropout(x, 0.0, generator(1), time_first) is x
    found = dropout(x, RATE, generator(1), time_first=time_first)
    kept = found != 0
    assert torch.equal(found[kept].unique(), torch.ones(1) / (1 - RATE))
    share = 4 * (RATE * (1 - RATE)) ** 0.5
    assert abs(float(kept.double().mean()) - (1 - RATE)) < share / x.numel() ** 0.5
    for axis, rows in ((0, 40), (1, 50), (2, 100)):  # no sentence, place or unit is left out
        by = kept.double().transpose(0, axis).flatten(1).mean(1)
        assert (by - (1 - RATE)).abs().max() < 1.25 * share / (x.numel() / rows) ** 0.5


def test_a_models_loss_does_not_depend_on_what_memory_its_layers_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another layer, or another torch, trains the same run."""
    run = tiny.training(tiny.config(model={"dropout": 0.5}))
    tokens, noise = run.epochs.batch(0, 0), run.noise.get_state()
    loss, _ = run.loss(tokens)
    plain = LSTM.forward

    def contiguous(self: LSTM, *inputs: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        states, last = plain(self, *inputs)  # type: ignore[arg-type]
        return states.contiguous(), last

    monkeypatch.setattr(LSTM, "forward", contiguous)
    run.noise.set_state(noise)
    again, _ = run.loss(tokens)
    assert float(again.detach()) == pytest.approx(float(loss.detach()), rel=1e-6)
