"""The figures of the benchmark, one idea a file.

Nats per sentence, natural logarithm. Tensors may lie on any device; sums and log-sum-exps are
taken in float64.
"""

from benchmark.metrics.active_units import active_units, posterior_mean_variance
from benchmark.metrics.bleu import reconstruction_bleu, scorer
from benchmark.metrics.elbo import PositionLoss, loss_by_position, perplexity
from benchmark.metrics.importance import ImportanceNLL, importance_nll
from benchmark.metrics.kl import kl_spectrum, marginal_kl
from benchmark.metrics.latent_use import stranger_within_length, z_use
from benchmark.metrics.mutual_information import MutualInformation, batch_mi, coupled_mi
from benchmark.metrics.recovery import excess, recovered

__all__ = [
    "ImportanceNLL",
    "MutualInformation",
    "PositionLoss",
    "active_units",
    "batch_mi",
    "coupled_mi",
    "excess",
    "importance_nll",
    "kl_spectrum",
    "loss_by_position",
    "marginal_kl",
    "perplexity",
    "posterior_mean_variance",
    "reconstruction_bleu",
    "recovered",
    "scorer",
    "stranger_within_length",
    "z_use",
]
