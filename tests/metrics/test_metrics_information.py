"""The coupled estimate: exact at its two ends, equal to a direct calculation in between."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.metrics import MutualInformation, batch_mi, coupled_mi, marginal_kl, mi_given

Posteriors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def direct(mu: torch.Tensor, logvar: torch.Tensor, z: torch.Tensor) -> float:
    return float(densities(mu, logvar, z).mean())


def densities(mu: torch.Tensor, logvar: torch.Tensor, z: torch.Tensor) -> NDArray[np.float64]:
    """Of each sentence; loops written out, squared distances as they stand, in NumPy float64."""
    means, variances, samples = mu.numpy(), np.exp(logvar.numpy()), z.numpy()
    n = len(means)
    found = np.empty(n)
    for i in range(n):
        gaps = np.empty(n)
        own = (samples[i] - means[i]) ** 2 / variances[i] + np.log(variances[i])
        for j in range(n):
            other = (samples[i] - means[j]) ** 2 / variances[j] + np.log(variances[j])
            gaps[j] = 0.5 * (own - other).sum()
        found[i] = -gaps.max() - np.log(np.exp(gaps - gaps.max()).mean())
    return found


def sampled(mu: torch.Tensor, logvar: torch.Tensor, seed: int) -> Posteriors:
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed), dtype=mu.dtype)
    return mu, logvar, mu + (logvar / 2).exp() * noise


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def informative(nats: float, seed: int, n: int = 3761) -> Posteriors:
    """8 of 32 dimensions carry ``nats`` together; the aggregate posterior is the prior."""
    variance = torch.ones(32, dtype=torch.float64)
    variance[:8] = math.exp(-2 * nats / 8)
    mu = normal(n, 32, seed=seed) * (1 - variance).sqrt()
    return sampled(mu, variance.log().expand(n, 32), seed=1000 + seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "chunk"), [(1, 4), (7, 1), (97, 10), (257, 64), (300, 1024)])
@pytest.mark.parametrize("expanded", [True, False])
def test_exactly_zero_when_all_posteriors_are_identical(
    n: int, chunk: int, dtype: torch.dtype, expanded: bool
) -> None:
    mu = (30 * normal(1, 13, seed=n)).to(dtype).expand(n, 13)
    logvar = (8 * normal(1, 13, seed=n + 1) - 4).to(dtype).expand(n, 13)
    if not expanded:
        mu, logvar = mu.contiguous(), logvar.contiguous()
    assert coupled_mi(*sampled(mu, logvar, seed=n), chunk=chunk).mi == 0.0


def test_near_zero_and_finite_when_posteriors_are_nearly_identical() -> None:
    mu, logvar, z = sampled(1e-3 * normal(2000, 32, seed=0), 1e-3 * normal(2000, 32, seed=1), 2)
    for dtype in (torch.float32, torch.float64):
        assert abs(coupled_mi(mu.to(dtype), logvar.to(dtype), z.to(dtype)).mi) < 1e-3


@pytest.mark.parametrize("n", [2, 3, 10, 100, 1001])
def test_ln_n_when_posteriors_are_far_apart_and_never_above(n: int) -> None:
    mu = 10 * torch.arange(n, dtype=torch.float64)[:, None].expand(n, 2)
    result = coupled_mi(*sampled(mu, torch.zeros(n, 2, dtype=torch.float64) - 6, seed=n), chunk=40)
    assert result.mi == pytest.approx(math.log(n), rel=1e-14)
    assert result.mi <= result.cap == math.log(n)
    assert result.saturated
    assert marginal_kl(20.0, result) is None


def test_never_above_ln_n_for_samples_that_are_not_the_posteriors_own() -> None:
    for seed in range(20):
        result = coupled_mi(*(5 * normal(3, 9, 4, seed=seed)).unbind(0))
        assert math.isfinite(result.mi)
        assert result.mi <= math.log(9)


NARROW_TO_WIDE = [1e-4, 1e-3, 1e-2, 0.1, 1.0]


@pytest.mark.parametrize("chunk", [17, 1024])
@pytest.mark.parametrize("spread", [0.5, 30.0])
@pytest.mark.parametrize("sd", NARROW_TO_WIDE)
def test_agrees_with_the_double_loop_for_narrow_posteriors_far_out(
    sd: float, spread: float, chunk: int
) -> None:
    centres = spread * normal(20, 6, seed=1)  # clusters of four that overlap, far from each other
    mu = centres.repeat_interleave(4, 0) + 0.4 * sd * normal(80, 6, seed=2)
    logvar = 2 * math.log(sd) + 0.3 * normal(80, 6, seed=3)
    posteriors = sampled(mu, logvar, seed=4)
    assert coupled_mi(*posteriors, chunk=chunk).mi == pytest.approx(direct(*posteriors), abs=1e-8)


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_agrees_with_the_double_loop_for_widths_of_every_size(mean: float) -> None:
    logvar = torch.linspace(2 * math.log(1e-4), 0, 90, dtype=torch.float64)[:, None].expand(90, 5)
    posteriors = sampled(mean + (logvar / 2).exp() * normal(90, 5, seed=5), logvar, seed=6)
    assert coupled_mi(*posteriors, chunk=32).mi == pytest.approx(direct(*posteriors), abs=1e-8)


def test_identical_pairs_of_an_autoencoder_count_as_one() -> None:
    mu = (20 * normal(50, 32, seed=7)).repeat(2, 1)
    posteriors = sampled(mu, torch.full((100, 32), -30.0, dtype=torch.float64), seed=8)
    assert coupled_mi(*posteriors).mi == pytest.approx(math.log(50), abs=1e-9)


def test_chunk_size_changes_round_off_only() -> None:
    posteriors = informative(2.0, seed=9, n=60)
    values = [coupled_mi(*posteriors, chunk=chunk).mi for chunk in (1, 16, 59, 60, 5000)]
    assert np.ptp(values) < 1e-12
    assert values[0] == pytest.approx(direct(*posteriors), abs=1e-12)


@pytest.mark.parametrize(
    ("nats", "published", "error", "saturated"),
    [(2.0, 2.003, 0.017, False), (5.0, 4.858, 0.039, False), (15.0, 8.226, 0.039, True)],
)
def test_reproduces_the_measured_values_of_the_protocol(
    nats: float, published: float, error: float, saturated: bool
) -> None:
    results = [coupled_mi(*informative(nats, seed)) for seed in range(3)]
    # sd of one estimate by theory: the information density has variance sum_d (1 - var_d)
    spread = math.sqrt(8 * (1 - math.exp(-nats / 4)) / 3761)
    limit = 3 * math.hypot(spread / math.sqrt(3), error / math.sqrt(12))
    assert abs(np.mean([result.mi for result in results]) - published) < limit
    assert all(result.saturated is saturated for result in results)
    assert results[0].cap == pytest.approx(8.232, abs=5e-4)


def test_saturation_begins_three_nats_below_the_cap() -> None:
    # groups of g identical, far apart from each other: exactly ln(N / g)
    for group, saturated in [(16, True), (32, False)]:
        mu = 100 * torch.arange(640 // group, dtype=torch.float64).repeat_interleave(group)[:, None]
        result = coupled_mi(*sampled(mu, torch.zeros_like(mu), seed=0))
        assert result.mi == pytest.approx(math.log(640 / group))
        assert result.saturated is saturated


def test_the_error_is_over_sentences() -> None:
    posteriors = informative(2.0, seed=4, n=150)
    expected = densities(*posteriors).std(ddof=1) / math.sqrt(150)
    assert coupled_mi(*posteriors, chunk=64).error == pytest.approx(expected, rel=1e-9)
    # By theory the information density of a sentence has variance sum_d (1 - var_d).
    found = coupled_mi(*informative(2.0, seed=5))
    assert found.error == pytest.approx(math.sqrt(8 * (1 - math.exp(-0.5)) / 3761), rel=0.1)
    assert math.isnan(coupled_mi(*(a[:1] for a in posteriors)).error)


def test_marginal_kl_is_the_difference() -> None:
    assert marginal_kl(2.5, MutualInformation(2.0, 8.0, False, error=0.1)) == 0.5


def test_batch_mi_averages_the_batches_by_size() -> None:
    posteriors = informative(3.0, seed=3, n=75)
    batches = [np.arange(0, 32), np.arange(32, 64), np.arange(64, 75)]
    parts = [direct(*(a[index] for a in posteriors)) for index in batches]
    expected = (32 * parts[0] + 32 * parts[1] + 11 * parts[2]) / 75
    assert batch_mi(*posteriors, batches) == pytest.approx(expected, abs=1e-12)
    assert batch_mi(*posteriors, [np.array([i]) for i in range(75)]) == 0.0


LENGTHS = np.repeat([3, 9, 4, 40, 5], [30, 1, 25, 1, 18])[np.random.default_rng(0).permutation(75)]


def log_density(posteriors: Posteriors, of: int, under: int) -> float:
    mu, logvar, z = posteriors
    q = torch.distributions.Normal(mu[under], (logvar[under] / 2).exp())
    return float(q.log_prob(z[of]).sum())


@pytest.mark.parametrize("chunk", [7, 1024])
def test_information_given_length_agrees_with_the_double_loop_and_the_chain_rule(
    chunk: int,
) -> None:
    posteriors = informative(3.0, seed=11, n=75)
    terms, of_length = [], []
    for n, length in enumerate(LENGTHS):
        every = np.array([log_density(posteriors, n, m) for m in range(75)])
        same = every[length == LENGTHS]
        terms.append(every[n] - math.log(np.exp(same).mean()))
        of_length.append(math.log(np.exp(same).mean()) - math.log(np.exp(every).mean()))
    found = mi_given(*posteriors, LENGTHS, chunk=chunk)
    assert found.mi == pytest.approx(np.mean(terms), abs=1e-9)
    assert found.error == pytest.approx(np.std(terms, ddof=1) / math.sqrt(75), rel=1e-9)
    # I(x; z) = I(length; z) + I(x; z | length), with the same draws
    assert coupled_mi(*posteriors).mi == pytest.approx(found.mi + np.mean(of_length), abs=1e-9)
    assert np.mean(of_length) > 0.1


def test_the_cap_given_length_is_the_mean_over_sentences_and_lone_ones_count_0() -> None:
    far = 100 * torch.arange(75, dtype=torch.float64)[:, None]
    found = mi_given(*sampled(far, torch.zeros_like(far), seed=0), LENGTHS)
    sizes = [30, 25, 18, 1, 1]
    assert found.cap == pytest.approx(sum(n * math.log(n) for n in sizes) / 75)
    assert found.mi == pytest.approx(found.cap, rel=1e-14)
    assert found.mi <= found.cap
    assert found.saturated
    alone = mi_given(*sampled(far, torch.zeros_like(far), seed=0), np.arange(75))
    assert (alone.mi, alone.cap) == (0.0, 0.0)


def test_a_latent_that_is_the_length_holds_nothing_given_it() -> None:
    mu = torch.from_numpy(100.0 * LENGTHS)[:, None].expand(75, 4)
    posteriors = sampled(mu, torch.zeros(75, 4, dtype=torch.float64), seed=1)
    assert mi_given(*posteriors, LENGTHS).mi == 0.0
    parts = np.array([30, 25, 18, 1, 1]) / 75
    entropy = -(parts * np.log(parts)).sum()
    assert coupled_mi(*posteriors).mi == pytest.approx(entropy, abs=1e-12)


def test_one_group_is_no_condition_and_a_collapsed_posterior_holds_nothing() -> None:
    posteriors = informative(2.0, seed=12, n=75)
    assert mi_given(*posteriors, np.full(75, 9)).mi == coupled_mi(*posteriors).mi
    same = sampled(torch.full((75, 5), 0.3), torch.full((75, 5), -0.7), seed=2)
    assert mi_given(*same, LENGTHS).mi == 0.0


def test_information_given_a_group_of_gaussians_has_its_closed_form() -> None:
    """Means N(m_g, 3^2) within a group, unit posteriors: 1/2 ln(1 + 9) whatever the groups."""
    estimates = []
    for seed in range(4):
        group = np.arange(1600) % 4
        mu = torch.from_numpy(100.0 * group)[:, None] + 3 * normal(1600, 1, seed=seed)
        found = mi_given(*sampled(mu, torch.zeros_like(mu), seed=50 + seed), group)
        whole = coupled_mi(*sampled(mu, torch.zeros_like(mu), seed=50 + seed))
        assert whole.mi - found.mi == pytest.approx(math.log(4), abs=1e-9)  # the groups lie apart
        estimates.append(found.mi)
    error = np.std(estimates, ddof=1) / math.sqrt(4)
    assert abs(np.mean(estimates) - math.log(10) / 2) < 4 * error + 0.02  # the bound's own gap
    assert error < 0.03


def test_works_without_gradients_and_leaves_its_inputs_alone() -> None:
    mu, logvar, z = (a.clone().requires_grad_() for a in informative(1.0, seed=0, n=20))
    before = [a.detach().clone() for a in (mu, logvar, z)]
    value = coupled_mi(mu, logvar, z).mi
    with torch.inference_mode():
        assert coupled_mi(mu, logvar, z).mi == value
    assert all(torch.equal(a, b) for a, b in zip((mu, logvar, z), before, strict=True))


def test_a_diverged_model_shows_as_nan() -> None:
    mu, logvar, z = informative(1.0, seed=0, n=20)
    mu[3, 4] = math.nan
    assert math.isnan(coupled_mi(mu, logvar, z).mi)
