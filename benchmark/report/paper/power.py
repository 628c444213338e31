"""What a paired comparison over few seeds could have detected."""

from collections.abc import Sequence

from benchmark.report import statistics
from benchmark.report.differences import LEVEL as LEVEL
from benchmark.report.differences import MARGIN as MARGIN  # within it two rows are about equal


def detectable(differences: Sequence[float], comparisons: int = 1) -> float:
    """Return the smallest true difference that the paired t test would detect in 80 % of cases.

    Two-sided at 5 %, divided by the number of comparisons: the worst case of Holm's adjustment. The
    deviation is the one observed. A difference that is not significant says little about true ones
    below this. The source is that of `statistics.detectable`, and paper/analysis_plan.md.

    Args:
        differences: one a seed, three at least.
        comparisons: in the family.

    Returns:
        In the unit of the differences.
    """
    deviation = statistics.summarise(differences).deviation
    if deviation is None:
        raise ValueError(f"fewer than {statistics.LEAST_T} seeds have no deviation to go by")
    return statistics.detectable(len(differences), comparisons, LEVEL) * deviation
