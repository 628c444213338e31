"""The defining property of each method, against an independent calculation."""

import math

import numpy as np
import pytest
import tiny
import torch

import baselines
from baselines.free_bits import FreeBits
from benchmark.training import Training

CPU = torch.device("cpu")
KINDS = ("sentence", "dimension", "batch", "batch_dimension")


def by_hand(kl: np.ndarray, kind: str, target: float) -> float:
    """The mean penalty of a batch, element by element."""
    batch, latent = kl.shape
    share = target / latent
    if kind == "sentence":
        return sum(max(target, float(sum(row))) for row in kl) / batch
    if kind == "dimension":
        return sum(max(share, float(value)) for row in kl for value in row) / batch
    if kind == "batch":
        return max(target, float(kl.sum()) / batch)
    return sum(max(share, float(kl[:, d].sum()) / batch) for d in range(latent))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [0.0, 0.5, 2.0, 50.0])
def test_free_bits_penalty(kind: str, target: float) -> None:
    kl = torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = FreeBits(target=target, kind=kind).penalty(kl)  # type: ignore[arg-type]
    assert found.shape == (6,)
    assert float(found.mean()) == pytest.approx(by_hand(kl.numpy(), kind, target), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_free_bits_gradient_is_zero_below_the_floor_and_full_above(kind: str) -> None:
    method = FreeBits(target=2.0, kind=kind)  # type: ignore[arg-type]
    for value, slope in ((0.49, 0.0), (0.51, 1.0)):  # the share of a dimension is 0.5
        kl = torch.full((6, 4), value, requires_grad=True)
        method.penalty(kl).sum().backward()
        assert kl.grad is not None
        assert torch.equal(kl.grad, torch.full_like(kl, slope))


def test_kinds_of_free_bits_differ_where_sentences_and_dimensions_do() -> None:
    kl = torch.tensor([[3.0, 0.0], [0.0, 0.0]])
    paid = [float(FreeBits(2.0, kind).penalty(kl).mean()) for kind in KINDS]  # type: ignore[arg-type]
    assert paid == [2.5, 3.0, 2.0, 2.5]


@pytest.mark.parametrize("name", ["cosine", "logistic"])
def test_smooth_schedules_rise_from_0_to_1_and_stay(name: str) -> None:
    method = baselines.load(name)(warmup=0.5)  # type: ignore[call-arg]
    steps = np.arange(1001)
    found = np.array([method.weight(step, 1000) for step in steps])
    t = np.minimum(1, steps / 500)
    if name == "cosine":
        right = np.sin(np.pi * t / 2) ** 2
    else:  # the same curve by the hyperbolic tangent
        right = (np.tanh(5 * (t - 0.5)) / np.tanh(2.5) + 1) / 2
    np.testing.assert_allclose(found, right, atol=1e-12)
    assert found[0] == 0
    assert np.all(found[500:] == 1)


def test_beta_is_its_weight_everywhere() -> None:
    method = baselines.load("beta")(beta=0.3)  # type: ignore[call-arg]
    assert {method.weight(step, 7) for step in range(7)} == {method.selection_weight} == {0.3}


def test_mean_reduction_is_the_plain_loss_with_the_kl_times_the_length() -> None:
    """rec / T + kl is (rec + T kl) / T: by the terms of one batch, from the same noise."""
    training = Training(tiny.config("mean_reduction"), tiny.corpus(), CPU)
    plain = Training(tiny.config("none"), tiny.corpus(), CPU)
    tokens = training.epochs.batch(0, 0)
    length = tokens.shape[1] - 1
    with torch.no_grad():
        loss, kl = training.loss(tokens)
        whole, same = plain.loss(tokens)
    assert float(kl) == float(same)
    assert math.isclose(float(loss), (float(whole) - float(kl)) / length + float(kl), rel_tol=1e-5)
    assert length > 1
