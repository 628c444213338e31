"""The tables of a study: for each group of records that compare, rows, differences, sentences.

`benchmark.report.render` writes them as Markdown, LaTeX and CSV.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report import checkpoints, comparable, paired, published
from benchmark.report.frame import FIRST_WORDS
from benchmark.report.frame import frame as frame
from benchmark.report.notes import notes
from benchmark.report.overview import overview
from benchmark.report.table import Cell as Cell
from benchmark.report.table import Row as Row
from benchmark.report.table import Table as Table
from benchmark.report.table import brief as brief
from benchmark.report.table import slug

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

LEGEND = (
    "Test split, nats per sentence (natural logarithm); perplexities per token. ELBO is the bound "
    "itself: higher is better. Over seeds: mean ± half the width of Student's 95 % interval (n ≥ "
    "3), the range (n = 2), or the value (n = 1; SE is its own standard error over sentences). "
    "≥: MI above ln N − 3 is a lower bound. ≤: more importance samples would still lower it. "
    "–: there is no such figure. z_use: what reconstruction loses with another sentence's latent. "
    f"AU: active units, threshold 0.01. First words: loss of the first {FIRST_WORDS} tokens of a "
    "sentence, nats per token. Collapsed: MI and z_use both below 0.1 nats. IW-NLL of `lstm_lm` is "
    "its exact NLL. Bold: IW-NLL below that of `none`, paired by seed, p < 0.05 after Holm's "
    "adjustment for the rows of the table; nothing else is ever bold. Primary outcomes, fixed "
    "beforehand: IW-NLL minus that of `lstm_lm`, and MI."
)


def build(
    study: str, lines: Sequence[Record], arrays: "checkpoints.Arrays | None" = None
) -> list[Table]:
    """All tables of a study in reading order.

    Args:
        study: its name.
        lines: of its collected file.
        arrays: its sentences, of `benchmark.report.checkpoints.load`.
    """
    found: list[Table] = []

    def name(title: str) -> str:
        return slug(title, (table.name for table in found))

    for group in comparable.groups(lines):
        runs = _frame(group)
        better = paired.better(paired.against(runs, "none"))
        told = [*group.notes, *notes(group.lines)]
        found.append(overview(name(group.title), group.title, told, runs, better))
        base = found[-1].name
        more = paired.tables(group.title, runs)
        more += checkpoints.tables(group.title, runs, arrays or {})
        more += published.side_by_side(study, group.lines)
        for table in more:
            found.append(replace(table, name=name(f"{base}-{table.name}")))
    return found


def remarks(lines: Sequence[Record]) -> list[str]:
    """What must be said below all tables of a study."""
    stray = sum(line.get("row") is None for line in lines)
    text = f"{stray} records belong to runs that the study no longer names; not shown."
    return [text] if stray else []


def _frame(group: comparable.Group) -> "pd.DataFrame":
    """`frame` of a group, whose rows tell their coding where there are several."""
    table = frame(group.lines)
    if len(group.codings) > 1:
        table["label"] += ", " + table["data"].map(comparable.coding)
    return table
