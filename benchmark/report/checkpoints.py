"""Comparison of single checkpoints over sentences: "these models", never the methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core import sentences
from benchmark.core.errors import UserError
from benchmark.core.records import is_done
from benchmark.report import statistics
from benchmark.report.differences import pairs
from benchmark.report.frame import REFERENCES
from benchmark.report.render import DASH, Cell, Row, Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.float32]]

Record = dict[str, Any]

DRAWS = 10_000


def load(path: Path, lines: Sequence[Record]) -> "Arrays":
    """The study's sentences; nothing where there is no file.

    Raises:
        UserError: it is damaged, or does not belong to the records.
    """
    if not path.exists():
        return {}
    arrays = sentences.read(path)
    done = {line["id"]: line for line in lines if is_done(line)}
    for key, array in arrays.items():
        run_id, _, name = key.rpartition("/")
        if run_id not in done or name not in sentences.METRICS:
            raise UserError(f"{path}: {key}: belongs to no record; run `pcbench collect` again")
        if problem := sentences.unlike(done[run_id], {name: array}):
            raise UserError(f"{path}: {run_id}: {problem}; remove the file, then collect again")
    return arrays


def tables(title: str, group: "pd.DataFrame", arrays: "Arrays") -> list[Table]:
    """IW-NLL of each run minus that of the reference's run of the same seed, over sentences.

    Args:
        title: of the rows' main table.
        group: of `benchmark.report.frame.frame`.
        arrays: of `load`.
    """
    done = group[group["status"] == "done"]
    seeds = sorted(done["seed"].unique())
    for baseline in REFERENCES:
        rows = []
        for label, _, one, other in pairs(group, baseline):
            cells = [_cell(one, other, seed, arrays) for seed in seeds]
            if any(cell.value is not None for cell in cells):
                rows.append(Row(label, tuple(cells), ids=tuple(one["id"])))
        if rows:
            columns = tuple(f"seed {seed}" for seed in seeds)
            name = f"sentences-minus-{baseline}"
            what = f"{title}: these models, IW-NLL minus that of `{baseline}`"
            return [Table(name, what, _notes(baseline), columns, tuple(rows), kind="sentences")]
    return []


def _cell(one: "pd.DataFrame", other: "pd.DataFrame", seed: int, arrays: "Arrays") -> Cell:
    """Two checkpoints of one seed; a dash where either, or its sentences, are not there."""
    if seed not in one.index or seed not in other.index:
        return Cell(DASH)
    keys = [f"{runs.at[seed, 'id']!s}/iw_nll" for runs in (one, other)]
    if not all(key in arrays for key in keys):
        return Cell(DASH)
    found = statistics.sentences(arrays[keys[0]], arrays[keys[1]], DRAWS)
    mean, low, high = (statistics.number(v) for v in (found.mean, found.low, found.high))
    return Cell(f"{mean} [{low}, {high}]", found.mean, n=found.n)


def _notes(baseline: str) -> tuple[str, ...]:
    return (
        f"IW-NLL of a checkpoint minus that of the checkpoint of `{baseline}` with the same seed: "
        f"mean over the test sentences and, in brackets, its 95 % bootstrap interval ({DRAWS:,} "
        "draws of sentences). It says how sure the difference of these models is on other "
        "sentences, nothing of the methods: another seed makes other models. It decides no bold.",
    )
