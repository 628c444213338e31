"""Reduce a curve to the few points that suffice to draw it."""

import heapq

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = 1e-4  # how far a point may lie from the line that replaces it
MOST = 200  # points kept of a curve, however crooked


def corners(x: ArrayLike, y: ArrayLike, most: int = MOST) -> list[tuple[float, float]]:
    """Return points of a curve such that straight lines between them approximate it.

    The point that lies farthest from its line is kept next, until none lies farther than
    `TOLERANCE` or ``most`` are kept. A jump between neighbours keeps both its sides.

    Args:
        x: (N,) ascending.
        y: (N,).
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
    # Segments between kept points: minus the largest distance inside, so that the heap pops the
    # farthest point of all first; then the indices of begin, that point, and end.
    segments: list[tuple[float, int, int, int]] = []

    def split(first: int, last: int) -> None:
        if last - first > 1:
            inside = np.arange(first + 1, last)
            line = np.interp(xs[inside], xs[[first, last]], ys[[first, last]])
            distance = np.abs(ys[inside] - line)
            farthest = int(distance.argmax())
            heapq.heappush(segments, (-distance[farthest], first, first + 1 + farthest, last))

    kept = {0, len(xs) - 1} if len(xs) else set()
    split(0, len(xs) - 1)
    while segments and len(kept) < most:
        negative, first, middle, last = heapq.heappop(segments)
        if -negative <= TOLERANCE:
            break
        kept.add(middle)
        split(first, middle)
        split(middle, last)
    return [(float(xs[i]), float(ys[i])) for i in sorted(kept)]
