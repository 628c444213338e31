"""`Baseline`: everything a method may change, and `Run`: what its hooks see.

A baseline is one file in ``baselines/`` that defines one frozen dataclass derived from `Baseline`.
Its fields are its hyper-parameters; its defaults are the plain VAE wherever it says nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from benchmark.annealing import Annealer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from benchmark.loss import VAELoss
    from benchmark.model import Output as Output
    from benchmark.model import TextVAE


class Run(Protocol):
    """What a hook may read of the run in progress, and change."""

    step: int  # optimiser steps done
    total_steps: int
    epoch: int
    model: "TextVAE"
    annealer: Annealer  # multiplies the KL by the weight of this step
    criterion: "VAELoss"  # its penalty is the baseline's
    noise: "torch.Generator"  # the generator of training noise
    memory: dict[str, Any]  # floats and tensors; saved in every checkpoint


@dataclass(frozen=True)
class Baseline:
    """The plain VAE. Subclasses are final: shared behaviour is a function, not a parent."""

    version: ClassVar[int] = 1  # raised when a correction changes results; part of the run's id
    latent: ClassVar[bool] = True  # False: a language model without latent variable

    @property
    def selection_weight(self) -> float:
        """KL weight of the validation loss that chooses, decays and stops."""
        return 1.0

    def weight(self, step: float, total: float) -> float:
        """KL weight before step ``step`` of ``total``: a pure function of the step."""
        return 1.0

    def penalty(self, kl: "Tensor") -> "Tensor":
        """What is paid for the KL: (B, Z) nats -> (B,)."""
        return kl.sum(-1)

    def build(self, model: "TextVAE") -> "TextVAE":
        """Replace the encoder, posterior or decoder of a fresh model, or leave it as it is."""
        return model

    def inputs(self, tokens: "Tensor", generator: "torch.Generator | None") -> "Tensor":
        """What the decoder reads while training: tokens (B, T) -> (B, T)."""
        return tokens

    def objective(self, run: Run, out: "Output") -> "Tensor":
        """The loss of one batch, a scalar: reconstruction + weight x penalised KL."""
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        loss: Tensor = rec + run.annealer(kl)
        return loss

    def before_step(self, run: Run) -> None:
        """Called before each optimiser step."""

    def after_eval(self, run: Run, metrics: dict[str, float]) -> None:
        """Called after each validation with its metrics."""
