"""An auto-encoder: KL weight 0; the other end point, all in the latent and none in the prior.

Source: Li et al., A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019,
arXiv 1909.00868 (their AE row).
"""

from dataclasses import dataclass

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Autoencoder(Baseline):
    """Chosen on validation by its own loss, the reconstruction."""

    @property
    def selection_weight(self) -> float:
        return 0.0

    def weight(self, step: float, total: float) -> float:
        return 0.0
