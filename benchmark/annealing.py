"""`benchmark.model.annealing`, under the name that baseline files import."""

from benchmark.model.annealing import *  # noqa: F403
