"""Learning curves: ELBO, KL, MI, z_use and active units on validation, the KL weight beneath."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.report.figures import looks, runs, style
from benchmark.report.grouping import Group
from benchmark.report.statistics import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "learning"
AXES = {
    "elbo": f"validation ELBO, higher is better ({style.NATS})",
    "kl": f"KL ({style.NATS})",
    "mi": f"MI ({style.NATS})",
    "z_use": f"z_use ({style.NATS})",
    "au": "active units (count)",
    "weight": "KL weight (factor)",
}
COLUMNS = (*runs.ROW, "seed", "step", *AXES)
TRUE = {"elbo": "true entropy", "kl": "I(x; c)", "mi": "I(x; c)"}
LOGARITHMIC = 10.0  # nats of KL or z_use from which on the axis is logarithmic above 1 nat
SYMLOG = ", log scale above 1"
EARLY = 0.15  # of an ELBO's points, the worst, may lie below its axis


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    true = frame["role"].eq("truth").any()
    more = "; true entropy: the language's, not of these sentences" if true else ""
    return f"Learning curves, validation split, {data} (seeds thin, their mean thick{more})"


def rows(group: Group) -> pd.DataFrame:
    """Return a row for each seed and evaluation, the weights' corners without seed, and the truth.

    The corners are those of the KL weight that the row's first run used, where its record has them.
    The truth is of the language, not of the validation split's sentences.
    """
    known = runs.having(runs.runs(group), "curve")
    table, weighed = [], set()
    for run in known.to_dict("records"):
        row = {name: run[name] for name in runs.ROW}
        for point in run["record"]["curve"]:
            values = {name: runs.number(point.get(name)) for name in AXES}
            values["elbo"] = -runs.number(point.get("neg_elbo"))
            if not run["latent"]:
                values["kl"] = values["weight"] = math.nan
            table.append(row | {"seed": run["seed"], "step": point["step"]} | values)
        if run["latent"] and run["label"] not in weighed:
            weighed.add(run["label"])
            path = run["record"].get("weight_path") or []
            table += [row | {"step": round(step), "weight": weight} for step, weight in path]
    true = runs.truth(known)
    if true is not None:
        information = {"kl": true.information, "mi": true.information}
        table.append(runs.TRUTH | {"elbo": -true.entropy} | information)
    return runs.frame(table, COLUMNS)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw metrics one below another, rows of the study side by side where they are many."""
    parts = style.facets(frame)
    low, notes = lowest(frame)
    curves, true = frame[frame["role"] != "truth"], frame[frame["role"] == "truth"]
    shown = [metric for metric in AXES if curves[metric].notna().any()]
    symlog = {metric for metric in ("kl", "z_use") if curves[metric].max() > LOGARITHMIC}
    heights = [0.7 if metric == "weight" else 1.1 for metric in shown]
    ratios = [0.5 if metric == "weight" else 1 for metric in shown]
    figure, panels = style.faceted(
        parts, heights, notes, sharex="col", sharey="row", height_ratios=ratios
    )
    look = looks.TRUTH
    for metric, line in zip(shown, panels, strict=True):
        for panel, part in zip(line, parts, strict=True):
            for row in part:
                points = curves[(curves["label"] == row.label) & curves[metric].notna()]
                if metric == "weight":
                    _weight(panel, points, row)
                else:
                    style.curves(panel, points, "step", metric, row)
            for value in true[metric].dropna():
                panel.axhline(value, color=look.colour, ls=look.line, lw=0.8, zorder=0)
        name = AXES[metric].replace(")", f"{SYMLOG})") if metric in symlog else AXES[metric]
        line[0].set_title(style.printable(name, 36 if len(parts) == 1 else 80))
        scale(line[0], metric, frame[metric].dropna(), low, metric in symlog)
        for value in true[metric].dropna():
            low_end, high_end = line[0].get_ylim()
            if metric not in symlog:  # its name has room above
                room = value + 0.16 * (high_end - low_end)
                line[0].set_ylim(low_end, max(high_end, room))
            line[0].annotate(
                TRUE[metric], (1, value), xycoords=("axes fraction", "data"), xytext=(0, 1),
                textcoords="offset points", ha="right", va="bottom",
            )  # fmt: skip
    for heading, top, panel in zip(style.headings(parts), panels[0], panels[-1], strict=True):
        if heading:
            title = top.get_title(loc="left") or " "
            top.set_title(f"{heading}\n{title}")
        panel.set_xlim(left=0)  # the first point is that of the first validation
        panel.locator_params(axis="x", nbins=4)
        panel.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    figure.supxlabel("training step (count)")
    return figure


def _weight(panel: Axes, points: pd.DataFrame, row: style.Row) -> None:
    """Draw the weight that was used, or the one that the first seed logged at evaluations."""
    look = row.look
    corners = points[points["seed"].isna()]
    if len(corners):
        panel.plot(corners["step"], corners["weight"], color=look.colour, ls=look.line)
    elif len(points):
        logged = points[points["seed"] == points["seed"].min()]
        panel.plot(logged["step"], logged["weight"], ls="", **style.marks(look, 2.5))


def scale(panel: Axes, metric: str, values: pd.Series[float], low: float, symlog: bool) -> None:
    """Set the axis of a metric."""
    if metric == "weight":
        panel.set(ylim=(-0.08, 1.12), yticks=[0, 1])
    elif metric == "elbo":
        panel.set_ylim(style.limits([low, values.max()], least=0.5))
    elif symlog:
        panel.set_yscale("symlog", linthresh=1)
        ticks = (0, 0.5, 1, 3, 10, 30, 100, 300, 1000)
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.set_ylim(-0.1, 1.4 * values.max())
    else:
        panel.set_ylim(style.limits([0.0, *values], least=1.0))


def lowest(frame: pd.DataFrame) -> tuple[float, dict[str, str]]:
    """Return the lowest ELBO to show, which most rows leave early, and which rows end below it."""
    points = frame[frame["elbo"].notna() & (frame["role"] != "truth")]
    points = points.sort_values("step", kind="stable")
    last = points.groupby("label", sort=False)["elbo"].last()
    kept = style.without_ends(points).groupby("label")["elbo"]
    early = sorted(kept.quantile(EARLY))[kept.ngroups // 2]
    low = min(early, *kept.last())
    below = last[last < low]
    return low, {str(label): f"ELBO to {number(end, 1)}" for label, end in below.items()}
