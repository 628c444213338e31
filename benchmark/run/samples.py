"""Text that a model writes: reconstructions, samples from the prior, interpolations.

Sentences, z and drawn words come from generators of their own: one seed gives every run of a
corpus the same sentences and, at equal latent size, the same noise, so that runs can be compared
line by line, and no number of a run depends on what it writes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    """Return texts that a model writes.

    Args:
        model: in evaluation mode.
        corpus: the test split's sentences are reconstructed, and interpolated between.
        numbers: how many of each of `KINDS`, at least 1; a kind left out is not drawn. A larger
            number leaves the first greedy texts as they are. A language model gives ``prior``
            alone.
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
    writer = Writer(model, corpus.vocabulary, max_length, seed, greedy)
    out: Samples = {
        "split": SPLIT,
        "seed": seed,
        "decoding": "sampled" if writer.noise else "greedy",
        "max_length": max_length,
    }
    single, prior, pairs = (numbers.get(kind, 0) for kind in KINDS)
    if prior:
        out["prior"] = writer.write(prior_noise(model, seed, prior))
    count = max(single, pairs + bool(pairs)) if model.latent else 0
    if not count:
        return out
    if count > len(split):
        raise UserError(f"{SPLIT} split: {count} sentences were requested; it has {len(split)}")
    order = torch.randperm(len(split), generator=generator("samples", seed, "sentences"))
    places = order[:count].tolist()
    words = [split.sentence(place)[1:-1].tolist() for place in places]
    texts = [writer.text(sentence) for sentence in words]
    device = next(model.parameters()).device
    encoded = encode(model, Measured("samples", Split.of(words), seed, device))
    if single:
        noise = torch.stack([_noise(model.latent, seed, "posterior", i) for i in places])
        z = encoded.mu + noise.to(device) * (0.5 * encoded.logvar).exp()
        means, drawn = writer.write(encoded.mu[:single]), writer.write(z[:single])
        out["reconstructions"] = [
            {"sentence": places[i], "text": texts[i], "mean": means[i], "sample": drawn[i]}
            for i in range(single)
        ]
    if pairs:  # each sentence with the next one
        lines = [line(encoded.mu[i], encoded.mu[i + 1], POINTS) for i in range(pairs)]
        steps = writer.write(torch.cat(lines))
        out["interpolations"] = [
            {
                "sentences": places[i : i + 2],
                "from": texts[i],
                "to": texts[i + 1],
                "steps": steps[i * POINTS : (i + 1) * POINTS],
            }
            for i in range(pairs)
        ]
    return out


def recorded(model: TextVAE, corpus: Corpus) -> dict[str, Samples]:
    """Return the few ``samples`` that a record keeps, of the same sentences in every run."""
    if corpus.language is None:
        return {}  # only generated text is ours to publish
    size = len(corpus.splits[SPLIT])  # an interpolation takes a sentence more
    most = {"reconstructions": size, "interpolations": size - 1}
    numbers = {kind: min(number, most.get(kind, number)) for kind, number in RECORDED.items()}
    return {"samples": draw(model, corpus, numbers, max_length=RECORDED_LENGTH)}


def usual_length(split: Split) -> int:
    """Return the default number of tokens of a text: twice the mean sentence."""
    return math.ceil(2 * float(split.lengths.mean()))


def _noise(latent: int, *names: object) -> Tensor:
    """Return a draw from N(0, I), (Z,), a function of the names alone."""
    return torch.randn(latent, generator=generator("samples", *names))


def prior_noise(model: TextVAE, seed: int, number: int) -> Tensor:
    """Return draws z ~ N(0, I), (number, Z), on the model's device."""
    z = [_noise(model.latent, seed, "prior", i) for i in range(number)]
    return torch.stack(z).to(next(model.parameters()).device)


def line(begin: Tensor, end: Tensor, points: int) -> Tensor:
    """Return evenly spaced points (points, Z) on the line between two z (Z,), with both ends."""
    return torch.lerp(begin, end, torch.linspace(0, 1, points, device=begin.device)[:, None])


@dataclass(frozen=True)
class Writer:
    """Writes text from z; `draw` explains the fields. ``cut`` marks the end of a cut text."""

    model: TextVAE
    vocabulary: Vocabulary
    max_length: int
    seed: int
    greedy: bool | None
    cut: str = CUT

    @cached_property
    def noise(self) -> Generator | None:
        """Return the generator that draws words; None takes the likeliest word."""
        greedy = self.model.latent > 0 if self.greedy is None else self.greedy
        device = next(self.model.parameters()).device
        return None if greedy else generator("samples", self.seed, "words", device=device)

    def write(self, z: Tensor) -> list[str]:
        """Return a text for each row of z (B, Z)."""
        rows = [
            row
            for some in torch.split(z, BATCH)
            for row in self.model.generate(some, self.max_length, self.noise)
        ]
        # a row of full length met no </s>
        return [self.vocabulary.decode(r) + self.cut * (len(r) >= self.max_length) for r in rows]

    def text(self, words: Sequence[int]) -> str:
        """Return a sentence of the corpus, cut as written texts are."""
        shown = words[: self.max_length]
        return self.vocabulary.decode(shown) + self.cut * (len(shown) < len(words))


def shown(samples: Samples) -> str:
    """Return samples as text to read."""
    head = f"{samples['decoding']} words, at most {samples['max_length']}; seed {samples['seed']}"
    blocks = [f"{samples['split']} split, {head}"]

    def add(title: str, rows: Sequence[tuple[str, str]]) -> None:
        lines = [f"  {name:<6}  {text}".rstrip() for name, text in rows]
        blocks.append("\n".join([title, *lines]))

    for one in samples.get("reconstructions", []):
        rows = [(name, one[name]) for name in ("text", "mean", "sample")]
        add(f"reconstruction of sentence {one['sentence']}", rows)
    if "prior" in samples:
        add("from the prior", [(str(i), t) for i, t in enumerate(samples["prior"], start=1)])
    for one in samples.get("interpolations", []):
        parts = [f"{i / (POINTS - 1):.2f}" for i in range(POINTS)]
        rows = [("from", one["from"]), *zip(parts, one["steps"], strict=True), ("to", one["to"])]
        add("interpolation from sentence {} to {}".format(*one["sentences"]), rows)
    return "\n\n".join(blocks)
