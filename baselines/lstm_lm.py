"""An LSTM language model: the decoder alone without latent variable, the end point of collapse.

Formula: loss = rec, the exact negative log-likelihood of the sentence.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, arXiv 1511.06349 (their
    RNNLM).

Settings in the source: not known here.

Differences here: the sizes, the dropout and the optimiser are those of the VAEs in the same study.
"""

from dataclasses import dataclass
from typing import ClassVar

from benchmark.baseline import Baseline


@dataclass(frozen=True)
class LstmLM(Baseline):
    """Hyper-parameters: none. The exact negative log-likelihood stands where a VAE has a bound."""

    latent: ClassVar[bool] = False
