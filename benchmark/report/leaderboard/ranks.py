"""Ranks by likelihood, given only where the data distinguishes rows."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.report.differences import LEVEL
from benchmark.report.statistics import LEAST_T, holm, paired

Seeds = Mapping[int, float]  # a number of a row by seed


@dataclass(frozen=True)
class Ranking:
    """Ranks of rows by label, 1 the best; empty if no row is told apart from all others.

    ``pairs`` were tested, ``apart`` of them differ.
    """

    ranks: dict[str, int]
    pairs: int = 0
    apart: int = 0


def ranking(rows: Mapping[str, Seeds]) -> Ranking:
    """Return the ranks of rows, the lowest number first.

    The rows are ordered by their mean. A rank begins where every row above is better than every
    row below: the paired t test over the seeds that both have, adjusted by Holm for all pairs of
    rows, gives p below `LEVEL`. So rows of different ranks always differ, and rows that the data
    cannot tell apart share a rank. The first of a rank has one more than the rows above it.

    Args:
        rows: by label, a number of each seed; a lower one is better.
    """
    tested = {label: row for label, row in rows.items() if len(row) >= LEAST_T}
    pairs = list(itertools.combinations(tested, 2))
    summaries = []
    for one, other in pairs:
        seeds = [seed for seed in tested[one] if seed in tested[other]]
        summaries.append(
            paired([tested[one][s] for s in seeds], [tested[other][s] for s in seeds])
            if seeds
            else None
        )
    adjusted = holm([None if summary is None else summary.p for summary in summaries])
    better = {
        pair if summary.mean < 0 else pair[::-1]
        for pair, summary, p in zip(pairs, summaries, adjusted, strict=True)
        if summary is not None and p is not None and p < LEVEL
    }
    tests = sum(p is not None for p in adjusted)
    order = sorted(tested, key=lambda label: sum(tested[label].values()) / len(tested[label]))
    ranks, rank = {}, 1
    for place, label in enumerate(order):
        above, below = order[:place], order[place:]
        if all(pair in better for pair in itertools.product(above, below)):
            rank = place + 1
        ranks[label] = rank
    return Ranking(ranks if len(set(ranks.values())) > 1 else {}, tests, len(better))
