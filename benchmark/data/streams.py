"""Random numbers that stay the same: raw doubles of a bit generator, keyed by their purpose."""

import numpy as np
from numpy.typing import NDArray

LANGUAGE, TRAIN, VALID, TEST, FRESH, MONTE_CARLO, ORDER = range(7)


def stream(seed: int, *key: int) -> np.random.Generator:
    """An independent generator for ``(seed, *key)``.

    Callers use ``.random()`` alone: NumPy keeps a bit generator's doubles between versions, but not
    what ``choice``, ``permutation`` or ``dirichlet`` make of them (NEP 19).
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def permutation(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.int64]:
    """``rows`` independent random permutations of ``range(columns)``, shape (rows, columns)."""
    order: NDArray[np.int64] = np.argsort(rng.random((rows, columns)), axis=1, kind="stable")
    return order
