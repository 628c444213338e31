"""A Lagrange multiplier lowers the KL weight until the KL reaches a minimum desired rate.

Formula: loss = rec + KL + u (target - KL), the KL averaged over the batch: its weight is 1 - u.
    u has the value ``start`` in the first step. After each step RMSprop moves it uphill: with
    g = target - KL and v = 0.99 v + 0.01 g^2, u becomes max(0, u + step_size g / (sqrt(v) + 1e-8)).
    It rises while the KL is below the target, and falls while it is above.

Source: Pelsmaeker & Aziz, Effective Estimation of Deep Generative Language Models, 2020,
    arXiv 1904.08194 (minimum desired rate, MDR).

Settings in the source: target 5 nats for 32 dimensions in the command of their code, on Penn
    Treebank. There the multiplier is the absolute value of a parameter that begins at 1.01. Two
    optimisers move it, both with the model's learning rate, 0.001: RMSprop, and the model's Adam,
    among whose parameters it is too.

Differences here: u is cut off at 0; their absolute value turns back there. RMSprop alone moves it,
    with a default step_size of 0.002, the sum of the two. A batch holds sentences of one length;
    each counts as one, whatever its size, and so does its KL. The default target is that of
    `free_bits`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.baseline import Baseline, Run

if TYPE_CHECKING:
    from benchmark.baseline import Output


@dataclass(frozen=True)
class MinimumRate(Baseline):
    """Hyper-parameters of a minimum desired rate.

    Attributes:
        target: the least KL that is wanted, nats a sentence, at least 0.
        step_size: of RMSprop, above 0; the KL weight changes by ten times it at most in a step.
        start: the multiplier of the first step, at least 0; above 1 it pays for KL.
    """

    target: float = 8.0
    step_size: float = 0.002
    start: float = 1.01

    def __post_init__(self) -> None:
        if self.target < 0 or self.start < 0:
            raise ValueError("target and start must be at least 0")
        if self.step_size <= 0:
            raise ValueError("step_size must be above 0")

    def before_step(self, run: Run) -> None:
        u = run.memory.setdefault("multiplier", self.start)
        if "kl" in run.memory:
            gap = self.target - float(run.memory["kl"])  # once a step, a GPU is waited for
            square = 0.99 * run.memory.get("square", 0.0) + 0.01 * gap**2
            u = max(0.0, u + self.step_size * gap / (square**0.5 + 1e-8))
            run.memory.update(multiplier=u, square=square)
        run.log(weight=1 - u)

    def objective(self, run: Run, out: "Output") -> Tensor:
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        run.memory["kl"] = kl.detach()
        u = run.memory.get("multiplier", self.start)
        loss: Tensor = rec + kl + u * (self.target - kl)
        return loss
