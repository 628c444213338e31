"""Figures over seeds: intervals, paired differences, several tests at once; and over sentences.

Seeds are what a claim about a method is made of: few, so Student's t. Percentile bootstraps of a
mean over seeds cover far less than they say (84 % instead of 95 % at n = 5) and are not offered.
Sentences compare two checkpoints only, never two methods.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray

LEAST_T = 3  # values from which on Student's interval is given
LEAST_SIGN = 6  # pairs from which on the sign-flip test can come below 0.05
MOST_SIGN = 20  # pairs up to which all sign patterns are counted: half a million sums
ROUNDING = 1e-12  # relative: values nearer than this are equal but for the order of their sums


@dataclass(frozen=True)
class Summary:
    """``n`` values: their ``mean``, and ``half``, half the width of the 95 % t interval (n >= 3).

    With two values ``low`` and ``high`` are all that can be said beside the mean.
    """

    n: int
    mean: float
    half: float | None
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval; of two values, or one, the least and the largest."""
        if self.half is None:
            return self.low, self.high
        return self.mean - self.half, self.mean + self.half


@dataclass(frozen=True)
class Paired(Summary):
    """Differences first - second of ``n`` pairs, summarised and tested against 0.

    Attributes:
        p: of the two-sided paired t test; None for n < 3, and where the differences do not vary:
            t is then something by zero, and no test.
        sign_p: of the exact sign-flip test; None for n < 6 and n > 20.
        sign_least: the least p that the sign-flip test can reach with so many pairs, 2 / 2^n:
            0.0625 at n = 5.
    """

    p: float | None
    sign_p: float | None
    sign_least: float


@dataclass(frozen=True)
class Equivalence:
    """Whether the 90 % t interval, ``low`` to ``high``, lies between -margin and margin.

    Fewer than three pairs have no interval (None) and show nothing: not ``equivalent``.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    margin: float
    equivalent: bool


@dataclass(frozen=True)
class Sentences:
    """Mean difference of two checkpoints over ``n`` sentences, its interval ``low`` to ``high``."""

    n: int
    mean: float
    low: float
    high: float


def summarise(values: Sequence[float], level: float = 0.95) -> Summary:
    """Mean and interval over seeds: Student's, mean +- t s / sqrt(n).

    Values that are all equal have the interval of width 0, as the formula says: the seeds did not
    differ, not the figure is known exactly.

    Source: Student, The probable error of a mean, Biometrika 1908.

    Raises:
        ValueError: no values.
    """
    n, mean, deviation = _moments(values)
    half = None
    if n >= LEAST_T:
        half = _quantile((1 + level) / 2, n - 1) * deviation / math.sqrt(n)
    return Summary(n, mean, half, min(values), max(values))


def paired(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Paired:
    """Differences ``first`` - ``second``, paired by place (the same seed in both).

    The t test supposes normal differences; the sign-flip test only that, if the rows do not differ,
    each difference is as likely to have the other sign. Differences that only rounding tells apart
    count as equal: their ``half`` is 0 and there is no t test.

    Source: Fisher, The Design of Experiments, 1935, section 21 (sign flips).

    Raises:
        ValueError: no pairs, or sequences of two lengths.
    """
    differences = _differences(first, second)
    found = summarise(differences, level)
    p = None
    if found.half:
        from scipy.special import stdtr  # Student's distribution function

        error = found.half / _quantile((1 + level) / 2, found.n - 1)
        p = float(2 * stdtr(found.n - 1, -abs(found.mean) / error))
    return Paired(**vars(found), p=p, sign_p=_sign_flip(differences), sign_least=2 / 2**found.n)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """P values adjusted for their number: below a level with it, some false claim is as rare.

    The k-th smallest of m is multiplied by m - k + 1, none falls below a smaller one's, none rises
    above 1. None (no test was made) stays None and does not count.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted((value, place) for place, value in enumerate(p) if value is not None)
    out: list[float | None] = [None] * len(p)
    least = 0.0
    for rank, (value, place) in enumerate(order):
        least = min(1.0, max(least, (len(order) - rank) * value))
        out[place] = least
    return out


def prediction(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Where one further value falls in ``level`` of all cases: mean +- t s sqrt(1 + 1/n).

    Returns:
        Low and high; None for n < 3.

    Raises:
        ValueError: no values.
    """
    n, mean, deviation = _moments(values)
    if n < LEAST_T:
        return None
    half = _quantile((1 + level) / 2, n - 1) * deviation * math.sqrt(1 + 1 / n)
    return mean - half, mean + half


def equivalence(first: Sequence[float], second: Sequence[float], margin: float) -> Equivalence:
    """Whether two rows, paired by place, differ by less than ``margin``, in its unit.

    Two one-sided t tests at 5 %, that is the 90 % interval of the paired difference: a true
    difference of the margin or more is called equivalent in at most 5 % of all cases.

    Source: Schuirmann, A comparison of the two one-sided tests procedure and the power approach,
    1987.

    Raises:
        ValueError: no pairs, sequences of two lengths, or a margin not above 0.
    """
    if not margin > 0:
        raise ValueError(f"the margin must be above 0, not {margin}")
    found = summarise(_differences(first, second), level=0.90)
    if found.half is None:
        return Equivalence(found.n, found.mean, None, None, margin, False)
    low, high = found.ends
    return Equivalence(found.n, found.mean, low, high, margin, -margin < low and high < margin)


def sentences(
    first: "ArrayLike", second: "ArrayLike", draws: int = 10_000, seed: int = 0
) -> Sentences:
    """Mean of ``first`` - ``second`` over sentences, with its 95 % percentile bootstrap interval.

    It says how sure the difference between these two checkpoints is on further sentences, nothing
    of two methods: another seed of either would be another checkpoint.

    Args:
        first: a figure of each sentence under one model. Shape (N,).
        second: the same sentences under the other. Shape (N,).
        draws: resampled sets of N sentences.
        seed: of the draws.

    Source: Efron, Bootstrap methods: another look at the jackknife, 1979.

    Raises:
        ValueError: no sentences, or not as many in both.
    """
    import numpy as np

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(f"figures of the same sentences are needed, not {a.shape} and {b.shape}")
    differences = a - b
    rng, n = np.random.default_rng(seed), len(differences)
    means: list[NDArray[float64]] = []
    block = max(1, 4_000_000 // n)  # draws at a time: tens of megabytes
    for start in range(0, draws, block):
        chosen = rng.integers(n, size=(min(block, draws - start), n), dtype=np.int32)
        means.append(differences[chosen].mean(axis=1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Sentences(n, float(differences.mean()), float(low), float(high))


def shown(summary: Summary | None, digits: int = 2) -> str:
    """A table's cell: "1.23 ± 0.04" (n >= 3), "1.20 to 1.26" (n = 2), "1.23", or a dash."""
    if summary is None:
        return "–"
    if summary.half is not None:
        return f"{number(summary.mean, digits)} ± {number(summary.half, digits)}"
    if summary.n == 2:
        return f"{number(summary.low, digits)} to {number(summary.high, digits)}"
    return number(summary.mean, digits)


def number(value: float, digits: int = 2, plus: bool = False) -> str:
    """Rounded, the minus as typeset, without "-0.00"; with ``plus``, a difference's sign."""
    text = f"{value:{'+' if plus else ''}.{digits}f}"
    text = text.lstrip("+-") if float(text) == 0 else text
    return text.replace("-", "−")


def _moments(values: Sequence[float]) -> tuple[int, float, float]:
    """Number, mean and standard deviation (n - 1), exactly 0 for equal values and for one."""
    n = len(values)
    if n == 0:
        raise ValueError("no values to summarise")
    if min(values) == max(values):  # their sum may be rounded
        return n, float(values[0]), 0.0
    mean = math.fsum(values) / n
    # A distance does not overflow, as squares of an auto-encoder's perplexities would.
    return n, mean, math.dist(values, [mean] * n) / math.sqrt(n - 1)


@cache
def _quantile(probability: float, freedom: int) -> float:
    """Of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def _differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """First - second, all alike where only rounding tells them apart."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values make no pairs")
    found = [a - b for a, b in zip(first, second, strict=True)]
    size = max((abs(value) for value in (*first, *second)), default=0.0)
    if found and max(found) - min(found) <= ROUNDING * size:
        return [found[0] if abs(found[0]) > ROUNDING * size else 0.0] * len(found)
    return found


def _sign_flip(differences: Sequence[float]) -> float | None:
    """Part of all sign patterns whose sum is at least as far from 0 as the one seen."""
    if not LEAST_SIGN <= len(differences) <= MOST_SIGN:
        return None
    import numpy as np

    first, *rest = differences
    sums: NDArray[float64] = np.array([first])  # the other half of the patterns mirrors these
    for value in rest:
        sums = np.concatenate([sums + value, sums - value])
    size = math.fsum(abs(value) for value in differences)
    seen = abs(math.fsum(differences)) - ROUNDING * size  # equal sums, added in another order
    return float(np.mean(np.abs(sums) >= seen))
