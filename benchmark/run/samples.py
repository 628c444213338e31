"""What a model writes: reconstructions, samples from the prior, interpolations.

Sentences, z and drawn words come from generators of their own: one seed gives every run of a
corpus the same sentences and, at equal latent size, the same noise, so that runs can be compared
line by line, and no figure of a run changes by what is written beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.data import Vocabulary
from benchmark.data.corpus import Corpus, Split
from benchmark.model.vae import TextVAE
from benchmark.run.encoding import Measured, encode

KINDS = ("reconstructions", "prior", "interpolations")
SPLIT = "test"
POINTS = 5  # of an interpolation, both ends among them
BATCH = 256  # rows decoded together
CUT = " [...]"  # after a text that goes on beyond the longest
RECORDED = {"reconstructions": 3, "prior": 3, "interpolations": 1}
RECORDED_LENGTH = 20  # tokens of each recorded text: a record gains at most about 2 kB

Samples = dict[str, Any]


@torch.no_grad()
def draw(
    model: TextVAE,
    corpus: Corpus,
    numbers: Mapping[str, int],
    seed: int = 0,
    max_length: int | None = None,
    greedy: bool | None = None,
) -> Samples:
    """Let a model write.

    Args:
        model: in evaluation mode.
        corpus: the test split's sentences are reconstructed, and interpolated between.
        numbers: how many of each of `KINDS`, at least 1; a kind left out is not drawn. Of greedy
            texts more leave the first as they are. A language model gives ``prior`` alone.
        seed: of the choice of sentences and of every draw.
        max_length: tokens after which a text is cut; by default twice the mean sentence. Greedy
            words often end no sentence: where stopping is never the likeliest, they go round.
        greedy: the likeliest word each time, or words drawn from p(x | z). By default greedy, so
            that z alone makes texts differ; a language model, which has none, draws.

    Returns:
        ``split``, ``seed``, ``decoding`` ("greedy" or "sampled"), ``max_length``, and what was
        asked for:
        ``reconstructions``: ``sentence`` (its place in the split), its ``text``, what is written
        from the posterior ``mean`` and from one ``sample`` of the posterior; ``prior``: texts from
        z ~ N(0, I); ``interpolations``: two ``sentences``, their texts ``from`` and ``to``, and
        the texts at `POINTS` even ``steps`` on the straight line between their posterior means.

    Raises:
        UserError: more sentences are asked for than the split has.
    """
    split = corpus.splits[SPLIT]
    max_length = usual_length(split) if max_length is None else max_length
    hand = Hand.of(model, corpus.vocabulary, max_length, seed, greedy)
    out: Samples = {
        "split": SPLIT,
        "seed": seed,
        "decoding": "sampled" if hand.noise else "greedy",
        "max_length": max_length,
    }
    single, prior, pairs = (numbers.get(kind, 0) for kind in KINDS)
    if prior:
        out["prior"] = hand.write(prior_noise(model, seed, prior))
    if model.latent and (single or pairs):
        chosen = _Chosen.of(model, split, max(single, pairs + bool(pairs)), seed)
        if single:
            out["reconstructions"] = _reconstructions(hand, chosen, single)
        if pairs:
            out["interpolations"] = _interpolations(hand, chosen, pairs)
    return out


def recorded(model: TextVAE, corpus: Corpus) -> dict[str, Samples]:
    """The few samples that a record keeps, under ``samples``; the same sentences for every run.

    Of an exact language alone, whose text is generated: any other text is not ours to publish.
    """
    if corpus.language is None:
        return {}
    size = len(corpus.splits[SPLIT])  # an interpolation takes a sentence more
    there = {"reconstructions": size, "interpolations": size - 1}
    numbers = {kind: min(number, there.get(kind, number)) for kind, number in RECORDED.items()}
    return {"samples": draw(model, corpus, numbers, max_length=RECORDED_LENGTH)}


def _noise(latent: int, *names: object) -> Tensor:
    """N(0, I), (Z,), a function of the names alone."""
    return torch.randn(latent, generator=generator("samples", *names))


def usual_length(split: Split) -> int:
    """Tokens after which a text is cut where nobody says otherwise: twice the mean sentence."""
    return math.ceil(2 * float(split.lengths.mean()))


def prior_noise(model: TextVAE, seed: int, number: int) -> Tensor:
    """Draws of z ~ N(0, I), (number, Z), on the model's device."""
    z = [_noise(model.latent, seed, "prior", i) for i in range(number)]
    return torch.stack(z).to(next(model.parameters()).device)


def line(begin: Tensor, end: Tensor, points: int) -> Tensor:
    """Even points (points, Z) of the straight line between two z (Z,), both ends among them."""
    return torch.lerp(begin, end, torch.linspace(0, 1, points, device=begin.device)[:, None])


@dataclass(frozen=True)
class Hand:
    """From z to text."""

    model: TextVAE
    vocabulary: Vocabulary
    max_length: int
    noise: Generator | None  # None: greedy
    cut: str = CUT  # after a text that goes on

    @staticmethod
    def of(
        model: TextVAE,
        vocabulary: Vocabulary,
        max_length: int,
        seed: int,
        greedy: bool | None,
        cut: str = CUT,
    ) -> "Hand":
        """With the words' generator of a seed; `draw` tells the default of ``greedy``."""
        greedy = model.latent > 0 if greedy is None else greedy
        device = next(model.parameters()).device
        noise = None if greedy else generator("samples", seed, "words", device=device)
        return Hand(model, vocabulary, max_length, noise, cut)

    def write(self, z: Tensor) -> list[str]:
        """One text for each row of z (B, Z)."""
        rows = [
            row
            for some in torch.split(z, BATCH)
            for row in self.model.generate(some, self.max_length, self.noise)
        ]
        # a row of full length met no </s>
        return [self.vocabulary.decode(r) + self.cut * (len(r) >= self.max_length) for r in rows]

    def text(self, words: Sequence[int]) -> str:
        """A sentence of the corpus, no longer than what is written."""
        shown = words[: self.max_length]
        return self.vocabulary.decode(shown) + self.cut * (len(shown) < len(words))


@dataclass(frozen=True)
class _Chosen:
    """Sentences of the split in random order, and the encoder's answer for them."""

    places: list[int]
    words: list[list[int]]
    mu: Tensor  # (N, Z)
    z: Tensor  # (N, Z), one sample of q(z | x)

    @staticmethod
    def of(model: TextVAE, split: Split, count: int, seed: int) -> "_Chosen":
        if count > len(split):
            raise UserError(f"{SPLIT} split: {count} sentences are asked for; it has {len(split)}")
        device = next(model.parameters()).device
        order = torch.randperm(len(split), generator=generator("samples", seed, "sentences"))
        places = order[:count].tolist()
        words = [split.sentence(place)[1:-1].tolist() for place in places]
        encoded = encode(model, Measured("samples", Split.of(words), seed, device))
        noise = torch.stack([_noise(model.latent, seed, "posterior", i) for i in places])
        z = encoded.mu + noise.to(device) * (0.5 * encoded.logvar).exp()
        return _Chosen(places, words, encoded.mu, z)


def _reconstructions(hand: Hand, chosen: _Chosen, count: int) -> list[dict[str, Any]]:
    means = hand.write(chosen.mu[:count])
    samples = hand.write(chosen.z[:count])
    return [
        {
            "sentence": chosen.places[i],
            "text": hand.text(chosen.words[i]),
            "mean": means[i],
            "sample": samples[i],
        }
        for i in range(count)
    ]


def _interpolations(hand: Hand, chosen: _Chosen, count: int) -> list[dict[str, Any]]:
    """Each sentence with the next one chosen."""
    mu = chosen.mu
    lines = [line(mu[i], mu[i + 1], POINTS) for i in range(count)]  # (POINTS, Z) each
    texts = hand.write(torch.cat(lines))
    return [
        {
            "sentences": chosen.places[i : i + 2],
            "from": hand.text(chosen.words[i]),
            "to": hand.text(chosen.words[i + 1]),
            "steps": texts[i * POINTS : (i + 1) * POINTS],
        }
        for i in range(count)
    ]


def shown(samples: Samples) -> str:
    """Samples as a person reads them."""
    head = f"{samples['decoding']} words, at most {samples['max_length']}; seed {samples['seed']}"
    blocks = [f"{samples['split']} split, {head}"]
    for found in samples.get("reconstructions", []):
        rows = [(name, found[name]) for name in ("text", "mean", "sample")]
        blocks.append(_block(f"reconstruction of sentence {found['sentence']}", rows))
    if "prior" in samples:
        rows = [(str(i), text) for i, text in enumerate(samples["prior"], start=1)]
        blocks.append(_block("from the prior", rows))
    for found in samples.get("interpolations", []):
        parts = [f"{i / (POINTS - 1):.2f}" for i in range(POINTS)]
        rows = [("from", found["from"]), *zip(parts, found["steps"], strict=True)]
        title = "interpolation from sentence {} to {}".format(*found["sentences"])
        blocks.append(_block(title, [*rows, ("to", found["to"])]))
    return "\n\n".join(blocks)


def _block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join([title, *(f"  {name:<6}  {text}".rstrip() for name, text in rows)])
