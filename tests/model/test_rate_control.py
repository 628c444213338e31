"""Methods that steer the KL to a target: their loops, on KLs that are told and on a toy."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from benchmark.model import registry
from benchmark.model.baseline import Baseline

FEEDBACK = ("minimum_rate", "controlled")
TARGET = 3.0


def method(name: str, **params: Any) -> Baseline:
    return registry.load(name)(**params)


class Told:
    """A run whose batches have the KL that is told, (B,) nats or one number."""

    def __init__(self, steps: int = 100) -> None:
        self.memory: dict[str, Any] = {}
        self.weights: list[float] = []
        self.step, self.total_steps = 0, steps
        self.kl = torch.zeros(())

    def annealer(self, kl: Tensor) -> Tensor:
        return kl * self.method.weight(self.step, self.total_steps)

    def criterion(self, *_: None) -> tuple[Tensor, Tensor]:
        return torch.tensor(50.0, dtype=torch.float64), self.kl.mean()

    def log(self, weight: float) -> None:
        self.weights.append(weight)

    def loss(self, method: Baseline, kl: Tensor) -> Tensor:
        self.method, self.kl = method, kl
        out = SimpleNamespace(logits=None, targets=None, mu=None, logvar=None)
        method.before_step(self)  # type: ignore[arg-type]
        loss = method.objective(self, out)  # type: ignore[arg-type]
        self.step += 1
        return loss

    def weights_of(self, method: Baseline, kls: Any) -> list[float]:
        """The weights that a method uses in steps whose KLs are told."""
        for kl in np.asarray(kls).tolist():
            self.loss(method, torch.tensor(kl, dtype=torch.float64))
        return self.weights


class Toy(Told):
    """A model whose only parameter is its KL k; its reconstruction is GAIN c exp(-k / c) nats.

    At KL weight w it is best where GAIN exp(-k / c) = w, so k = TARGET where w is RIGHT.
    """

    GAIN, SCALE = 0.8, 4.0
    RIGHT = GAIN * math.exp(-TARGET / SCALE)  # 0.378

    def __init__(self, gain: float = GAIN) -> None:
        super().__init__(4000)
        self.gain, self.k = gain, torch.tensor(0.1, dtype=torch.float64, requires_grad=True)

    def criterion(self, *_: None) -> tuple[Tensor, Tensor]:
        return self.gain * self.SCALE * (-self.k / self.SCALE).exp(), self.k

    def train(self, method: Baseline) -> np.ndarray:
        """Train to the end by small steps downhill; the KLs of the last tenth."""
        kls = []
        for _ in range(self.total_steps):
            (slope,) = torch.autograd.grad(self.loss(method, self.k), self.k)
            self.k = (self.k - 0.05 * slope).detach().clamp(min=0)
            kls.append(float(self.k))
            self.k.requires_grad_()
        return np.array(kls[-self.total_steps // 10 :])


# What they have in common ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FEEDBACK, "target_rate"])
def test_the_kl_ends_at_the_target(name: str) -> None:
    """Left to itself the toy has no KL, since its gain is below the weight 1."""
    toy = Toy()
    last = toy.train(method(name, target=TARGET))
    assert np.abs(last - TARGET).max() < 0.1
    if name in FEEDBACK:
        assert toy.weights[-400:] == pytest.approx([Toy.RIGHT] * 400, abs=0.05)
    assert Toy().train(method("none")).max() == 0


@pytest.mark.parametrize("name", FEEDBACK)
def test_the_weight_that_is_logged_is_the_one_in_the_gradient(name: str) -> None:
    run, steered = Told(), method(name, target=TARGET)
    for i in range(50):
        kl = torch.tensor([10.0 + i, 20.0], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(run.loss(steered, kl), kl)
        assert slope.tolist() == pytest.approx([run.weights[-1] / 2] * 2, abs=1e-12)
    assert len(set(run.weights)) > 30


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("minimum_rate", {"start": 0.9, "step_size": 0.001}),  # calm, on so little text
        ("controlled", {}),
        ("target_rate", {}),
    ],
)
def test_the_kl_of_a_model_in_training_is_held(name: str, params: dict[str, float]) -> None:
    """Near a target of 1 nat, on the tiny language, where the plain VAE collapses."""

    def kls(name: str, params: dict[str, float], epochs: int) -> list[float]:
        train = {"epochs": epochs, "lr": 0.01}
        run = tiny.training(tiny.config(name, params=params, train=train))
        tiny.advance(run)
        return [point["kl"] for point in run.curve]

    assert max(kls("none", {}, 3)) < 0.1
    assert 0.5 < np.mean(kls(name, {"target": 1.0, **params}, 24)[-8:]) < 2


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("minimum_rate", {"target": -1.0}),
        ("minimum_rate", {"start": -0.1}),
        ("minimum_rate", {"step_size": 0.0}),
        ("controlled", {"target": -1.0}),
        ("controlled", {"proportional": -0.1}),
        ("controlled", {"integral": 0.0}),
        ("controlled", {"lowest": -0.1}),
        ("controlled", {"lowest": 0.5, "highest": 0.5}),
        ("target_rate", {"target": -1.0}),
        ("target_rate", {"beta": 0.0}),
        ("target_rate", {"warmup": 1.1}),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name: str, params: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        method(name, **params)


# The minimum desired rate ------------------------------------------------------------------------


def test_the_multiplier_moves_as_under_rmsprop() -> None:
    """Of torch, uphill, with a projection onto u >= 0, which the KLs of the middle reach."""
    rng = np.random.default_rng(0)
    kls = np.concatenate([rng.uniform(0, 4, 60), rng.uniform(3, 9, 200), rng.uniform(0, 3, 90)])
    found = Told().weights_of(method("minimum_rate", target=TARGET, step_size=0.01), kls)
    u = torch.tensor(1.01, dtype=torch.float64, requires_grad=True)
    ascent = torch.optim.RMSprop([u], lr=0.01, alpha=0.99, eps=1e-8, maximize=True)
    known = []
    for kl in kls:
        known.append(1 - float(u.detach()))
        u.grad = torch.tensor(TARGET - kl)
        ascent.step()
        u.data.clamp_(min=0)
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-9)
    assert max(known) == 1
    assert known[0] == pytest.approx(-0.01)
    assert known[-1] < 0.9


def test_a_rate_that_is_exceeded_anyway_costs_nothing() -> None:
    """Where the optimum at weight 1 has more KL than asked for, the multiplier ends at 0."""
    gain = 4.0
    toy = Toy(gain)
    last = toy.train(method("minimum_rate", target=TARGET))
    np.testing.assert_allclose(last, Toy.SCALE * math.log(gain), rtol=0, atol=1e-3)
    assert last.min() > TARGET + 2
    assert set(toy.weights[-400:]) == {1.0}


# The controller ----------------------------------------------------------------------------------


def by_hand(kls: Any, stop: bool, integral: float = 0.001) -> list[float]:
    """Weights by the formula of the paper's code: w = P + I, clipped, the first one 0.

    With ``stop`` the sum is left as it is where w lies outside, as its test for anti-windup means;
    the test that is in the code, below 0 and above 1, leaves it never.
    """
    weights, total, before = [0.0], 0.0, 0.0
    for error in TARGET - np.asarray(kls):
        total = total - integral * error * (not (stop and not 0 <= before <= 1))
        before = 0.01 / (1 + np.exp(error)) + total
        weights.append(min(max(before, 0.0), 1.0))
    return weights[:-1]


def test_within_its_bounds_the_weight_is_that_of_the_papers_formula() -> None:
    rng = np.random.default_rng(0)
    kls = np.concatenate([rng.uniform(10, 30, 40), rng.uniform(1, 5, 400)])
    known = by_hand(kls, stop=False)
    assert 0 < min(known[1:]) < max(known) < 1
    found = Told().weights_of(method("controlled", target=TARGET), kls)
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("far", "near", "bound"), [(0.0, 4.0, 0.0), (60.0, 2.5, 1.0)])
def test_the_weight_leaves_its_bound_as_soon_as_the_error_turns(
    far: float, near: float, bound: float
) -> None:
    """After 2,000 steps on one side of the target, whereas a plain sum needs longer still."""
    kls = [far] * 2000 + [near] * 100
    found = Told().weights_of(method("controlled", target=TARGET), kls)
    assert found[1900:2001] == [pytest.approx(bound, abs=1e-12)] * 101
    moved = np.abs(np.array(found[2001:]) - bound)
    assert moved[0] > 4e-4
    assert (np.diff(moved) > 0).all()
    assert moved[-1] > 0.04
    assert by_hand(kls, stop=False)[1900:] == [bound] * 200


def test_a_sum_that_is_only_stopped_outside_would_stay_there() -> None:
    """Where a step of the sum exceeds the proportional gain, which alone could bring it back."""
    kls = [0.0] * 10 + [60.0] * 100
    assert set(by_hand(kls, stop=True, integral=0.05)) == {0.0}
    found = Told().weights_of(method("controlled", target=TARGET, integral=0.05), kls)
    assert found[-1] == 1


def test_bounds_are_those_that_are_asked_for() -> None:
    steered = method("controlled", target=TARGET, lowest=0.2, highest=3.0)
    found = Told().weights_of(steered, [0.0] * 50 + [60.0] * 100)
    assert found[0] == 0.2
    assert found[50] == pytest.approx(0.2, abs=1e-12)
    assert found[-1] == 3


@pytest.mark.parametrize("kl", [0.0, 1e6, math.nan])
def test_no_kl_makes_the_weight_overflow(kl: float) -> None:
    for target in (0.0, 1e4):
        found = Told().weights_of(method("controlled", target=target), [kl] * 5)
        assert all(0 <= weight <= 1 for weight in found)


# The target rate ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kls", "sign"), [([2.0, 3.5], -1), ([2.5, 9.0], 1), ([1.0, 4.0], -1), ([4.0, 4.0], 1)]
)
def test_a_nat_is_paid_for_below_the_target_and_costs_above(kls: list[float], sign: int) -> None:
    """By the batch's mean: a sentence above the target is driven on where the mean is below."""
    run = Told()
    run.step = 60  # past the warm-up
    kl = torch.tensor(kls, dtype=torch.float64, requires_grad=True)
    loss = run.loss(method("target_rate", target=TARGET, beta=0.7), kl)
    assert float(loss.detach()) == pytest.approx(50 + 0.7 * abs(sum(kls) / 2 - TARGET))
    (slope,) = torch.autograd.grad(loss, kl)
    assert slope.tolist() == pytest.approx([sign * 0.7 / 2] * 2)


def test_the_target_rises_over_the_warm_up() -> None:
    run, steered = Told(100), method("target_rate", target=TARGET, warmup=0.5)
    nothing = torch.zeros((), dtype=torch.float64)
    found = [float(run.loss(steered, nothing)) - 50 for _ in range(100)]
    np.testing.assert_allclose(found, np.interp(range(100), [0, 50], [0, TARGET]), atol=1e-12)
    at_once = method("target_rate", target=TARGET, warmup=0.0)
    assert float(Told().loss(at_once, nothing)) == 50 + TARGET
