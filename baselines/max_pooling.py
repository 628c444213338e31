"""A max-pooled encoder: the sentence is the largest value of each state over time, not the last.

Source: Long et al., Preventing Posterior Collapse in Sequence VAEs with Pooling, 2019,
arXiv 1911.03976.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

if TYPE_CHECKING:
    from benchmark.baseline import TextVAE


class MaxPooling(nn.Module):
    """The encoder's own layers, read otherwise."""

    def __init__(self, embedding: nn.Module, lstm: nn.Module) -> None:
        super().__init__()
        self.embedding, self.lstm = embedding, lstm

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T + 1), all of one length, to states (B, H)."""
        states, _ = self.lstm(self.embedding(tokens))  # (B, T + 1, H)
        pooled: Tensor = states.amax(1)
        return pooled


@dataclass(frozen=True)
class MaxPooled(Baseline):
    """The KL weight rises from 0 to 1 over ``warmup``, a part of training."""

    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    def weight(self, step: float, total: float) -> float:
        return ramp(step, total, length=self.warmup)

    def build(self, model: "TextVAE") -> "TextVAE":
        lstm, embedding = model.encoder.lstm, model.encoder.embedding
        model.encoder = MaxPooling(embedding, lstm)  # type: ignore[arg-type]
        return model
