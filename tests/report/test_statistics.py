"""The statistics of the report against simulations, other libraries and calculations by hand."""

import itertools
import math

import numpy as np
import pytest
from equivalence import equivalence
from interval_coverage import TABLES, simulate
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from benchmark.report.statistics import (
    Sentences,
    detectable,
    holm,
    paired,
    prediction,
    sentences,
    shown,
    summarise,
)
from benchmark.report.statistics import equivalence as within

A = [101.2, 100.9, 101.6, 101.1, 100.7, 101.3, 101.9]
B = [100.8, 100.7, 101.7, 100.2, 100.1, 101.0, 101.1]


def near(rate: float | None, expected: float) -> bool:
    """Within four standard deviations of a simulated rate."""
    assert rate is not None
    return abs(rate - expected) <= 4 * math.sqrt(expected * (1 - expected) / TABLES)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_and_tests_keep_their_word_on_normal_figures(n: int) -> None:
    rates = simulate("normal", n)
    assert near(rates.covers, 0.95)
    assert near(rates.predicts, 0.95)
    assert near(rates.paired, 0.05)
    assert near(rates.equivalent, 0.05)
    if n == 10:  # 25 of the 512 distinct patterns are the most below 0.05
        assert near(rates.sign, 25 / 512)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_what_becomes_of_them_where_seeds_collapse_or_not(n: int) -> None:
    rates = simulate("bimodal", n, TABLES // 10)
    print(f"bimodal, n = {n}: {rates}")  # reported, not promised: tests/tools/interval_coverage.py
    # Without a seed of the other kind there is no sign of it: the mean is then missed.
    alike = 2 / 2**n
    assert rates.covers <= 1 - alike + 4 * math.sqrt(alike / (TABLES // 10))


def test_the_paired_test_is_that_of_scipy() -> None:
    found, other = paired(A, B), stats.ttest_rel(A, B)
    interval = other.confidence_interval(0.95)
    assert found.p == pytest.approx(other.pvalue, rel=1e-9)
    assert found.half is not None
    assert found.mean - found.half == pytest.approx(interval.low, rel=1e-9)
    assert found.mean + found.half == pytest.approx(interval.high, rel=1e-9)
    wider = paired(A, B, level=0.99)
    assert wider.half == pytest.approx(other.confidence_interval(0.99).high - found.mean)
    assert wider.p == pytest.approx(other.pvalue, rel=1e-9)
    assert paired(B, A).p == pytest.approx(found.p)
    assert paired(B, A).mean == -found.mean
    assert shown(paired(A[:2], B[:2])) == "0.20 to 0.40"


@pytest.mark.parametrize("n", [6, 7])
def test_the_sign_flip_test_counts_every_pattern(n: int) -> None:
    differences = [a - b for a, b in zip(A[:n], B[:n], strict=True)]
    patterns = list(itertools.product((1, -1), repeat=n))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in patterns]
    as_far = sum(abs(value) >= abs(sum(differences)) - 1e-9 for value in sums)
    found = paired(A[:n], B[:n])
    assert found.sign_p == as_far / 2**n
    library = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert found.sign_p == pytest.approx(library.pvalue)


def test_a_sign_flip_test_that_cannot_tell_anything_is_not_made() -> None:
    assert paired(A[:5], B[:5]).sign_p is None
    least = paired([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 6)
    assert least.sign_p == 2 / 2**6 == 0.03125
    assert paired(list(range(21)), [0.5] * 21).sign_p is None  # a million patterns and more


@pytest.mark.parametrize("n", [1, 2])
def test_few_pairs_have_no_interval_and_no_test(n: int) -> None:
    found = paired(A[:n], B[:n])
    assert (found.n, found.half, found.p, found.sign_p) == (n, None, None, None)
    assert prediction(A[:n]) is None
    same = equivalence(A[:n], A[:n], 1.0)
    assert (same.low, same.high, same.equivalent) == (None, None, False)


@pytest.mark.parametrize(("shift", "mean"), [(0.0, 0.0), (0.1, 0.1)])
def test_seeds_that_do_not_vary_give_neither_nan_nor_a_test(shift: float, mean: float) -> None:
    values = [1.2, 33.4, 101.6, 0.7, 250.3, 3.9]
    found = paired([value + shift for value in values], values)  # equal but for rounding
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert (found.half, found.p) == (0.0, None)
    assert found.sign_p == pytest.approx(2 / 2**6 if shift else 1.0)
    assert summarise([0.1] * 3).mean == 0.1
    assert summarise([0.1] * 3).half == 0.0
    assert prediction([0.1] * 3) == (0.1, 0.1)
    assert equivalence([0.1] * 3, [0.0] * 3, 0.2).equivalent
    assert not equivalence([0.3] * 3, [0.0] * 3, 0.2).equivalent


def test_holm_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 raised to the one before, 0.9 x 1; None does not count.
    found = holm([0.03, None, 0.01, 0.9, 0.02])
    assert found == [pytest.approx(0.06), None, pytest.approx(0.04), 0.9, pytest.approx(0.06)]
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([None, 0.04]) == [None, 0.04]
    assert holm([]) == []


def test_holm_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        p = (rng.random(size) ** 3).round(2).tolist()  # with ties
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_the_prediction_interval_by_hand() -> None:
    values = [1.0, 2.0, 4.0]
    half = 4.302653 * np.std(values, ddof=1) * math.sqrt(4 / 3)  # t(0.975, 2) of any table
    assert prediction(values) == pytest.approx((7 / 3 - half, 7 / 3 + half), rel=1e-6)


def test_equivalence_by_hand() -> None:
    # Differences 0.0, 0.1, 0.2: mean 0.1, s 0.1; t(0.95, 2) = 2.919986; half 0.168585.
    first, second = [1.0, 2.1, 3.2], [1.0, 2.0, 3.0]
    found = equivalence(first, second, 0.2)
    assert (found.low, found.high) == pytest.approx((-0.068585, 0.268585), abs=1e-6)
    assert not found.equivalent
    assert equivalence(first, second, 0.27).equivalent
    assert not equivalence(second, first, 0.26).equivalent
    tests = [
        stats.ttest_1samp([0.0, 0.1, 0.2], bound, alternative=side).pvalue
        for bound, side in ((-0.27, "greater"), (0.27, "less"))
    ]
    assert max(tests) < 0.05
    with pytest.raises(ValueError, match="margin must be above 0"):
        equivalence(first, second, 0.0)


def test_the_bootstrap_over_sentences_agrees_with_the_normal_interval_of_many() -> None:
    rng = np.random.default_rng(1)
    hard = rng.gamma(20.0, 1.5, 2000)  # what is hard for one model is for the other
    first, second = hard + rng.normal(0.1, 0.5, 2000), hard
    found = sentences(first, second)
    error = np.std(first - second, ddof=1) / math.sqrt(2000)
    assert found.n == 2000
    assert found.mean == pytest.approx(float(np.mean(first - second)))
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.1 * error)
    assert found == sentences(first, second)
    assert found != sentences(first, second, seed=1)
    assert sentences([2.0], [0.5]) == Sentences(1, 1.5, 1.5, 1.5)


def test_figures_of_any_size_have_an_interval() -> None:
    found = summarise([1e300, 2e300, 3e300])  # perplexities of an auto-encoder
    assert found.half == pytest.approx(4.302653e300 / math.sqrt(3))


def test_what_makes_no_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="2 and 1 values make no pairs"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no values"):
        paired([], [])
    with pytest.raises(ValueError, match="numbers of the same sentences"):
        sentences([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("n", "tests"), [(3, 1), (3, 300), (5, 1), (5, 3), (10, 6)])
def test_the_detectable_difference_is_found_in_80_of_100_simulated_studies(
    n: int, tests: int
) -> None:
    """True differences of that size, tested by scipy at Holm's strictest level."""
    studies = 20_000
    draws = np.random.default_rng(n + 100 * tests).normal(detectable(n, tests), 1, (studies, n))
    found = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05 / tests
    assert found.mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / studies))


def test_the_detectable_difference_is_that_of_statsmodels() -> None:
    for n, tests in ((4, 1), (5, 3), (10, 6)):
        solved = TTestPower().solve_power(nobs=n, alpha=0.05 / tests, power=0.8)
        assert detectable(n, tests) == pytest.approx(float(solved), rel=1e-4)


def test_equivalence_is_shown_where_the_90_per_cent_interval_lies_within_the_margin() -> None:
    """Against statsmodels, and against the interval of the tool that judges precision."""
    for shift in (0.0, 0.1, 0.3, -0.3):
        other = [value + shift for value in B]
        p = within(paired(A, other), 1.0)
        assert p == pytest.approx(float(ttost_paired(np.array(A), np.array(other), -1, 1)[0]))
        assert p is not None
        assert (p < 0.05) == equivalence(A, other, 1.0).equivalent
    assert within(paired(A[:2], B[:2]), 1.0) is None
    assert within(paired(A[:3], A[:3]), 1.0) is None  # nothing varies
