"""The table of two fixed points: the step that validation chose, and the last step.

Validation is flat near its best: the epochs within a tenth of a nat of it can differ in MI by half.
So the chosen step's MI is partly drawn by that noise, and the last step's stands beside it.
"""

from typing import TYPE_CHECKING

from benchmark.core.rules import SIGNS
from benchmark.report.frame import LAST
from benchmark.report.overview import COLUMNS, bound
from benchmark.report.statistics import LEAST_T, shown, summarise
from benchmark.report.table import DASH, Cell, Row, Table

if TYPE_CHECKING:
    import pandas as pd

MARK = " *"  # of a last figure that lies farther from the chosen one than the seeds do
_TITLES = {column.metric: column.title for column in COLUMNS}


def tables(title: str, group: "pd.DataFrame") -> list[Table]:
    """Chosen and last figures of each row; nothing where no run has a record.

    Args:
        title: of the rows' main table.
        group: of `benchmark.report.frame.frame`.
    """
    done = group[group["status"] == "done"]
    if not len(done):
        return []
    shown_metrics = [name for name in LAST if _has(done, name) and _has(done, f"last_{name}")]
    rows = []
    for label, runs in done.groupby("label", sort=False):
        cells = [_share(runs)]
        for metric in shown_metrics:
            cells += _pair(runs, metric)
        rows.append(Row(str(label), tuple(cells), ids=tuple(runs["id"])))
    columns = ["chosen at"]
    for metric in shown_metrics:
        columns += [f"{_TITLES[metric]}, chosen", f"{_TITLES[metric]}, last"]
    note = (
        "Test split: the weights that validation chose, and the last ones. Chosen at: the step, as "
        "a share of training, mean over seeds. *: the two means differ by more than one standard "
        "deviation of the chosen one over seeds (n ≥ 3). The last ELBO is of one draw of z a "
        "sentence, the chosen one of the importance draws."
    )
    return [Table("steps", f"{title}: chosen and last step", (note,), tuple(columns), tuple(rows),
                  kind="steps")]  # fmt: skip


def _has(done: "pd.DataFrame", name: str) -> bool:
    return name in done and bool(done[name].notna().any())


def _share(runs: "pd.DataFrame") -> Cell:
    """Where in training validation was best."""
    if runs["steps"].isna().any():
        return Cell(DASH)
    share = float((runs["best_step"] / runs["steps"]).mean())
    return Cell(f"{100 * share:.0f} %", share, n=len(runs))


def _pair(runs: "pd.DataFrame", metric: str) -> list[Cell]:
    """A metric at the chosen step and at the last."""
    names = (metric, f"last_{metric}")
    if runs[list(names)].isna().any(axis=None):
        return [Cell(DASH), Cell(DASH)]
    chosen, last = (summarise([float(value) for value in runs[name]]) for name in names)
    spread = float(runs[metric].astype(float).std())  # nan for a single seed
    apart = chosen.n >= LEAST_T and abs(last.mean - chosen.mean) > spread
    signs = [SIGNS[bound(runs.assign(**{metric: runs[name]}), metric)] for name in names]
    texts = [
        f"{sign} {shown(one)}".strip() for sign, one in zip(signs, (chosen, last), strict=True)
    ]
    return [
        Cell(texts[0], chosen.mean, half=chosen.half, n=chosen.n),
        Cell(texts[1] + (MARK if apart else ""), last.mean, half=last.half, n=last.n),
    ]
