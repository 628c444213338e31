"""The exact language: generated sentences whose true log p(x) is known.

A class c out of C, equally likely; words from a sparse Markov chain mixed with a class-specific
distribution, p(w_t | w_{t-1}, c) = (1 - m) P(w_t | w_{t-1}) + m E_c(w_t), the first word from
(1 - m) P_1 + m E_c; after each word from the ``min_length``-th on the sentence stops with
probability s. Nothing is truncated, so p(x | c) = prod_t p(w_t | w_{t-1}, c) (1 - s)^(n - min) s
and log p(x) = logsumexp_c (log p(x | c) - ln C) are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.data.corpus import Split
from benchmark.data.settings import ExactSettings
from benchmark.data.streams import FRESH, LANGUAGE, MONTE_CARLO, permutation, stream
from benchmark.data.vocabulary import BOS, EOS, SPECIALS, WordVocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FIRST = len(SPECIALS)  # id of the first word
_CHUNK = 4_000_000  # numbers held at once while scoring


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo estimate and its standard error, in nats."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class _Sparse:
    """Distributions over a few words each, as rows: which words, and their cumulative mass."""

    words: Ints
    cumulative: Floats

    @staticmethod
    def random(rng: np.random.Generator, rows: int, support: int, words: int) -> _Sparse:
        """Rows with ``support`` distinct words of ``words``; weights uniform on the simplex.

        The gaps between sorted uniform numbers are Dirichlet(1, .., 1), without any logarithm, so
        that the same seed gives the same bits on every machine.
        """
        chosen = np.sort(permutation(rng, rows, words)[:, :support], axis=1)
        cuts = np.sort(rng.random((rows, support - 1)), axis=1)
        return _Sparse(chosen, np.concatenate([cuts, np.ones((rows, 1))], axis=1))

    def draw(self, rows: Ints, uniform: Floats) -> Ints:
        """One word for each row number, by the inverse of the cumulative mass."""
        position = (self.cumulative[rows] <= uniform[:, None]).sum(axis=1)
        drawn: Ints = self.words[rows, position]
        return drawn

    def dense(self, words: int) -> Floats:
        """Probabilities, (rows, words)."""
        table = np.zeros((len(self.words), words))
        mass = np.diff(self.cumulative, axis=1, prepend=0.0)
        np.put_along_axis(table, self.words, mass, axis=1)
        return table


class ExactLanguage:
    """The language that ``settings`` fix; word k has id k + 3.

    Attributes:
        settings: what fixed it.
        initial: P_1, (W,).
        chain: P(w | previous word), (W, W), a row for each previous word.
        topics: E_c(w), (C, W).
    """

    def __init__(self, settings: ExactSettings) -> None:
        """Draw the language's tables from the settings' seed."""
        self.settings = settings
        rng = stream(settings.seed, LANGUAGE)
        words = settings.words
        self._initial = _Sparse.random(rng, 1, words, words)
        self._chain = _Sparse.random(rng, words, settings.successors, words)
        self._topics = _Sparse.random(rng, settings.classes, settings.topical, words)
        self.initial = self._initial.dense(words)[0]
        self.chain = self._chain.dense(words)
        self.topics = self._topics.dense(words)

    def vocabulary(self) -> WordVocabulary:
        """Words ``w00``, ``w01``, ... in the order of their ids."""
        width = len(str(self.settings.words - 1))
        names = [f"w{number:0{width}d}" for number in range(self.settings.words)]
        return WordVocabulary([*SPECIALS, *names])

    def sample(self, sentences: int, *key: int) -> Split:
        """Independent sentences with their classes and true log p(x).

        Args:
            sentences: how many.
            *key: which stream of the settings' seed; equal keys give equal sentences.
        """
        rng = stream(self.settings.seed, *key)
        classes = (rng.random(sentences) * self.settings.classes).astype(np.int64)
        steps, lengths = self._words(classes, rng)
        offsets = np.zeros(sentences + 1, dtype=np.int64)
        np.cumsum(lengths + 2, out=offsets[1:])
        tokens = np.full(offsets[-1], EOS, dtype=np.int32)
        tokens[offsets[:-1]] = BOS
        for position, (index, words) in enumerate(steps, start=1):
            tokens[offsets[index] + position] = words + _FIRST
        split = Split(tokens, offsets)
        return Split(tokens, offsets, classes.astype(np.int16), self.log_prob(split))

    def fresh(self, seed: int, epoch: int) -> Split:
        """New training sentences for an epoch of a run: a function of settings, seed and epoch."""
        return self.sample(self.settings.sentences, FRESH, seed, epoch)

    def _words(
        self, classes: Ints, rng: np.random.Generator
    ) -> tuple[list[tuple[Ints, Ints]], Ints]:
        """Draw all sentences, a position at a time.

        Returns:
            For each position the sentences that reach it and their words; the lengths in words.
        """
        settings = self.settings
        lengths = np.zeros(len(classes), dtype=np.int64)
        active = np.arange(len(classes))
        previous = np.zeros(len(classes), dtype=np.int64)
        steps: list[tuple[Ints, Ints]] = []
        while active.size:
            choose, pick, end = rng.random((3, active.size))
            table = self._chain if steps else self._initial
            plain = table.draw(previous, pick)
            words = np.where(choose < settings.mix, self._topics.draw(classes[active], pick), plain)
            steps.append((active, words))
            lengths[active] += 1
            going = (end >= settings.stop) | (len(steps) < settings.min_length)
            active, previous = active[going], words[going]
        return steps, lengths

    def class_log_prob(self, sentences: Split | Sequence[Sequence[int]]) -> Floats:
        """log p(x | c) for every class, (N, C), nats per sentence; -inf for what cannot occur.

        Args:
            sentences: a split, or lists of word ids without ``<s>`` and ``</s>``.

        Raises:
            ValueError: a sentence of a split is too short to hold ``<s>`` and ``</s>``.
        """
        split = sentences if isinstance(sentences, Split) else Split.of(sentences)
        budget = max(1, _CHUNK // self.settings.classes)
        result = np.empty((len(split), self.settings.classes))
        start = 0
        while start < len(split):
            reach = int(np.searchsorted(split.offsets, split.offsets[start] + budget, side="right"))
            stop = min(max(reach - 1, start + 1), len(split))
            result[start:stop] = self._score(split, start, stop)
            start = stop
        return result

    def _score(self, split: Split, start: int, stop: int) -> Floats:
        """log p(x | c) of the sentences from ``start`` to ``stop``, (stop - start, C)."""
        settings = self.settings
        offsets = split.offsets[start : stop + 1] - split.offsets[start]
        if (np.diff(offsets) < 2).any():
            raise ValueError("a stored sentence has at least <s> and </s>")
        tokens = split.tokens[split.offsets[start] : split.offsets[stop]].astype(np.int64)
        inner = np.ones(len(tokens), dtype=bool)
        inner[offsets[:-1]] = inner[offsets[1:] - 1] = False
        word = tokens - _FIRST
        known = (word >= 0) & (word < settings.words)
        word = np.where(known, word, 0)
        previous = np.roll(word, 1)
        first = np.zeros(len(tokens), dtype=bool)
        first[offsets[:-1] + 1] = True
        plain = np.where(first, self.initial[word], self.chain[previous, word])
        with np.errstate(divide="ignore"):
            terms = np.log(
                (1 - settings.mix) * plain[:, None] + settings.mix * self.topics.T[word]
            )  # (tokens, C)
        terms[~inner] = 0.0
        terms[inner & ~known] = -np.inf
        scores: Floats = np.add.reduceat(terms, offsets[:-1], axis=0)
        words = np.diff(offsets) - 2
        framed = (tokens[offsets[:-1]] == BOS) & (tokens[offsets[1:] - 1] == EOS) & (words >= 0)
        scores[~framed] = -np.inf
        scores += self.length_log_prob(words)[:, None]
        return scores

    def length_log_prob(self, words: Ints) -> Floats:
        """log p(n) = (n - min) ln(1 - s) + ln s of sentences of n words; -inf below the minimum."""
        further = np.asarray(words) - self.settings.min_length
        with np.errstate(divide="ignore", invalid="ignore"):
            going = np.where(further > 0, further * np.log1p(-self.settings.stop), 0.0)
        return np.asarray(np.where(further < 0, -np.inf, going + np.log(self.settings.stop)))

    def length_mass(self, words: int) -> float:
        """Probability of a sentence of at most ``words`` words, 1 - (1 - s)^(L - min + 1)."""
        further = max(0, words - self.settings.min_length + 1)
        return float(1.0 - (1.0 - self.settings.stop) ** further)

    def log_prob(self, sentences: Split | Sequence[Sequence[int]]) -> Floats:
        """True log p(x), (N,), nats per sentence; arguments as for :meth:`class_log_prob`."""
        scores = self.class_log_prob(sentences)
        return np.asarray(_logsumexp(scores) - np.log(self.settings.classes))

    def posterior(self, sentences: Split | Sequence[Sequence[int]]) -> Floats:
        """p(c | x), (N, C); rows of nan for sentences that cannot occur."""
        scores = self.class_log_prob(sentences)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.exp(scores - _logsumexp(scores)[:, None]))

    @cached_property
    def _monte_carlo(self) -> tuple[Estimate, Estimate]:
        """Entropy and I(x; c) from sentences that belong to no split."""
        split = self.sample(MONTE_CARLO_SENTENCES, MONTE_CARLO)
        scores = self.class_log_prob(split)
        total = _logsumexp(scores)
        surprise = np.log(self.settings.classes) - total
        length = split.lengths - 1.0  # words
        mean_length = self.settings.min_length + (1 - self.settings.stop) / self.settings.stop
        spread = float(np.var(length))
        slope = float(np.cov(length, surprise, bias=True)[0, 1]) / spread if spread else 0.0
        posterior = np.exp(scores - total[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(posterior > 0, posterior * np.log(posterior), 0.0).sum(axis=1)
        return (
            _estimate(surprise - slope * (length - mean_length)),
            _estimate(np.log(self.settings.classes) + inside),
        )

    def entropy(self) -> Estimate:
        """H(x), nats per sentence, over 40,000 independent sentences.

        The length is a control variate: its mean is known, and most of log p(x) varies with it.
        """
        return self._monte_carlo[0]

    def information(self) -> Estimate:
        """I(x; c) = ln C - E[H(c | x)], nats, over the same sentences."""
        return self._monte_carlo[1]


MONTE_CARLO_SENTENCES = 40_000


def _logsumexp(scores: Floats) -> Floats:
    """log sum exp over the last axis; -inf where all are -inf."""
    top = scores.max(axis=-1)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(shift + np.log(np.exp(scores - shift[:, None]).sum(axis=-1)))


def _estimate(values: Floats) -> Estimate:
    """Mean and standard error of independent values."""
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))
