"""What a run writes: against decoding word by word, through the command line, and in the record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from benchmark import data as corpora
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.core.settings import ModelConfig
from benchmark.core.tokens import BOS, EOS
from benchmark.data.corpus import Corpus
from benchmark.model.vae import TextVAE, build
from benchmark.run import samples
from benchmark.run.finished import load_run
from benchmark.run.session import run

ALL = dict.fromkeys(samples.KINDS, 4)
LENGTH = 9
Pcbench = Callable[..., tuple[int, str, str]]


def model(seed: int = 0, baseline: str = "none", corpus: Corpus | None = None) -> TextVAE:
    """An untrained model that writes different texts for different z."""
    config = tiny.config(baseline, model={"init": 1.5})
    words = len((corpus or tiny.corpus()).vocabulary)
    return build(config.model, config.method(), words, generator(seed, "init")).eval()


@torch.no_grad()
def greedy(vae: TextVAE, z: Tensor, length: int = LENGTH) -> str:
    """The likeliest next word after the whole text so far, each time, for one z (Z,)."""
    text = [BOS]
    while len(text) <= length:
        logits = vae.decoder(torch.tensor([text]), z[None])[0, -1]
        text.append(2 + int(logits[2:].argmax()))
        if text[-1] == EOS:
            return tiny.corpus().vocabulary.decode(text[1:])
    return tiny.corpus().vocabulary.decode(text[1:]) + " [...]"


@torch.no_grad()
def mean(vae: TextVAE, place: int) -> Tensor:
    tokens = torch.from_numpy(tiny.corpus().splits["test"].sentence(place)).long()
    return vae.encode(tokens[None])[0][0]


def test_reconstructions_and_interpolations_are_of_the_sentences_they_name() -> None:
    vae = model()
    found = samples.draw(vae, tiny.corpus(), ALL, seed=3, max_length=LENGTH)
    assert (found["split"], found["seed"], found["decoding"]) == ("test", 3, "greedy")
    split, words = tiny.corpus().splits["test"], tiny.corpus().vocabulary
    for one in found["reconstructions"]:
        sentence = split.sentence(one["sentence"])[1:-1]
        more = " [...]" if len(sentence) > LENGTH else ""
        assert one["text"] == words.decode(sentence[:LENGTH]) + more
        assert one["mean"] == greedy(vae, mean(vae, one["sentence"]))
    places = [one["sentence"] for one in found["reconstructions"]]
    assert len(set(places)) == len(places) == 4
    assert len({one["mean"] for one in found["reconstructions"]}) > 1
    for one in found["interpolations"]:
        first, last = (mean(vae, place) for place in one["sentences"])
        steps = [greedy(vae, (1 - t) * first + t * last) for t in (0, 0.25, 0.5, 0.75, 1)]
        assert one["steps"] == steps
        assert one["sentences"][0] != one["sentences"][1]
    assert [one["sentences"][0] for one in found["interpolations"]] == places
    assert len({step for one in found["interpolations"] for step in one["steps"]}) > 4


def test_z_of_the_prior_and_of_the_posterior_have_their_distributions() -> None:
    seen: list[Tensor] = []

    class Listening(TextVAE):
        def generate(self, z: Tensor, *arguments: Any) -> list[list[int]]:
            seen.append(z)
            return super().generate(z, *arguments)

    vae = Listening(len(tiny.corpus().vocabulary), ModelConfig(**tiny.MODEL)).eval()
    samples.draw(vae, tiny.corpus(), {"prior": 4000}, max_length=1)
    z = torch.cat(seen).double().numpy()
    assert z.shape == (4000, 3)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.1)  # 4 standard errors
    np.testing.assert_allclose(z.mean(0), 0, atol=0.07)
    assert max(len(batch) for batch in seen) <= 256
    many = tiny.corpus("exact_small:classes=4,stop=0.3,test=4000,words=12,valid=1,sentences=1")
    seen.clear()
    found = samples.draw(vae, many, {"reconstructions": 4000}, max_length=1)
    mu, drawn = torch.cat(seen).double().split(4000)
    order = [one["sentence"] for one in found["reconstructions"]]
    with torch.no_grad():
        told = [vae.encode(torch.from_numpy(many.splits["test"].sentence(i)).long()[None])
                for i in order]  # fmt: skip
    mus, logvars = (torch.cat(part).double() for part in zip(*told, strict=True))
    torch.testing.assert_close(mu, mus, atol=1e-5, rtol=0)
    noise = ((drawn - mus) / (logvars / 2).exp()).numpy()
    np.testing.assert_allclose(np.cov(noise.T), np.eye(3), atol=0.1)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.07)


def test_a_seed_fixes_everything_and_more_changes_nothing_before() -> None:
    vae = model()

    def draw(seed: int, count: int = 4, **options: Any) -> dict[str, Any]:
        numbers = dict.fromkeys(samples.KINDS, count)
        return samples.draw(vae, tiny.corpus(), numbers, seed, LENGTH, **options)

    before = torch.get_rng_state()
    assert draw(0) == draw(0)
    assert draw(0, greedy=False) == draw(0, greedy=False)
    assert torch.equal(torch.get_rng_state(), before)
    for kind in samples.KINDS:
        assert draw(0)[kind] != draw(1)[kind]
        assert draw(0)[kind] != draw(0, greedy=False)[kind]
        assert draw(0, 7)[kind][:4] == draw(0)[kind]
        assert samples.draw(vae, tiny.corpus(), {kind: 4}, 0, LENGTH)[kind] == draw(0)[kind]


def test_runs_of_one_corpus_get_the_same_sentences_and_z() -> None:
    one, other = (samples.draw(model(seed), tiny.corpus(), ALL, 0, LENGTH) for seed in (0, 1))
    for first, second in zip(one["reconstructions"], other["reconstructions"], strict=True):
        assert (first["sentence"], first["text"]) == (second["sentence"], second["text"])
        assert first["mean"] != second["mean"]


def test_a_collapsed_model_writes_one_text() -> None:
    vae = model()
    with torch.no_grad():
        for weight in vae.posterior.parameters():
            weight.zero_()
    found = samples.draw(vae, tiny.corpus(), ALL, 0, LENGTH)
    texts = [one["mean"] for one in found["reconstructions"]]
    texts += [text for one in found["interpolations"] for text in one["steps"]]
    assert set(texts) == {greedy(vae, torch.zeros(3))}


def test_a_language_model_draws_words_and_has_no_other_kind() -> None:
    vae = model(baseline="lstm_lm")
    found = samples.draw(vae, tiny.corpus(), dict.fromkeys(samples.KINDS, 20), 0, LENGTH)
    assert found["decoding"] == "sampled"
    assert "reconstructions" not in found
    assert "interpolations" not in found
    assert len(set(found["prior"])) > 10
    (text,) = set(samples.draw(vae, tiny.corpus(), {"prior": 3}, 0, LENGTH, greedy=True)["prior"])
    assert text == greedy(vae, torch.zeros(0))


def test_by_default_a_text_is_cut_at_twice_the_mean_sentence() -> None:
    found = samples.draw(model(), tiny.corpus(), {"prior": 1})
    test = tiny.corpus().splits["test"]
    scored = len(test.tokens) - len(test)  # words and </s>
    assert found["max_length"] == int(np.ceil(2 * scored / len(test)))


def test_more_sentences_than_there_are_is_told() -> None:
    vae, corpus = model(), tiny.corpus()
    assert len(samples.draw(vae, corpus, {"reconstructions": 48})["reconstructions"]) == 48
    for kind, number in (("reconstructions", 49), ("interpolations", 48)):
        with pytest.raises(UserError, match="49 sentences were requested; it has 48"):
            samples.draw(vae, corpus, {kind: number})


# In the record -----------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["size=5", "vocabulary=sentencepiece,size=276"])
def test_the_text_of_no_real_corpus_is_recorded(tmp_path: Path, coding: str) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 200), ("valid", 40), ("test", 40)):
        rows = [rng.choice(["kumquat", "zebra", "walrus", "fjord"], 5) for _ in range(count)]
        (tmp_path / f"{split}.txt").write_text("".join(" ".join(row) + "\n" for row in rows))
    spec = f"text:{tmp_path},{coding}"
    corpora.prepare(spec, tmp_path / "data", progress=False)
    config = tiny.config("none", data=spec, train={"epochs": 1})
    record = run(config, tmp_path / "runs", tmp_path / "data", progress=False)
    assert "samples" not in record
    written = (tmp_path / "runs" / config.id / "record.json").read_text()
    assert not any(word in written for word in ("kumquat", "zebra", "walrus", "fjord"))
    loaded = load_run(config.id, tmp_path / "runs", tmp_path / "data")
    assert loaded.corpus.language is None
    assert samples.recorded(loaded.model, loaded.corpus) == {}
    shown = loaded.draw({"reconstructions": 2})["reconstructions"]
    text = (tmp_path / "test.txt").read_text().splitlines()
    assert [one["text"] for one in shown] == [text[one["sentence"]] for one in shown]


@pytest.mark.parametrize(
    "preset", ["exact_small", "exact_learnable", "exact", "exact_medium", "exact_hard"]
)
def test_recorded_samples_are_small(preset: str) -> None:
    corpus = tiny.corpus(f"{preset}:sentences=1,test=200,valid=1")
    found = samples.recorded(model(corpus=corpus), corpus)
    assert 500 < len(records.dumps(found)) < 2300
    assert [len(found["samples"][kind]) for kind in samples.KINDS] == [3, 3, 1]


@pytest.mark.parametrize(("size", "kept"), [(1, [1, 3]), (2, [2, 3, 1])])
def test_a_tiny_split_has_fewer_recorded_samples(size: int, kept: list[int]) -> None:
    corpus = tiny.corpus(f"exact_small:sentences=1,test={size},valid=1")
    found = samples.recorded(model(corpus=corpus), corpus)["samples"]
    assert [len(found[kind]) for kind in samples.KINDS if kind in found] == kept
