"""The sections of a run's settings, with their defaults and ranges.

A run's id covers what differs from these defaults, so a new field renames no run. Whoever changes a
default or a meaning raises `PROTOCOL` of `benchmark.run.config`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelConfig:
    """The LSTM text VAE. The defaults are Fu et al. 2019 (arXiv 1903.10145) on PTB."""

    embedding: int = 256
    hidden: int = 256
    latent: int = 32
    dropout: float = 0.5  # on the decoder's embeddings and before the output layer
    feed: Literal["hidden", "cell"] = "hidden"  # h0 = Linear(z), c0 = 0; or c0, h0 = tanh(c0)
    bias: bool = True  # of the posterior, latent and output layers
    init: float = 0.1  # weights from U(-init, init)
    init_embedding: float = 0.1

    def __post_init__(self) -> None:
        if min(self.embedding, self.hidden, self.latent) < 1:
            raise ValueError("embedding, hidden and latent must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must be at least 0 and below 1")
        if min(self.init, self.init_embedding) <= 0:
            raise ValueError("init and init_embedding must be above 0")


@dataclass(frozen=True)
class TrainConfig:
    """How it is trained."""

    epochs: int = 40
    batch_size: int = 32  # sentences of exactly equal length
    optimiser: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    clip: float = 5.0  # norm of the gradient of all parameters together
    lr_schedule: Literal["constant", "cooldown", "halving", "cosine_restarts"] = "constant"
    patience: int = 2  # halving: evaluations without improvement, the weight having settled
    halve_from: int = 15  # halving: not within so many first epochs
    halvings: int = 5  # halving: the last one stops training
    restart_epochs: int = 10  # cosine_restarts: epochs of a cycle
    cooldown: float = 0.5  # cooldown: the last part of training, in which the rate falls to 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if min(self.patience, self.halvings, self.restart_epochs, self.halve_from + 1) < 1:
            raise ValueError(
                "patience, halvings and restart_epochs must be at least 1, halve_from at least 0"
            )
        if min(self.lr, self.clip) <= 0:
            raise ValueError("lr and clip must be above 0")
        if not 0 < self.cooldown <= 1:
            raise ValueError("cooldown must be above 0 and at most 1")


@dataclass(frozen=True)
class EvaluateConfig:
    """How the chosen model is measured; has its own digest, so it renames no run."""

    iw_samples: int = 500  # importance samples a sentence
    bleu: bool = True  # greedy reconstruction
    max_length: int = 200  # of a greedy reconstruction, tokens

    def __post_init__(self) -> None:
        if min(self.iw_samples, self.max_length) < 1:
            raise ValueError("iw_samples and max_length must be at least 1")


SECTIONS = {"model": ModelConfig, "train": TrainConfig, "evaluate": EvaluateConfig}
