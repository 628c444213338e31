"""`benchmark.model.baseline`, under the name that baseline files import."""

from typing import TYPE_CHECKING

from benchmark.model.baseline import Baseline, Run

if TYPE_CHECKING:
    from benchmark.model.vae import Output, TextVAE

__all__ = ["Baseline", "Output", "Run", "TextVAE"]
