"""A linear-Gaussian VAE, x = W z + noise, whose every number has a closed form.

The columns of W are orthogonal, so the exact posterior has a diagonal covariance and the
encoder's family contains it; three columns are 0, so three latent dimensions are unused.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from benchmark.metrics import (
    active_units,
    coupled_mi,
    importance_nll,
    kl_spectrum,
    marginal_kl,
    posterior_mean_variance,
)

SCALES = np.array([2.0, 1.0, 0.0, 0.5, 0.0, 0.8, 0.0])
NOISE = 0.7
WIDTH = 10
LN_2PI = math.log(2 * math.pi)


@dataclass
class Model:
    weight: np.ndarray  # (D, Z)
    variance: np.ndarray  # (Z,) of the exact posterior
    x: np.ndarray  # (N, D)
    mu: np.ndarray  # (N, Z) exact posterior means

    @property
    def nll(self) -> np.ndarray:
        covariance = self.weight @ self.weight.T + NOISE**2 * np.eye(WIDTH)
        return -multivariate_normal(np.zeros(WIDTH), covariance).logpdf(self.x)


def build(sentences: int, seed: int) -> Model:
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((WIDTH, len(SCALES))))
    weight = basis * SCALES
    z = rng.standard_normal((sentences, len(SCALES)))
    x = z @ weight.T + NOISE * rng.standard_normal((sentences, WIDTH))
    variance = 1 / (1 + SCALES**2 / NOISE**2)
    return Model(weight, variance, x, x @ weight / NOISE**2 * variance)


def log_weights(
    model: Model, mu: np.ndarray, variance: np.ndarray, draws: int, seed: int
) -> torch.Tensor:
    """(N, S) log p(x|z) + log p(z) - log q(z|x), z ~ q, written out in NumPy."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(mu), draws, len(variance)))
    z = mu[:, None] + np.sqrt(variance) * noise
    residual = model.x[:, None] - z @ model.weight.T
    likelihood = -0.5 * (residual**2 / NOISE**2 + LN_2PI + 2 * math.log(NOISE)).sum(-1)
    prior = -0.5 * (z**2 + LN_2PI).sum(-1)
    posterior = -0.5 * (noise**2 + LN_2PI + np.log(variance)).sum(-1)
    return torch.from_numpy(likelihood + prior - posterior)


def analytic_kl(mu: np.ndarray, variance: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(0.5 * (mu**2 + variance - 1 - np.log(variance)))


def within(value: float, truth: float, error: float, times: float = 4.0) -> bool:
    return abs(value - truth) <= times * error


@pytest.mark.parametrize("draws", [1, 6, 50])
def test_exact_posterior_gives_the_exact_likelihood_with_any_number_of_draws(draws: int) -> None:
    model = build(40, seed=0)
    result = importance_nll(log_weights(model, model.mu, model.variance, draws, seed=1))
    for value in result.curve.values():
        np.testing.assert_allclose(value.numpy(), model.nll, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.ess.numpy(), draws, rtol=1e-9)
    assert max(result.curve) == draws


def test_perturbed_posterior_falls_from_the_closed_elbo_to_the_truth() -> None:
    model = build(400, seed=2)
    shift = np.array([0.3, -0.4, 0.2, 0.0, 0.5, 0.0, -0.3])
    stretch = np.array([1.3, 0.7, 0.8, 1.2, 1.0, 0.6, 0.9])
    mu, variance = model.mu + shift * np.sqrt(model.variance), stretch * model.variance
    gap = 0.5 * (shift**2 + stretch - 1 - np.log(stretch)).sum()  # KL(q || p(z|x))
    result = importance_nll(log_weights(model, mu, variance, 500, seed=3))
    assert list(result.curve) == [1, 10, 100, 500]
    over = {size: value.numpy() - model.nll for size, value in result.curve.items()}
    assert gap > 0.4
    assert within(over[1].mean(), gap, over[1].std() / math.sqrt(len(mu)))
    means = [value.mean() for value in over.values()]
    assert means == sorted(means, reverse=True)
    assert abs(means[-1]) < 0.01
    assert not result.upper_bound
    assert 1 < result.ess.mean() < 400


def test_kl_information_and_units_match_their_closed_forms() -> None:
    model = build(20_000, seed=4)
    per_dimension = -0.5 * np.log(model.variance)  # = KL = MI: the aggregate is the prior
    truth = 0.5 * np.linalg.slogdet(np.eye(WIDTH) + model.weight @ model.weight.T / NOISE**2)[1]
    assert per_dimension.sum() == pytest.approx(truth, rel=1e-12)

    kl = analytic_kl(model.mu, model.variance)
    error = kl.std(0).numpy() / math.sqrt(len(kl))
    assert np.all(np.abs(kl_spectrum(kl).numpy() - per_dimension) <= 4 * error + 1e-12)

    active = SCALES > 0
    spread = posterior_mean_variance(torch.from_numpy(model.mu)).numpy()
    assert np.all(spread[~active] == 0.0)
    # a sample variance of N Gaussian values has a relative error of sqrt(2 / N)
    np.testing.assert_allclose(spread[active], (1 - model.variance)[active], rtol=4e-2)
    assert active_units(torch.from_numpy(model.mu)) == 4
    assert active_units(torch.from_numpy(model.mu), threshold=0.5) == 3


def test_information_of_several_samples_lies_within_four_standard_errors() -> None:
    truth, estimates = 0.0, []
    for seed in range(8):
        model = build(2000, seed=10 + seed)
        truth = -0.5 * np.log(model.variance).sum()
        rng = np.random.default_rng(seed)
        z = model.mu + np.sqrt(model.variance) * rng.standard_normal(model.mu.shape)
        logvar = torch.from_numpy(np.log(model.variance)).expand(2000, -1)
        information = coupled_mi(torch.from_numpy(model.mu), logvar, torch.from_numpy(z))
        assert not information.saturated
        estimates.append(information.mi)
        holes = marginal_kl(analytic_kl(model.mu, model.variance).sum(1).mean().item(), information)
        assert holes is not None
        assert abs(holes) < 0.2  # the aggregate posterior is the prior
    error = np.std(estimates, ddof=1) / math.sqrt(len(estimates))
    assert within(float(np.mean(estimates)), truth, error)
    assert error < 0.03
