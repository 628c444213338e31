"""The defining property of each method, against an independent calculation."""

import math

import numpy as np
import pytest
import tiny
import torch

from baselines.batch_norm_mean import NormalisedPosterior
from baselines.free_bits import FreeBits
from benchmark.model import registry
from benchmark.run.training import Training

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
    method = registry.load(name)(warmup=0.5)  # type: ignore[call-arg]
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
    method = registry.load("beta")(beta=0.3)  # type: ignore[call-arg]
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


@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-5], ids=["large", "usual", "tiny"])
def test_batch_norm_keeps_the_training_kl_at_its_bound_or_above(scale: float) -> None:
    """0.5 sum_d (gamma^2 v_d / (v_d + eps) + bias_d^2), and what the variances add."""
    torch.manual_seed(0)
    layer = NormalisedPosterior(torch.nn.Linear(6, 8), 4, gamma=0.6).double()
    with torch.no_grad():
        layer.bias.copy_(torch.linspace(-0.3, 0.3, 4))
        layer.linear.weight[4:] /= scale  # log variances of a usual size
    state = scale * torch.randn(20, 6, dtype=torch.float64)
    mu, logvar = (part.detach().numpy() for part in layer(state))
    raw = (state @ layer.linear.weight.T + layer.linear.bias)[:, :4].detach().numpy()
    v = raw.var(0)
    bound = 0.5 * np.sum(0.36 * v / (v + 1e-5) + layer.bias.detach().numpy() ** 2)
    kl = 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).sum(1).mean()
    rest = 0.5 * (np.exp(logvar) - 1 - logvar).sum(1).mean()
    assert kl == pytest.approx(bound + rest, rel=1e-9)
    assert kl >= bound
    assert (bound > 0.7) == (scale > 1e-4)  # eps swallows a tiny variance


def test_batch_norm_begins_with_a_variance_that_eps_does_not_swallow() -> None:
    """The encoder keeps its default initialisation, whatever the preset's is."""
    run = tiny.training(tiny.config("batch_norm_mean", model={"init": 0.01, "init_embedding": 0.1}))
    plain = tiny.training(tiny.config("none", model={"init": 0.01, "init_embedding": 0.1}))
    tokens = max((run.epochs.batch(0, i) for i in range(run.epochs.ends[0])), key=len)
    v = {}
    for name, of in (("bn", run), ("plain", plain)):
        means = of.model.posterior.linear(of.model.encoder(tokens))[:, : of.model.latent]
        v[name] = float(means.detach().var(0).mean())
    assert v["plain"] < 1e-7
    assert v["bn"] > 1e-4  # ten times eps
    assert tiny.same(run.model.decoder.state_dict(), plain.model.decoder.state_dict())
    again = tiny.training(run.config)
    assert tiny.same(again.model.state_dict(), run.model.state_dict())


def test_batch_norm_of_one_sentence_uses_the_running_statistics() -> None:
    layer = NormalisedPosterior(torch.nn.Linear(6, 8), 4, gamma=0.6)
    for _ in range(3):
        layer(torch.randn(20, 6))
    one, kept = torch.randn(1, 6), layer.norm.running_mean.clone()
    found, _ = layer(one)
    assert torch.equal(layer.norm.running_mean, kept)
    layer.eval()
    assert torch.equal(layer(one)[0], found)


class Told:
    """A run whose losses are told; it counts what aggressive training asks of it."""

    def __init__(self, losses: list[float]) -> None:
        self.losses, self.updates, self.memory = losses, 0, {}  # type: ignore[var-annotated]
        self.batch, self.held = torch.zeros(2, 6, dtype=torch.long), ()

    def update(self, tokens: torch.Tensor) -> tuple[torch.Tensor, None]:
        assert self.held == ("decoder",)
        self.updates += 1
        return torch.tensor(self.losses[self.updates - 1]), None

    def random_batch(self) -> torch.Tensor:
        return torch.zeros(4, 3, dtype=torch.long)


@pytest.mark.parametrize(
    ("losses", "updates"),
    [
        ([1.0] * 100, 100),  # never rises
        (np.linspace(9, 1, 100).tolist(), 100),
        ([5.0] * 15 + [4.0] * 15 + [4.1] * 70, 45),
        ([5.0] * 15 + [6.0] * 85, 30),
        ([*np.linspace(3, 1, 15), *[1.0] * 85], 100),  # the first window has nothing before it
    ],
)
def test_aggressive_updates_end_where_the_loss_of_a_window_rises(
    losses: list[float], updates: int
) -> None:
    run = Told(losses)
    run.batch = run.random_batch()
    registry.load("aggressive")().before_step(run)  # type: ignore[arg-type]
    assert run.updates == updates
    assert run.held == ("encoder", "posterior")


@pytest.mark.parametrize(("later", "updates"), [(4.9, 30), (4.8, 45)])
def test_aggressive_windows_are_averaged_per_word(later: float, updates: int) -> None:
    """The step's own batch, 2 sentences of 5 words, is the first; the others are 4 of 2.

    The first window has (2 x 9 + 14 x 4 x 5) / (10 + 14 x 8) = 2.443 nats a word, and 5.138 a
    sentence. Of the second, 4.9 a sentence are 2.45 a word, a rise; 4.8 are 2.4, none.
    """
    run = Told([9.0] + [5.0] * 14 + [later] * 15 + [later + 0.1] * 70)
    registry.load("aggressive")().before_step(run)  # type: ignore[arg-type]
    assert run.updates == updates


def test_aggressive_training_ends_when_mutual_information_falls() -> None:
    run, method = Told([1.0] * 999), registry.load("aggressive")(inner=3)  # type: ignore[call-arg]
    at_work = []
    for mi in (0.5, 0.7, 0.7, 0.6, 0.9, 0.1):
        before = run.updates
        method.before_step(run)  # type: ignore[arg-type]
        at_work.append(run.updates > before)
        method.after_eval(run, {"mi": mi})  # type: ignore[arg-type]
    assert at_work == [True, True, True, True, False, False]


def test_aggressive_training_moves_the_encoder_alone_then_the_decoder_alone() -> None:
    run = tiny.training(tiny.config("aggressive", params={"inner": 4, "window": 9}))
    moved: list[set[str]] = []
    plain_update = run.update

    def watched(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        before = {k: v.clone() for k, v in run.model.named_parameters()}
        found = plain_update(tokens)
        after = run.model.named_parameters()
        moved.append({k.split(".")[0] for k, v in after if not torch.equal(v, before[k])})
        return found

    run.update = watched  # type: ignore[method-assign]
    tiny.until(run, 1)
    assert moved == [{"encoder", "posterior"}] * 4 + [{"decoder"}]
    assert run.updates == {"encoder": 4, "decoder": 1}
    run.memory["ended"] = 1
    tiny.until(run, 2)
    assert moved[5:] == [{"encoder", "posterior", "decoder"}]
    assert run.updates == {"encoder": 5, "decoder": 2}


def test_after_the_reset_the_decoder_is_fresh_and_the_encoder_kept() -> None:
    config = tiny.config("pretrained_free_bits", train={"epochs": 4})
    run = tiny.training(config)
    begun = {k: v.clone() for k, v in run.model.state_dict().items()}
    tiny.until(run, run.epochs.ends[0])
    first = {k: v.clone() for k, v in run.best["weights"].items()}
    tiny.until(run, run.epochs.ends[1])
    assert run.phase == 1
    now = run.model.state_dict()
    encoder = [k for k in now if not k.startswith("decoder")]
    assert not any(torch.equal(now[k], begun[k]) for k in encoder)
    assert run.curve[1]["rec"] < run.curve[0]["rec"]  # so the best of the phase is its last
    assert not any(torch.equal(now[k], first[k]) for k in encoder)
    bound = {True: run.config.model.init_embedding, False: run.config.model.init}
    for key in now:
        if key.startswith("decoder"):  # neither the trained nor the first one
            assert not torch.equal(now[key], begun[key])
            assert float(now[key].abs().max()) <= bound["embedding" in key]
    weights = [run.baseline.weight(s, run.total_steps) for s in range(run.epochs.ends[1] + 1)]
    assert set(weights) == {0.0}


def test_pretrained_free_bits_pay_as_free_bits_of_a_dimension() -> None:
    kl = torch.rand(5, 4, dtype=torch.float64)
    method = registry.load("pretrained_free_bits")(target=1.5)  # type: ignore[call-arg]
    found = float(method.penalty(kl).mean())
    assert found == pytest.approx(by_hand(kl.numpy(), "dimension", 1.5), rel=1e-12)


def test_word_dropout_makes_holes_in_what_is_read_alone() -> None:
    method = registry.load("word_dropout")(rate=0.3)  # type: ignore[call-arg]
    tokens = torch.randint(3, 9, (200, 50))
    tokens[:, 0] = 1
    read = method.inputs(tokens, torch.Generator().manual_seed(0))
    assert torch.equal(read[:, 0], tokens[:, 0])
    holes = read[:, 1:] == 0
    assert float(holes.float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(read[:, 1:][~holes], tokens[:, 1:][~holes])
    run = tiny.training(tiny.config("word_dropout", params={"rate": 1.0}))
    batch = run.epochs.batch(0, 0)
    out = run.model(batch, run.noise, run.baseline.inputs(batch[:, :-1], run.noise))
    assert torch.equal(out.targets, batch[:, 1:])


def test_max_pooling_reads_every_word_of_the_sentence() -> None:
    run = tiny.training(tiny.config("max_pooling"))
    plain = tiny.training(tiny.config("none"))
    tokens = run.epochs.batch(0, 3)
    states, _ = plain.model.encoder.lstm(plain.model.encoder.embedding(tokens))
    largest = np.max(states.detach().numpy(), axis=1)
    np.testing.assert_array_equal(run.model.encoder(tokens).detach().numpy(), largest)
    assert tiny.same(run.model.state_dict(), plain.model.state_dict())


def test_floors_are_those_of_the_cyclical_papers_code() -> None:
    """0.1 to 1 in nine epochs, once; or in 4.5 epochs of each ten."""
    once = registry.load("monotonic")(warmup=9 / 40, floor=0.1)  # type: ignore[call-arg]
    often = registry.load("cyclical")(cycles=4, ratio=0.45, floor=0.1)  # type: ignore[call-arg]
    for epoch in np.arange(0, 40, 0.5):
        right = min(1.0, 0.1 + 0.1 * epoch)
        assert once.weight(epoch * 10, 400) == pytest.approx(right, abs=1e-12)
        right = min(1.0, 0.1 + 0.2 * (epoch % 10))
        assert often.weight(epoch * 10, 400) == pytest.approx(right, abs=1e-12)
