"""Forest plot: paired differences to the plain VAE and to the language model, with every seed.

Without the plain VAE in the study, the values themselves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.core.measures import SIGNS
from benchmark.report.figures import looks, runs, style
from benchmark.report.frame import bound
from benchmark.report.grouping import Group
from benchmark.report.statistics import number, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "forest"
COLUMNS = ("metric", "reference", *runs.ROW, "seed", "value", "low", "high", "n", "bound")
NAMES = {"iw_nll": "IW-NLL", "kl": "KL", "mi": "MI"}
LOWER = ("iw_nll",)  # of these, less is better; of the others neither is
LEAST = 0.2  # nats that an axis shows at least: nothing less is a difference worth a look
SPREAD = 0.22  # of a row's height, over which its seeds are spread
FAR = 0.6  # of what runs need of an axis: a truth further away is given as text


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    what = "Differences paired by seed" if frame["reference"].any() else "Likelihood, KL and MI"
    return f"{what}, test split, {data} (every seed, mean, 95 % t interval; ≤, ≥: bounds only)"


def rows(group: Group) -> pd.DataFrame:
    """Return a row for each seed, and without seed one for each row of the study.

    That has the mean, ``low`` and ``high`` (95 % t interval; n = 2: the range). Differences are to
    the ``reference`` of the same seed and data set. ``bound``: "≥" where some seed's MI is a lower
    bound, "≤" where its IW-NLL is an upper one. A truth is what a model would show that is the
    exact language and keeps its class in z.
    """
    known = runs.runs(group)
    roles, true = set(known["role"]), runs.truth(known)
    panels = [("iw_nll", "lstm_lm")] if "lstm_lm" in roles else []
    panels += [(metric, "none" if "none" in roles else "") for metric in NAMES]
    table = []
    for metric, role in panels:
        reference = known[(known["role"] == role) & (role != "")]
        head = {"metric": metric, "reference": " / ".join(reference["label"].unique())}
        if role:
            lines = group.differences
            lines = lines[(lines["reference"] == role) & (lines["metric"] == metric)]
            lines = lines[lines["mean"].notna()]
        else:
            by_label = known[known[metric].notna()].groupby("label", sort=False)
            lines = pd.DataFrame(
                [(label, of["seed"], of[metric], bound(of, metric)) for label, of in by_label],
                columns=["label", "seeds", "values", "bound"],
            )
        for line in lines.to_dict("records"):
            label, values = line["label"], list(line["values"])
            row = head | known[known["label"] == label].iloc[0][list(runs.ROW)].to_dict()
            table += [
                row | {"seed": seed, "value": value, "n": 1}
                for seed, value in zip(line["seeds"], values, strict=True)
            ]
            summary = summarise(values)
            low, high = summary.ends if summary.n > 1 else (math.nan, math.nan)
            table.append(row | {"value": summary.mean, "low": low, "high": high, "n": summary.n,
                                "bound": SIGNS[line["bound"]]})  # fmt: skip
        if true is not None and len(lines):
            value = true.nll if metric == "iw_nll" else true.information
            value -= reference[metric].mean() if role else 0.0
            if math.isfinite(value):
                table.append(head | runs.TRUTH | {"value": value})
    return runs.frame(table, COLUMNS)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw one panel a comparison, one line a row."""
    frame = frame.fillna({"reference": ""})
    comparisons = list(frame.groupby(["metric", "reference"], sort=False))
    shown = style.rows_of(frame)
    names = [style.printable(f"{row.label} {_seeds(frame, row.label)}", 26) for row in shown]
    height = sum(style.LINE * (0.25 + 1 + name.count("\n")) for name in names) + 1.25
    figure, ((*panels,),) = style.grid(1, len(comparisons), style.WIDE, height, sharey=True)
    for panel, (_, part) in zip(panels, comparisons, strict=True):
        metric, reference = part.iloc[0][["metric", "reference"]]
        _scale(panel, part, bool(reference))
        for line, row in enumerate(shown):
            _line(panel, part[part["label"] == row.label], line, row.look)
        minus = f" minus\n{style.printable(reference, 16)}'s" if reference else ""
        better = "\n(lower is better)" if metric in LOWER else ""
        panel.set_xlabel(f"{NAMES[metric]}{minus}{better}")
    what = "difference paired by seed" if frame["reference"].any() else "test split"
    figure.supxlabel(f"{what} ({style.NATS})")
    panels[0].annotate("row (number of seeds)", (0, 1), xycoords="axes fraction", xytext=(-4, 2),
                       textcoords="offset points", ha="right", va="bottom")  # fmt: skip
    panels[0].set_yticks(range(len(shown)), names)
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    for panel in panels[1:]:
        panel.tick_params(left=False)
    return figure


def _seeds(frame: pd.DataFrame, label: str) -> str:
    """Return the number of seeds of a row's means, "(3)", or "(2-3)" where panels differ."""
    counts = frame[(frame["label"] == label) & frame["seed"].isna()]["n"].dropna()
    ends = dict.fromkeys([int(counts.min()), int(counts.max())])
    return f"({'–'.join(map(str, ends))})"


def _scale(panel: Axes, part: pd.DataFrame, difference: bool) -> None:
    """Show all but end points, and the truth if it is near."""
    kept = style.without_ends(part)
    values = [*kept["value"], *kept["low"], *kept["high"], *([0.0] if difference else [])]
    span = style.limits(values, LEAST)
    for value in part[part["role"] == "truth"]["value"]:
        low, high = min(span[0], value), max(span[1], value)
        if high - low <= (1 + FAR) * (span[1] - span[0]):
            span = style.limits([*values, value], LEAST)
            panel.axvline(value, color="black", ls=looks.TRUTH.line, lw=0.8, zorder=1)
            side = "left" if value < sum(span) / 2 else "right"
            panel.annotate("truth", (value, 1), xycoords=("data", "axes fraction"), ha=side,
                           va="bottom")  # fmt: skip
        else:
            _beyond(panel, f"truth {number(value, plus=difference)}", value > span[1], 1.0,
                    va="bottom", xycoords="axes fraction")  # fmt: skip
    panel.set_xlim(span)
    if difference:
        panel.axvline(0, color="0.6", lw=0.6, zorder=0)
    panel.locator_params(axis="x", nbins=4)


def _beyond(panel: Axes, text: str, right: bool, y: float, **more: object) -> None:
    """Write at the edge of a panel what lies beyond it."""
    text, side = (f"{text} →", "right") if right else (f"← {text}", "left")
    panel.annotate(text, (int(right), y), ha=side, **more)  # type: ignore[arg-type]


def _line(panel: Axes, points: pd.DataFrame, line: int, look: looks.Look) -> None:
    """Draw a row: seeds pale, mean and interval dark; or where the mean lies outside."""
    panel.axhline(line, color="0.93", lw=0.5, zorder=0)
    seeds = points[points["seed"].notna()]
    left, right = panel.get_xlim()
    for mean in points[points["seed"].isna()].to_dict("records"):
        if not left <= mean["value"] <= right:
            text = f"{mean['bound']} {number(mean['value'], 1, plus=True)}".strip()
            _beyond(panel, text, mean["value"] > right, line, xycoords=("axes fraction", "data"),
                    va="center", color=look.colour, bbox=style.PLAIN, zorder=4)  # fmt: skip
            continue
        if len(seeds) > 1:
            at = line + np.linspace(-SPREAD, SPREAD, len(seeds))
            panel.plot(seeds["value"], at, color=look.colour, ls="", marker="o", ms=2, mew=0,
                       alpha=0.5, zorder=2)  # fmt: skip
        interval = math.isfinite(mean["low"])
        if interval:
            panel.plot([mean["low"], mean["high"]], [line, line], color=look.colour, lw=1.2)
        given = style.marks(look, 4.5)
        panel.plot(mean["value"], line, zorder=3, **(given | {"marker": look.marker or "|"}))
        if mean["bound"]:
            end = max(mean["high"], *seeds["value"]) if interval else mean["value"]
            panel.annotate(mean["bound"], (end, line), xytext=(4, 0), textcoords="offset points",
                           ha="left", va="center")  # fmt: skip
