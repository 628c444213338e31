"""VAELoss against the same sums written in NumPy (float64)."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.model.loss import VAELoss, gaussian_kl, token_nll


def numpy_kl(mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """log(1 / sigma) + (sigma^2 + mu^2 - 1) / 2, per dimension."""
    sigma = np.exp(logvar / 2)
    return np.log(1 / sigma) + (sigma**2 + mu**2 - 1) / 2


def numpy_bernoulli(p: np.ndarray, target: np.ndarray) -> np.ndarray:
    return -(target * np.log(p) + (1 - target) * np.log1p(-p))


def numpy_tokens(logits: np.ndarray, target: np.ndarray, ignored: int) -> np.ndarray:
    """Nats of each token by explicit loops, 0 for the ignored ones."""
    out = np.zeros(target.shape)
    for b, t in itertools.product(*map(range, target.shape)):
        if target[b, t] != ignored:
            p = np.exp(logits[b, t]) / np.exp(logits[b, t]).sum()
            out[b, t] = -np.log(p[target[b, t]])
    return out


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


PENALTIES: dict[str, Any] = {
    "none": None,
    "free bits": lambda kl: torch.clamp(kl, min=0.3).sum(-1),
    "half": lambda kl: 0.5 * kl.sum(-1),
}
NUMPY_PENALTIES: dict[str, Any] = {
    "none": lambda kl: kl.sum(-1),
    "free bits": lambda kl: np.maximum(kl, 0.3).sum(-1),
    "half": lambda kl: 0.5 * kl.sum(-1),
}
BERNOULLI_SHAPES = [(1, 1), (3, 5), (4, 2, 3), (2, 1, 4, 4)]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", BERNOULLI_SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli(reduction: str, penalty: str, shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    mu, logvar = rng.normal(size=(2, shape[0], 6))
    p = rng.uniform(0.01, 0.99, size=shape)
    for target in (rng.integers(0, 2, size=shape).astype(np.float64), rng.uniform(size=shape)):
        criterion = VAELoss(reduction, penalty=PENALTIES[penalty])
        inputs = [tensor(a.astype(dtype)) for a in (p, target, mu, logvar)]
        bce, kld = criterion(*inputs)
        # the inputs as float32 sees them, so that only the arithmetic is compared
        p64, t64, m64, v64 = (i.numpy().astype(np.float64) for i in inputs)
        nats = numpy_bernoulli(p64, t64)
        right = nats.sum() / shape[0] if reduction == "sum" else nats.mean()
        assert bce.ndim == kld.ndim == 0
        assert bce.item() == pytest.approx(right, rel=1e-6, abs=1e-6)
        kl = NUMPY_PENALTIES[penalty](numpy_kl(m64, v64)).mean()
        assert kld.item() == pytest.approx(kl, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("ignored", [None, 0, 4, -100])
def test_tokens(reduction: str, penalty: str, ignored: int | None) -> None:
    rng = np.random.default_rng(1)
    batch, time, vocabulary = 4, 7, 11
    logits = rng.normal(size=(batch, time, vocabulary)).astype(np.float32)
    target = rng.integers(1, vocabulary, size=(batch, time))
    padding = 0 if ignored is None else ignored
    for row, length in enumerate((7, 5, 2, 1)):
        target[row, length:] = padding
    mu, logvar = rng.normal(size=(2, batch, 3)).astype(np.float32)
    options = {} if ignored is None else {"ignore_index": ignored}
    criterion = VAELoss(reduction, penalty=PENALTIES[penalty], **options)
    bce, kld = criterion(*map(tensor, (logits, target, mu, logvar)))
    nats = numpy_tokens(logits.astype(np.float64), target, padding)
    counted = int((target != padding).sum())
    right = nats.sum() / batch if reduction == "sum" else nats.sum() / counted
    assert bce.item() == pytest.approx(right, rel=1e-6, abs=1e-6)
    kl = numpy_kl(mu.astype(np.float64), logvar.astype(np.float64))
    assert kld.item() == pytest.approx(NUMPY_PENALTIES[penalty](kl).mean(), rel=1e-6, abs=1e-6)


def test_what_stands_at_padding_does_not_matter() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 4, 5), torch.tensor([[1, 2, 0, 0], [3, 4, 2, 0]])
    mu = logvar = torch.zeros(2, 3)
    disturbed = logits.clone()
    disturbed[target == 0] += 50 * torch.randn(3, 5)
    for reduction in ("sum", "mean"):
        criterion = VAELoss(reduction)
        assert torch.equal(
            criterion(logits, target, mu, logvar)[0], criterion(disturbed, target, mu, logvar)[0]
        )
    logits.requires_grad_()
    VAELoss()(logits, target, mu, logvar)[0].backward()
    assert (logits.grad[target == 0] == 0).all()
    assert (logits.grad[target != 0] != 0).any()


def test_the_swapped_arguments_of_the_seed_library_are_mended() -> None:
    """One example, nearly perfect: its cost is -log 0.85; swapped, 100 a unit of error."""
    target = np.array([[1.0, 0.0, 1.0, 0.0]])
    p = np.array([[0.85, 0.0, 1.0, 0.0]])
    right = -np.log(0.85)
    # swapped: -sum(p log t + (1 - p) log(1 - t)), where the logarithm of 0 is cut at -100
    with np.errstate(divide="ignore"):
        log_t, log_1_t = np.maximum(np.log([target, 1 - target]), -100)
    swapped = -(p * log_t + (1 - p) * log_1_t).sum()
    assert right == pytest.approx(0.1625, abs=1e-4)
    assert swapped == pytest.approx(15.0, abs=1e-9)
    zero = torch.zeros(1, 2)
    bce, kld = VAELoss()(tensor(p), tensor(target), zero, zero)
    assert bce.item() == pytest.approx(right, abs=1e-6)
    assert kld.item() == 0.0


def test_gradients_point_at_the_target() -> None:
    target = torch.tensor([[1.0, 0.0, 1.0]])
    p = torch.full((1, 3), 0.5, requires_grad=True)
    mu = torch.tensor([[0.7, -0.4]], requires_grad=True)
    logvar = torch.tensor([[0.3, -0.2]], requires_grad=True)
    bce, kld = VAELoss()(p, target, mu, logvar)
    (bce + kld).backward()
    assert torch.allclose(p.grad, torch.tensor([[-2.0, 2.0, -2.0]]))
    assert torch.allclose(mu.grad, mu)  # d KL / d mu = mu
    assert torch.allclose(logvar.grad, (logvar.exp() - 1) / 2)


def test_certain_mistakes_stay_finite() -> None:
    bce, _ = VAELoss()(torch.zeros(1, 2), torch.ones(1, 2), torch.zeros(1, 1), torch.zeros(1, 1))
    assert torch.isfinite(bce)
    assert bce > 100


def test_pieces_agree_with_the_whole() -> None:
    rng = np.random.default_rng(2)
    mu, logvar = rng.normal(size=(2, 3, 4))
    np.testing.assert_allclose(
        gaussian_kl(tensor(mu), tensor(logvar)).numpy(), numpy_kl(mu, logvar), atol=1e-12
    )
    logits, target = rng.normal(size=(3, 5, 6)), rng.integers(0, 6, size=(3, 5))
    np.testing.assert_allclose(
        token_nll(tensor(logits), tensor(target)).numpy(),
        numpy_tokens(logits, target, 0),
        atol=1e-6,
    )


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction"):
        VAELoss("total")
    zero = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(2, 5\)"):
        VAELoss()(torch.full((2, 4), 0.5), torch.zeros(2, 5), zero, zero)
    with pytest.raises(ValueError, match=r"\(2, 4, 5\).*\(2, 3\)"):
        VAELoss()(torch.zeros(2, 4, 5), torch.zeros(2, 3, dtype=torch.int64), zero, zero)


@pytest.mark.parametrize(
    ("penalty", "returned"),
    [
        (lambda kl: kl.clamp(min=0.5), r"\(2, 3\)"),
        (lambda kl: kl.sum(), r"\(\)"),
        (lambda kl: kl.mean(), r"\(\)"),
        (lambda kl: kl.sum(0), r"\(3,\)"),
        (lambda kl: kl.sum(-1, keepdim=True), r"\(2, 1\)"),
        (lambda kl: None, "None"),
    ],
)
def test_a_penalty_of_another_shape_is_refused(penalty: Any, returned: str) -> None:
    logits, tokens = torch.zeros(2, 4, 5), torch.ones(2, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match=rf"penalty returned {returned}; expected \(2,\)"):
        VAELoss(penalty=penalty)(logits, tokens, torch.ones(2, 3), torch.zeros(2, 3))


def test_mu_and_logvar_of_unlike_shapes_are_refused() -> None:
    logits, tokens = torch.zeros(2, 4, 5), torch.ones(2, 4, dtype=torch.int64)
    for shape in [(1, 3), (2, 1), (3,)]:  # each would be broadcast
        with pytest.raises(ValueError, match=r"mu \(2, 3\) and logvar .* differ in shape"):
            VAELoss()(logits, tokens, torch.ones(2, 3), torch.zeros(shape))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8])
def test_tokens_of_any_integer_type(reduction: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits, tokens = torch.randn(2, 4, 160), torch.tensor([[1, 2, 0, 0], [3, 100, 2, 0]])
    zero = torch.zeros(2, 3)
    for ignored in (0, -100):  # -100 wraps around to 156 in uint8, a word like any other
        criterion = VAELoss(reduction, ignore_index=ignored)
        again = criterion(logits, tokens.to(dtype), zero, zero)[0]
        assert torch.equal(again, criterion(logits, tokens, zero, zero)[0])
    tokens[0, 0] = 156
    if dtype is torch.uint8:
        criterion = VAELoss(reduction, ignore_index=-100)
        again = criterion(logits, tokens.to(dtype), zero, zero)[0]
        assert torch.equal(again, criterion(logits, tokens, zero, zero)[0])
    assert torch.equal(token_nll(logits, tokens.int()), token_nll(logits, tokens))


def test_logits_where_probabilities_are_wanted() -> None:
    zero = torch.zeros(1, 2)
    for x in ([[0.5, 1.5]], [[-3.0, 0.5]]):
        with pytest.raises(ValueError, match=r"probabilities from 0 to 1: apply torch\.sigmoid"):
            VAELoss()(torch.tensor(x, requires_grad=True), zero, zero, zero)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_summed_and_averaged_in_float32(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(3)
    for scale in (0.005, 1.0):  # near collapse 1 - exp(logvar) loses most of its digits
        mu, logvar = (tensor(scale * a).to(dtype) for a in rng.normal(size=(2, 64, 32)))
        p = torch.full((64, 7), 0.3, dtype=dtype)
        bce, kld = VAELoss()(p, torch.ones_like(p), mu, logvar)
        right = numpy_kl(mu.double().numpy(), logvar.double().numpy()).sum(-1).mean()
        assert (bce.dtype, kld.dtype) == (torch.float32, torch.float32)
        assert kld.item() == pytest.approx(right, rel=1e-5)
        assert bce.item() == pytest.approx(-7 * np.log(p[0, 0].item()), rel=1e-5)
    mixed = VAELoss()(p, torch.ones(64, 7), mu, logvar)[0]
    assert torch.equal(mixed, bce)


def test_under_autocast_the_kl_is_that_of_the_same_numbers_in_float32() -> None:
    torch.manual_seed(0)
    linear, state = torch.nn.Linear(8, 12), torch.randn(16, 8)
    logits, tokens = torch.randn(16, 4, 5), torch.ones(16, 4, dtype=torch.int64)
    criterion = VAELoss(penalty=lambda kl: kl @ torch.ones(6))  # a product that autocast rounds
    with torch.autocast("cpu", torch.bfloat16):
        mu, logvar = linear(state).chunk(2, -1)
        kld = criterion(logits, tokens, mu, logvar)[1]
    assert (mu.dtype, kld.dtype) == (torch.bfloat16, torch.float32)
    right = VAELoss()(logits, tokens, mu.float(), logvar.float())[1].item()
    assert kld.item() == pytest.approx(right, rel=1e-6)


def test_it_shows_its_arguments() -> None:
    assert repr(VAELoss("mean")) == "VAELoss('mean', penalty=total_kl, ignore_index=0)"
