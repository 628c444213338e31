"""The KL spectrum: how much each latent dimension holds, largest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.report.figures import runs, style
from benchmark.report.grouping import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "spectrum"
COLUMNS = (*runs.ROW, "seed", "rank", "kl")
FLOOR = 1e-3  # nats below which dimensions are drawn at the floor: all of them are dead


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    return f"KL of each latent dimension, test split, {data} (seeds thin, their mean thick)"


def rows(group: Group) -> pd.DataFrame:
    """Return a row for each run and dimension: its mean KL, rank 1 the largest of the run."""
    table = [
        {name: run[name] for name in (*runs.ROW, "seed")} | {"rank": rank, "kl": kl}
        for run in runs.runs(group).to_dict("records")
        for rank, kl in enumerate(sorted(run["record"].get("kl_spectrum") or [], reverse=True), 1)
    ]
    return runs.frame(table, COLUMNS)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a line a row; rows of the study side by side where they are many."""
    parts = style.facets(frame)
    figure, ((*panels,),) = style.faceted(parts, [2.0], {}, sharex=True, sharey=True)
    for panel, part, heading in zip(panels, parts, style.headings(parts), strict=True):
        panel.set_title(heading)
        for row in part:
            style.curves(panel, frame[frame["label"] == row.label], "rank", "kl", row)
        for line in panel.get_lines():  # the mean too: a mean of floors would be no mean of KLs
            line.set_ydata(np.clip(line.get_ydata(), FLOOR, None))
    first = panels[0]
    first.set_yscale("log")
    first.set_ylim(FLOOR / 1.3, max(1.0, float(frame["kl"].max())) * 1.5)
    ticks = [tick for tick in (1e-3, 1e-2, 0.1, 1, 10, 100) if tick <= first.get_ylim()[1]]
    first.set_yticks(ticks, [f"≤ {FLOOR:g}", *(f"{tick:g}" for tick in ticks[1:])])
    first.set_ylabel(f"mean KL, log scale\n({style.NATS})")
    ranks = int(frame["rank"].max())
    first.set_xticks([rank for rank in range(1, ranks + 1) if rank % max(1, ranks // 8) == 0])
    figure.supxlabel("latent dimension, by KL within a run (rank)")
    return figure
