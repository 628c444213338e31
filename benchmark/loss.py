"""`benchmark.model.loss`, under the name that `VAELoss` was published with."""

from benchmark.model.loss import *  # noqa: F403
