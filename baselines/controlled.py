"""A PI controller sets the KL weight so that the KL settles on a target.

Formula: loss = rec + w KL, the KL averaged over the batch. w is ``lowest`` in the first step. After
    each step, with the error e = target - KL, w = P + I clipped to [lowest, highest], where
    P = proportional / (1 + exp(e)) and I = I - integral e, from I = 0. Where w is clipped,
    I becomes w - P (anti-windup): the sum does not grow while w is at a bound, and w leaves it
    as soon as the error turns.

Source: Shao et al., ControlVAE: Controllable Variational Autoencoder, 2020, arXiv 2004.06218.

Settings in the source: their code for Penn Treebank has proportional 0.01, integral 0.0001, w in
    [0, 1], target 2 nats for 64 dimensions and a Transformer decoder; that for dialogue has the
    same gains and targets 17, 25 and 35.

Differences here: the default integral gain is that of their code for disentangling, ten times as
    large, so that hundreds of steps suffice instead of thousands. In their code for Penn Treebank
    the test for anti-windup, w < 0 and w > 1, never holds; in that for dialogue the sum stops while
    w is outside, also when the error would bring it back. The target is constant, as in both; that
    for disentangling raises it by 0.15 nats each 5,000 steps. A batch holds sentences of one
    length; each counts as one, whatever its size, and so does its KL. The default target is that
    of `free_bits`.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.baseline import Baseline, Run

if TYPE_CHECKING:
    from benchmark.baseline import Output


@dataclass(frozen=True)
class Controlled(Baseline):
    """Hyper-parameters of a controlled KL weight.

    Attributes:
        target: the KL that is wanted, nats a sentence, at least 0.
        proportional: gain of the present error, at least 0: the most that it adds to the weight.
        integral: gain of the sum of errors, above 0, a weight a nat and step.
        lowest: the least weight, at least 0; that of the first step.
        highest: the largest weight, above ``lowest``.
    """

    target: float = 8.0
    proportional: float = 0.01
    integral: float = 0.001
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        if self.target < 0 or self.proportional < 0 or self.integral <= 0:
            raise ValueError("target and proportional must be at least 0, and integral above 0")
        if not 0 <= self.lowest < self.highest:
            raise ValueError("lowest must be at least 0, and highest above lowest")

    def before_step(self, run: Run) -> None:
        weight = run.memory.setdefault("weight", self.lowest)
        if "kl" in run.memory:
            error = self.target - float(run.memory["kl"])  # once a step, a GPU is waited for
            present = self.proportional * (1 - math.tanh(error / 2)) / 2  # never overflows
            wanted = present + run.memory.get("sum", 0.0) - self.integral * error
            weight = max(self.lowest, min(self.highest, wanted))
            run.memory.update(weight=weight, sum=weight - present)
        run.log(weight=weight)

    def objective(self, run: Run, out: "Output") -> Tensor:
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        run.memory["kl"] = kl.detach()
        loss: Tensor = rec + run.memory.get("weight", self.lowest) * kl
        return loss
