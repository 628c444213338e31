"""Aggressive training: first the encoder alone is brought up to date before each decoder step.

Source: He et al., Lagging Inference Networks and Posterior Collapse in Variational Autoencoders,
2019, arXiv 1901.05534 (the figures are their code's; with annealing: warmup of 10 epochs, floor
0.1).
"""

import math
from dataclasses import dataclass

from benchmark.annealing import lifted, ramp
from benchmark.baseline import Baseline, Run


@dataclass(frozen=True)
class Aggressive(Baseline):
    """Up to ``inner`` encoder updates on random batches come before each step of the decoder.

    They end where the loss per word, averaged over ``window`` of them, rises; all of it ends at
    the first validation that finds less mutual information than the one before (over the whole
    split; theirs is a mean over batches of 32, and makes at most 99 updates). The KL weight rises
    from ``floor`` to 1 over ``warmup``, a part of training.
    """

    inner: int = 100
    window: int = 15
    warmup: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.inner < 1 or self.window < 1:
            raise ValueError("inner and window must be at least 1")
        if not (0 <= self.warmup <= 1 and 0 <= self.floor <= 1):
            raise ValueError("warmup and floor must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return lifted(ramp(step, total, length=self.warmup), self.floor)

    def before_step(self, run: Run) -> None:
        if run.memory.get("ended"):
            return
        run.held, tokens = ("decoder",), run.batch
        before, losses, words = math.inf, [], 0
        for update in range(1, self.inner + 1):
            losses.append(run.update(tokens)[0] * len(tokens))
            words += tokens[:, 1:].numel()
            if update % self.window == 0:
                now = float(sum(losses)) / words
                if now > before:
                    break
                before, losses, words = now, [], 0
            tokens = run.random_batch()
        run.held = ("encoder", "posterior")

    def after_eval(self, run: Run, metrics: dict[str, float]) -> None:
        if metrics["mi"] < run.memory.get("mi", 0.0):
            run.memory["ended"] = 1
        run.memory["mi"] = metrics["mi"]
