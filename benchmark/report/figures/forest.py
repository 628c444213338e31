"""Forest plot: paired differences to the plain VAE and to the language model, with every seed.

Without the plain VAE in the study, the figures themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.core import rules
from benchmark.report.figures import runs, style
from benchmark.report.statistics import number, paired, summarise

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "forest"
COLUMNS = ("metric", "reference", "place", "label", "role", "seed", "value", "low", "high", "n",
           "bound")  # fmt: skip
NAMES = {"iw_nll": "IW-NLL", "kl": "KL", "mi": "MI"}
LEAST = 0.2  # nats that an axis shows at least: nothing less is a difference worth a look
SPREAD = 0.22  # of a row's height, over which its seeds are spread
FAR = 0.6  # of what runs need of an axis: a truth further away is told, not shown


@dataclass(frozen=True)
class Comparison:
    """A panel: a ``metric``, as it is or minus that of a reference of this ``role``."""

    metric: str
    role: str  # "" for the figures themselves


def title(data: str, frame: "pd.DataFrame") -> str:
    """What the figure shows."""
    what = "Differences paired by seed" if frame["reference"].any() else "Likelihood, KL and MI"
    return f"{what}, test split, {data} (every seed, mean, 95 % t interval; ≤, ≥: bounds only)"


def rows(lines: Sequence[runs.Record]) -> "pd.DataFrame":
    """One row a seed, and without seed one a row of the study with its mean, ``low`` and ``high``
    (95 % t interval; n = 2: the range).

    Columns: `COLUMNS`. Differences are to the ``reference`` of the same seed and data set.
    ``bound``: "≥" where some seed's MI is a lower bound, "≤" where its IW-NLL is an upper one. A
    truth is what a model would show that is the exact language and keeps its class in z.
    """
    known = runs.runs(lines)
    found: list[runs.Row] = []
    for comparison in _comparisons(known):
        found += _compared(known, comparison)
    return runs.frame(found, COLUMNS)


def _comparisons(known: Sequence[runs.Run]) -> list[Comparison]:
    """Likelihood to both references, KL and MI to the plain VAE."""
    roles = {run.role for run in known}
    plain = "none" if "none" in roles else ""
    model = [Comparison("iw_nll", "lstm_lm")] if "lstm_lm" in roles else []
    return [*model, *(Comparison(metric, plain) for metric in NAMES)]


def _compared(known: Sequence[runs.Run], comparison: Comparison) -> list[runs.Row]:
    """The rows of a panel; none where no run has a partner."""
    metric, role = comparison.metric, comparison.role
    references = [run for run in known if role and run.role == role]
    base = {(run.data, run.seed): _value(run, metric) for run in references}
    names = list(dict.fromkeys(run.label for run in references))
    head = {"metric": metric, "reference": " / ".join(names)}
    found: list[runs.Row] = []
    for label in dict.fromkeys(run.label for run in known if run.label not in names):
        pairs = [
            (run, _value(run, metric), base.get((run.data, run.seed), math.nan) if role else 0.0)
            for run in known
            if run.label == label
        ]
        pairs = [pair for pair in pairs if math.isfinite(pair[1] - pair[2])]
        if pairs:
            found += [row | head for row in _row(pairs, metric)]
    true = _truth(known, comparison) if found else math.nan
    if math.isfinite(true):
        found.append(runs.TRUTH | head | {"value": true})
    return found


def _value(run: runs.Run, metric: str) -> float:
    """A metric; a model without latent variable has no KL of 0."""
    return run.number(metric) if run.latent or metric == "iw_nll" else math.nan


def _row(pairs: Sequence[tuple[runs.Run, float, float]], metric: str) -> list[runs.Row]:
    """Seeds and their summary."""
    row = pairs[0][0].row()
    found = [
        row | {"seed": run.seed, "value": value - other, "n": 1} for run, value, other in pairs
    ]
    summary = paired([value for _, value, _ in pairs], [other for *_, other in pairs])
    low, high = summary.ends if summary.n > 1 else (math.nan, math.nan)
    bounds = {rules.SIGNS[rules.bound(run.test, metric)] for run, *_ in pairs} - {""}
    ends = {"low": low, "high": high, "n": summary.n, "bound": "".join(bounds)}
    return [*found, row | {"value": summary.mean} | ends]


def _truth(known: Sequence[runs.Run], comparison: Comparison) -> float:
    """What the exact language itself would show; NaN where it is not known."""
    true = runs.truth(known)
    if true is None:
        return math.nan
    value = true.nll if comparison.metric == "iw_nll" else true.information
    if not comparison.role:
        return value
    others = [_value(run, comparison.metric) for run in known if run.role == comparison.role]
    others = [other for other in others if math.isfinite(other)]
    return value - summarise(others).mean if others else math.nan


def draw(frame: "pd.DataFrame") -> "Figure":
    """One panel a comparison, one line a row."""
    panels_of = frame[["metric", "reference"]].drop_duplicates().fillna("").values.tolist()
    frame = frame.fillna({"reference": ""})
    shown = style.rows_of(frame)
    names = [style.printable(label, 34) for _, label, _ in shown]
    height = sum(0.17 * (1 + name.count("\n")) for name in names) + 0.75
    figure, ((*panels,),) = style.grid(1, len(panels_of), style.WIDE, height, sharey=True)
    for panel, (metric, reference) in zip(panels, panels_of, strict=True):
        part = frame[(frame["metric"] == metric) & (frame["reference"] == reference)]
        _scale(panel, part, bool(reference))
        for line, (place, label, role) in enumerate(shown):
            _line(panel, part[part["label"] == label], line, style.look(place, role))
        minus = f"\nminus that of {style.printable(reference, 20)}" if reference else ""
        panel.set_xlabel(f"{NAMES[metric]}{minus}\n({style.NATS})")
    panels[0].set_yticks(range(len(shown)), names)
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    for panel in panels[1:]:
        panel.tick_params(left=False)
    return figure


def _scale(panel: "Axes", part: "pd.DataFrame", difference: bool) -> None:
    """An axis for all but end points, with the truth if it is near."""
    own = part[part["role"] != "truth"]
    kept = own[own["role"] != "end"]
    kept = kept if len(kept) else own
    values = [*kept["value"], *kept["low"], *kept["high"], *([0.0] if difference else [])]
    span = style.limits(values, LEAST)
    assert span is not None  # no panel is empty
    for value in part[part["role"] == "truth"]["value"]:
        near = style.limits([*span, float(value)], spare=0.0)
        assert near is not None
        if near[1] - near[0] <= (1 + FAR) * (span[1] - span[0]):
            span = style.limits([*values, float(value)], LEAST) or span
            panel.axvline(value, color="black", ls=style.look(0, "truth").line, lw=0.8, zorder=1)
            panel.annotate("truth", (value, 1), xycoords=("data", "axes fraction"), fontsize=6,
                           ha="center", va="bottom")  # fmt: skip
        else:
            left = value < span[0]
            text = f"← truth {number(value, plus=difference)}" if left else \
                   f"truth {number(value, plus=difference)} →"  # fmt: skip
            panel.annotate(text, (0 if left else 1, 1), xycoords="axes fraction", fontsize=6,
                           ha="left" if left else "right", va="bottom")  # fmt: skip
    panel.set_xlim(span)
    if difference:
        panel.axvline(0, color="0.6", lw=0.6, zorder=0)
    panel.locator_params(axis="x", nbins=4)


def _line(panel: "Axes", points: "pd.DataFrame", line: int, look: style.Look) -> None:
    """A row: seeds pale, mean and interval dark; an arrow and the mean where it lies outside."""
    panel.axhline(line, color="0.93", lw=0.5, zorder=0)
    seeds, means = points[points["seed"].notna()], points[points["seed"].isna()]
    for _, mean in means.iterrows():
        low, high = panel.get_xlim()
        if not low <= mean["value"] <= high:
            right = mean["value"] > high
            value = f"{mean['bound']} {number(mean['value'], 1, plus=True)}".strip()
            panel.annotate(f"{value} →" if right else f"← {value}", (1 if right else 0, line),
                           xycoords=("axes fraction", "data"), ha="right" if right else "left",
                           va="center", fontsize=6, color=look.colour, bbox=style.PLAIN,
                           zorder=4)  # fmt: skip
            continue
        spread = [SPREAD * (2 * i / max(len(seeds) - 1, 1) - 1) for i in range(len(seeds))]
        more: dict[str, Any] = {"color": look.colour, "ls": "", "clip_on": True}
        if len(seeds) > 1:
            at = [line + offset for offset in spread]
            panel.plot(seeds["value"], at, marker="o", ms=2, mew=0, alpha=0.5, zorder=2, **more)
        if math.isfinite(mean["low"]):
            panel.plot([mean["low"], mean["high"]], [line, line], color=look.colour, lw=1.2)
        panel.plot([mean["value"]], [line], marker=look.marker or "|", ms=4, zorder=3, **more)
        if mean["bound"]:
            end = (
                max(mean["high"], *seeds["value"]) if math.isfinite(mean["high"]) else mean["value"]
            )
            panel.annotate(mean["bound"], (end, line), xytext=(4, 0), textcoords="offset points",
                           fontsize=6, ha="left", va="center")  # fmt: skip
