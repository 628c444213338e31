"""A max-pooled encoder reads each state's largest value over time in place of its last value.

Formula: loss = rec + w(t) KL, with w(t) = min(1, t / warmup) and t the part of training done
    (warmup 0: w = 1). Unit i of the sentence's state is max over positions p of h_i(p).

Source: Long et al., Preventing Posterior Collapse in Sequence VAEs with Pooling, 2019,
    arXiv 1911.03976.

Settings in the source: not known here.

Differences here: the default has no warm-up.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from benchmark.annealing import ramp
from benchmark.baseline import Baseline

if TYPE_CHECKING:
    from benchmark.baseline import TextVAE


class MaxPooling(nn.Module):
    """The encoder's own layers, with the maximum over time in place of the last state."""

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
    """Hyper-parameters of the max-pooled encoder.

    Attributes:
        warmup: part of training over which the KL weight rises from 0 to 1; 0 for weight 1
            throughout.
    """

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
