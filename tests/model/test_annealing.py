"""The Annealer against its closed formulas, written once more in NumPy for the whole time line."""

import doctest
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.model import annealing
from benchmark.model.annealing import Annealer

Curve = Callable[[np.ndarray, float], np.ndarray]


def steep(x: np.ndarray) -> np.ndarray:
    """The normalised logistic's steepness is 10 over the whole rise."""
    return 1 / (1 + np.exp(-10 * (x - 0.5)))


CURVES: dict[str, Curve] = {
    "linear": lambda s, n: s / n,
    "cosine": lambda s, n: (1 - np.cos(np.pi * s / n)) / 2,
    "logistic": lambda s, n: (1 + np.tanh((s - n / 2) / 2)) / 2,
    "sigmoid": lambda s, n: (
        (steep(s / n) - steep(np.zeros(1))) / (steep(np.ones(1)) - steep(np.zeros(1)))
    ),
}
FUNCTIONS: dict[str, tuple[Callable[[float, float], float], Curve]] = {
    "square": (lambda s, n: (s / n) ** 2, lambda s, n: np.square(s / n)),
    "constant": (lambda s, n: 0.25, lambda s, n: np.full(s.shape, 0.25)),
}


def expected(
    steps: int,
    total: int,
    curve: Curve,
    baseline: float = 0.0,
    cyclical: bool = False,
    disable: bool = False,
    ratio: float = 1.0,
    delay: int = 0,
) -> np.ndarray:
    """The weight at steps 0 .. steps-1 in closed form."""
    if disable:
        return np.ones(steps)
    since = np.maximum(np.arange(steps) - delay, 0)
    counter = (since % total if cyclical else np.minimum(since, total)).astype(np.float64)
    weight = curve(counter, ratio * total)
    if ratio < 1:
        weight = np.where(counter >= ratio * total, 1.0, weight)
    return baseline + (1 - baseline) * weight


def observed(annealer: Annealer, steps: int) -> np.ndarray:
    weights = np.empty(steps)
    for s in range(steps):
        weights[s] = annealer(1.0)
        assert annealer.weight == weights[s]
        annealer.step()
    return weights


@pytest.mark.parametrize("shape", [*CURVES, *FUNCTIONS])
@pytest.mark.parametrize("cyclical", [False, True])
@pytest.mark.parametrize("disable", [False, True])
def test_every_combination_agrees(shape: str, cyclical: bool, disable: bool) -> None:
    given, curve = FUNCTIONS.get(shape) or (shape, CURVES[shape])
    for total, baseline, ratio, delay in itertools.product(
        (1, 2, 7, 40), (0.0, 0.1, 1.0), (1.0, 0.5, 0.45, 1 / 3), (0, 1, 13)
    ):
        steps = delay + 3 * total + 5
        arguments = {"cyclical": cyclical, "disable": disable, "ratio": ratio, "delay": delay}
        annealer = Annealer(total, given, baseline, **arguments)
        np.testing.assert_allclose(
            observed(annealer, steps),
            expected(steps, total, curve, baseline, **arguments),
            rtol=0,
            atol=1e-12,
            err_msg=f"{total=} {baseline=} {arguments}",
        )


def seed_library(steps: int, total: int, curve: Curve, switches: dict[int, bool]) -> np.ndarray:
    """The seed library's counter, step by step: stops at total, back to 0 there when cyclical."""
    counter, cyclical, counters = 0, True, []
    for s in range(steps):
        cyclical = switches.get(s, cyclical)
        counters.append(counter)
        counter = min(counter + 1, total)
        if cyclical and counter == total:
            counter = 0
    return curve(np.asarray(counters, dtype=np.float64), total)


@pytest.mark.parametrize("shape", CURVES)
@pytest.mark.parametrize("total", [7, 20, 25, 40])
def test_cyclical_off_at_30_and_on_at_70(shape: str, total: int) -> None:
    switches = {30: False, 70: True}
    annealer = Annealer(total, shape, cyclical=True)
    weights = []
    for s in range(110):
        if s in switches:
            annealer.set_cyclical(switches[s])
        weights.append(annealer.weight)
        annealer.step()
    np.testing.assert_allclose(
        weights, seed_library(110, total, CURVES[shape], switches), rtol=0, atol=1e-12
    )
    held = weights[30 + total : 71]  # long enough to have arrived, not yet begun again
    assert len(set(held)) == 1
    end, start = (CURVES[shape](np.array([s]), total)[0] for s in (float(total), 0.0))
    assert held[0] == pytest.approx(end, abs=1e-12)
    assert weights[71] == pytest.approx(start, abs=1e-12)


def test_a_cycle_without_ratio_never_shows_one() -> None:
    assert max(observed(Annealer(10, cyclical=True), 100)) == pytest.approx(0.9, abs=1e-12)


def test_ratio_is_fu_et_al() -> None:
    weights = observed(Annealer(8, cyclical=True, ratio=0.5), 16)
    np.testing.assert_allclose(weights, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1] * 2, atol=1e-12)


def test_delay_is_applied_once() -> None:
    weights = observed(Annealer(4, cyclical=True, delay=3), 12)
    np.testing.assert_allclose(weights, [0, 0, 0, 0, 0.25, 0.5, 0.75, 0, 0.25, 0.5, 0.75, 0])
    plain = observed(Annealer(4, delay=3), 12)
    np.testing.assert_allclose(plain, np.clip((np.arange(12) - 3) / 4, 0, 1), atol=1e-12)


@pytest.mark.parametrize("total", [1_419, 1_420, 5_000, 1_000_000])
def test_logistic_does_not_overflow(total: int) -> None:
    annealer = Annealer(total, "logistic")
    assert 0 <= annealer.weight < 1e-300
    for step in (total // 2, total):
        annealer.load_state_dict({**annealer.state_dict(), "current_step": step})
        right = (1 + np.tanh((step - total / 2) / 2)) / 2
        assert annealer.weight == pytest.approx(right, abs=1e-12)


def test_logistic_is_a_narrow_switch_and_sigmoid_is_not() -> None:
    def width(shape: str) -> int:
        weights = observed(Annealer(5_000, shape), 5_001)
        return int(((weights > 0.01) & (weights < 0.99)).sum())

    assert width("logistic") == 9
    assert width("sigmoid") > 4_000


@pytest.mark.parametrize("total", [1, 2, 3, 10, 1_419, 1_420, 5_000])
def test_sigmoid_begins_at_0_and_ends_at_1_exactly(total: int) -> None:
    annealer = Annealer(total, "sigmoid")
    assert annealer.weight == 0.0
    for _ in range(total):
        annealer.step()
    assert annealer.weight == 1.0


@pytest.mark.parametrize(
    "bad",
    [
        {"total_steps": True},
        {"total_steps": 0},
        {"total_steps": -3},
        {"total_steps": 1.5},
        {"total_steps": "10"},
        {"shape": "sine"},
        {"shape": 3},
        {"shape": None},
        {"baseline": -0.1},
        {"baseline": 1.1},
        {"baseline": float("nan")},
        {"baseline": "0.5"},
        {"cyclical": 1},
        {"cyclical": "yes"},
        {"cyclical": None},
        {"disable": 0},
        {"disable": "no"},
        {"ratio": 0},
        {"ratio": 0.0},
        {"ratio": 1.01},
        {"ratio": -0.5},
        {"ratio": float("nan")},
        {"delay": -1},
        {"delay": 2.5},
        {"delay": True},
    ],
    ids=str,
)
def test_bad_arguments_are_refused(bad: dict[str, object]) -> None:
    name = next(iter(bad))
    with pytest.raises(ValueError, match=name):
        Annealer(**{"total_steps": 10, **bad})


def test_an_unhashable_shape_is_refused_with_the_same_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        Annealer(10, ["linear"])


def test_set_cyclical_takes_booleans_only() -> None:
    for value in (1, 0, "on", None):
        with pytest.raises(ValueError, match="cyclical"):
            Annealer(10).set_cyclical(value)


def test_attributes_and_counter() -> None:
    annealer = Annealer(3)
    seen = []
    for _ in range(6):
        seen.append(annealer.current_step)
        annealer.step()
    assert annealer.total_steps == 3
    assert seen == [0, 1, 2, 3, 3, 3]


@pytest.mark.parametrize("shape", CURVES)
@pytest.mark.parametrize("stop", [0, 2, 5, 9, 17, 31])
def test_state_returns_in_the_middle_of_a_cycle(shape: str, stop: int) -> None:
    def new() -> Annealer:
        return Annealer(9, shape, 0.1, cyclical=True, ratio=0.5, delay=4)

    annealer, other = new(), new()
    for s in range(stop):
        if s == 12:
            annealer.set_cyclical(False)
        annealer.step()
    other.load_state_dict(annealer.state_dict())
    assert other.cyclical == annealer.cyclical
    assert np.array_equal(observed(other, 40), observed(annealer, 40))


def test_damaged_state_is_refused() -> None:
    annealer = Annealer(9, delay=2)
    good = annealer.state_dict()
    for damage in ({"current_step": 10}, {"current_step": -1}, {"current_step": 2.5}):
        with pytest.raises(ValueError, match="current_step"):
            annealer.load_state_dict({**good, **damage})
    for key in good:
        with pytest.raises(ValueError, match=key):
            annealer.load_state_dict({k: v for k, v in good.items() if k != key})
    assert annealer.state_dict() == good


def test_call_multiplies_whatever_it_is_given() -> None:
    annealer = Annealer(4, baseline=0.2)
    annealer.step()
    weight = 0.2 + 0.8 * 0.25
    assert annealer(3.0) == pytest.approx(3 * weight, abs=1e-12)
    array = annealer(np.array([1.0, -2.0]))
    np.testing.assert_allclose(array, np.array([1.0, -2.0]) * weight, atol=1e-12)
    kld = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    out = annealer(kld)
    out.sum().backward()
    np.testing.assert_allclose(out.detach().numpy(), [weight, 2 * weight], atol=1e-12)
    np.testing.assert_allclose(kld.grad.numpy(), [weight, weight], atol=1e-12)


def test_disable_returns_the_very_same_object() -> None:
    annealer = Annealer(4, disable=True)
    for value in (torch.ones(2), np.ones(2), 3.0):
        assert annealer(value) is value
        annealer.step()


def test_numbers_of_numpy_are_numbers() -> None:
    annealer = Annealer(
        np.int64(4), baseline=np.float32(0.5), ratio=np.float64(1), delay=np.int32(1)
    )
    assert (type(annealer.total_steps), type(annealer.delay)) == (int, int)
    annealer.load_state_dict({"current_step": np.int64(2), "waited": 1, "cyclical": False})
    assert annealer.weight == 0.75
    halves = Annealer(4, shape=lambda step, total: np.float32(step / total))
    halves.step()
    assert (type(halves.weight), halves.weight) == (float, 0.25)
    with pytest.raises(ValueError, match="delay"):
        Annealer(4, delay=np.bool_(True))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor(0.5), r"shape at step 0 returned a tensor; return float\(\.\.\.\)"),
        (None, "shape at step 0 returned None; return a number"),
        (True, "returned True"),
        ("0.5", "returned '0.5'"),
    ],
)
def test_a_shape_must_return_a_number(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _ = Annealer(4, shape=lambda step, total: value).weight


def test_it_shows_its_arguments_and_its_step() -> None:
    annealer = Annealer(4, "cosine", ratio=0.5)
    annealer.step()
    assert repr(annealer) == (
        "Annealer(4, shape='cosine', baseline=0.0, cyclical=False, disable=False, ratio=0.5, "
        "delay=0) at step 1"
    )
    assert "shape=steep," in repr(Annealer(4, steep))


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(annealing) == (0, 2)
