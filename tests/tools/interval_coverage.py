"""How often the report's intervals hold the truth, and how often its tests see what is not there.

    python tests/tools/interval_coverage.py

Prints a table in per cent over 20,000 simulated rows of n seeds: of normal numbers, and of numbers
as collapse makes them (0 or 2 nats of MI, one as often as the other, each with noise 0.05). The
tests compare two rows of equal truth; equivalence is asked of two that differ by the margin.
"""

import math
from dataclasses import dataclass

import numpy as np
from equivalence import equivalence
from numpy.typing import NDArray

from benchmark.report.statistics import paired, prediction, summarise

TABLES = 20_000
SEEDS = (3, 5, 10)
KINDS = ("normal", "bimodal")
MARGIN = 1.0
NARROW = 0.02  # of the noise beside the margin: so that only one side of it is ever in question


@dataclass(frozen=True)
class Rates:
    """Parts of all tables in which each happened; None where there is no such test."""

    covers: float  # the 95 % interval of the mean holds the mean
    predicts: float  # the 95 % prediction interval holds a further value
    paired: float  # the paired t test at 5 % sees a difference
    sign: float | None  # so does the sign-flip test
    equivalent: float  # rows that differ by the margin are called equivalent


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Numbers of true mean 1."""
    if kind == "normal":
        return rng.normal(1.0, 1.0, shape)
    return 2.0 * rng.integers(2, size=shape) + rng.normal(0.0, 0.05, shape)


def simulate(kind: str, n: int, tables: int = TABLES, seed: int = 0) -> Rates:
    """Rates over ``tables`` rows of ``n`` seeds."""
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    first, second = draw(kind, (2, tables, n), rng).tolist()
    further = draw(kind, (tables,), rng).tolist()
    covers = predicts = seen = signs = equivalent = 0
    for a, b, new in zip(first, second, further, strict=True):
        row, compared = summarise(a), paired(a, b)
        low, high = prediction(a) or (math.nan, math.nan)
        covers += row.half is not None and abs(row.mean - 1.0) <= row.half
        predicts += low <= new <= high
        seen += compared.p is not None and compared.p <= 0.05
        signs += compared.sign_p is not None and compared.sign_p <= 0.05
        apart = [MARGIN + NARROW * value for value in a]
        equivalent += equivalence(apart, [NARROW * value for value in b], MARGIN).equivalent
    found = [count / tables for count in (covers, predicts, seen, signs, equivalent)]
    return Rates(found[0], found[1], found[2], found[3] if n >= 6 else None, found[4])


def main() -> None:
    heads = ("interval covers", "prediction covers", "paired t at 5 %", "sign flip at 5 %",
             "equivalent at the margin")  # fmt: skip
    print(f"Per cent of {TABLES:,} tables.\n\n| numbers | n | {' | '.join(heads)} |")
    print(f"|---|--:|{'--:|' * len(heads)}")
    for kind in KINDS:
        for n in SEEDS:
            rates = vars(simulate(kind, n)).values()
            cells = " | ".join("–" if rate is None else f"{100 * rate:.2f}" for rate in rates)
            print(f"| {kind} | {n} | {cells} |")


if __name__ == "__main__":
    main()
