"""Perplexity, loss by position, spectra, active units, BLEU."""

import math

import pytest
import torch

from benchmark.metrics import (
    active_units,
    kl_spectrum,
    loss_by_position,
    perplexity,
    posterior_mean_variance,
    reconstruction_bleu,
)


def test_perplexity_follows_from_nats_and_tokens() -> None:
    assert perplexity(101.04 * 3761, 82_430) == pytest.approx(100.5, abs=0.05)  # PTB
    assert perplexity(328.0 * 10_000, 798_673) == pytest.approx(60.75, abs=0.05)  # Yahoo
    assert perplexity(7 * math.log(40), 7) == pytest.approx(40)
    assert perplexity(1e6, 10) == math.inf


def test_loss_by_position_averages_batches_of_every_length() -> None:
    batches = [torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0, 7.0, 8.0, 9.0]])]
    result = loss_by_position(batches, positions=3)
    assert result.mean == [3.0, 4.0, 7.0, 8.5]  # the last: positions 4 and 5 together
    assert result.count == [3, 3, 1, 2]


def test_loss_by_position_keeps_fifty_and_the_total() -> None:
    sentences = [torch.rand(length) for length in (1, 49, 50, 51, 80)]
    result = loss_by_position(sentences)
    assert len(result.mean) == len(result.count) == 51
    assert result.count[-1] == 1 + 30
    total = sum(m * c for m, c in zip(result.mean, result.count, strict=True))
    assert total == pytest.approx(sum(s.double().sum().item() for s in sentences), rel=1e-12)
    assert len(loss_by_position(sentences[:3]).mean) == 50
    assert loss_by_position([]).mean == []


def test_kl_spectrum_is_the_mean_of_each_dimension_in_double() -> None:
    kl = torch.tensor([[1.0, 0.0, 1e-8], [3.0, 0.0, 3e-8]])
    assert kl_spectrum(kl).tolist() == pytest.approx([2.0, 0.0, 2e-8], rel=1e-6)
    assert kl_spectrum(kl).dtype == torch.float64


def test_active_units_by_variance_about_the_mean() -> None:
    # variances 0, 0.02 and 2 with divisor N - 1; a mean far from 0 is not variance
    mu = torch.tensor([[1e4, 0.1, 101.0], [1e4, -0.1, 99.0]])
    assert posterior_mean_variance(mu).tolist() == pytest.approx([0.0, 0.02, 2.0], rel=1e-6)
    assert [active_units(mu, t) for t in (0.01, 0.05, 0.2, 5.0)] == [2, 1, 1, 0]
    assert active_units(mu) == 2
    assert active_units(mu[:1]) == 0


def test_thirty_two_weak_dimensions_count_as_thirty_two() -> None:
    mu = math.sqrt(0.011) * torch.tensor([[1.0], [-1.0]]).repeat(500, 32)
    assert active_units(mu) == 32
    assert active_units(mu, threshold=0.05) == 0


def test_bleu_of_a_perfect_an_empty_and_a_partial_reconstruction() -> None:
    text = ["the cat sat on the <unk> .", "a dog n't barks at 1 2 ."]
    assert reconstruction_bleu(text, text) == pytest.approx(100)
    assert reconstruction_bleu(["", ""], text) == 0.0
    # precisions 4/5, 3/4, 2/3, 1/2, no brevity penalty
    expected = 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert reconstruction_bleu(["a b c d x"], ["a b c d e"]) == pytest.approx(expected)
    # tokens as they stand: "n't" is one, case counts
    assert reconstruction_bleu(["A B C D E"], ["a b c d e"]) == 0.0
