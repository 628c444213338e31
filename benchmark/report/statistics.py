"""Statistics over seeds: intervals, paired tests, power, equivalence, Holm; and over sentences.

A claim about a method rests on seeds. They are few, so Student's t is used: percentile bootstraps
of a mean over five seeds cover it in 84 % of cases instead of 95 %. Sentences compare two
checkpoints only, never two methods.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

LEAST_T = 3  # values from which on Student's interval is given
LEAST_SIGN = 6  # pairs from which on the sign-flip test can come below 0.05
POWER = 0.8  # of the smallest detectable difference
MOST_SIGN = 20  # pairs up to which all sign patterns are counted: half a million sums
ROUNDING = 1e-12  # relative: values nearer than this differ in the order of their sums only


@dataclass(frozen=True)
class Summary:
    """``n`` values: their mean, and half the width of their 95 % t interval (None for n < 3).

    Attributes:
        low: the least value; with two values, ``low`` and ``high`` are all there is beside the
            mean.
        high: the largest value.
        p: of the two-sided paired t test. None for n < 3, without a test, and where the differences
            do not vary: t is then something divided by zero.
        sign_p: of the exact sign-flip test; None for n < 6, for n > 20 and without a test.
        deviation: standard deviation of the values (n - 1 in the denominator); None for n < 3.
    """

    n: int
    mean: float
    half: float | None
    low: float
    high: float
    p: float | None = None
    sign_p: float | None = None
    deviation: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the interval; of one or two values, the least and the largest."""
        if self.half is None:
            return self.low, self.high
        return self.mean - self.half, self.mean + self.half


@dataclass(frozen=True)
class Sentences:
    """Mean difference of two checkpoints over ``n`` sentences, its interval ``low`` to ``high``."""

    n: int
    mean: float
    low: float
    high: float


def summarise(values: Sequence[float], level: float = 0.95) -> Summary:
    """Return mean and interval over seeds: Student's, mean +- t s / sqrt(n).

    Values that are all equal have an interval of width 0, as the formula says: the seeds did not
    differ, which does not mean that the number is known exactly.

    Source: Student, The probable error of a mean, Biometrika 1908.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values to summarise")
    low, high = min(values), max(values)
    mean = low if low == high else math.fsum(values) / n  # the sum of equal values may be rounded
    half = deviation = None
    if n >= LEAST_T:
        # A distance does not overflow, as squares of an auto-encoder's perplexities would.
        deviation = math.dist(values, [mean] * n) / math.sqrt(n - 1)
        half = _t(level, n) * deviation / math.sqrt(n)
    return Summary(n, float(mean), half, low, high, deviation=deviation)


def paired(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Summary:
    """Summarise the differences ``first`` - ``second`` of the same seeds and test them against 0.

    The t test supposes normal differences. The sign-flip test supposes only that, if the rows do
    not differ, each difference is as likely to have the other sign.

    Source: Fisher, The Design of Experiments, 1935, section 21 (sign flips).
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values make no pairs")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    rounding = ROUNDING * max((abs(value) for value in (*first, *second)), default=0.0)
    if differences and max(differences) - min(differences) <= rounding:
        same = differences[0] if abs(differences[0]) > rounding else 0.0
        differences = [same] * len(differences)  # else t would be rounding by rounding
    summary = summarise(differences, level)
    p = None
    if summary.deviation:
        t = summary.mean / (summary.deviation / math.sqrt(summary.n))
        p = float(2 * stats.t.sf(abs(t), summary.n - 1))
    return replace(summary, p=p, sign_p=_sign_flip(differences))


def _sign_flip(differences: Sequence[float]) -> float | None:
    """Return the share of sign patterns whose sum is at least as far from 0 as the observed one.

    `scipy.stats.permutation_test` calls its statistic for each pattern, which takes minutes for 20.
    """
    if not LEAST_SIGN <= len(differences) <= MOST_SIGN:
        return None
    sums = np.array(differences[:1])  # the patterns of the other first sign mirror these
    for value in differences[1:]:
        sums = np.concatenate([sums + value, sums - value])
    slack = ROUNDING * math.fsum(map(abs, differences))  # equal sums, added in another order
    return float(np.mean(np.abs(sums) >= abs(math.fsum(differences)) - slack))


def equivalence(summary: Summary, margin: float) -> float | None:
    """Return the p value of "the true mean is ``margin`` or more away from 0": two one-sided tests.

    Below 0.05 the 90 % t interval lies within the margin. None for n < 3, and where the values do
    not vary.

    Source: Schuirmann, A comparison of the two one-sided tests procedure and the power approach,
    1987.

    Args:
        summary: of paired differences.
        margin: above 0, in the unit of the values.
    """
    if not summary.deviation:
        return None
    away = (margin - abs(summary.mean)) / (summary.deviation / math.sqrt(summary.n))
    return float(stats.t.sf(away, summary.n - 1))


@cache
def detectable(n: int, tests: int = 1, level: float = 0.05, power: float = POWER) -> float:
    """Return the smallest true mean difference that a paired t test detects with ``power``.

    It is in standard deviations of the paired differences. Of several ``tests`` Holm's method
    holds the smallest p value against ``level / tests``: that worst case is taken. Under a true
    difference of d deviations t has a noncentral t distribution with n - 1 degrees of freedom and
    noncentrality d sqrt(n).

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.

    Args:
        n: pairs, at least two.
        tests: whose p values are adjusted together.
        level: two-sided.
        power: the share of repetitions in which such a difference is found.
    """
    least = float(stats.t.isf(level / tests / 2, n - 1))
    normal, weights = np.polynomial.hermite_e.hermegauss(100)

    def short(difference: float) -> float:
        # t = (Z + d sqrt(n)) / S exceeds the least where S falls below (Z + d sqrt(n)) / least; the
        # mean over Z is a sum. `stats.nct` has no value for the strict levels of many tests. A
        # significant t of the wrong sign has next to no share in such a power.
        below = np.maximum(0.0, (normal + difference * math.sqrt(n)) / least)
        reached = stats.chi2.cdf((n - 1) * below**2, n - 1) @ weights / math.sqrt(2 * math.pi)
        return float(reached) - power

    most = 1.0
    while short(most) < 0:
        most *= 2
    return float(optimize.brentq(short, 0.0, most, xtol=1e-9))


@cache
def _t(level: float, n: int) -> float:
    """Return how many standard errors a two-sided Student interval of n values reaches."""
    return float(stats.t.ppf((1 + level) / 2, n - 1))


def holm(p: Sequence[float | None], tests: int = 0) -> list[float | None]:
    """Return p values adjusted so that the family-wise error rate stays below the level.

    The k-th smallest of m is multiplied by m - k + 1; none falls below a smaller one's, none rises
    above 1. None (no test was made) stays None. m counts the tests made, or is ``tests`` if that is
    more: then the others are taken to have the largest p values.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted((value, place) for place, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    least = 0.0
    for rank, (value, place) in enumerate(order):
        least = min(1.0, max(least, (max(tests, len(order)) - rank) * value))
        adjusted[place] = least
    return adjusted


def prediction(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of one further value at ``level``: mean +- t s sqrt(1 + 1/n).

    None for n < 3.
    """
    summary = summarise(values, level)
    if summary.half is None:
        return None
    half = summary.half * math.sqrt(summary.n + 1)
    return summary.mean - half, summary.mean + half


def sentences(first: ArrayLike, second: ArrayLike, draws: int = 10_000, seed: int = 0) -> Sentences:
    """Return the mean of ``first`` - ``second`` over sentences and its 95 % bootstrap interval.

    It says how sure the difference between these two checkpoints is on further sentences and
    nothing about two methods: another seed of either would be another checkpoint.

    Source: Efron, Bootstrap methods: another look at the jackknife, 1979.

    Args:
        first: a number of each sentence under one model. Shape (N,).
        second: the same sentences under the other. Shape (N,).
        draws: resampled sets of N sentences.
        seed: of the draws.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(f"numbers of the same sentences are needed, not {a.shape} and {b.shape}")
    differences, n = a - b, a.size
    if n == 1:  # of which every resample is the same
        return Sentences(1, float(differences[0]), float(differences[0]), float(differences[0]))
    batch = max(1, 4_000_000 // n)  # draws at a time: tens of megabytes
    interval = stats.bootstrap(
        (differences,), np.mean, n_resamples=draws, batch=batch, method="percentile", rng=seed
    ).confidence_interval
    return Sentences(n, float(differences.mean()), float(interval.low), float(interval.high))


def shown(summary: Summary | None, digits: int = 2, plus: bool = False) -> str:
    """Format a table's cell: "1.23 ± 0.04" (n >= 3), "1.20 to 1.26" (n = 2), "1.23", or a dash.

    ``plus`` writes the sign of positive values too.
    """
    if summary is None:
        return "–"
    if summary.half is not None:
        return f"{number(summary.mean, digits, plus)} ± {number(summary.half, digits)}"
    if summary.n == 2:
        return f"{number(summary.low, digits, plus)} to {number(summary.high, digits, plus)}"
    return number(summary.mean, digits, plus)


def number(value: float, digits: int = 2, plus: bool = False) -> str:
    """Return a rounded number with a typeset minus, never "-0.00"; ``plus`` adds a plus sign."""
    text = f"{value:{'+' if plus else ''}.{digits}f}"
    text = text.lstrip("+-") if float(text) == 0 else text
    return text.replace("-", "−")
