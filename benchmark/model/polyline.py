"""A curve by its corners: the few of its points that draw it."""

import heapq

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TOLERANCE = 1e-4  # how far a point may lie from the line that stands for it
MOST = 200  # points kept of a curve, however crooked


def corners(
    x: ArrayLike, y: ArrayLike, tolerance: float = TOLERANCE, most: int = MOST
) -> list[tuple[float, float]]:
    """Points of a curve such that straight lines between them stand for all of it.

    The point that lies farthest from its line is kept next, until none lies farther than
    ``tolerance`` or ``most`` are kept. A jump between neighbours keeps both its sides.

    Args:
        x: (N,) ascending.
        y: (N,).
        tolerance: in units of ``y``.
        most: at least 2.

    Returns:
        (x, y) of the points kept, the first and the last among them; values are the curve's own.

    References:
        Douglas & Peucker, Algorithms for the Reduction of the Number of Points Required to
        Represent a Digitized Line or its Caricature, 1973.

    >>> corners(range(9), [0, 1, 2, 3, 3, 3, 0, 1, 2])
    [(0.0, 0.0), (3.0, 3.0), (5.0, 3.0), (6.0, 0.0), (8.0, 2.0)]
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    kept = {0, len(xs) - 1} if len(xs) else set()
    segments = [_farthest(xs, ys, 0, len(xs) - 1)] if len(xs) > 2 else []
    while segments and len(kept) < most:
        negative, first, middle, last = heapq.heappop(segments)
        if -negative <= tolerance:
            break
        kept.add(middle)
        for begin, end in ((first, middle), (middle, last)):
            if end - begin > 1:
                heapq.heappush(segments, _farthest(xs, ys, begin, end))
    return [(float(xs[i]), float(ys[i])) for i in sorted(kept)]


def _farthest(x: Floats, y: Floats, first: int, last: int) -> tuple[float, int, int, int]:
    """The point between two others that lies farthest from their line: minus its distance along y,
    then the three indices; a heap pops the farthest of all first."""
    line = np.interp(x[first : last + 1], [x[first], x[last]], [y[first], y[last]])
    distance = np.abs(y[first : last + 1] - line)
    middle = int(distance[1:-1].argmax()) + 1
    return -float(distance[middle]), first, first + middle, last
