"""Evaluation: what holds between the numbers, and that neither order nor a restart changes them."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from benchmark.core.seeds import generator
from benchmark.core.settings import ModelConfig
from benchmark.core.tokens import EOS
from benchmark.data.corpus import Split
from benchmark.metrics import coupled_mi
from benchmark.model import vae as models
from benchmark.model.baseline import Baseline
from benchmark.model.vae import TextVAE
from benchmark.run.encoding import Measured, encode, recovery
from benchmark.run.evaluation import Parts, evaluate, measure_bucket, validate

CPU = torch.device("cpu")
CONFIG = ModelConfig(**{**tiny.MODEL, "init": 0.6, "init_embedding": 1.5})
SAMPLES, GREEDY = 10, 12


class LM(Baseline):
    """Without latent variable."""

    latent = False


def make(method: Baseline | None = None) -> TextVAE:
    words = len(tiny.corpus().vocabulary)
    return models.build(CONFIG, method or Baseline(), words, generator(1, "init")).eval()


def the_test(seed: int = 0) -> Measured:
    return Measured("test", tiny.corpus().splits["test"], seed, CPU)


def run(model: TextVAE, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return evaluate(model, tiny.corpus(), the_test(), SAMPLES, GREEDY, **options)


def same(a: Any, b: Any) -> bool:
    """Equality to the bit, of metrics and of details."""
    if isinstance(a, tuple):
        return all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))


def test_the_bound_its_parts_and_its_perplexity() -> None:
    found, details = run(make())
    tokens = sum(len(tiny.corpus().splits["test"].sentence(i)) - 1 for i in range(48))
    assert found["rec"] + found["kl"] == pytest.approx(found["neg_elbo"], rel=1e-12)
    assert found["ppl_elbo"] == pytest.approx(math.exp(48 * found["neg_elbo"] / tokens), rel=1e-12)
    assert found["ppl_iw"] == pytest.approx(math.exp(48 * found["iw_nll"] / tokens), rel=1e-12)
    assert found["iw_nll"] <= found["neg_elbo"] + 4 * found["iw_gap_se"]
    curve = [value for _, value in found["iw_curve"]]
    assert [size for size, _ in found["iw_curve"]] == [1, 10]
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] == found["iw_nll"]
    assert 1 <= found["ess"] <= SAMPLES
    assert found["mi"] <= found["mi_cap"] == math.log(48)
    assert found["marginal_kl"] == pytest.approx(found["kl"] - found["mi"], abs=1e-9)
    assert sum(details["kl_spectrum"]) == pytest.approx(found["kl"], rel=1e-9)
    for name in ("rec", "kl", "iw_nll"):
        assert float(details[name].mean()) == pytest.approx(found[name], rel=1e-9)
    assert sum(count for _, count in details["loss_by_position"]) == tokens
    truth = tiny.corpus().splits["test"].log_prob
    assert truth is not None
    assert found["excess"] == pytest.approx(float((details["iw_nll"] + truth).mean()), rel=1e-9)


def test_figures_of_each_sentence_by_hand() -> None:
    """One encoder and S decoder passes a sentence, without buckets."""
    model, split = make(), the_test()
    _, details = run(model)
    for i in (0, 17, 47):
        tokens = torch.from_numpy(split.split.sentence(i).astype(np.int64)).unsqueeze(0)
        with torch.no_grad():
            mu, logvar = model.encode(tokens)
            noise = split.importance_noise(i, SAMPLES, 3)
            z = mu + noise * (logvar / 2).exp()
            rec = model.nll(tokens, z.unsqueeze(0))[0].double().sum(-1)
        q = torch.distributions.Normal(mu.double(), (logvar.double() / 2).exp())
        p = torch.distributions.Normal(torch.zeros(3).double(), torch.ones(3).double())
        weights = (p.log_prob(z.double()) - q.log_prob(z.double())).sum(-1) - rec
        kl = torch.distributions.kl_divergence(q, p).sum()
        assert details["rec"][i] == pytest.approx(float(rec.mean()), abs=1e-4)
        assert details["kl"][i] == pytest.approx(float(kl), abs=1e-5)
        iw = math.log(SAMPLES) - float(weights.logsumexp(0))
        assert details["iw_nll"][i] == pytest.approx(iw, abs=1e-4)


def test_z_use_is_the_loss_with_the_z_of_a_stranger() -> None:
    model, split = make(), the_test()
    found, _ = run(model)
    z = encode(model, split).z.float()
    gains = []
    for i, j in enumerate(split.stranger):
        if j >= 0:
            tokens = torch.from_numpy(split.split.sentence(i).astype(np.int64)).unsqueeze(0)
            with torch.no_grad():
                both = model.nll(tokens, z[[i, j]].unsqueeze(0)).double().sum(-1)[0]
            gains.append(float(both[1] - both[0]))
    assert len(gains) > 30
    assert found["z_use"] == pytest.approx(sum(gains) / len(gains), abs=1e-5)
    error = np.std(gains, ddof=1) / math.sqrt(len(gains))
    assert found["z_use_se"] == pytest.approx(error, abs=1e-5)
    # All of them fit into the curve's subset, so that validation finds the same.
    assert sum(len(batch.index) for batch in split.subset) == len(gains)
    along = validate(model, split)
    for name in ("z_use", "z_use_se"):
        assert along[name] == pytest.approx(found[name], abs=1e-5)
    assert abs(found["z_use"]) > 0.01


def test_z_use_is_zero_for_a_decoder_that_ignores_z() -> None:
    model = make()
    with torch.no_grad():
        model.decoder.start.weight.zero_()
        model.decoder.lstm.weight_ih_l0[:, -model.latent :] = 0
    found, _ = run(model)
    assert found["z_use"] == 0.0
    assert found["kl"] > 0.01  # the encoder alone says nothing of it


def test_a_collapsed_posterior_has_no_information() -> None:
    model = make()
    with torch.no_grad():
        model.posterior.linear.weight.zero_()
        model.posterior.linear.bias.zero_()
    found, _ = run(model)
    assert (found["kl"], found["mi"], found["au"], found["marginal_kl"]) == (0, 0, 0, 0)


class Killed(Exception):
    """As if the process had died."""


@pytest.mark.parametrize("method", [Baseline(), LM()], ids=["vae", "lm"])
def test_a_restart_in_the_middle_changes_no_bit(method: Baseline) -> None:
    whole = run(make(method))
    kept: dict[int, Parts] = {}

    def step(number: int, work: Callable[[], Parts]) -> Parts:
        if number not in kept:
            if done.get("limit") == number:
                raise Killed
            kept[number] = work()
            done["worked"] += 1
        return kept[number]

    done = {"worked": 0, "limit": 3}
    with pytest.raises(Killed):
        run(make(method), step=step)
    assert done["worked"] == 3
    done = {"worked": 0}
    resumed = run(make(method), step=step)
    assert done["worked"] == len(the_test().buckets) - 3
    assert same(resumed, whole)


def test_the_order_of_the_buckets_does_not_matter() -> None:
    model, split = make(), the_test()
    whole = run(model)
    encoded = encode(model, split)
    backwards = {
        number: measure_bucket(model, split, encoded, split.buckets[number], SAMPLES, GREEDY)
        for number in reversed(range(len(split.buckets)))
    }
    assert same(run(model, step=lambda number, work: backwards[number]), whole)


def test_a_sentences_noise_is_its_own() -> None:
    """Whatever else is in the split; another split, seed or sentence has another."""
    full = the_test()
    half = Measured("test", Split.of([full.split.sentence(i)[1:-1] for i in range(20)]), 0, CPU)
    for i in (0, 19):
        noise = full.importance_noise(i, 6, 3)
        assert torch.equal(noise, half.importance_noise(i, 6, 3))
    model = make()
    whole = evaluate(model, tiny.corpus(), full, SAMPLES, 0)[1]
    part = evaluate(model, tiny.corpus(), half_with_truth(full, 20), SAMPLES, 0)[1]
    np.testing.assert_allclose(part["rec"], whole["rec"][:20], rtol=1e-5)
    np.testing.assert_allclose(part["iw_nll"], whole["iw_nll"][:20], rtol=1e-5)
    drawn = [full.importance_noise(i, 6, 3) for i in range(10)]
    assert len({float(noise[0, 0]) for noise in drawn}) == 10
    other = [the_test(1), Measured("valid", full.split, 0, CPU)]
    for split in other:
        assert not torch.equal(split.importance_noise(0, 6, 3), drawn[0])
        assert not torch.equal(split.first_noise(3), full.first_noise(3))


def half_with_truth(full: Measured, rows: int) -> Measured:
    """The first sentences of the test split, with classes and true log-probabilities."""
    whole = full.split
    assert whole.log_prob is not None
    split = Split.of([whole.sentence(i)[1:-1] for i in range(rows)])
    return Measured("test", Split(split.tokens, split.offsets, None, whole.log_prob[:rows]), 0, CPU)


def test_a_language_model_has_an_exact_likelihood() -> None:
    model, split = make(LM()), the_test()
    found, details = run(model)
    assert found["kl"] == 0
    assert found["iw_nll"] == found["neg_elbo"] == found["rec"]
    assert found["ppl_iw"] == found["ppl_elbo"]
    latent = ("mi", "mi_se", "mi_cap", "mi_batch", "au", "au_0.05", "au_0.2", "z_use", "z_use_se")
    probed = ("mi_given_length", "mi_given_length_cap", "recovered_length", "recovered_word_4")
    for name in (*latent, *probed, "marginal_kl", "ess", "bleu", "recovered", "recovered_mean"):
        assert found[name] is None, name
    for name in latent:
        assert validate(model, split)[name] is None, name
    assert details["kl_spectrum"] is None
    assert recovery(model, tiny.corpus(), split) == {}
    total = 0.0
    for i in range(48):
        tokens = torch.from_numpy(split.split.sentence(i).astype(np.int64)).unsqueeze(0)
        total += float(model.nll(tokens, torch.zeros(1, 1, 0)).detach().double().sum())
    assert found["rec"] == pytest.approx(total / 48, rel=1e-6)
    assert math.isfinite(found["excess"])


def test_an_autoencoder_has_no_prior() -> None:
    found, details = run(make(), prior=False)
    plain, _ = run(make())
    for name in ("iw_nll", "ppl_iw", "ess", "marginal_kl", "excess"):
        assert found[name] is None, name
        assert plain[name] is not None, name
    for name in ("kl", "mi", "z_use", "bleu", "au"):
        assert found[name] == plain[name], name
    assert details["iw_nll"] is None
    assert validate(make(), the_test(), prior=False)["marginal_kl"] is None
    assert found["rec"] == pytest.approx(validate(make(), the_test())["rec"], rel=1e-6)


def test_validation_is_the_one_sample_bound() -> None:
    model, split = make(), the_test()
    found = validate(model, split)
    encoded = encode(model, split)
    rec = 0.0
    for i in range(48):
        tokens = torch.from_numpy(split.split.sentence(i).astype(np.int64)).unsqueeze(0)
        z = encoded.z[i].float().view(1, 1, 3)
        rec += float(model.nll(tokens, z).detach().double().sum()) / 48
    assert found["rec"] == pytest.approx(rec, rel=1e-6)
    assert found["neg_elbo"] == pytest.approx(found["rec"] + found["kl"], rel=1e-12)
    assert found["mi"] == coupled_mi(encoded.mu, encoded.logvar, encoded.z).mi
    measured, _ = run(model)
    for name in ("kl", "mi", "mi_batch", "au"):
        assert found[name] == measured[name], name


def test_one_encoder_pass_feeds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = TextVAE.encode

    def counting(self: TextVAE, tokens: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(tokens))
        return plain(self, tokens)

    monkeypatch.setattr(TextVAE, "encode", counting)
    run(make())
    assert sum(seen) == 48  # each sentence once
    seen.clear()
    validate(make(), the_test())
    assert sum(seen) == 48


def test_recovery_finds_a_class_that_the_latent_holds() -> None:
    """An encoder that writes the class into z is recovered; one that knows nothing is not."""
    corpus = tiny.corpus("exact_small:classes=4,sentences=800,stop=0.3,test=200,valid=10,words=12")
    train, test = (Measured(name, corpus.splits[name], 0, CPU) for name in ("train", "test"))
    classes = {
        tuple(split.split.sentence(i).tolist()): int(split.split.classes[i])
        for split in (train, test)
        if split.split.classes is not None
        for i in range(len(split.split))
    }

    class Oracle(torch.nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            found = torch.tensor([classes[tuple(row)] for row in tokens.tolist()])
            return torch.nn.functional.one_hot(found, 4).float()

    model = models.build(CONFIG, Baseline(), 15, generator(1, "init")).eval()
    with torch.no_grad():
        model.encoder = Oracle()
        model.posterior.linear = torch.nn.Linear(4, 6)
        model.posterior.linear.weight.zero_()
        model.posterior.linear.weight[:3, :3] = 20 * torch.eye(3)
        model.posterior.linear.bias.zero_()
    told = recovery(model, corpus, test)
    assert told["recovered"] > 1.25  # ln 4 = 1.386; a few sentences occur with two classes
    assert told["recovered"] <= math.log(4)
    with torch.no_grad():
        model.posterior.linear.weight.zero_()
    assert abs(recovery(model, corpus, test)["recovered"]) < 0.05
    assert told["recovered_length"] < 0.1  # the class tells nothing of it
    assert told["recovered_word_2"] > 0.1


def pangrams(sentences: int) -> Split:
    """Sentences whose first word tells their length; some are of two words, some of one."""
    rows = [[3 + number % 5, *[9] * (2 * (number % 5)), 8] for number in range(sentences)]
    rows[1::7] = [[7]] * len(rows[1::7])
    return Split.of(rows)


def test_probes_read_length_and_words_from_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """z is a code of the first word, on text of no language; a third of it trains the probes."""
    from benchmark.run import encoding

    corpus = replace(tiny.corpus(), splits={"train": pangrams(3000)}, language=None)
    split = Measured("test", pangrams(500), 0, CPU)

    class Oracle(torch.nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            seen.append(len(tokens))
            return torch.nn.functional.one_hot(tokens[:, 1] - 3, 5).float()

    seen: list[int] = []
    model = models.build(CONFIG, Baseline(), 15, generator(1, "init")).eval()
    with torch.no_grad():
        model.encoder = Oracle()
        model.posterior.linear = torch.nn.Linear(5, 6)
        model.posterior.linear.weight.zero_()
        model.posterior.linear.weight[:3] = 20 * torch.tensor(
            [[1.0, -1, 0, 0, 0], [0, 0, 1, -1, 0], [0, 0, 0, 0, 1]]
        )
        model.posterior.linear.bias.zero_()
    monkeypatch.setattr(encoding, "PROBED", 1000)
    found = recovery(model, corpus, split)
    assert sum(seen) == 1000 + 500
    assert "recovered" not in found  # there is no class
    firsts = np.array([split.split.sentence(i)[1] for i in range(500)])
    places = {
        place: np.array([[*split.split.sentence(i)[1:], *[EOS] * 4][place] for i in range(500)])
        for place in range(4)
    }
    assert set(places[3]) == {EOS, 8, 9}
    probed = {f"word_{place + 1}": values for place, values in places.items()}
    for name, values in (probed | {"length": split.lengths}).items():
        part = np.unique(values, return_counts=True)[1] / 500
        # All of it, but what is left open where the first word is 7.
        whole = -(part * np.log(part)).sum() - of_sentences_with_7(firsts, values)
        assert found[f"recovered_{name}"] == pytest.approx(whole, abs=0.05)
    assert found["mi_given_length"] == pytest.approx(0.0, abs=1e-6)
    assert found["mi_given_length_cap"] == pytest.approx(
        np.mean([np.log((split.lengths == own).sum()) for own in split.lengths])
    )


def of_sentences_with_7(firsts: np.ndarray, values: np.ndarray) -> float:
    """H(value | first word), to which only sentences that begin with word 7 add."""
    part = np.unique(values[firsts == 7], return_counts=True)[1] / (firsts == 7).sum()
    return float(-(part * np.log(part)).sum() * (firsts == 7).mean())
