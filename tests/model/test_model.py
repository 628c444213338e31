"""The model against an LSTM written out in NumPy, and against what probabilities must do."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.seeds import generator
from benchmark.core.settings import ModelConfig
from benchmark.core.tokens import BOS, EOS, PAD
from benchmark.model import vae as models
from benchmark.model.baseline import Baseline
from benchmark.model.vae import TextVAE, build

V = 7  # <pad>, <s>, </s> and four words
Floats = NDArray[np.float64]
FEEDS = ("hidden", "cell")


class LM(Baseline):
    """Without latent variable."""

    latent = False


def tiny(seed: int = 0, latent: bool = True, words: int = V, **settings: Any) -> TextVAE:
    plain = {"embedding": 4, "hidden": 5, "latent": 3, "init": 0.8, "init_embedding": 1.5}
    config = ModelConfig(**{**plain, **settings})
    method = Baseline() if latent else LM()
    return build(config, method, words, generator(seed, "init"))


def sentences(rows: int, length: int, seed: int = 0, words: int = V) -> Tensor:
    """``<s> w1 .. w(length - 1) </s>``."""
    inner = torch.randint(3, words, (rows, length - 1), generator=generator(seed, "words"))
    ends = torch.full((rows, 1), BOS), torch.full((rows, 1), EOS)
    return torch.cat([ends[0], inner, ends[1]], 1)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed, "z"))


# An independent calculation: float64, one sentence, one step at a time ----------------------------


def weights_of(module: nn.Module) -> dict[str, Floats]:
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def step(w: dict[str, Floats], name: str, x: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
    """One LSTM step; gates in the order input, forget, cell, output."""

    def s(a: Floats) -> Floats:
        return 1 / (1 + np.exp(-a))

    gates = w[f"{name}.weight_ih_l0"] @ x + w[f"{name}.bias_ih_l0"]
    gates = gates + w[f"{name}.weight_hh_l0"] @ h + w[f"{name}.bias_hh_l0"]
    i, f, g, o = np.split(gates, 4)
    c = s(f) * c + s(i) * np.tanh(g)
    return s(o) * np.tanh(c), c


def encode_by_hand(w: dict[str, Floats], sentence: list[int]) -> tuple[Floats, Floats]:
    h = c = np.zeros(w["encoder.lstm.weight_hh_l0"].shape[1])
    for word in sentence:
        h, c = step(w, "encoder.lstm", w["encoder.embedding.weight"][word], h, c)
    both = w["posterior.linear.weight"] @ h + w.get("posterior.linear.bias", 0.0)
    return np.split(both, 2)[0], np.split(both, 2)[1]


def nll_by_hand(w: dict[str, Floats], sentence: list[int], z: Floats, feed: str) -> Floats:
    """-log p of each token after ``<s>``; an empty z is a language model's."""
    h = c = np.zeros(w["decoder.lstm.weight_hh_l0"].shape[1])
    if z.size:
        first = w["decoder.start.weight"] @ z + w.get("decoder.start.bias", 0.0)
        h, c = (first, c) if feed == "hidden" else (np.tanh(first), first)
    losses = []
    for word, target in itertools.pairwise(sentence):
        x = np.concatenate([w["decoder.embedding.weight"][word], z])
        h, c = step(w, "decoder.lstm", x, h, c)
        logits = w["decoder.output.weight"] @ h + w.get("decoder.output.bias", 0.0)
        losses.append(np.log(np.exp(logits).sum()) - logits[target])
    return np.array(losses)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("feed", FEEDS)
def test_nll_is_the_one_written_out(feed: str, bias: bool) -> None:
    model = tiny(feed=feed, bias=bias, dropout=0.5)
    tokens, z = sentences(4, 6), normal(4, 3, 3)
    found = model.nll(tokens, z)
    assert found.shape == (4, 3, 6)
    assert found.dtype == torch.float32
    w = weights_of(model)
    for b, s in itertools.product(range(4), range(3)):
        known = nll_by_hand(w, tokens[b].tolist(), z[b, s].double().numpy(), feed)
        np.testing.assert_allclose(found[b, s].detach(), known, rtol=1e-5, atol=1e-6)


def test_a_language_model_has_no_encoder_and_reads_no_z() -> None:
    model = tiny(latent=False)
    assert {name.partition(".")[0] for name, _ in model.named_parameters()} == {"decoder"}
    tokens = sentences(4, 6)
    mu, logvar = model.encode(tokens)
    assert mu.shape == logvar.shape == (4, 0)
    found = model.nll(tokens, torch.zeros(4, 1, 0))[:, 0]
    w = weights_of(model)
    for b in range(4):
        known = nll_by_hand(w, tokens[b].tolist(), np.zeros(0), "hidden")
        np.testing.assert_allclose(found[b].detach(), known, rtol=1e-5, atol=1e-6)
    assert model(tokens, generator(0)).kl.shape == (4, 0)


@pytest.mark.parametrize("bias", [True, False])
def test_encoding_is_the_one_written_out(bias: bool) -> None:
    model = tiny(bias=bias)
    tokens = sentences(5, 6)
    mu, logvar = model.encode(tokens)
    assert mu.shape == logvar.shape == (5, 3)
    w = weights_of(model)
    for b in range(5):
        known = encode_by_hand(w, tokens[b].tolist())
        np.testing.assert_allclose(mu[b].detach(), known[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(logvar[b].detach(), known[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("feed", FEEDS)
def test_training_without_dropout_is_evaluation(feed: str) -> None:
    model = tiny(feed=feed, dropout=0.0)
    tokens = sentences(6, 5)
    out = model(tokens, generator(3))
    assert out.logits.shape == (6, 5, V)
    assert (out.z.shape, out.kl.shape, out.rec.shape) == ((6, 3), (6, 3), (6,))
    evaluated = model.nll(tokens, out.z.unsqueeze(1))[:, 0].sum(-1)
    torch.testing.assert_close(out.rec, evaluated)
    epsilon = torch.randn(6, 3, generator=generator(3))
    torch.testing.assert_close(out.z, out.mu + epsilon * (out.logvar / 2).exp())
    read = model(tokens, generator(3), torch.full((6, 5), BOS))  # other words are read
    assert not torch.allclose(read.rec, out.rec)
    assert torch.equal(read.targets, out.targets)


def test_dropout_acts_in_training_alone() -> None:
    model = tiny(dropout=0.5)
    tokens = sentences(6, 5)
    one, two, again = (model(tokens, generator(seed)) for seed in (1, 2, 1))
    assert torch.equal(one.logits, again.logits)
    assert not torch.allclose(one.logits, two.logits)
    z = one.z.unsqueeze(1)
    assert torch.equal(model.nll(tokens, z), model.nll(tokens, z))
    assert not torch.allclose(model.nll(tokens, z)[:, 0].sum(-1), one.rec)


@pytest.mark.parametrize("chunk", [1, 7, 30, 1000])
def test_the_chunk_only_bounds_the_memory(chunk: int) -> None:
    model = tiny()
    tokens, z = sentences(5, 6), normal(5, 4, 3)
    widest: list[int] = []
    model.decoder.register_forward_hook(lambda m, i, logits: widest.append(len(logits)))
    torch.testing.assert_close(model.nll(tokens, z, chunk), model.nll(tokens, z))
    assert max(widest[:-1]) * 6 <= max(chunk, 6)
    assert widest[-1] == 20


@pytest.mark.parametrize("latent", [True, False])
def test_probabilities_of_all_sentences_add_up_to_one(latent: bool) -> None:
    words, longest = 6, 5
    model = tiny(latent=latent, words=words)
    with torch.no_grad():
        model.decoder.output.bias[[PAD, BOS]] = -1e4  # never written, as in a trained model
        model.decoder.output.bias[EOS] += 1.0
    z = normal(1, 3 if latent else 0)

    def mass(length: int, ended: bool) -> float:
        """Of all sentences of so many words; or of all beginnings of so many, however they end."""
        all_of_them = list(itertools.product(range(3, words), repeat=length))
        rows = torch.tensor(all_of_them, dtype=torch.int64).view(len(all_of_them), length)
        ends = torch.full((len(rows), 1), BOS), torch.full((len(rows), 1), EOS)
        losses = model.nll(torch.cat([ends[0], rows, ends[1]], 1), z.expand(len(rows), 1, -1))
        losses = losses[:, 0].double()
        return float((-(losses if ended else losses[:, :-1]).sum(-1)).exp().sum().detach())

    shorter = [sum(mass(n, True) for n in range(top + 1)) for top in range(longest + 1)]
    assert all(a < b < 1 for a, b in itertools.pairwise(shorter))
    assert shorter[-1] > 0.5
    assert shorter[-1] + mass(longest + 1, False) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("feed", FEEDS)
def test_greedy_decoding_takes_the_likeliest_next_word(feed: str) -> None:
    model = tiny(feed=feed, seed=4)
    z = 2 * normal(12, 3)
    written = model.generate(z, 8)
    w = weights_of(model)
    choices = [EOS, *range(3, V)]
    for row, latent in zip(written, z.double().numpy(), strict=True):
        text = [BOS]
        while len(text) <= 8:
            losses = [nll_by_hand(w, [*text, word], latent, feed)[-1] for word in choices]
            text.append(choices[int(np.argmin(losses))])
            if text[-1] == EOS:
                break
        assert row == [word for word in text[1:] if word != EOS]
    assert len({tuple(row) for row in written}) > 3  # z matters
    assert {len(row) for row in written} > {8}  # some end by themselves, some are cut


def test_sampling_follows_the_softmax_and_the_seed() -> None:
    model = tiny(seed=1)
    rows = 4000
    z = normal(1, 3).expand(rows, 3)
    written = model.generate(z, 6, generator(5))
    assert written == model.generate(z, 6, generator(5))
    assert written != model.generate(z, 6, generator(6))
    first = [row[0] if row else EOS for row in written]
    w, latent = weights_of(model), z[0].double().numpy()
    choices = [EOS, *range(3, V)]
    p = np.exp([-nll_by_hand(w, [BOS, word], latent, "hidden")[0] for word in choices])
    p /= p.sum()
    found = np.array([first.count(word) for word in choices]) / rows
    assert found.sum() == 1  # neither <pad> nor <s>
    assert (np.abs(found - p) < 4 * np.sqrt(p * (1 - p) / rows)).all()
    assert found.min() > 0.01


def test_initialisation_stays_in_its_bounds_and_fills_them() -> None:
    model = tiny(embedding=40, hidden=40, init=0.2, init_embedding=0.7)
    for name, parameter in model.named_parameters():
        value = parameter.detach()
        bound = 0.7 if "embedding" in name else 0.2
        assert float(value.abs().max()) <= bound, name
        if value.numel() >= 100:
            assert float(value.abs().max()) > 0.95 * bound, name
            sd = bound / 3**0.5
            assert float(value.mean()) == pytest.approx(0, abs=4 * sd / value.numel() ** 0.5), name
            assert float(value.std()) == pytest.approx(sd, rel=0.15), name


def test_weights_follow_the_seed() -> None:
    one, again, other = tiny(seed=1), tiny(seed=1), tiny(seed=2)
    for name, value in one.named_parameters():
        assert torch.equal(value, again.get_parameter(name))
        assert not torch.equal(value, other.get_parameter(name))


def test_a_baseline_may_replace_a_part() -> None:
    class Mean(Baseline):
        def build(self, model: TextVAE) -> TextVAE:
            model.posterior = nn.Identity()
            return model

    config = ModelConfig(embedding=4, hidden=5, latent=3)
    changed = build(config, Mean(), V, generator(0, "init"))
    assert isinstance(changed.posterior, nn.Identity)
    plain = build(config, Baseline(), V, generator(0, "init"))
    w = changed.decoder.lstm.weight_ih_l0
    assert torch.equal(w, plain.decoder.lstm.weight_ih_l0)  # same seed, same other weights


def test_a_sample_is_the_posteriors() -> None:
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -4.0]])
    rows = 20_000
    drawn = models.sample(mu.expand(rows, 2), logvar.expand(rows, 2), generator(0)).double()
    sd = (logvar / 2).exp()[0].double()
    assert ((drawn.mean(0) - mu[0]).abs() < 4 * sd / rows**0.5).all()
    assert ((drawn.std(0) / sd - 1).abs() < 4 / (2 * rows) ** 0.5).all()
