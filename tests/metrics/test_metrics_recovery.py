"""Excess nats, and what a linear probe recovers of the class."""

import math

import numpy as np
import pytest
import torch

from benchmark.metrics import (
    coupled_mi,
    excess,
    length_label,
    recovered,
    recovered_label,
    word_label,
)
from benchmark.metrics.recovery import Labelling

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


def entropy(probabilities: np.ndarray) -> float:
    kept = probabilities[probabilities > 0]
    return -float((kept * np.log(kept)).sum())


def test_a_rare_and_a_frequent_class_give_their_information() -> None:
    """P(c = 1) = 1/4, means +-1, unit noise: I = H(z) - H(z | c), by quadrature."""
    grid = np.linspace(-9, 9, 20001)
    one, other = (np.exp(-0.5 * (grid - m) ** 2) / math.sqrt(2 * math.pi) for m in (1, -1))
    mixed = one / 4 + 3 * other / 4
    truth = np.trapezoid(
        one / 4 * np.log(one / mixed) + 3 * other / 4 * np.log(other / mixed), grid
    )
    c = (classes(40_000, 21) % 4 == 1).long()
    z = (2.0 * c - 1)[:, None] + normal(40_000, 1, seed=22)
    label = word_label(c[:20_000].numpy(), c[20_000:].numpy())
    assert label.frequency == pytest.approx([0.75, 0.25], abs=0.02)
    nats, error = recovered_label(z[:20_000], np.arange(20_000), z[20_000:], label)
    assert 0 < error < 0.005
    assert abs(nats - truth) < 4 * error
    # A linear probe of the same numbers with one sign, whose frequencies are equal: as `recovered`.
    even = Labelling(label.train, label.test, np.array([0.5, 0.5]))
    by_frequency = recovered_label(z[:20_000], np.arange(20_000), z[20_000:], even)[0]
    plain, _ = recovered(z[:20_000], c[:20_000], z[20_000:], c[20_000:], 2)
    assert by_frequency == pytest.approx(plain, abs=2e-3)


def geometric(n: int, seed: int) -> np.ndarray:
    """Lengths from 6 on, each a tenth of what is left, as of the exact languages."""
    return 5 + np.random.default_rng(seed).geometric(0.1, n)


def test_a_code_of_the_length_is_recovered_nearly_whole() -> None:
    train, test = geometric(8000, 0), geometric(3000, 1)
    label = length_label(train, test)
    codes = 4 * np.random.default_rng(2).standard_normal((200, 24))
    z = [torch.from_numpy(codes[of]) + normal(len(of), 24, seed=len(of)) for of in (train, test)]
    nats, error = recovered_label(z[0], np.arange(8000), z[1], label)
    whole = entropy(label.frequency)
    assert whole > 3.1  # of 3.25 nats, which the lengths have before they are merged
    assert whole - 0.2 < nats < whole + 4 * error + 0.1


@pytest.mark.parametrize("width", [4, 32])
def test_what_z_does_not_hold_is_not_recovered(width: int) -> None:
    """Neither above 0 nor, by over-fitting, below it, whatever the classes."""
    lengths = length_label(geometric(5000, 3), geometric(2000, 4))
    words = word_label(
        *(np.random.default_rng(s).zipf(1.3, n) % 3000 for s, n in ((5, 5000), (6, 2000)))
    )
    z, held_out = normal(5000, width, seed=23), normal(2000, width, seed=24)
    for label, classes_ in ((lengths, 40), (words, 64)):
        assert len(label.frequency) == classes_
        nats, error = recovered_label(z, np.arange(5000), held_out, label)
        assert -0.005 <= nats <= 4 * error
    # The probe as it was fitted, without the scale, loses what over-fitting costs.
    plain, _ = recovered(z, words.train, held_out, words.test, 64)
    uniform = math.log(64) - entropy(np.bincount(words.test) / 2000)
    assert width == 4 or plain < uniform - 0.1


def test_a_word_among_many_is_recovered_from_some_of_the_training_sentences() -> None:
    """z tells two frequent words from the others, of which it holds no more."""
    rng = np.random.default_rng(7)
    train, test = (rng.choice([10, 20, 30, 40], n, p=[0.4, 0.3, 0.2, 0.1]) for n in (9000, 3000))
    codes = {10: (6.0, 0.0), 20: (0.0, 6.0), 30: (-6.0, -6.0), 40: (-6.0, -6.0)}
    z = [torch.tensor([codes[w] for w in of.tolist()]) + normal(len(of), 2, seed=len(of))
         for of in (train, test)]  # fmt: skip
    rows = np.arange(3000) * 3
    nats, error = recovered_label(z[0][rows], rows, z[1], word_label(train, test))
    assert nats == pytest.approx(entropy(np.array([0.4, 0.3, 0.3])), abs=4 * error + 0.01)


def test_frequent_words_are_classes_and_the_others_share_one() -> None:
    train = np.repeat(np.arange(100), np.arange(100, 0, -1))  # word 0 is the most frequent
    label = word_label(train, np.array([0, 1, 62, 63, 99, 500]))
    assert label.test.tolist() == [0, 1, 62, 63, 63, 63]
    assert label.frequency.sum() == pytest.approx(1)
    assert label.frequency[63] == pytest.approx((train >= 63).mean())
    few = word_label(np.array([7, 7, 5, 2, 7, 5]), np.array([7, 2, 5, 6, 9]))
    assert few.train.tolist() == [0, 0, 1, 2, 0, 1]  # all known words
    assert few.test.tolist() == [0, 2, 1, 2, 2]  # an unseen one counts to the rarest
    assert few.frequency.tolist() == pytest.approx([3 / 6, 2 / 6, 1 / 6])


def test_lengths_are_merged_with_their_neighbours_the_rarest_first() -> None:
    few = length_label(np.array([6, 8, 6, 11]), np.array([5, 6, 7, 8, 9, 12]))
    assert few.train.tolist() == [0, 1, 0, 2]
    assert few.test.tolist() == [0, 0, 1, 1, 2, 2]  # an unseen length: to the next longer class
    # 42 lengths: 41 and 42, once each, become one class; 1, twice, joins 2.
    counts = np.r_[2, np.full(39, 9), 1, 1]
    train = np.repeat(np.arange(1, 43), counts)
    label = length_label(train, np.arange(1, 50))
    assert label.test.tolist() == [0, 0, *range(1, 39), 39, 39, *[39] * 7]
    assert (label.frequency * len(train)).round().tolist() == [11, *[9] * 38, 2]
    assert len(length_label(geometric(50_000, 8), geometric(9, 9)).frequency) == 40


def test_a_probe_of_a_handful_of_sentences_has_no_figure() -> None:
    z, label = normal(499, 2, seed=25), length_label(np.arange(499) % 3, np.arange(499) % 3)
    assert all(math.isnan(value) for value in recovered_label(z, np.arange(499), z, label))
    equal = length_label(np.full(500, 6), np.full(40, 6))  # one class holds nothing to tell
    wide = normal(500, 2, seed=26)
    assert recovered_label(wide, np.arange(500), wide[:40], equal) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(6))
def test_a_probe_of_what_holds_nothing_finds_nothing(seed: int) -> None:
    z, classes = normal(1200, 8, seed=40 + seed), np.random.default_rng(seed).integers(0, 5, 1200)
    label = length_label(classes[:600], classes[600:])
    value, _ = recovered_label(z[:600], np.arange(600), z[600:], label)
    assert abs(value) < 0.04


def test_recovered_labels_are_the_same_twice_and_within_inference_mode() -> None:
    train, test = normal(600, 4, seed=27), normal(200, 4, seed=28)
    label = word_label(TRAIN[:600].numpy(), TEST[:200].numpy())
    first = recovered_label(train, np.arange(600), test, label)
    with torch.inference_mode():
        assert recovered_label(train * 1, np.arange(600), test * 1, label) == first
