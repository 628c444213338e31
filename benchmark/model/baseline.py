"""What a method may change, `Baseline`, and what its hooks see, `Run`.

A baseline is one file in ``baselines/`` that defines one frozen dataclass derived from `Baseline`.
Its fields are its hyper-parameters; its defaults are the plain VAE wherever it says nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from benchmark.model.annealing import Annealer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from benchmark.model.loss import VAELoss
    from benchmark.model.vae import Output as Output
    from benchmark.model.vae import TextVAE as TextVAE


class Run(Protocol):
    """What a hook may read of the run in progress, and change."""

    step: int  # of the schedule, done
    total_steps: int
    epoch: int
    model: "TextVAE"
    annealer: Annealer  # multiplies the KL by the weight of this step
    criterion: "VAELoss"  # its penalty is the baseline's
    noise: "torch.Generator"  # the generator of training noise
    memory: dict[str, Any]  # floats and tensors; saved in every checkpoint
    batch: "Tensor"  # ``<s> ... </s>`` (B, T + 1) of the step in progress
    held: tuple[str, ...]  # modules of the model that `update` leaves as they are

    def random_batch(self) -> "Tensor":
        """Return any batch of the epoch, (B, T + 1), drawn from ``noise``."""

    def update(self, tokens: "Tensor") -> "tuple[Tensor, Tensor]":
        """Do an optimiser step; return the batch's loss and mean raw KL before it, nats."""

    def log(self, **values: float) -> None:
        """Keep named numbers for the curve; ``weight`` is the KL weight used in this step."""

    def fresh_model(self) -> "TextVAE":
        """Return a newly initialised model of this run; another one in each phase."""


@dataclass(frozen=True)
class Baseline:
    """The plain VAE. Subclasses are final: shared behaviour is a function, not a parent."""

    version: ClassVar[int] = 1  # raised when a correction changes results; part of the run's id
    latent: ClassVar[bool] = True  # False: a language model without latent variable

    @property
    def selection_weight(self) -> float:
        """KL weight of the validation loss that chooses the best epoch, decays the rate and stops.

        At 0 the run is an auto-encoder: it has no prior, and nothing is measured that needs one.
        """
        return 1.0

    @property
    def phases(self) -> tuple[float, ...]:
        """Where new phases of training begin, as ascending fractions of it; by default nowhere.

        A phase begins with the best weights of the one before, and chooses its own best; patience,
        learning rate and optimiser begin anew.
        """
        return ()

    def selection_in(self, phase: int) -> float:
        """Return the selection weight of phase 0, 1, ...; the last has `selection_weight`."""
        return self.selection_weight

    def weight(self, step: float, total: float) -> float:
        """Return the KL weight before step ``step`` of ``total``: a pure function of the step."""
        return 1.0

    def penalty(self, kl: "Tensor") -> "Tensor":
        """Return what is paid for the KL: (B, Z) nats -> (B,)."""
        return kl.sum(-1)

    def build(self, model: "TextVAE") -> "TextVAE":
        """Replace the encoder, posterior or decoder of a fresh model, or leave it as it is."""
        return model

    def inputs(self, tokens: "Tensor", generator: "torch.Generator | None") -> "Tensor":
        """Return what the decoder reads while training: tokens (B, T) -> (B, T).

        The ids are 0 ``<pad>``, 1 ``<s>``, 2 ``</s>``, and from 3 on words. ``tokens[:, 0]`` is
        ``<s>``. Words to put in can be drawn from ``tokens``.
        """
        return tokens

    def objective(self, run: Run, out: "Output") -> "Tensor":
        """Return the loss of a batch, a scalar: reconstruction + weight x penalised KL."""
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        loss: Tensor = rec + run.annealer(kl)
        return loss

    def before_step(self, run: Run) -> None:
        """Do something before each step of the schedule."""

    def after_eval(self, run: Run, metrics: dict[str, float]) -> None:
        """Do something after each validation, with its metrics."""

    def begin_phase(self, run: Run, phase: int) -> None:
        """Do something as phase 1, 2, ... begins; the model has the best weights of the last."""
