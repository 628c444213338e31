"""Show a run's progress to its user and to `pcbench sweep`."""

import json
import sys
import time
from pathlib import Path
from typing import Any, Never

from tqdm import tqdm

from benchmark.core.files import write_atomic

EVERY = 0.5  # seconds
BAR = "{desc}{percentage:3.0f}%|{bar}|{remaining} left{postfix}"
SHOWN = {  # in the bar; with a bar of ten characters they fit into 80 columns
    "loss": "loss {:.2f}",
    "kl": "KL {:.2f}",
    "weight": "weight {:.2f}",
    "tokens_per_second": "{:,.0f} tokens/s",
}


class Clock:
    """Puts the time before each line, and the date before the first line of a day."""

    def __init__(self) -> None:
        self._day = ""

    def __call__(self, line: str) -> str:
        """Return ``line`` after "12:34:56 " or "2026-01-31 12:34:56 "."""
        day, now = time.strftime("%Y-%m-%d %H:%M:%S").split()
        start = now if day == self._day else f"{day} {now}"
        self._day = day
        return f"{start} {line}"


def duration(seconds: float) -> str:
    """Return seconds in a convenient unit: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Shows a bar on a terminal, otherwise a line an epoch; writes ``progress.json``.

    The file is written at most twice a second. Lines begin with the time, except on a terminal.

    Args:
        folder: of the run.
        title: the run's id, printed once at the beginning.
        shown: whether to print anything.
    """

    def __init__(self, folder: Path, title: str, shown: bool) -> None:
        self._path, self._shown = folder / "progress.json", shown
        self._terminal = shown and sys.stderr.isatty()
        self._clock = Clock()
        self._bar: tqdm[Never] | None = None
        self._phase, self._begin, self._first, self._due = "", 0.0, 0, 0.0
        if self._terminal:
            print(f"run {title}", file=sys.stderr, flush=True)
        else:
            self._print(f"run {title}")

    def due(self) -> bool:
        """Return whether half a second has passed since the last `show`."""
        return time.monotonic() >= self._due

    def show(self, phase: str, step: int, total: int, **values: float) -> None:
        """Show ``step`` of ``total`` of a phase (``train`` or ``evaluate``) with some numbers."""
        if phase != self._phase:
            self.close()
            self._phase, self._begin, self._first = phase, time.monotonic(), step
            self._bar = tqdm(
                total=total, initial=step, desc=f"{phase} ", disable=not self._terminal,
                leave=False, dynamic_ncols=True, bar_format=BAR,
            )  # fmt: skip
        content: dict[str, Any] = {"phase": phase, "step": step, "total": total, **values}
        content["seconds_left"] = self._left(step, total)
        write_atomic(self._path, json.dumps(content).encode(), durable=False)
        if self._bar is not None:
            words = [text.format(values[name]) for name, text in SHOWN.items() if name in values]
            self._bar.n = step
            self._bar.set_postfix_str(", ".join(words), refresh=False)
            self._bar.refresh()
        self._due = time.monotonic() + EVERY

    def epoch(self, point: dict[str, Any], total: int, rate: float) -> None:
        """Print a line on the validation at the end of an epoch, unless on a terminal."""
        left = self._left(point["step"], total) if self._phase == "train" else None
        end = f", {duration(left)} left" if left is not None else ""
        self._print(
            f"epoch {point['epoch']}: step {point['step']:,} of {total:,}, validation ELBO "
            f"{-point['neg_elbo']:.2f}, KL {point['kl']:.2f}, weight {point['weight']:.2f}, "
            f"{rate:,.0f} tokens/s{end}"
        )

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, line: str) -> None:
        if self._shown and not self._terminal:
            print(self._clock(line), file=sys.stderr, flush=True)

    def _left(self, step: int, total: int) -> float | None:
        """Return the seconds to the end of the phase, at this process's pace in it."""
        pace = (step - self._first) / max(time.monotonic() - self._begin, 1e-9)
        return (total - step) / pace if pace > 0 else None
