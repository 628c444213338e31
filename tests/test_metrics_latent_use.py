"""Partners of equal length, and the loss with their latent."""

import math

import numpy as np
import pytest
import torch

from benchmark.metrics import swap_within_length, z_use


def test_partners_are_the_next_of_equal_length_in_a_cycle() -> None:
    partner = swap_within_length([5, 3, 5, 9, 3, 5])
    assert partner.tolist() == [2, 4, 5, -1, 1, 0]
    assert partner.dtype == np.int64


def test_partners_permute_a_large_split_without_fixed_points() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 2000).astype(np.int32)
    partner = swap_within_length(lengths)
    paired = np.flatnonzero(partner >= 0)
    assert sorted(partner[paired]) == paired.tolist()
    assert np.all(partner[paired] != paired)
    assert np.all(lengths[partner[paired]] == lengths[paired])
    assert swap_within_length([]).tolist() == []


def test_exactly_zero_for_a_decoder_that_ignores_z_in_single_precision() -> None:
    torch.manual_seed(0)
    decoder = torch.nn.Linear(16, 40)
    tokens = torch.randint(40, (200, 12))
    z = torch.randn(200, 16)
    partner = swap_within_length(np.random.default_rng(1).integers(1, 20, 200))

    def loss(latent: torch.Tensor) -> torch.Tensor:
        logits = decoder(0.0 * latent)[:, None].expand(-1, 12, -1)
        return torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), tokens, reduction="none"
        ).sum(1)

    assert z_use(loss(z), loss(z[partner]), partner) == (0.0, int((partner >= 0).sum()))


def test_mean_over_those_with_a_partner_only() -> None:
    own = torch.tensor([10.0, 20.0, 30.0, 40.0])
    swapped = torch.tensor([11.0, 24.0, math.nan, 43.5])
    partner = np.array([1, 3, -1, 0])
    mean, count = z_use(own, swapped, partner)
    assert mean == pytest.approx((1 + 4 + 3.5) / 3)
    assert count == 3


def test_nobody_with_a_partner_gives_nan_and_zero() -> None:
    partner = swap_within_length([1, 2, 3])
    mean, count = z_use(torch.ones(3), torch.ones(3), partner)
    assert math.isnan(mean)
    assert count == 0


def test_refuses_shapes_that_differ() -> None:
    with pytest.raises(ValueError, match="must all be"):
        z_use(torch.ones(3), torch.ones(3), np.array([1, 0]))
    with pytest.raises(ValueError, match="lengths"):
        swap_within_length(np.ones((2, 2), dtype=np.int64))
