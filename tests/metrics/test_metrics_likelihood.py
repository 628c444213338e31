"""Importance-weighted likelihood: the curve from one set of draws."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from benchmark.metrics import importance_nll


def weights(n: int, draws: int, spread: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(n, draws, generator=generator, dtype=torch.float64) - 100


def test_each_point_is_the_mean_over_disjoint_blocks() -> None:
    log_weights = weights(5, 500, 3.0)
    curve = importance_nll(log_weights).curve
    assert list(curve) == [1, 10, 100, 500]
    for size, value in curve.items():
        for sentence in range(5):
            row = log_weights[sentence].numpy()
            blocks = [row[start : start + size] for start in range(0, 500, size)]
            expected = -np.mean([logsumexp(block) - math.log(size) for block in blocks])
            assert value[sentence].item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("spread", [0.0, 1e-8, 1.0, 20.0, 500.0])
def test_falls_for_every_sentence_up_to_round_off(spread: float) -> None:
    curve = list(importance_nll(weights(300, 500, spread)).curve.values())
    for fewer, more in pairwise(curve):
        assert (more <= fewer + 1e-12 * fewer.abs()).all()


@pytest.mark.parametrize(
    ("draws", "kept"),
    [(1, [1]), (7, [1, 7]), (20, [1, 10, 20]), (128, [1, 128]), (1000, [1, 10, 100, 500, 1000])],
)
def test_any_number_of_draws_keeps_the_sizes_that_nest(draws: int, kept: list[int]) -> None:
    assert list(importance_nll(weights(3, draws, 1.0)).curve) == kept


def test_sizes_may_come_in_any_order() -> None:
    assert list(importance_nll(weights(3, 60, 1.0), sizes=(60, 4, 3, 12, 12)).curve) == [4, 12, 60]


def test_effective_sample_size_counts_the_weights_that_matter() -> None:
    equal = torch.full((1, 8), -2000.0)
    half = torch.tensor([[-2000.0] * 4 + [-3000.0] * 4])
    one = torch.tensor([[-2000.0] + [-3000.0] * 7])
    mixed = torch.tensor([[1.0, 2.0, 3.0]]).log() + 900
    ess = [importance_nll(w).ess.item() for w in (equal, half, one, mixed)]
    assert ess == pytest.approx([8, 4, 1, 36 / 14], rel=1e-5)


def test_upper_bound_where_the_last_fall_is_above_a_tenth_of_a_nat() -> None:
    assert importance_nll(weights(50, 500, 4.0)).upper_bound
    assert not importance_nll(weights(50, 500, 0.5)).upper_bound
    assert importance_nll(weights(50, 1, 0.5)).upper_bound  # one size shows no convergence
    # two draws, weights 1 and exp(-2 d): the fall is ln cosh d
    for fall, marked in [(0.09, False), (0.11, True)]:
        d = math.acosh(math.exp(fall))
        pair = torch.tensor([[0.0, -2 * d]], dtype=torch.float64)
        assert importance_nll(pair, sizes=(1, 2)).upper_bound is marked


def test_single_precision_weights_are_summed_in_double() -> None:
    log_weights = weights(4, 500, 2.0).to(torch.float32)
    value = importance_nll(log_weights).curve[500]
    expected = math.log(500) - logsumexp(log_weights.double().numpy(), axis=1)
    np.testing.assert_allclose(value.numpy(), expected, rtol=1e-14)
