"""Where the phases of a baseline begin, and from which epoch on its weight no longer changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmark.model.baseline import Baseline


@dataclass(frozen=True)
class Phase:
    """A part of training that has a best, a learning rate and an optimiser of its own.

    Attributes:
        begin: its first epoch, counted from 0.
        end: the epoch after its last.
        settled: of its epochs, how many pass until the weight has its final value for good.
    """

    begin: int
    end: int
    settled: int


def plan(baseline: Baseline, ends: Sequence[int]) -> list[Phase]:
    """The phases of a run, at least one; each lasts at least an epoch.

    Args:
        baseline: its ``phases`` tell where one begins, as fractions of training; it does so after
            the last epoch whose steps all lie before: none has a weight of the next phase.
        ends: the step at which each epoch ends.

    Raises:
        ValueError: there are fewer epochs than phases.
    """
    total, epochs = ends[-1], len(ends)
    begins = [0]
    for fraction in baseline.phases:
        before = sum(end - 1 < fraction * total for end in ends)
        begins.append(max(before, begins[-1] + 1))
    if begins[-1] >= epochs:
        raise ValueError(f"{len(begins)} phases need more than {epochs} epochs; raise train.epochs")
    return [
        Phase(begin, end, _settled(baseline, ends, begin, end))
        for begin, end in pairwise([*begins, epochs])
    ]


def _settled(baseline: Baseline, ends: Sequence[int], begin: int, end: int) -> int:
    """Epochs of a phase up to and with the last in which the weight is not yet the final one."""
    total = ends[-1]
    first = ends[begin - 1] if begin else 0
    final = baseline.weight(ends[end - 1] - 1, total)
    step = ends[end - 1] - 1
    while step >= first and baseline.weight(step, total) == final:
        step -= 1
    return sum(1 for e in range(begin, end) if (ends[e - 1] if e else 0) <= step)
