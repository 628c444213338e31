"""What a paired comparison over few seeds could have detected."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from benchmark.report.statistics import LEAST_T

LEVEL, POWER = 0.05, 0.8
MARGIN = 0.2  # nats of NLL, KL, MI and class: within it two rows count as about equal


def detectable(differences: Sequence[float], comparisons: int = 1) -> float:
    """Return the smallest true difference that the paired t test would detect in 80 % of cases.

    Two-sided at 5 %, divided by the number of comparisons: the worst case of Holm's adjustment. The
    deviation is the one observed. A difference that is not significant says little about true ones
    below this.

    Args:
        differences: one a seed, three at least.
        comparisons: in the family.

    Returns:
        In the unit of the differences.

    Source: the noncentral t distribution with n - 1 degrees of freedom and noncentrality
    sqrt(n) x difference / deviation, as in paper/analysis_plan.md.
    """
    n = len(differences)
    if n < LEAST_T:
        raise ValueError(f"fewer than {LEAST_T} seeds have no deviation to go by")
    critical = float(stats.t.isf(LEVEL / comparisons / 2, n - 1))
    # P(t > critical) = E Phi(noncentrality - critical s), s^2 being chi-squared over n - 1; scipy's
    # own nct has no value where the critical one is large. The other tail plays no part.
    places = (np.arange(4000) + 0.5) / 4000
    deviations = np.sqrt(stats.chi2.ppf(places, n - 1) / (n - 1))
    low, high = 0.0, 3 * critical + 10
    for _ in range(60):
        middle = (low + high) / 2
        reached = float(stats.norm.cdf(middle - critical * deviations).mean())
        low, high = (middle, high) if reached < POWER else (low, middle)
    return high / math.sqrt(n) * float(np.std(differences, ddof=1))
