"""Strangers of equal length, and the loss with their latent."""

import math
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.corpus import Split
from benchmark.metrics import stranger_within_length, z_use
from benchmark.run.encoding import SUBSET, Measured, encode
from benchmark.run.evaluation import evaluate, measure_bucket, validate

CPU = torch.device("cpu")
LENGTHS = np.random.default_rng(0).integers(5, 60, 2000)


def next_of_equal_length(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rule that strangers replaced: the next sentence of equal length, the last one's first."""
    partner = np.full(len(lengths), -1)
    for value in np.unique(lengths):
        bucket = np.flatnonzero(lengths == value)
        partner[bucket] = np.roll(bucket, -1) if len(bucket) > 1 else -1
    return partner


def test_a_stranger_has_equal_length_and_nobody_is_their_own() -> None:
    lengths = np.append(LENGTHS, [100, 200])
    stranger = stranger_within_length(lengths)
    assert stranger.dtype == np.int64
    assert stranger[-2:].tolist() == [-1, -1]  # alone in their length
    known = np.flatnonzero(stranger >= 0)
    assert known.tolist() == list(range(2000))
    assert sorted(stranger[known]) == known.tolist()
    assert np.all(stranger[known] != known)
    assert np.all(lengths[stranger[known]] == lengths[known])


def test_strangers_of_one_length_form_one_cycle() -> None:
    stranger = stranger_within_length(LENGTHS)
    for value in np.unique(LENGTHS):
        bucket = np.flatnonzero(value == LENGTHS)
        walk = [bucket[0]]
        while stranger[walk[-1]] != bucket[0]:
            walk.append(stranger[walk[-1]])
        assert sorted(walk) == bucket.tolist()


def test_each_cycle_of_four_is_equally_likely() -> None:
    """The draw differs by length: 3000 lengths of four sentences, six cyclic orders each."""
    lengths = np.repeat(np.arange(3000), 4)
    rows = stranger_within_length(lengths).reshape(3000, 4) % 4
    orders, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(orders) == 6
    assert np.abs(counts - 500).max() < 4 * math.sqrt(3000 * 1 / 6 * 5 / 6)


def test_strangers_are_a_function_of_the_lengths_alone() -> None:
    stranger = stranger_within_length(LENGTHS)
    assert np.array_equal(stranger, stranger_within_length(LENGTHS.astype(np.int32)))
    assert np.array_equal(stranger, stranger_within_length(LENGTHS.tolist()))
    # Golden: another order would change what numbers of EVALUATION 2 mean.
    assert stranger_within_length([7] * 8).tolist() == [5, 7, 4, 1, 6, 3, 0, 2]
    split = tiny.corpus().splits["test"]
    one, other = Measured("test", split, 0, CPU), Measured("valid", split, 5, CPU)
    assert np.array_equal(one.stranger, other.stranger)


def test_neighbours_do_not_stay_neighbours() -> None:
    stranger = stranger_within_length(np.zeros(2000, dtype=np.int64))
    gap = np.abs(stranger - np.arange(2000))
    # Two random places of N lie N / 3 apart on average, with a standard deviation of N / sqrt(18).
    assert abs(gap.mean() - 2000 / 3) < 4 * 2000 / math.sqrt(18 * 2000)
    assert (gap <= 20).mean() < 0.04  # 40 of 1999 places


def test_lengths_may_be_few() -> None:
    assert stranger_within_length([]).tolist() == []
    assert stranger_within_length([5, 3, 5, 9]).tolist() == [2, -1, 0, -1]


# What the rule does to the number -----------------------------------------------------------------

BLOCK, TOPICS, GAIN = 20, 10, 1.5


class Topical:
    """A model of a latent that is the sentence's topic, its first word, and nothing else.

    The loss of a sentence is that of its words, plus ``GAIN`` nats where z is of another topic.
    """

    latent = 1

    class decoder:
        output = torch.nn.Linear(1, 1)

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        topic = tokens[:, 1:2].float()
        return topic, torch.full_like(topic, -20.0)

    def nll(self, tokens: Tensor, z: Tensor, chunk: int) -> Tensor:
        """(B, S, T): of the last word tells whether z is right."""
        loss = 0.01 * tokens[:, None, 1:].float().expand(-1, z.shape[1], -1).clone()
        loss[..., -1] += GAIN * (z[..., 0].round() != tokens[:, 1:2]).float()
        return loss


def in_document_order() -> Measured:
    """100 blocks of 20 sentences of five words; the topic changes from block to block."""
    words = np.random.default_rng(1).integers(20, 90, (2000, 4))
    topic = 3 + np.arange(2000) // BLOCK % TOPICS
    rows = np.concatenate([topic[:, None], words], 1).tolist()
    return Measured("test", Split.of(rows), 0, CPU)


def test_a_neighbour_of_the_same_topic_hides_that_z_is_used() -> None:
    """The old rule under-reports by 19 of 20 sentences; random strangers say what is so."""
    model: Any = Topical()
    split = in_document_order()
    found, _ = evaluate(model, tiny.corpus(), split, 0, 0)
    # A uniformly random other sentence has the same topic by chance.
    right = (2000 / TOPICS - 1) / 1999
    spread = GAIN * math.sqrt(right * (1 - right) / 2000)
    assert abs(found["z_use"] - GAIN * (1 - right)) < 3 * spread
    assert found["z_use_se"] == pytest.approx(spread, rel=0.15)
    along = validate(model, split)
    assert along["z_use"] == pytest.approx(GAIN * (1 - right), abs=4 * spread * 2)  # 500 of 2000
    split.stranger = next_of_equal_length(split.lengths)
    before, _ = evaluate(model, tiny.corpus(), split, 0, 0)
    assert before["z_use"] == pytest.approx(GAIN / BLOCK, rel=1e-5)  # the last one of each block
    lost = GAIN * (1 - right) - before["z_use"]
    assert lost == pytest.approx(GAIN * (1 - 1 / BLOCK - right), rel=1e-5)
    assert lost > 20 * found["z_use_se"]


def test_on_independent_sentences_both_rules_agree() -> None:
    spec = tiny.SPEC.replace("test=48", "test=2000")
    run = tiny.training(tiny.config("autoencoder", data=spec, train={"epochs": 12, "lr": 0.01}))
    tiny.advance(run)
    run.model.eval()
    split = Measured("test", tiny.corpus(spec).splits["test"], 0, CPU)
    encoded = encode(run.model, split)

    def losses() -> NDArray[np.float64]:
        parts = [measure_bucket(run.model, split, encoded, b, 0, 0) for b in split.buckets]
        return np.concatenate([part["swapped"] for part in parts])

    new, found = losses(), evaluate(run.model, run.corpus, split, 0, 0, prior=False)[0]
    known = split.stranger >= 0
    split.stranger = next_of_equal_length(split.lengths)
    old, before = losses(), evaluate(run.model, run.corpus, split, 0, 0, prior=False)[0]
    difference = (new - old)[known[np.concatenate([b.index for b in split.buckets])]]
    assert found["z_use"] - before["z_use"] == pytest.approx(difference.mean(), abs=1e-9)
    error = difference.std(ddof=1) / math.sqrt(len(difference))
    assert 0 < error < found["z_use"] / 10  # the decoder reads z, and the test can tell
    assert abs(found["z_use"] - before["z_use"]) < 4 * error


# The number itself --------------------------------------------------------------------------------


def test_exactly_zero_for_a_decoder_that_ignores_z_in_single_precision() -> None:
    torch.manual_seed(0)
    decoder = torch.nn.Linear(16, 40)
    tokens = torch.randint(40, (200, 12))
    z = torch.randn(200, 16)
    stranger = stranger_within_length(np.random.default_rng(1).integers(1, 20, 200))

    def loss(latent: torch.Tensor) -> torch.Tensor:
        logits = decoder(0.0 * latent)[:, None].expand(-1, 12, -1)
        return torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), tokens, reduction="none"
        ).sum(1)

    known = int((stranger >= 0).sum())
    assert z_use(loss(z), loss(z[stranger]), stranger) == (0.0, 0.0, known)


def test_mean_and_error_are_over_those_with_a_stranger_only() -> None:
    own = torch.tensor([10.0, 20.0, 30.0, 40.0])
    swapped = torch.tensor([11.0, 24.0, math.nan, 43.5])
    mean, error, count = z_use(own, swapped, np.array([1, 3, -1, 0]))
    assert mean == pytest.approx((1 + 4 + 3.5) / 3)
    assert error == pytest.approx(np.std([1, 4, 3.5], ddof=1) / math.sqrt(3))
    assert count == 3


def test_the_error_is_that_of_numpy_and_of_repeated_draws() -> None:
    noise = np.random.default_rng(2)
    own, gains = noise.normal(100, 30, 4000), noise.gamma(2.0, 1.5, (400, 4000))
    stranger = stranger_within_length(np.full(4000, 6))
    found = [z_use(torch.from_numpy(own), torch.from_numpy(own + gain), stranger) for gain in gains]
    assert found[0][1] == pytest.approx(gains[0].std(ddof=1) / math.sqrt(4000), rel=1e-9)
    means = np.array([mean for mean, _, _ in found])
    assert means.std(ddof=1) == pytest.approx(found[0][1], rel=4 / math.sqrt(2 * 400))


def test_too_few_with_a_stranger_give_nan() -> None:
    stranger = stranger_within_length([1, 2, 3])
    mean, error, count = z_use(torch.ones(3), torch.ones(3), stranger)
    assert (math.isnan(mean), math.isnan(error), count) == (True, True, 0)
    mean, error, count = z_use(torch.ones(2), 3 * torch.ones(2), np.array([1, -1]))
    assert (mean, math.isnan(error), count) == (2.0, True, 1)


# Along the curve ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "kept"), [(3000, 500), (1001, 334), (501, 251), (500, 500)])
def test_validation_takes_an_even_subset(size: int, kept: int) -> None:
    noise = np.random.default_rng(size)
    rows = [noise.integers(3, 15, length).tolist() for length in noise.integers(1, 30, size)]
    rows += [[3] * 90]  # alone in its length
    splits = [Measured("valid", Split.of(rows), seed, CPU) for seed in (0, 1)]
    chosen = [np.sort(np.concatenate([b.index for b in split.subset])) for split in splits]
    assert np.array_equal(*chosen)  # whatever the run's seed
    assert len(set(chosen[0])) == len(chosen[0]) == kept <= SUBSET
    assert size not in chosen[0]
    assert len(set(np.diff(chosen[0]))) == 1
    for batch in splits[0].subset:
        for row, i in zip(batch.tokens, batch.index, strict=True):
            assert row.tolist() == splits[0].split.sentence(int(i)).tolist()
