"""What a person, and `pcbench sweep`, see of a run in progress."""

import json
import sys
import time
from pathlib import Path
from typing import Any, Never

from tqdm import tqdm

from benchmark.files import write_atomic

EVERY = 0.5  # seconds


class Progress:
    """A bar on a terminal, and ``progress.json`` in the run's folder, twice a second.

    Args:
        folder: of the run.
        title: what stands before the bar.
        shown: whether to draw the bar (only ever on a terminal).
    """

    def __init__(self, folder: Path, title: str, shown: bool) -> None:
        self._path, self._title = folder / "progress.json", title
        self._hidden = not (shown and sys.stderr.isatty())
        self._bar: tqdm[Never] | None = None
        self._phase, self._begin, self._at, self._due = "", 0.0, 0, 0.0

    def due(self) -> bool:
        """Whether half a second has passed since the last `show`."""
        return time.monotonic() >= self._due

    def show(self, phase: str, step: int, total: int, **figures: float) -> None:
        """Show ``step`` of ``total`` of a phase (``train`` or ``evaluate``) with some figures."""
        now = time.monotonic()
        if phase != self._phase:
            self.close()
            self._phase, self._begin, self._at = phase, now, step
            name = f"{self._title} {phase}"
            self._bar = tqdm(
                total=total, initial=step, desc=name, disable=self._hidden, leave=False
            )
        rate = (step - self._at) / max(now - self._begin, 1e-9)
        left = (total - step) / rate if rate > 0 else None
        content: dict[str, Any] = {
            "phase": phase,
            "step": step,
            "total": total,
            "seconds_left": left,
            **figures,
        }
        write_atomic(self._path, json.dumps(content).encode(), durable=False)
        if self._bar is not None:
            self._bar.n = step
            self._bar.set_postfix(
                {name: f"{value:.4g}" for name, value in figures.items()}, refresh=False
            )
            self._bar.refresh()
        self._due = now + EVERY

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
