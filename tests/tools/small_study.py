"""A small study in a folder: `none` and `cyclical` on some data sets and seeds."""

from collections.abc import Sequence
from pathlib import Path

from made_up import record

from benchmark.core import records
from benchmark.sweep import study

ROWS = '[[baseline]]\nname = "none"\n[[baseline]]\nname = "cyclical"\n'


class Place:
    """The study ``mine.toml`` in ``root``, and its folders of runs and results."""

    def __init__(
        self, root: Path, seeds: Sequence[int] = (0, 1), data: Sequence[str] = ("exact_small",)
    ) -> None:
        self.root, self.runs, self.results = root, root / "runs", root / "results"
        names = ", ".join(f'"{name}"' for name in data)
        head = f"[study]\ndata = [{names}]\nseeds = {[*seeds]}\n"
        (root / "mine.toml").write_text(head + ROWS)
        self.study = study.load(root / "mine.toml")
        self.ids = [run.id for run in self.study.configs]

    def write(self, run_id: str, **metrics: float) -> None:
        """Leave a run's record in its folder."""
        records.write_exclusive(self.runs / run_id, record(run_id, **metrics))
