"""The loss in bf16 that does without the logits, against float64."""

import pytest
import tiny
import torch
from torch import Tensor, nn

from benchmark.data.batches import same_length_batches
from benchmark.model.loss import VAELoss, token_nll
from benchmark.model.lowprecision import CACHED, Logits
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import evaluate

WORDS, HIDDEN = 50, 24


def made(bias: bool, words: int = WORDS, batch: int = 7, time: int = 5) -> tuple[Logits, Tensor]:
    """States and weights that bf16 holds exactly, and targets; <pad> among them."""
    noise = torch.Generator().manual_seed(0)
    linear = nn.Linear(HIDDEN, words, bias=bias)
    with torch.no_grad():
        for value in linear.parameters():
            value.copy_((torch.randn(value.shape, generator=noise) / 4).bfloat16())
    states = torch.randn(batch, time, HIDDEN, generator=noise).bfloat16().float()
    targets = torch.randint(1, words, (batch, time), generator=noise)
    targets[0, -2:] = 0
    return Logits(states.requires_grad_(), linear), targets


def exactly(logits: Logits, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Losses and gradients of a weighted sum of them, in float64."""
    leaves = [logits.states, *logits.linear.parameters()]
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    scores = torch.nn.functional.linear(*wide)
    loss = -scores.log_softmax(-1).gather(-1, targets[..., None])[..., 0] * (targets != 0)
    (loss * importance(targets)).sum().backward()  # type: ignore[no-untyped-call]
    return loss.detach(), [leaf.grad for leaf in wide if leaf.grad is not None]


def importance(targets: Tensor) -> Tensor:
    """Another weight for each token."""
    return torch.linspace(0.5, 1.5, targets.numel()).view(targets.shape)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("words", "batch"), [(WORDS, 7), (CACHED // 6, 3), (WORDS, 40)])
def test_losses_and_gradients_are_those_of_float64(bias: bool, words: int, batch: int) -> None:
    """In one piece, in several pieces of the cache, in several blocks of the product."""
    logits, targets = made(bias, words, batch)
    expected, slopes = exactly(logits, targets)
    loss = token_nll(logits, targets)
    assert loss.dtype == torch.float32
    assert (loss - expected).abs().max() < 0.03  # scores of 4 to 8 are known to half of it in bf16
    (loss * importance(targets)).sum().backward()  # type: ignore[no-untyped-call]
    found = [logits.states.grad, *(value.grad for value in logits.linear.parameters())]
    for slope, reference in zip(found, slopes, strict=True):
        assert slope is not None
        assert slope.dtype == torch.float32
        assert (slope - reference).norm() < 1e-2 * reference.norm()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch", [7, 40])
def test_without_gradients_the_losses_are_the_same(bias: bool, batch: int) -> None:
    logits, targets = made(bias, batch=batch)
    loss = token_nll(logits, targets)
    with torch.no_grad():
        assert torch.allclose(token_nll(logits, targets), loss.detach(), rtol=0, atol=1e-5)


def test_a_word_of_no_probability_in_float32_has_its_exact_loss() -> None:
    linear = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.0, 0.0], [256.0, 0.0], [-256.0, 0.0]]))
    logits = Logits(torch.tensor([[[1.0, 0.0], [0.25, 0.0]]]).requires_grad_(), linear)
    loss = token_nll(logits, torch.tensor([[2, 2]]))
    assert loss.tolist() == [[512.0, 128.0]]
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.states.grad is not None
    assert logits.states.grad.tolist() == [[[512.0, 0.0], [512.0, 0.0]]]


def test_dense_logits_and_shape() -> None:
    logits, targets = made(True)
    assert logits.shape == logits.dense().shape == (7, 5, WORDS)
    scores = token_nll(logits.dense(), targets)
    assert torch.allclose(token_nll(logits, targets), scores, atol=0.03)


def test_they_are_no_probabilities() -> None:
    logits, _ = made(True)
    with pytest.raises(ValueError, match="logits need integer targets"):
        VAELoss()(logits, torch.rand(7, 5), torch.zeros(7, 1), torch.zeros(7, 1))


@pytest.mark.parametrize("baseline", ["none", "lstm_lm", "free_bits", "mean_reduction"])
def test_the_gradients_of_a_whole_model_agree_with_fp32(baseline: str) -> None:
    sizes = {"embedding": 64, "hidden": 64, "latent": 16}
    slopes = []
    for precision in ("fp32", "bf16"):
        config = tiny.config(baseline, model=sizes, precision=precision)
        run = tiny.training(config)
        batch = max(
            same_length_batches(run.corpus.splits["train"], 32), key=lambda b: b.tokens.numel()
        )
        loss, _ = run.loss(batch.tokens)
        loss.backward()  # type: ignore[no-untyped-call]
        slopes.append({name: value.grad for name, value in run.model.named_parameters()})
    for name, reference in slopes[0].items():
        if reference is not None and reference.norm() > 0:
            difference = (slopes[1][name] - reference).norm() / reference.norm()
            assert difference < 1e-2, name


def test_figures_of_each_sentence_agree_with_fp32() -> None:
    """The weights of one trained run, measured in both precisions with the same draws."""
    run = tiny.training(tiny.config("free_bits", train={"epochs": 4}))
    tiny.advance(run)
    run.model.eval()
    test = Measured("test", run.corpus.splits["test"], 0, run.device)
    found = []
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            found.append(evaluate(run.model, run.corpus, test, 100, 0)[1])
    for name in ("rec", "kl", "iw_nll"):
        assert abs(found[0][name] - found[1][name]).max() < 0.05, name
    assert (found[0]["rec"] != found[1]["rec"]).any()
