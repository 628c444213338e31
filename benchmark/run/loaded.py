"""A finished run in memory, in terms of text: encode, reconstruct, sample, interpolate, score."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.data import Vocabulary
from benchmark.data.corpus import Corpus, Split
from benchmark.model.vae import TextVAE
from benchmark.run import samples
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured, encode
from benchmark.run.evaluation import evaluate

if TYPE_CHECKING:
    import pandas as pd


class _Texts(Measured):
    """Sentences whose noise depends on the seed and their words, not on their place in the list."""

    def _noise(self, name: str, sentence: int) -> torch.Generator:
        return generator(self.seed, self.name, name, *self.split.sentence(sentence).tolist())

    def first_noise(self, latent: int) -> Tensor:
        noise = torch.empty(len(self.split), latent, dtype=torch.float64)
        for i, row in enumerate(noise):
            row.normal_(generator=self._noise("first", i))
        return noise.to(self.device)

    def importance_noise(self, sentence: int, samples: int, latent: int) -> Tensor:
        return torch.randn(samples, latent, generator=self._noise("importance", sentence))


@dataclass(repr=False)
class LoadedRun:
    """A finished run, ready to use.

    A text is one sentence, its words separated by blanks. Words outside the vocabulary become
    ``<unk>``; the generated language has none and takes its words alone; sentencepiece cuts any
    text. What comes back has the order of what was given.
    """

    model: TextVAE
    vocabulary: Vocabulary
    config: RunConfig
    corpus: Corpus
    record: dict[str, Any]

    def __repr__(self) -> str:
        of, test = self.config, self.record["metrics"]["test"]
        shown = [f"{k.upper()} {test[k]:.2f}" for k in ("kl", "mi") if test.get("mi") is not None]
        figures = f"{', '.join(shown)} nats" if shown else "no latent variable"
        return f"<LoadedRun {of.id}: {of.baseline} on {of.data}, {figures}>"

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def autocast(self) -> AbstractContextManager[None]:
        """The precision it was trained and measured in."""
        bf16 = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)

    def encode(self, texts: Iterable[str]) -> tuple[Tensor, Tensor]:
        """Return the posterior means and log variances of N texts, each (N, Z), on the CPU.

        Raises:
            UserError: no text, a word that the vocabulary lacks, or a run without latent variable.
        """
        self._check_latent("encode")
        with self.autocast():
            found = encode(self.model, self._measured(_listed(texts)))
        return found.mu.cpu(), found.logvar.cpu()

    def reconstruct(
        self,
        texts: Iterable[str],
        seed: int = 0,
        max_length: int | None = None,
        greedy: bool | None = None,
    ) -> list[str]:
        """Write each text from its posterior mean.

        Args:
            texts: N sentences.
            seed: of drawn words; greedy ones need none.
            max_length: tokens after which a text is cut; by default twice the mean sentence of the
                corpus, or the longest of ``texts`` where that is longer.
            greedy: the likeliest word each time, the default, or words drawn from p(x | z).

        Raises:
            UserError: see `encode`.
        """
        self._check_latent("reconstruct")
        texts = _listed(texts)
        mu, _ = self.encode(texts)
        return self._write(mu, seed, self._length(max_length, texts), greedy)

    def sample(
        self, n: int, seed: int = 0, max_length: int | None = None, greedy: bool | None = None
    ) -> list[str]:
        """Write n texts from the prior; of greedy ones more leave the first as they are.

        Args:
            n: at least 1.
            seed: of z and of drawn words.
            max_length: see `reconstruct`.
            greedy: see `reconstruct`; a language model draws by default.

        Raises:
            UserError: a number out of range.
        """
        z = samples.prior_noise(self.model, seed, _at_least(1, n, "n"))
        return self._write(z, seed, self._length(max_length), greedy)

    def interpolate(
        self,
        a: str,
        b: str,
        steps: int = samples.POINTS,
        seed: int = 0,
        max_length: int | None = None,
        greedy: bool | None = None,
    ) -> list[str]:
        """Write texts at even steps of the straight line between two posterior means.

        Args:
            a: the sentence where the line begins.
            b: the sentence where it ends.
            steps: texts, the reconstructions of ``a`` and ``b`` among them; at least 2.
            seed: see `reconstruct`.
            max_length: see `reconstruct`.
            greedy: see `reconstruct`.

        Raises:
            UserError: see `encode`; or a number out of range.
        """
        self._check_latent("interpolate")
        mu, _ = self.encode([a, b])
        z = samples.line(mu[0], mu[1], _at_least(2, steps, "steps"))
        return self._write(z, seed, self._length(max_length, [a, b]), greedy)

    def score(
        self, texts: Iterable[str], seed: int = 0, iw_samples: int | None = None
    ) -> "pd.DataFrame":
        """Measure each text; its figures do not depend on the texts beside it, but for rounding.

        Args:
            texts: N sentences.
            seed: of the draws of z.
            iw_samples: importance samples a sentence; by default those of the run's evaluation.

        Returns:
            A row for each text, in nats: ``text``, ``tokens`` (scored, with the sentence's end),
            ``rec``, ``kl``, ``elbo``, and ``iw_nll``. Of a language model ``iw_nll`` is exact and
            ``kl`` is missing; an auto-encoder has no prior, so that ``iw_nll`` is missing.

        Raises:
            UserError: no text, a word that the vocabulary lacks, or a number out of range.
        """
        import pandas as pd

        texts = _listed(texts)
        split = self._measured(texts, seed)
        number = self.config.evaluate.iw_samples if iw_samples is None else iw_samples
        prior = self.config.method().selection_weight > 0
        with self.autocast():
            _, found = evaluate(
                self.model, self.corpus, split, _at_least(1, number, "iw_samples"), 0, prior
            )
        return pd.DataFrame(
            {
                "text": texts,
                "tokens": split.lengths,
                "rec": found["rec"],
                "kl": found["kl"] if self.model.latent else float("nan"),
                "elbo": -(found["rec"] + found["kl"]),
                "iw_nll": float("nan") if found["iw_nll"] is None else found["iw_nll"],
            }
        )

    def _check_latent(self, what: str) -> None:
        if not self.model.latent:
            raise UserError(
                f"{self.config.id}: {self.config.baseline} has no latent variable, so it cannot "
                f"{what}; it can sample and score"
            )

    def _measured(self, texts: Sequence[str], seed: int = 0) -> Measured:
        words = []
        for i, text in enumerate(texts):
            try:
                words.append(self.vocabulary.encode(text))
            except UserError as error:
                raise UserError(f"texts[{i}]: {error}") from None
        return _Texts("texts", Split.of(words), seed, self.device)

    def _length(self, given: int | None, texts: Sequence[str] = ()) -> int:
        if given is not None:
            return _at_least(1, given, "max_length")
        longest = max((len(self.vocabulary.encode(text)) + 1 for text in texts), default=0)
        return max(longest, samples.usual_length(self.corpus.splits[samples.SPLIT]))

    def _write(self, z: Tensor, seed: int, max_length: int, greedy: bool | None) -> list[str]:
        hand = samples.Hand.of(self.model, self.vocabulary, max_length, seed, greedy, cut="")
        with self.autocast():
            return hand.write(z.to(self.device))


def _listed(texts: Iterable[str]) -> list[str]:
    """Any texts in an order, such as a column of a data frame, but not one text."""
    found = [] if isinstance(texts, str) else list(texts)
    if not found:
        raise UserError(f"texts: {texts!r} is not a list of at least one sentence")
    for i, text in enumerate(found):
        if not isinstance(text, str):
            raise UserError(f"texts[{i}]: {text!r} is not a text")
    return found


def _at_least(least: int, value: int, name: str) -> int:
    if type(value) is not int or value < least:
        raise UserError(f"{name}: {value!r} is not an integer of at least {least}")
    return value
