"""Posteriors whose KL has a lower bound: it holds, and says nothing of information."""

import math
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.delta import BoundedPosterior
from baselines.dispersed import Dispersed, DispersedPosterior
from benchmark.core.errors import UserError
from benchmark.metrics.information import coupled_mi
from benchmark.run.encoding import encode
from benchmark.run.training import Training

Array = NDArray[np.float64]


def numbers(value: Tensor) -> Array:
    return value.detach().double().numpy()


def kl(posterior: tuple[Tensor, Tensor]) -> Array:
    """KL(N(mu, var) || N(0, 1)) of each element, in float64."""
    mu, logvar = map(numbers, posterior)
    found: Array = 0.5 * (mu**2 + np.expm1(logvar) - logvar)
    return found


# delta -------------------------------------------------------------------------------------------


def bounded(rate: float, scale: float, dtype: torch.dtype = torch.float64) -> BoundedPosterior:
    """A layer from 5 numbers to 4 dimensions, with weights of about ``scale``."""
    layer = BoundedPosterior(nn.Linear(5, 8), rate).to(dtype)
    for value in layer.parameters():
        nn.init.normal_(value, std=scale)
    return layer


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [1e-4, 0.01, 0.15, 1.0, 10.0, 40.0])
def test_no_weights_and_no_input_bring_the_kl_below_the_rate(
    rate: float, dtype: torch.dtype
) -> None:
    """In bf16, whose master weights are fp32, too."""
    torch.manual_seed(0)
    master = torch.float64 if dtype == torch.float64 else torch.float32
    round_off = 0.0 if master == torch.float64 else 1e-6
    for scale in (0.0, 1e-3, 1.0, 1e3, 1e12):
        layer = bounded(rate, scale, master)
        inputs = torch.randn(300, 5, dtype=master)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            mu, logvar = layer(inputs)
        assert mu.dtype == logvar.dtype == master
        found = kl((mu, logvar))
        assert np.isfinite(found).all()
        assert found.min() >= rate * (1 - round_off)
        if scale <= 1e-3:
            assert found.max() < rate + 0.02  # none is far above it either


@pytest.mark.parametrize("rate", [0.01, 0.15, 2.0])
def test_the_kl_is_the_rate_and_half_of_what_the_mean_adds(rate: float) -> None:
    torch.manual_seed(1)
    layer = bounded(rate, 2.0)
    state = torch.randn(200, 5, dtype=torch.float64)
    raw = numbers(state) @ numbers(layer.linear.weight).T + numbers(layer.linear.bias)
    found = layer(state)
    np.testing.assert_allclose(
        kl(found), rate + 0.5 * (np.maximum(0, raw[:, :4]) + 1e-6), rtol=1e-9
    )
    # Variances fill the range in which one with mean 0 has less than the rate, and no more.
    variance, ends = np.exp(numbers(found[1])), np.array([layer.low, layer.high]) ** 2
    np.testing.assert_allclose(ends - np.log(ends) - 1, 2 * rate, rtol=1e-9)
    assert ends[0] < variance.min() < 1.1 * ends[0]
    assert 0.9 * ends[1] < variance.max() < ends[1]


def test_at_the_rate_the_information_may_be_nothing_or_free() -> None:
    """0.6 nats of KL where the posterior ignores the sentence, and where it tells two kinds."""
    torch.manual_seed(2)
    layer = bounded(0.15, 0.0)
    state = torch.zeros(2000, 5, dtype=torch.float64)
    state[::2, 0] = 1
    noise = torch.randn(2000, 4, dtype=torch.float64)
    with torch.no_grad():
        layer.linear.bias[:4] = -1  # what the mean adds is below 0, and cut off
        mi = []
        for spread in (0.0, 20.0):  # of the variances between the two kinds
            layer.linear.weight[4:, 0], layer.linear.bias[4:] = spread, -spread / 2
            mu, logvar = layer(state)
            np.testing.assert_allclose(kl((mu, logvar)).sum(1), 4 * (0.15 + 5e-7), rtol=1e-9)
            mi.append(coupled_mi(mu, logvar, mu + noise * (0.5 * logvar).exp()).mi)
    assert mi[0] == 0
    assert 0.3 < mi[1] < math.log(2)


def test_a_trained_delta_vae_keeps_the_rate_and_needs_no_information() -> None:
    run = tiny.training(tiny.config("delta", params={"rate": 0.2}))
    tiny.advance(run)
    for point in run.curve:
        assert 3 * 0.2 <= point["kl"] < 3 * 0.2 + 0.2
        assert point["mi"] < 0.1
    run.model.eval()
    encoded = encode(run.model, run.valid)
    assert kl((encoded.mu, encoded.logvar)).min() >= 0.2


# dispersed ---------------------------------------------------------------------------------------

FLOOR = 1 / (2 * math.pi * math.e)


def dispersed(scale: float = 1.0, **settings: float) -> DispersedPosterior:
    """A layer from 5 numbers to 4 dimensions, with weights of about ``scale``."""
    layer = DispersedPosterior(nn.Linear(5, 8), 4, Dispersed(**settings)).double()
    for value in layer.parameters():
        nn.init.normal_(value, std=scale)
    return layer


def mask(rate: float, sentences: int = 40) -> Tensor:
    return torch.empty(sentences, 4, dtype=torch.float64).bernoulli_(1 - rate) / (1 - rate)


def least(layer: DispersedPosterior, state: Tensor, dropped: Array, floor: float) -> float:
    """The bound of a batch's mean KL, from the weights, of a given share (4,) of dropped ones."""
    raw = numbers(state) @ numbers(layer.linear.weight).T + numbers(layer.linear.bias)
    gamma, v = numbers(layer.gamma), raw[:, :4].var(0)
    squares = gamma**2 / (gamma**2).mean()  # of mean 1
    means = 0.25 * squares * v / (v + 1e-5) + numbers(layer.bias) ** 2
    return float(0.5 * (means + dropped * (floor - 1 - math.log(floor))).sum())


@pytest.mark.parametrize("scale", [1e-3, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 30.0])
def test_the_mean_kl_of_a_batch_is_never_below_its_bound(scale: float, alpha: float) -> None:
    torch.manual_seed(3)
    for rate in (0.0, 0.2, 0.9):
        layer = dispersed(scale, gamma=0.5, rate=rate, alpha=alpha)
        state = torch.randn(40, 5, dtype=torch.float64)
        layer.kept = kept = mask(rate)
        found = kl(layer(state)).mean(0).sum()
        assert found >= least(layer, state, numbers(kept == 0).mean(0), alpha * FLOOR) * (1 - 1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_the_bound_is_reached_where_kept_variances_are_1(alpha: float) -> None:
    torch.manual_seed(4)
    layer = dispersed(gamma=0.5, rate=0.25, alpha=alpha)
    with torch.no_grad():
        layer.linear.weight[4:], layer.linear.bias[4:] = 0, math.log(0.75 * (1 - alpha * FLOOR))
    state = torch.randn(40, 5, dtype=torch.float64)
    layer.kept = kept = mask(0.25)
    bound = least(layer, state, numbers(kept == 0).mean(0), alpha * FLOOR)
    assert kl(layer(state)).mean(0).sum() == pytest.approx(bound, rel=1e-9)
    # Without dropping the least possible KL is that of the means.
    layer.kept = None
    with torch.no_grad():
        layer.linear.bias[4:] = math.log(1 - alpha * FLOOR)
    bound = least(layer, state, np.zeros(4), alpha * FLOOR)
    assert kl(layer(state)).mean(0).sum() == pytest.approx(bound, rel=1e-9)


def trained(**settings: Any) -> Training:
    run = tiny.training(tiny.config("dispersed", **settings))
    tiny.until(run, 5)
    return run


def test_a_training_pass_drops_variances_by_its_noise_and_a_measured_one_none() -> None:
    run = trained(params={"rate": 0.3})
    many = run.batch.repeat(300, 1)
    first = run.model(many, torch.Generator().manual_seed(1)).logvar
    again = run.model(many, torch.Generator().manual_seed(1)).logvar
    other = run.model(many, torch.Generator().manual_seed(2)).logvar
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    dropped = numbers(first) < math.log(FLOOR) + 1e-6
    assert dropped.mean() == pytest.approx(0.3, abs=0.02)
    run.model.eval()
    whole = numbers(run.model.encode(many)[1])
    assert whole.min() > math.log(FLOOR) + 0.1
    scaled = np.log((np.exp(whole) - FLOOR) / 0.7 + FLOOR)  # kept ones make up for the others
    np.testing.assert_allclose(numbers(first)[~dropped], scaled[~dropped], atol=1e-4)


def test_nothing_is_dropped_before_the_kl_weighs_1() -> None:
    run = tiny.training(tiny.config("dispersed", params={"rate": 0.9, "warmup": 0.5}))
    seen = []
    plain = run.model.posterior.forward

    def watched(state: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = plain(state)
        if run.model.training:
            seen.append(bool((found[1] < math.log(FLOOR) + 1e-6).any()))
        return found

    run.model.posterior.forward = watched  # type: ignore[method-assign]
    tiny.advance(run)
    half = run.total_steps // 2
    assert seen == [False] * half + [True] * (run.total_steps - half)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_means_spread_by_gamma_however_it_is_shared_out(precision: str) -> None:
    run = trained(params={"gamma": 0.8}, precision=precision)
    with torch.no_grad():
        run.model.posterior.gamma.mul_(torch.tensor([9.0, 1.0, -2.0]))
    tokens = max((run.epochs.batch(0, i) for i in range(run.epochs.ends[0])), key=len)
    with run.autocast():
        mu, _ = run.model.encode(tokens)
    spread = numbers(mu).var(0)
    assert spread.mean() == pytest.approx(0.8**2, rel=0.02)
    assert spread[0] > 2 * spread.mean()


def test_one_sentence_is_normalised_by_the_running_statistics() -> None:
    layer = dispersed()
    layer(torch.randn(20, 5, dtype=torch.float64))
    one, kept = torch.randn(1, 5, dtype=torch.float64), layer.norm.running_mean.clone()
    found, _ = layer(one)
    assert torch.equal(layer.norm.running_mean, kept)
    assert torch.equal(layer.eval()(one)[0], found)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("delta", {"rate": 0.0}),
        ("delta", {"warmup": 1.5}),
        ("dispersed", {"gamma": 0.0}),
        ("dispersed", {"alpha": 0.0}),
        ("dispersed", {"rate": 1.0}),
        ("dispersed", {"rate": -0.1}),
        ("dispersed", {"warmup": -0.5}),
    ],
)
def test_settings_out_of_range_are_refused(name: str, params: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must"):
        tiny.config(name, params=params)
