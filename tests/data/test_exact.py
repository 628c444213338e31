"""The exact language against brute force, closed forms and frequencies."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmark.core.tokens import EOS
from benchmark.data import exact, prepared, settings
from benchmark.data.exact import ExactLanguage
from benchmark.data.prepared import Split

TINY = settings.ExactSettings(
    classes=3, words=4, successors=2, topical=2, mix=0.4, stop=0.3, min_length=2, seed=5
)


def by_hand(language, words, c):
    """p(words | c) of word numbers from 0, one factor after the other."""
    s = language.settings
    probability, previous = 1.0, None
    for position, word in enumerate(words, start=1):
        row = language.initial if previous is None else language.chain[previous]
        probability *= (1 - s.mix) * row[word] + s.mix * language.topics[c][word]
        if position >= s.min_length:
            probability *= s.stop if position == len(words) else 1 - s.stop
        previous = word
    return probability if len(words) >= s.min_length else 0.0


def enumerated(language, longest):
    """Every sentence up to a length, as word ids, and p(x | c) by hand, (N, C)."""
    s = language.settings
    sentences = [
        words
        for length in range(1, longest + 1)
        for words in itertools.product(range(s.words), repeat=length)
    ]
    table = [[by_hand(language, words, c) for c in range(s.classes)] for words in sentences]
    return Split.of([[word + 3 for word in words] for words in sentences]), np.array(table)


def test_tables_are_distributions_of_the_stated_support():
    language = ExactLanguage(TINY)
    for table, support in (
        (language.initial[None], 4),
        (language.chain, 2),
        (language.topics, 2),
    ):
        np.testing.assert_allclose(table.sum(axis=1), 1.0, atol=1e-15)
        assert ((table > 0).sum(axis=1) == support).all()


def test_log_prob_and_mass_agree_with_enumeration():
    language = ExactLanguage(TINY)
    sentences, table = enumerated(language, 6)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(
            language.class_log_prob(sentences), np.log(table), rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(
            language.log_prob(sentences), np.log(table.mean(axis=1)), rtol=1e-12, atol=1e-12
        )
    for longest in range(1, 7):
        mass = math.fsum(np.exp(language.log_prob(sentences))[sentences.lengths - 1 <= longest])
        formula = 1 - (1 - TINY.stop) ** max(0, longest - TINY.min_length + 1)
        assert mass == pytest.approx(formula, abs=1e-12)


def test_sentences_come_as_often_as_they_should():
    language = ExactLanguage(TINY)
    split = language.sample(60_000, 99)
    sentences, table = enumerated(language, 5)
    number = {tuple(sentences.sentence(i)[1:-1].tolist()): i for i in range(len(sentences))}
    observed = np.zeros((len(sentences) + 1, TINY.classes))
    for i in range(len(split)):
        words = tuple(split.sentence(i)[1:-1].tolist())
        observed[number.get(words, len(sentences)), split.classes[i]] += 1
    expected = np.vstack([table, 1 - table.sum(axis=0)]) / TINY.classes * len(split)
    assert observed[expected == 0].sum() == 0
    often = expected >= 5
    rest = observed[~often].sum(), expected[~often].sum()
    result = stats.chisquare(
        np.append(observed[often], rest[0]), np.append(expected[often], rest[1])
    )
    assert often.sum() > 300
    assert result.pvalue > 0.001


def test_sample_is_framed_and_carries_its_log_prob():
    language = ExactLanguage(TINY)
    split = language.sample(500, 99)
    assert (split.tokens[split.offsets[:-1]] == 1).all()
    assert (split.tokens[split.offsets[1:] - 1] == EOS).all()
    assert (split.lengths - 1).min() >= TINY.min_length
    sentences = [split.sentence(i)[1:-1].tolist() for i in range(len(split))]
    np.testing.assert_array_equal(split.log_prob, language.log_prob(Split.of(sentences)))


def test_scoring_in_chunks_changes_nothing(monkeypatch):
    language = ExactLanguage(TINY)
    split = language.sample(500, 99)
    monkeypatch.setattr(exact, "_CHUNK", 50)
    np.testing.assert_array_equal(language.log_prob(split), split.log_prob)


def prefixes(language, longest):
    """p(w_1 .. w_t | c) of all beginnings, (C,) each: sums over all sentences that begin so."""
    s, sums = language.settings, {}
    for length in range(1, longest + 1):
        for words in itertools.product(range(s.words), repeat=length):
            whole = np.array([by_hand(language, words, c) for c in range(s.classes)])
            if length == longest:  # and those that go on
                whole = whole / s.stop
            for t in range(length + 1):
                sums[words[:t]] = sums.get(words[:t], 0.0) + whole
    return sums


def test_tokens_given_the_class_and_without_it_agree_with_enumeration():
    language = ExactLanguage(replace(TINY, words=3, stop=0.4))
    mass = prefixes(language, 6)
    np.testing.assert_allclose(mass[()], 1.0, atol=1e-12)
    split = language.sample(400, 99)
    short = [i for i in range(400) if split.lengths[i] <= 6]
    known, alone = language.token_log_prob(split)
    assert len(short) > 250
    for i in short:
        words, c = tuple(split.sentence(i)[1:-1] - 3), split.classes[i]
        ends = np.array([by_hand(language, words, one) for one in range(3)])
        steps = [*(mass[words[:t]] for t in range(len(words) + 1)), ends]
        at = split.offsets[i]
        assert known[at] == alone[at] == 0.0
        for t, (before, after) in enumerate(itertools.pairwise(steps), start=1):
            assert known[at + t] == pytest.approx(math.log(after[c] / before[c]), abs=1e-12)
            assert alone[at + t] == pytest.approx(math.log(after.mean() / before.mean()), abs=1e-12)
    ends = split.offsets[1:] - 1
    np.testing.assert_array_equal(known[ends], alone[ends])  # it tells nothing of the class


@pytest.mark.parametrize("mix", [0.4, 1.0])  # 1: most classes forbid most words
def test_token_log_probs_sum_to_those_of_sentences(mix):
    language = ExactLanguage(replace(TINY, mix=mix, words=12))
    split = language.sample(300, 99)
    known, alone = (
        np.add.reduceat(of, split.offsets[:-1]) for of in language.token_log_prob(split)
    )
    given = language.class_log_prob(split)[np.arange(300), split.classes]
    np.testing.assert_allclose(known, given, atol=1e-10)
    np.testing.assert_allclose(alone, split.log_prob, atol=1e-10)


def test_what_the_class_gains_at_a_token_is_the_information_of_that_token():
    """I(c; w_t | w_<t) = I(c; w_1 .. w_t) - I(c; w_1 .. w_{t-1}), by enumeration."""
    language = ExactLanguage(replace(TINY, stop=1.0, min_length=4))
    split, table = enumerated(language, 4)
    whole = split.lengths == 5
    joint = table[whole].reshape(4, 4, 4, 4, 3) / 3  # p(w_1, w_2, w_3, w_4, c)
    information = [0.0]
    for t in range(1, 5):
        p = joint.sum(axis=tuple(range(t, 4))).reshape(-1, 3)
        apart = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
        information.append((p[p > 0] * np.log(p[p > 0] / apart[p > 0])).sum())
    gain = np.zeros(6)
    rows = np.array([split.sentence(i)[1:-1] for i in np.flatnonzero(whole)])
    for c in range(3):
        possible = table[whole][:, c] > 0
        some = Split.of(rows[possible].tolist())
        given = Split(some.tokens, some.offsets, np.full(len(some), c, dtype=np.int16))
        known, alone = (of.reshape(-1, 6) for of in language.token_log_prob(given))
        gain += table[whole][possible, c] / 3 @ (known - alone)
    np.testing.assert_allclose(gain[1:5], np.diff(information), atol=1e-12)
    assert gain[1:5].min() > 0.01
    assert gain[0] == gain[5] == 0.0


def test_entropy_and_information_of_fixed_length_agree_with_enumeration():
    language = ExactLanguage(replace(TINY, stop=1.0, min_length=4))
    _, table = enumerated(language, 4)
    marginal = table.mean(axis=1)
    entropy = -sum(p * math.log(p) for p in marginal if p > 0)
    conditional = -sum(p * math.log(p) for p in table.ravel() if p > 0) / 3
    found, information = language.entropy(), language.information()
    assert abs(found.value - entropy) < 4 * found.error < 0.05
    assert abs(information.value - (entropy - conditional)) < 4 * information.error < 0.02


def test_entropy_without_classes_agrees_with_the_markov_chain():
    language = ExactLanguage(replace(TINY, mix=0.0))
    s = language.settings

    def entropy(row):
        return -sum(p * math.log(p) for p in row if p > 0)

    rows = np.array([entropy(row) for row in language.chain])
    truth = entropy(language.initial)
    state, reached = language.initial, 1.0
    for position in range(1, 400):
        if position >= s.min_length:
            truth += reached * entropy([s.stop, 1 - s.stop])
            reached *= 1 - s.stop
        truth += reached * float(state @ rows)
        state = state @ language.chain
    found = language.entropy()
    assert abs(found.value - truth) < 4 * found.error < 0.05
    assert language.information().value == pytest.approx(0.0, abs=1e-12)


def test_same_seed_same_bytes_and_streams_differ():
    def content(split):
        return prepared.content_sha256(["x"], {"train": split})

    one, other = ExactLanguage(TINY), ExactLanguage(TINY)
    assert content(one.sample(100, 1)) == content(other.sample(100, 1))
    assert content(one.sample(100, 1)) != content(one.sample(100, 2))
    assert content(ExactLanguage(replace(TINY, seed=6)).sample(100, 1)) != content(
        one.sample(100, 1)
    )
    digests = {content(one.fresh(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(digests) == 4
    assert content(one.fresh(1, 0)) == content(other.fresh(1, 0))


def test_vocabulary_names_every_word():
    words = ExactLanguage(replace(TINY, words=101)).vocabulary().words
    assert words[3] == "w000"
    assert words[-1] == "w100"
    assert len(words) == 104
