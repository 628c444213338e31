"""An auto-encoder has KL weight 0: the end point at which all is in the latent variable.

Formula: loss = rec.

Source: Li et al., A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019,
    arXiv 1909.00868 (the row AE of their tables).

Settings in the source: SGD with learning rate 0.5, at most 100 epochs; the best epoch is chosen by
    the reconstruction.

Differences here: none in the loss and the choice of the best epoch. The learning rate is the
    study's. The model has no prior, so nothing is measured that needs one.
"""

from dataclasses import dataclass

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class Autoencoder(Baseline):
    """Hyper-parameters: none. Validation chooses by the reconstruction, the model's own loss."""

    @property
    def selection_weight(self) -> float:
        return 0.0

    def weight(self, step: float, total: float) -> float:
        return 0.0
