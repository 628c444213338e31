"""Excess nats, and what a linear probe recovers of the class."""

import math

import numpy as np
import pytest
import torch

from benchmark.metrics import coupled_mi, excess, recovered

CLASSES = 16


def classes(n: int, seed: int) -> torch.Tensor:
    return torch.randint(CLASSES, (n,), generator=torch.Generator().manual_seed(seed))


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


TRAIN, TEST = classes(2000, 0), classes(1500, 1)
CENTRES = normal(CLASSES, 16, seed=2)


def test_separable_classes_are_recovered_nearly_whole() -> None:
    train = 6 * CENTRES[TRAIN] + normal(2000, 16, seed=3)
    test = 6 * CENTRES[TEST] + normal(1500, 16, seed=4)
    nats, error = recovered(train, TRAIN, test, TEST, CLASSES)
    assert math.log(CLASSES) - 0.02 < nats <= math.log(CLASSES)
    assert error < 0.01


def test_independent_classes_give_nothing() -> None:
    train, test = normal(8000, 8, seed=5), normal(3000, 8, seed=6)
    nats, error = recovered(train, classes(8000, 7), test, classes(3000, 8), CLASSES)
    assert -0.03 < nats < 4 * error  # a little below 0, by over-fitting


def test_a_gaussian_pair_gives_its_information() -> None:
    """Two classes at +-1 with unit noise: I = ln 2 - E[ln(1 + exp(-2 z))], z ~ N(1, 1)."""
    grid = np.linspace(-9, 11, 20001)
    density = np.exp(-0.5 * (grid - 1) ** 2) / math.sqrt(2 * math.pi)
    truth = math.log(2) - np.trapezoid(density * np.log1p(np.exp(-2 * grid)), grid)
    c = classes(40_000, 9) % 2
    z = (2.0 * c - 1)[:, None] + normal(40_000, 1, seed=10)
    nats, error = recovered(z[:20_000], c[:20_000], z[20_000:], c[20_000:], 2)
    assert abs(nats - truth) < 4 * error
    # the error over the test sentences is that of their mean
    assert 0.2 / math.sqrt(20_000) < error < 1 / math.sqrt(20_000)


def test_samples_of_a_collapsed_model_hold_nothing_though_its_means_do() -> None:
    """Means separable at scale 1e-3, unit posteriors: only a probe on means sees the class."""
    mu, held_out = 1e-3 * CENTRES[TRAIN], 1e-3 * CENTRES[TEST]
    mu = mu + 1e-4 * normal(2000, 16, seed=11)
    held_out = held_out + 1e-4 * normal(1500, 16, seed=12)
    test_z = held_out + normal(1500, 16, seed=13)
    on_samples, error = recovered(mu + normal(2000, 16, seed=14), TRAIN, test_z, TEST, CLASSES)
    on_means, _ = recovered(mu, TRAIN, held_out, TEST, CLASSES)
    information = coupled_mi(held_out, torch.zeros(1500, 16), test_z).mi
    assert abs(information) < 1e-3
    assert -0.15 < on_samples < information + 4 * error
    assert on_means > math.log(CLASSES) - 0.1


def test_never_above_the_information_of_the_latent() -> None:
    c, held_out = TRAIN, TEST
    for scale in (0.2, 0.5, 1.0):
        mu = scale * CENTRES[held_out]
        z = mu + normal(1500, 16, seed=15)
        train = scale * CENTRES[c] + normal(2000, 16, seed=16)
        nats, error = recovered(train, c, z, held_out, CLASSES)
        assert nats < coupled_mi(mu, torch.zeros_like(mu), z).mi + 4 * error


def test_scale_shift_and_a_dead_dimension_do_not_matter() -> None:
    train = CENTRES[TRAIN].double() + normal(2000, 16, seed=17)
    test = CENTRES[TEST].double() + normal(1500, 16, seed=18)
    plain, _ = recovered(train, TRAIN, test, TEST, CLASSES)

    def changed(z: torch.Tensor) -> torch.Tensor:
        return torch.cat([1e-4 * z + 7, torch.full((len(z), 1), 3.0)], 1)

    moved, _ = recovered(changed(train), TRAIN, changed(test), TEST, CLASSES)
    assert moved == pytest.approx(plain, abs=1e-4)


def test_same_answer_twice_within_inference_mode_and_from_numpy_classes() -> None:
    train, test = normal(300, 4, seed=19), normal(200, 4, seed=20)
    first = recovered(train, TRAIN[:300], test, TEST[:200], CLASSES)
    with torch.inference_mode():
        labels = TRAIN[:300].numpy().astype(np.int16), TEST[:200].numpy().astype(np.int16)
        second = recovered(train.double() * 1, labels[0], test.double() * 1, labels[1], CLASSES)
    assert first == second


def test_excess_is_paired_by_sentence() -> None:
    """Sentences differ by tens of nats; the error is that of the differences."""
    log_prob = 30 * np.random.default_rng(0).standard_normal(1000) - 80
    gap = torch.tensor([0.5, 1.5]).repeat(500)
    mean, error = excess(gap.double() - torch.from_numpy(log_prob), log_prob)
    assert mean == pytest.approx(1.0)
    assert error == pytest.approx(0.5 / math.sqrt(999))
    assert excess(-torch.from_numpy(log_prob), log_prob) == (0.0, 0.0)
