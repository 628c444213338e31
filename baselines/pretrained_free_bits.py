"""An auto-encoder first; then, with its encoder and a fresh decoder, a VAE with free bits.

Source: Li et al., A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019,
arXiv 1909.00868 (AE + FB: free bits of each sentence and dimension; a target of 8 nats is that of
their commands, 5 that of their Penn Treebank row; warm-up of 10 epochs).
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.annealing import ramp
from benchmark.baseline import Baseline, Run


@dataclass(frozen=True)
class PretrainedFreeBits(Baseline):
    """``pretraining`` is the auto-encoder's part of training, chosen by its reconstruction.

    Over ``warmup``, a part of training, the weight then rises from 0 to 1; ``target`` nats a
    sentence are free, an equal share of each dimension.
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
