"""The learning rate of a run: constant, cooled, restarted in cycles, or halved on a stall.

An axis of its own: it knows nothing of the KL weight but from which epoch on that stays as it is.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmark.core.settings import TrainConfig

Verdict = Literal["go on", "halve", "stop"]
_STATE = ("epoch", "best", "bar", "stalled", "halvings", "weights")


def restarted(lr: float, epoch: int, period: int) -> float:
    """``lr`` falling along half a cosine wave by epochs, at its full value every ``period`` epochs.

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
    """``lr``, falling in a straight line to 0 over the last ``share`` of training.

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
    """The rate within one phase of training, and what halving must remember.

    Validation counts only from the epoch ``settled`` on, when the KL weight has reached its final
    value for good: the best before that belongs to another objective, and going back to it would
    undo what a schedule has done since.
    """

    config: TrainConfig
    settled: int  # epochs of this phase after which the weight no longer changes
    epoch: int = 0  # epochs of this phase done
    best: float = math.inf  # lowest validation loss since then
    bar: float = math.inf  # what counts as improvement: below the lowest since then or a halving
    stalled: int = 0  # evaluations since then without improvement
    halvings: int = 0
    weights: dict[str, Any] = field(default_factory=dict)  # of ``best``; kept by halving alone

    def at(self, step: int, total: int) -> float:
        """The rate of a step of the epoch in progress; ``step`` counts from 0, over all phases."""
        if self.config.lr_schedule == "cooldown":
            return cooled(self.config.lr, step, total, self.config.cooldown)
        if self.config.lr_schedule == "cosine_restarts":
            return restarted(self.config.lr, self.epoch, self.config.restart_epochs)
        return float(self.config.lr * 0.5**self.halvings)

    def after_eval(self, loss: float, weights: dict[str, Any]) -> Verdict:
        """Count one evaluation at the end of an epoch.

        Halving: after ``patience`` evaluations without improvement, but not in the first
        ``halve_from`` epochs, the rate is halved and the best weights come back; the
        ``halvings``-th time training stops instead (He et al., Lagging Inference Networks and
        Posterior Collapse in Variational Autoencoders, 2019, arXiv 1901.05534). As in their code
        and in that of Li et al. 2019 (arXiv 1909.00868), a halving also lowers the demands: from
        then on improvement is measured against the loss that caused it, not against the best.

        Args:
            loss: the validation loss that selects.
            weights: the model's, kept by reference where they are the best: hand in a copy.
        """
        self.epoch += 1
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
        self.bar, self.stalled = loss, 0
        return "stop" if self.halvings == self.config.halvings else "halve"

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state from `state_dict`."""
        state = {"bar": state["best"], **state}  # checkpoints of before it was kept
        for name in _STATE:
            setattr(self, name, state[name])
