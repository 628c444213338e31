"""An auto-encoder comes first; its encoder and a fresh decoder then make a VAE with free bits.

Formula: with t the part of training done, loss = rec for t below pretraining, and afterwards
    loss = rec + w(t) sum_d max(target / Z, KL_d), where w(t) = min(1, (t - pretraining) / warmup)
    and KL_d is the KL of dimension d of Z.

Source: Li et al., A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019,
    arXiv 1909.00868 (AE + FB).

Settings in the source: an auto-encoder of at most 100 epochs, chosen by its reconstruction; then as
    many of the VAE, with a warm-up over 10 of them. Target 8 nats for 32 dimensions in the commands
    of their code, 5 in their row of Penn Treebank. SGD with learning rate 0.5.

Differences here: both phases are parts of one training, by default half of it each. Under halving,
    evaluations count from where the KL weight has its final value; in their code they count from
    epoch 0.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline, Run


@dataclass(frozen=True)
class PretrainedFreeBits(Baseline):
    """Hyper-parameters of free bits after an auto-encoder.

    Attributes:
        target: nats a sentence that are free, at least 0, an equal share of each dimension.
        pretraining: the auto-encoder's part of training, above 0 and below 1; it is chosen by its
            reconstruction.
        warmup: part of the whole training, after ``pretraining``, over which the KL weight rises
            from 0 to 1.
    """

    target: float = 8.0
    pretraining: float = 0.5
    warmup: float = 0.05

    def __post_init__(self) -> None:
        if self.target < 0 or not 0 < self.pretraining < 1:
            raise ValueError("target must be at least 0, pretraining above 0 and below 1")
        if self.warmup < 0 or self.pretraining + self.warmup > 1:
            raise ValueError("warmup must be at least 0 and fit into what pretraining leaves")

    @property
    def phases(self) -> tuple[float, ...]:
        return (self.pretraining,)

    def selection_in(self, phase: int) -> float:
        return float(phase)  # the auto-encoder by its reconstruction, the VAE by its bound

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, start=self.pretraining, length=self.warmup)

    def penalty(self, kl: Tensor) -> Tensor:
        return kl.clamp(min=self.target / kl.shape[1]).sum(-1)

    def begin_phase(self, run: Run, phase: int) -> None:
        run.model.decoder.load_state_dict(run.fresh_model().decoder.state_dict())
