"""The exact language: generated sentences whose true log p(x) is known.

A class c out of C, equally likely; words from a sparse Markov chain mixed with a class-specific
distribution, p(w_t | w_{t-1}, c) = (1 - m) P(w_t | w_{t-1}) + m E_c(w_t), the first word from
(1 - m) P_1 + m E_c; after each word from the ``min_length``-th on the sentence stops with
probability s. Nothing is truncated, so p(x | c) = prod_t p(w_t | w_{t-1}, c) (1 - s)^(n - min) s
and log p(x) = logsumexp_c (log p(x | c) - ln C) are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.core.tokens import BOS, EOS, SPECIALS
from benchmark.data.prepared import Split
from benchmark.data.settings import ExactSettings
from benchmark.data.vocabulary import WordVocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LANGUAGE, TRAIN, VALID, TEST, FRESH, MONTE_CARLO, ORDER = range(7)  # purposes of random streams
MONTE_CARLO_SENTENCES = 40_000
_FIRST = len(SPECIALS)  # id of the first word
_CHUNK = 4_000_000  # numbers held at once while scoring


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return an independent generator for ``(seed, *key)``.

    Callers use ``.random()`` alone: NumPy keeps a bit generator's doubles between versions, but not
    what ``choice``, ``permutation`` or ``dirichlet`` make of them (NEP 19).
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def permutation(rng: np.random.Generator, rows: int, columns: int) -> Ints:
    """Draw ``rows`` independent permutations of ``range(columns)``, shape (rows, columns)."""
    order: Ints = np.argsort(rng.random((rows, columns)), axis=1, kind="stable")
    return order


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
        """Draw rows with ``support`` distinct words of ``words``; weights uniform on the simplex.

        The gaps between sorted uniform numbers are Dirichlet(1, .., 1), without any logarithm, so
        that the same seed gives the same bits on every machine.
        """
        chosen = np.sort(permutation(rng, rows, words)[:, :support], axis=1)
        cuts = np.sort(rng.random((rows, support - 1)), axis=1)
        return _Sparse(chosen, np.concatenate([cuts, np.ones((rows, 1))], axis=1))

    def draw(self, rows: Ints, uniform: Floats) -> Ints:
        """Draw one word for each row number, by the inverse of the cumulative mass."""
        position = (self.cumulative[rows] <= uniform[:, None]).sum(axis=1)
        drawn: Ints = self.words[rows, position]
        return drawn

    def dense(self, words: int) -> Floats:
        """Return the probabilities, (rows, words)."""
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
        """Return the words ``w00``, ``w01``, ... in the order of their ids."""
        width = len(str(self.settings.words - 1))
        names = [f"w{number:0{width}d}" for number in range(self.settings.words)]
        return WordVocabulary([*SPECIALS, *names])

    def sample(self, sentences: int, *key: int) -> Split:
        """Draw independent sentences with their classes and true log p(x).

        Args:
            sentences: how many.
            *key: which stream of the settings' seed; equal keys give equal sentences.
        """
        settings, rng = self.settings, stream(self.settings.seed, *key)
        classes = (rng.random(sentences) * settings.classes).astype(np.int64)
        lengths = np.zeros(sentences, dtype=np.int64)  # in words
        active = np.arange(sentences)  # the sentences that reach the next position
        words = np.zeros(sentences, dtype=np.int64)  # the latest word of each of these
        steps: list[tuple[Ints, Ints]] = []
        while active.size:
            choose, pick, end = rng.random((3, active.size))
            plain = (self._chain if steps else self._initial).draw(words, pick)
            words = np.where(choose < settings.mix, self._topics.draw(classes[active], pick), plain)
            steps.append((active, words))
            lengths[active] += 1
            going = (end >= settings.stop) | (len(steps) < settings.min_length)
            active, words = active[going], words[going]
        offsets = np.concatenate([[0], np.cumsum(lengths + 2)])  # with <s> and </s>
        tokens = np.full(offsets[-1], EOS, dtype=np.int32)
        tokens[offsets[:-1]] = BOS
        for position, (index, words) in enumerate(steps, start=1):
            tokens[offsets[index] + position] = words + _FIRST
        split = Split(tokens, offsets)
        return Split(tokens, offsets, classes.astype(np.int16), self.log_prob(split))

    def fresh(self, seed: int, epoch: int) -> Split:
        """Draw training sentences for an epoch of a run: a function of settings, seed and epoch."""
        return self.sample(self.settings.sentences, FRESH, seed, epoch)

    def log_prob(self, split: Split) -> Floats:
        """Return the true log p(x), (N,), nats per sentence; -inf for what cannot occur."""
        return np.asarray(_logsumexp(self.class_log_prob(split)) - np.log(self.settings.classes))

    def class_log_prob(self, split: Split) -> Floats:
        """Return log p(x | c) for every class, (N, C), nats per sentence.

        Args:
            split: sentences of at least one word, all of them words of the language.
        """
        budget = max(1, _CHUNK // self.settings.classes)  # tokens at once, which bounds the memory
        result = np.empty((len(split), self.settings.classes))
        start = 0
        while start < len(split):
            reach = int(np.searchsorted(split.offsets, split.offsets[start] + budget, side="right"))
            stop = min(max(reach - 1, start + 1), len(split))
            result[start:stop] = self._score(split, start, stop)
            start = stop
        return result

    def _score(self, split: Split, start: int, stop: int) -> Floats:
        """Return log p(x | c) of the sentences from ``start`` to ``stop``, (stop - start, C)."""
        settings = self.settings
        offsets = split.offsets[start:stop] - split.offsets[start]
        tokens = split.tokens[split.offsets[start] : split.offsets[stop]].astype(np.int64)
        word = np.maximum(tokens - _FIRST, 0)
        plain = self.chain[np.roll(word, 1), word]
        plain[offsets + 1] = self.initial[word[offsets + 1]]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = self._mixed(plain, word)
            # <s> and </s> count nothing. They stay in the sums: without them, NumPy would add in
            # another order, and the last bits of log p(x) in prepared data would change.
            terms[tokens < _FIRST] = 0.0
            further = split.lengths[start:stop] - 1 - settings.min_length
            ends = np.where(further > 0, further * np.log1p(-settings.stop), 0.0)
        ends = np.where(further < 0, -np.inf, ends + np.log(settings.stop))
        return np.asarray(np.add.reduceat(terms, offsets, axis=0) + ends[:, None])

    def _mixed(self, plain: Floats, word: Ints) -> Floats:
        """Return log p(word | previous, c), (N, C), of words (N,) and their P(word | previous)."""
        mix = self.settings.mix
        return np.asarray(np.log((1 - mix) * plain[:, None] + mix * self.topics.T[word]))

    def token_log_prob(self, split: Split) -> tuple[Floats, Floats]:
        """Return log p(w_t | w_<t, c) and log p(w_t | w_<t) of every token, nats.

        The first is given the sentence's own class, so that their difference is what a reader
        gains at this token who knows the class, I(c; w_t | w_<t) in expectation. Over a sentence
        it sums to log p(x | c) - log p(x).

        Args:
            split: of `sample`, with its classes.

        Returns:
            Two arrays as long as ``split.tokens``; 0 at ``<s>``. ``</s>`` depends on how many
            words there are, not on the class: the two are equal there.
        """
        assert split.classes is not None
        settings, lengths = self.settings, split.lengths
        known, alone = np.zeros((2, len(split.tokens)))
        joint = np.zeros((len(split), settings.classes))  # log p(w_1 .. w_{t-1} | c)
        with np.errstate(divide="ignore"):
            end, further = np.log(settings.stop), np.log1p(-settings.stop)
            for t in range(1, int(lengths.max()) + 1):
                active = np.flatnonzero(lengths > t)  # the sentences that have a t-th word
                at = split.offsets[active] + t
                word = split.tokens[at].astype(np.int64) - _FIRST
                before = split.tokens[at - 1].astype(np.int64) - _FIRST
                plain = self.initial[word] if t == 1 else self.chain[before, word]
                terms = self._mixed(plain, word)
                going = further if t > settings.min_length else 0.0
                known[at] = terms[np.arange(len(active)), split.classes[active]] + going
                alone[at] = _logsumexp(joint[active] + terms) - _logsumexp(joint[active]) + going
                joint[active] += terms
        known[split.offsets[1:] - 1] = alone[split.offsets[1:] - 1] = end
        return known, alone

    @cached_property
    def _monte_carlo(self) -> tuple[Estimate, Estimate]:
        """Estimates of entropy and I(x; c) from sentences that belong to no split."""
        split = self.sample(MONTE_CARLO_SENTENCES, MONTE_CARLO)
        scores = self.class_log_prob(split)
        total = _logsumexp(scores)
        surprise = np.log(self.settings.classes) - total
        length = split.lengths - 1.0  # words
        mean_length = self.settings.min_length + (1 - self.settings.stop) / self.settings.stop
        spread = float(np.var(length))
        # The length is a control variate: see `entropy`.
        slope = float(np.cov(length, surprise, bias=True)[0, 1]) / spread if spread else 0.0
        posterior = np.exp(scores - total[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(posterior > 0, posterior * np.log(posterior), 0.0).sum(axis=1)
        return (
            _estimate(surprise - slope * (length - mean_length)),
            _estimate(np.log(self.settings.classes) + inside),
        )

    def entropy(self) -> Estimate:
        """Estimate H(x), nats per sentence, over 40,000 independent sentences.

        The length is a control variate: its mean is known, and most of log p(x) varies with it.
        """
        return self._monte_carlo[0]

    def information(self) -> Estimate:
        """Estimate I(x; c) = ln C - E[H(c | x)], nats, over the same sentences."""
        return self._monte_carlo[1]


def _logsumexp(scores: Floats) -> Floats:
    """Return log sum exp over the last axis; -inf where all are -inf."""
    top = scores.max(axis=-1)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(shift + np.log(np.exp(scores - shift[:, None]).sum(axis=-1)))


def _estimate(values: Floats) -> Estimate:
    """Return the mean and standard error of independent values."""
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))
