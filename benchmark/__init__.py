"""A reproducible benchmark of posterior collapse in text VAEs.

From Python: ``from benchmark import Annealer, VAELoss, load_run, read_records``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.model.annealing import Annealer
    from benchmark.model.loss import VAELoss
    from benchmark.report.frame import read_records
    from benchmark.run.finished import load_run

__all__ = ["Annealer", "VAELoss", "load_run", "read_records"]

_HOMES = {
    "Annealer": "model.annealing",
    "VAELoss": "model.loss",
    "load_run": "run.finished",
    "read_records": "report.frame",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: torch and pandas take seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
