"""The KL spectrum: how much each latent dimension holds, largest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.report.figures import runs, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAME = "spectrum"
COLUMNS = ("place", "label", "role", "seed", "rank", "kl")
FLOOR = 1e-3  # nats below which dimensions are drawn at the floor: all of them are dead


def title(data: str, frame: "pd.DataFrame") -> str:
    """What the figure shows."""
    return f"KL of each latent dimension, test split, {data} (seeds thin, their mean thick)"


def rows(lines: Sequence[runs.Record]) -> "pd.DataFrame":
    """One row a run and dimension: its mean KL, sorted within the run, rank 1 the largest.

    Columns: `COLUMNS`.
    """
    found = [
        run.row() | {"seed": run.seed, "rank": rank, "kl": kl}
        for run in runs.runs(lines)
        for rank, kl in enumerate(sorted(run.record.get("kl_spectrum") or [], reverse=True), 1)
    ]
    return runs.frame(found, COLUMNS)


def draw(frame: "pd.DataFrame") -> "Figure":
    """A line a row; rows of the study side by side where they are many."""
    parts = style.facets(frame)
    figure, ((*panels,),) = style.faceted(parts, [2.0], {}, sharex=True, sharey=True)
    for panel, part in zip(panels, parts, strict=True):
        for place, label, role in part:
            look = style.look(place, role)
            points = frame[frame["label"] == label]
            for _, seed in points.groupby("seed"):
                panel.plot(
                    seed["rank"], seed["kl"].clip(FLOOR), color=look.colour, lw=0.4, alpha=0.45
                )
            mean = points.groupby("rank")["kl"].mean().clip(FLOOR)
            every = max(1, len(mean) // 10)
            panel.plot(mean.index, mean, color=look.colour, ls=look.line, marker=look.marker,
                       markevery=(place % every, every))  # fmt: skip
    first = panels[0]
    first.set_yscale("log")
    first.set_ylim(FLOOR / 1.3, max(1.0, float(frame["kl"].max())) * 1.5)
    ticks = [tick for tick in (1e-3, 1e-2, 0.1, 1, 10, 100) if tick <= first.get_ylim()[1]]
    first.set_yticks(ticks, [f"≤ {FLOOR:g}", *(f"{tick:g}" for tick in ticks[1:])])
    first.set_ylabel(f"mean KL ({style.NATS})")
    ranks = int(frame["rank"].max())
    first.set_xticks([rank for rank in range(1, ranks + 1) if rank % max(1, ranks // 8) == 0])
    figure.supxlabel("latent dimension, sorted by KL within a run (rank)")
    return figure
