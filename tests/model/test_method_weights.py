"""The KL weights of the methods against closed forms."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from benchmark.core.errors import UserError
from benchmark.core.settings import build
from benchmark.model import registry
from benchmark.model.annealing import Annealer
from benchmark.model.baseline import Baseline

STEPS = [(step, total) for total in (1, 3, 10, 96, 1000) for step in range(total + 1)]


def method(name: str, **params: Any) -> Baseline:
    return build(registry.load(name), params, "test")


@pytest.mark.parametrize("warmup", [0.1, 0.25, 1.0])
def test_monotonic_rises_once(warmup: float) -> None:
    found = [method("monotonic", warmup=warmup).weight(*at) for at in STEPS]
    known = [np.interp(step, [0, warmup * total], [0, 1]) for step, total in STEPS]
    np.testing.assert_allclose(found, known, atol=1e-12)
    assert method("monotonic") == method("monotonic", warmup=0.25)
    assert method("monotonic", warmup=0).weight(0, 10) == 1


@pytest.mark.parametrize(("delay", "ramp"), [(0.08, 0.04), (0.25, 0.125), (0.5, 0.5)])
def test_delayed_linear_waits_then_rises(delay: float, ramp: float) -> None:
    found = [method("delayed_linear", delay=delay, ramp=ramp).weight(*at) for at in STEPS]
    known = [np.interp(s, [delay * n, (delay + ramp) * n], [0, 1]) for s, n in STEPS]
    np.testing.assert_allclose(found, known, atol=1e-12)
    assert method("delayed_linear") == method("delayed_linear", delay=0.08, ramp=0.04)
    switch = method("delayed_linear", delay=0.5, ramp=0)
    assert [switch.weight(step, 4) for step in range(5)] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(("cycles", "ratio"), [(4, 0.5), (4, 0.45), (1, 1.0), (7, 0.25)])
def test_cyclical_rises_in_each_cycle(cycles: int, ratio: float) -> None:
    shape = method("cyclical", cycles=cycles, ratio=ratio)
    for step, total in STEPS:
        phase = Fraction(step * cycles % total, total)  # exact
        known = min(1.0, float(phase) / ratio)
        if step == total:
            known = 1.0  # no cycle begins at the end
        assert shape.weight(step, total) == pytest.approx(known, abs=1e-12)
    assert method("cyclical") == method("cyclical", cycles=4, ratio=0.5, floor=0.0, span=1.0)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cycles_within_a_span_are_those_of_a_shorter_training(floor: float) -> None:
    whole = method("cyclical", cycles=4, ratio=0.5, floor=floor)
    half = method("cyclical", cycles=4, ratio=0.5, floor=floor, span=0.5)
    found = [half.weight(step, 160) for step in range(161)]
    assert found[:80] == [whole.weight(step, 80) for step in range(80)]
    assert found[80:] == [1.0] * 81
    assert found.count(floor) == 4  # each cycle begins there
    # The last rise is the one of `late_rise`, which begins and ends with it.
    late = method("delayed_linear", delay=0.375, ramp=0.0625, floor=floor)
    last = [late.weight(step, 160) for step in range(60, 161)]
    assert last == pytest.approx(found[60:], abs=1e-12)
    assert [late.weight(step, 160) for step in range(60)] == [floor] * 60


@pytest.mark.parametrize("name", ["batch_norm_mean", "max_pooling"])
def test_a_warmup_before_a_changed_posterior_rises_once(name: str) -> None:
    found = [method(name, warmup=0.25).weight(step, 80) for step in range(81)]
    np.testing.assert_allclose(found, np.minimum(1, np.arange(81) / 20), atol=1e-12)
    assert [method(name).weight(step, 80) for step in range(81)] == [1.0] * 81


@pytest.mark.parametrize(("cycles", "ratio", "total"), [(4, 0.5, 96), (8, 0.3, 1000), (3, 1.0, 9)])
def test_cyclical_is_the_annealer_with_cycles(cycles: int, ratio: float, total: int) -> None:
    annealer = Annealer(total // cycles, ratio=ratio, cyclical=True)
    shape = method("cyclical", cycles=cycles, ratio=ratio)
    for step in range(total):
        assert shape.weight(step, total) == pytest.approx(annealer.weight, abs=1e-12)
        annealer.step()


def test_the_ends_of_the_range() -> None:
    assert [method("none").weight(step, 10) for step in range(11)] == [1.0] * 11
    assert [method("autoencoder").weight(step, 10) for step in range(11)] == [0.0] * 11
    assert (method("autoencoder").selection_weight, method("none").selection_weight) == (0, 1)
    assert not type(method("lstm_lm")).latent
    for name, params in (("cyclical", {"ratio": 0.0}), ("monotonic", {"warmup": 1.5}),
                         ("delayed_linear", {"delay": 0.9, "ramp": 0.2}),
                         ("delayed_linear", {"floor": 1.5}), ("cyclical", {"span": 0.0}),
                         ("cyclical", {"span": 1.5}), ("max_pooling", {"warmup": -0.1}),
                         ("batch_norm_mean", {"warmup": 1.1})):  # fmt: skip
        with pytest.raises(UserError, match=r"test: .* must"):
            method(name, **params)
