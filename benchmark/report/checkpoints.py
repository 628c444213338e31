"""Compare single checkpoints over sentences: of "these models", never of the methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core import sentences
from benchmark.core.errors import UserError
from benchmark.core.records import is_done
from benchmark.core.schema import Record
from benchmark.report import statistics
from benchmark.report.differences import pairs
from benchmark.report.formats import DASH, Cell, Row, Table
from benchmark.report.frame import REFERENCES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.float32]]


DRAWS = 10_000


def load(path: Path, lines: Sequence[Record]) -> "Arrays":
    """Return the study's sentences; empty if there is no file.

    Raises:
        UserError: it is damaged, or does not belong to the records.
    """
    arrays = sentences.read(path) if path.exists() else {}
    done = {line["id"]: line for line in lines if is_done(line)}
    for key, array in arrays.items():
        run_id, _, name = key.rpartition("/")
        if run_id not in done or name not in sentences.METRICS:
            raise UserError(f"{path}: {key}: belongs to no record; run `pcbench collect` again")
        if problem := sentences.unlike(done[run_id], {name: array}):
            raise UserError(f"{path}: {run_id}: {problem}; remove the file, then collect again")
    return arrays


def tables(title: str, group: "pd.DataFrame", arrays: "Arrays") -> list[Table]:
    """Return IW-NLL of each run minus that of the reference's run of the same seed, if known.

    Args:
        title: of the rows' main table.
        group: of `benchmark.report.frame.frame`.
        arrays: of `load`.
    """
    seeds = sorted(group.loc[group["status"] == "done", "seed"].unique())
    for baseline in REFERENCES:
        rows, couples = [], pairs(group, baseline)
        for label, _, one, other in couples:
            cells = [_cell(one, other, seed, arrays) for seed in seeds]
            if any(cell.value is not None for cell in cells):
                rows.append(Row(label, tuple(cells), ids=tuple(one["id"])))
        if rows:
            first = couples[0][1]
            what = f"{title}: these models, IW-NLL minus that of `{first}`"
            note = (
                f"IW-NLL of a checkpoint minus that of the checkpoint of `{first}` with the "
                "same seed: mean over the test sentences and, in brackets, its 95 % bootstrap "
                f"interval ({DRAWS:,} draws of sentences). It says how sure the difference of "
                "these models is on other sentences, nothing of the methods: another seed makes "
                "other models. It decides no bold."
            )
            columns = tuple(f"seed {seed}" for seed in seeds)
            name = f"sentences-minus-{baseline}"
            return [Table(name, what, (note,), columns, tuple(rows), kind="sentences")]
    return []


def _cell(one: "pd.DataFrame", other: "pd.DataFrame", seed: int, arrays: "Arrays") -> Cell:
    """Return the difference of two checkpoints of one seed; a dash where either is not known."""
    keys = [f"{runs.at[seed, 'id']!s}/iw_nll" for runs in (one, other) if seed in runs.index]
    known = [arrays[key] for key in keys if key in arrays]
    if len(known) < 2:
        return Cell(DASH)
    difference = statistics.sentences(known[0], known[1], DRAWS)
    mean, low, high = (
        statistics.number(v) for v in (difference.mean, difference.low, difference.high)
    )
    return Cell(f"{mean} [{low}, {high}]", difference.mean, n=difference.n)
