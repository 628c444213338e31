"""The phases of a run, and the learning rate within each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from benchmark.core.settings import TrainConfig
from benchmark.model.baseline import Baseline

Decision = Literal["go on", "halve", "stop"]
_STATE = ("epoch", "best", "bar", "stalled", "halvings", "weights")


@dataclass(frozen=True)
class Phase:
    """A part of training with its own best weights, learning rate and optimiser.

    Attributes:
        begin: its first epoch, counted from 0.
        end: the epoch after its last.
        settled: how many of its epochs pass until the KL weight stays at its final value.
    """

    begin: int
    end: int
    settled: int


def plan(baseline: Baseline, ends: Sequence[int]) -> list[Phase]:
    """Return the phases of a run, at least one, each of at least one epoch.

    A phase begins after the last epoch whose steps all lie before its fraction of training, so that
    no step has the weight of the next phase.

    Args:
        baseline: the method; its ``phases`` are the fractions.
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

    def settled(begin: int, end: int) -> int:
        final = baseline.weight(ends[end - 1] - 1, total)
        for epoch in reversed(range(begin, end)):
            steps = range(ends[epoch - 1] if epoch else 0, ends[epoch])
            if any(baseline.weight(step, total) != final for step in steps):
                return epoch + 1 - begin
        return 0

    return [Phase(begin, end, settled(begin, end)) for begin, end in pairwise([*begins, epochs])]


def restarted(lr: float, epoch: int, period: int) -> float:
    """Return ``lr`` times half a cosine wave that restarts every ``period`` epochs.

    lr (1 + cos(pi (epoch mod period) / period)) / 2, epochs counted from 0; over a period its mean
    is lr (1 + 1 / period) / 2.

    References:
        Fu et al., Cyclical Annealing Schedule, 2019, arXiv 1903.10145: what their code does beside
        the weight, with a period of 10 epochs.

    >>> [round(restarted(1.0, e, 4), 3) for e in range(5)]
    [1.0, 0.854, 0.5, 0.146, 1.0]
    """
    return lr * (1 + math.cos(math.pi * (epoch % period) / period)) / 2


def cooled(lr: float, step: float, total: float, share: float) -> float:
    """Return ``lr``, lowered in a straight line to 0 over the last ``share`` of training.

    lr min(1, (1 - step / total) / share): a pure function of the step, whatever validation says, so
    that rows of one table differ in their KL weight and not in when their rate was lowered.

    References:
        Zhai et al., Scaling Vision Transformers, 2021, arXiv 2106.04560 (linear cooldown).

    >>> [cooled(1.0, s, 8, 0.5) for s in range(9)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return lr * min(1.0, (1 - step / total) / share)


@dataclass
class LearningRate:
    """The learning rate within one phase, and the state that halving needs."""

    config: TrainConfig
    settled: int  # of `Phase`
    epoch: int = 0  # epochs of this phase done
    best: float = math.inf  # lowest validation loss since ``settled``
    bar: float = math.inf  # what counts as improvement: below the lowest since then or a halving
    stalled: int = 0  # evaluations since then without improvement
    halvings: int = 0
    weights: dict[str, Any] = field(default_factory=dict)  # of ``best``; kept by halving alone

    def at(self, step: int, total: int) -> float:
        """Return the rate at a step of the current epoch; steps count from 0 over all phases."""
        if self.config.lr_schedule == "cooldown":
            return cooled(self.config.lr, step, total, self.config.cooldown)
        if self.config.lr_schedule == "cosine_restarts":
            return restarted(self.config.lr, self.epoch, self.config.restart_epochs)
        return float(self.config.lr * 0.5**self.halvings)

    def decide(self, loss: float, weights: dict[str, Any]) -> Decision:
        """Count the evaluation at the end of an epoch; return how training continues.

        Halving: after ``patience`` evaluations without improvement, but not in the first
        ``halve_from`` epochs, the rate is halved and the best weights come back; the
        ``halvings``-th time training stops instead (He et al., Lagging Inference Networks and
        Posterior Collapse in Variational Autoencoders, 2019, arXiv 1901.05534).

        Args:
            loss: the validation loss that selects.
            weights: the model's, kept by reference where they are the best: pass a copy.
        """
        self.epoch += 1
        # The best before the KL weight has its final value belongs to another objective: going
        # back to it would undo what a schedule has done since.
        if self.config.lr_schedule != "halving" or self.epoch <= self.settled:
            return "go on"
        if loss < self.best:
            self.best, self.weights = loss, weights
        if loss < self.bar:
            self.bar, self.stalled = loss, 0
            return "go on"
        self.stalled += 1
        if self.stalled < self.config.patience or self.epoch <= self.config.halve_from:
            return "go on"
        self.halvings += 1
        # As in their code and that of Li et al. 2019 (arXiv 1909.00868), improvement is measured
        # from now on against the loss that caused the halving, not against the best.
        self.bar, self.stalled = loss, 0
        return "stop" if self.halvings == self.config.halvings else "halve"

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a checkpoint must hold."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from `state_dict`."""
        state = {"bar": state["best"], **state}  # older checkpoints have no bar
        for name in _STATE:
            setattr(self, name, state[name])
