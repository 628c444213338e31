"""An LSTM language model: the decoder alone, no latent variable; the end point of collapse.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349 (their
RNNLM).
"""

from dataclasses import dataclass
from typing import ClassVar

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class LstmLM(Baseline):
    """No encoder; its exact negative log-likelihood stands where a VAE has a bound."""

    latent: ClassVar[bool] = False
