"""The estimators of the benchmark: tensors in, numbers out.

All are in nats (natural logarithm), per sentence unless they say otherwise. Tensors may lie on any
device; sums and log-sum-exps are taken in float64.
"""

from benchmark.core.measures import perplexity
from benchmark.metrics.bleu import reconstruction_bleu, scorer
from benchmark.metrics.information import (
    MutualInformation,
    batch_mi,
    coupled_mi,
    marginal_kl,
    mi_given,
)
from benchmark.metrics.latent import (
    active_units,
    kl_spectrum,
    posterior_mean_variance,
    stranger_within_length,
    z_use,
)
from benchmark.metrics.likelihood import excess, importance_nll, loss_by_position
from benchmark.metrics.recovery import length_label, recovered, recovered_label, word_label

__all__ = [
    "MutualInformation",
    "active_units",
    "batch_mi",
    "coupled_mi",
    "excess",
    "importance_nll",
    "kl_spectrum",
    "length_label",
    "loss_by_position",
    "marginal_kl",
    "mi_given",
    "perplexity",
    "posterior_mean_variance",
    "reconstruction_bleu",
    "recovered",
    "recovered_label",
    "scorer",
    "stranger_within_length",
    "word_label",
    "z_use",
]
