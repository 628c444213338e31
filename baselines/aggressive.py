"""Aggressive training updates the encoder alone many times before each step of the decoder.

Formula: loss = rec + w(t) KL, with w(t) = floor + (1 - floor) min(1, t / warmup) and t the part of
    training done (warmup 0: w = 1). Before each step of the decoder the encoder alone makes
    updates, first on the step's batch and then on random ones. They end where the loss per word,
    averaged over each ``window`` updates, rises, or after ``inner`` updates. From the first
    validation that finds less mutual information than the one before it, encoder and decoder are
    trained together.

Source: He et al., Lagging Inference Networks and Posterior Collapse in Variational Autoencoders,
    2019, arXiv 1901.05534.

Settings in the source: their code has inner 100 and window 15. The KL weight is 1, or with
    annealing rises from 0.1 to 1 over 10 epochs of at most 100.

Differences here: the mutual information is that of the whole validation split, theirs is a mean
    over batches of at most 32 sentences. Up to ``inner`` updates are made, in their code at most
    99. Under halving, evaluations count from where the KL weight has its final value; in their code
    they count from epoch 0.
"""

import math
from dataclasses import dataclass

from benchmark.annealing import lifted, ramp
from benchmark.baseline import Baseline, Run


@dataclass(frozen=True)
class Aggressive(Baseline):
    """Hyper-parameters of aggressive training.

    Attributes:
        inner: most updates of the encoder before a step of the decoder.
        window: updates over which the loss per word is averaged.
        warmup: part of training over which the KL weight rises, 0 to 1; 0 for weight 1 throughout.
        floor: KL weight at the start of the rise, 0 to 1.
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
