"""Learning curves: ELBO, KL, MI, z_use and active units on validation, the KL weight beneath."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.report.figures import runs, style
from benchmark.report.statistics import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "learning"
METRICS = ("elbo", "kl", "mi", "z_use", "au")
COLUMNS = ("place", "label", "role", "seed", "step", *METRICS, "weight")
_AXES = {
    "elbo": "ELBO (nats\nper sentence)",
    "kl": "KL (nats per\nsentence)",
    "mi": "MI (nats per\nsentence)",
    "z_use": "z_use (nats\nper sentence)",
    "au": "active units\n(count)",
    "weight": "KL weight\n(factor)",
}
LOGARITHMIC = 10.0  # nats of KL or z_use from which on the axis is logarithmic above 1 nat
EARLY = 0.15  # of an ELBO's points, the worst, may lie below its axis


def title(data: str, frame: "pd.DataFrame") -> str:
    """What the figure shows."""
    told = "; true entropy: the language's, not of these sentences"
    known = bool((frame["role"] == "truth").any())
    seeds = "seeds thin, their mean thick"
    return f"Learning curves, validation split, {data} ({seeds}{told if known else ''})"


def rows(lines: Sequence[runs.Record]) -> "pd.DataFrame":
    """One row a seed and evaluation; without a seed: the corners of the KL weight that the row's
    first run used, where its record has them; the truth.

    Columns: `COLUMNS`; the truth is the language's own, not of the validation split's sentences.
    """
    found: list[runs.Row] = []
    weighed = set()
    known = runs.runs(lines)
    for run in known:
        curve = run.record.get("curve") or []
        for point in curve:
            figures = {name: runs.number(point.get(name)) for name in ("kl", "mi", "z_use", "au")}
            if not run.latent:
                figures["kl"] = math.nan
            figures["elbo"] = -runs.number(point.get("neg_elbo"))
            if run.latent:
                figures["weight"] = runs.number(point.get("weight"))
            found.append(run.row() | {"seed": run.seed, "step": point["step"]} | figures)
        if curve and run.latent and run.label not in weighed:
            weighed.add(run.label)
            path = run.record.get("weight_path") or []
            found += [run.row() | {"step": round(s), "weight": weight} for s, weight in path]
    true = runs.truth(known) if found else None
    if true is not None:
        information = {"kl": true.information, "mi": true.information}
        found.append(runs.TRUTH | {"elbo": -true.entropy} | information)
    return runs.frame(found, COLUMNS)


def draw(frame: "pd.DataFrame") -> "Figure":
    """Metrics one below another, rows of the study side by side where they are many."""
    parts = style.facets(frame)
    low, notes = _lowest(frame)
    shown = [m for m in (*METRICS, "weight") if frame[m][frame["role"] != "truth"].notna().any()]
    heights = [0.75 if metric == "weight" else 1.15 for metric in shown]
    ratios = [0.55 if metric == "weight" else 1 for metric in shown]
    figure, panels = style.faceted(
        parts, heights, notes, sharex="col", sharey="row", height_ratios=ratios
    )
    for column, part in enumerate(parts):
        for line, metric in enumerate(shown):
            _panel(panels[line][column], frame, part, metric)
    for line, metric in enumerate(shown):
        panels[line][0].set_ylabel(_AXES[metric])
        _scale(panels[line][0], frame, metric, low)
    for panel in panels[-1]:
        panel.locator_params(axis="x", nbins=4)
        panel.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    figure.supxlabel("training step (count)")
    figure.align_ylabels()
    return figure


def _panel(
    panel: "Axes", frame: "pd.DataFrame", part: Sequence[tuple[int, str, str]], metric: str
) -> None:
    """One metric of some rows."""
    for place, label, role in part:
        look = style.look(place, role)
        points = frame[(frame["label"] == label) & frame[metric].notna()]
        if not len(points):
            continue
        if metric == "weight":
            corners = points[points["seed"].isna()]
            logged = points[points["seed"] == points["seed"].min()]
            if len(corners):
                panel.plot(corners["step"], corners[metric], color=look.colour, ls=look.line)
            else:
                panel.plot(logged["step"], logged[metric], color=look.colour, lw=0.5,
                           marker=look.marker, ms=2.5)  # fmt: skip
            continue
        for _, seed in points.groupby("seed"):
            panel.plot(seed["step"], seed[metric], color=look.colour, lw=0.4, alpha=0.45)
        steps = points.groupby("step")[metric].agg(["mean", "size"])
        steps = steps[steps["size"] == points["seed"].nunique()]  # no step of some seeds alone
        every = max(1, math.ceil(len(steps) / 8))
        panel.plot(steps.index, steps["mean"], color=look.colour, ls=look.line,
                   marker=look.marker, markevery=(place % every, every))  # fmt: skip
    for value in frame[frame["role"] == "truth"][metric].dropna():
        true = style.look(0, "truth")
        panel.axhline(value, color=true.colour, ls=true.line, lw=0.8, zorder=0)


def _scale(panel: "Axes", frame: "pd.DataFrame", metric: str, low: float) -> None:
    """The axis of a metric, and the truth's name."""
    values = frame[metric].dropna()
    if metric == "weight":
        panel.set(ylim=(-0.08, 1.12), yticks=[0, 1])
    elif metric == "elbo":
        panel.set_ylim(style.limits([low, float(values.max())], least=0.5))
    elif metric in ("kl", "z_use") and values.max() > LOGARITHMIC:
        panel.set_yscale("symlog", linthresh=1)
        ticks = (0, 0.5, 1, 3, 10, 30, 100, 300, 1000)
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.set_ylim(-0.1, 1.4 * values.max())
    else:
        panel.set_ylim(style.limits([0.0, *values], least=1.0))
    names = {"elbo": "true entropy", "kl": "I(x; c)", "mi": "I(x; c)"}
    for value in frame[frame["role"] == "truth"][metric].dropna():
        panel.annotate(
            names[metric], (1, value), xycoords=("axes fraction", "data"), xytext=(0, 1),
            textcoords="offset points", ha="right", va="bottom", fontsize=6,
        )  # fmt: skip


def _lowest(frame: "pd.DataFrame") -> tuple[float, dict[str, str]]:
    """The lowest ELBO to show: what most rows have left behind early; and which rows end below."""
    points = frame[frame["elbo"].notna() & (frame["role"] != "truth")]
    curves = {
        (str(label), role): part.sort_values("step", kind="stable")["elbo"]
        for (label, role), part in points.groupby(["label", "role"])
    }
    kept = [curve for (_, role), curve in curves.items() if role != "end"] or list(curves.values())
    early = sorted(float(curve.quantile(EARLY)) for curve in kept)[len(kept) // 2]
    low = min(early, *(float(curve.iloc[-1]) for curve in kept))
    ends = {label: float(curve.iloc[-1]) for (label, _), curve in curves.items()}
    return low, {label: f"ELBO to {number(end, 1)}" for label, end in ends.items() if end < low}
