"""Figures over seeds: mean, Student t interval, range."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


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


def summarise(values: Sequence[float], level: float = 0.95) -> Summary:
    """Mean and interval over seeds.

    The interval is Student's, mean +- t s / sqrt(n): over few seeds a bootstrap of the mean covers
    far less than it says.

    Raises:
        ValueError: no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values to summarise")
    mean = math.fsum(values) / n
    half = None
    if n >= 3:
        from scipy import stats

        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
        half = float(stats.t.ppf((1 + level) / 2, n - 1)) * deviation / math.sqrt(n)
    return Summary(n, mean, half, min(values), max(values))


def shown(summary: Summary | None, digits: int = 2) -> str:
    """A table's cell: "1.23 ± 0.04" (n >= 3), "1.20 to 1.26" (n = 2), "1.23", or a dash."""
    if summary is None:
        return "–"
    if summary.half is not None:
        return f"{_number(summary.mean, digits)} ± {_number(summary.half, digits)}"
    if summary.n == 2:
        return f"{_number(summary.low, digits)} to {_number(summary.high, digits)}"
    return _number(summary.mean, digits)


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text  # no "-0.00"
    return text.replace("-", "−")  # a minus sign, as typeset
