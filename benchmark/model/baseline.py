"""`Baseline`, which a method overrides, and `Run`, which its hooks receive.

A baseline is one file in ``baselines/`` that defines one frozen dataclass derived from `Baseline`.
Its fields are its hyper-parameters. A hook that it does not define is that of the plain VAE.
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
    """The run in progress, as a hook may read and change it."""

    step: int  # of the schedule, done
    total_steps: int
    epoch: int
    model: "TextVAE"
    annealer: Annealer  # multiplies the KL by the weight of this step
    criterion: "VAELoss"  # its penalty is the baseline's
    noise: "torch.Generator"  # the generator of training noise
    memory: dict[str, Any]  # floats and tensors; saved in every checkpoint
    batch: "Tensor"  # ``<s> ... </s>`` (B, T + 1) of the step in progress
    held: tuple[str, ...]  # modules of the model that `update` does not change

    def random_batch(self) -> "Tensor":
        """Return a random batch of the epoch, (B, T + 1), drawn with ``noise``."""

    def update(self, tokens: "Tensor") -> "tuple[Tensor, Tensor]":
        """Make one optimiser step; return the loss and mean raw KL before it, nats."""

    def log(self, **values: float) -> None:
        """Record named numbers in the curve; ``weight`` is the KL weight of this step."""

    def fresh_model(self) -> "TextVAE":
        """Return a newly initialised model of this run; it differs from phase to phase."""


@dataclass(frozen=True)
class Baseline:
    """The plain VAE; a subclass is one method. Do not subclass a subclass; share functions."""

    version: ClassVar[int] = 1  # raise it when a correction changes results; part of the run's id
    latent: ClassVar[bool] = True  # False: a language model without a latent variable

    @property
    def selection_weight(self) -> float:
        """Return the KL weight of the validation loss, which chooses the best epoch.

        Under halving, that loss also lowers the learning rate and stops training. At 0 the run is
        an auto-encoder: it has no prior, and no metric that needs one is measured.
        """
        return 1.0

    @property
    def phases(self) -> tuple[float, ...]:
        """Return the fractions of training at which new phases begin, ascending; by default none.

        A phase begins with the best weights of the phase before it and selects its own best; its
        patience, learning rate and optimiser begin anew.
        """
        return ()

    def selection_in(self, phase: int) -> float:
        """Return the selection weight of a phase, from 0; the last has `selection_weight`."""
        return self.selection_weight

    def weight(self, step: float, total: float) -> float:
        """Return the KL weight before step ``step`` of ``total``: a pure function of the step."""
        return 1.0

    def penalty(self, kl: "Tensor") -> "Tensor":
        """Return the cost of the KL of each sentence: (B, Z) nats -> (B,)."""
        return kl.sum(-1)

    def build(self, model: "TextVAE") -> "TextVAE":
        """Return a new model, with its encoder, posterior or decoder replaced if need be."""
        return model

    def inputs(self, tokens: "Tensor", generator: "torch.Generator | None") -> "Tensor":
        """Return the words that the decoder reads in training: tokens (B, T) -> (B, T).

        The ids are 0 ``<pad>``, 1 ``<s>``, 2 ``</s>``; words begin at 3. ``tokens[:, 0]`` is
        ``<s>``. A method that replaces words can draw them from ``tokens``.
        """
        return tokens

    def objective(self, run: Run, out: "Output") -> "Tensor":
        """Return the loss of a batch, a scalar: reconstruction + weight x penalised KL."""
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        loss: Tensor = rec + run.annealer(kl)
        return loss

    def before_step(self, run: Run) -> None:
        """Act before each step of the schedule; the default does nothing."""

    def after_eval(self, run: Run, metrics: dict[str, float]) -> None:
        """Act on the metrics of each validation; the default does nothing."""

    def begin_phase(self, run: Run, phase: int) -> None:
        """Act as phase 1, 2, ... begins, with the best weights of the phase before it."""
