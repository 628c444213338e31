"""Heat maps: rows of the study by data sets, a panel a measure, each cell the mean over seeds.

They show on which data a method keeps its latent alive, and what that costs there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.core.measures import MEASURES, SIGNS
from benchmark.report.figures import runs, style
from benchmark.report.formats import DASH
from benchmark.report.frame import bound, states
from benchmark.report.grouping import Group
from benchmark.report.statistics import number
from benchmark.report.tables import cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "heatmap"
DIFFERENCE = "iw_nll minus lstm_lm"
# The title of each measure's panel, and its colours, on all of which black is read. Those of a
# difference are palest at 0, blue where it is better and red where it is worse.
PANELS = {
    "alive": ("alive\n(seeds of n)", "light:#74a9d8"),
    "mi": (f"{MEASURES['mi'].title}\n(nats)", "light:#66bd94"),
    "excess": (f"{MEASURES['excess'].title}\n(nats)", "light:#f0a060"),
    DIFFERENCE: (
        f"{MEASURES['iw_nll'].title} minus\nlstm_lm's (nats)",
        "blend:#6aa2dc,#f6f6f6,#ec7d6c",
    ),
}
COLUMNS = ("measure", "data", "information", *runs.ROW, "value", "undecided", "n", "bound")
LEAST = 6  # rows of a study from which on it has heat maps: fewer are read from its tables
USUAL = 0.9  # share of the values that set a panel's colours; what lies beyond has the last one
NEAR = 0.1  # nats of difference at which colours are full, at least
LINE, BROKEN = 0.17, 0.23  # inches: the height of a cell, and where a name takes two lines


def title(study: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    undecided = "; ?: some seeds are undecided" if frame["undecided"].gt(0).any() else ""
    bounds = "; ≤, ≥: bounds only" if frame["bound"].ne("").any() else ""
    return (
        f"Rows of {study} by data set, test split (mean over seeds, nats per sentence; {DASH}: no "
        f"record, or no such number{undecided}{bounds}; each panel has colours of its own)"
    )


def rows(groups: Sequence[Group]) -> pd.DataFrame:
    """Return a row for each measure, data set and row of the study, with or without a record.

    ``value`` is the mean over ``n`` seeds as in the tables; that of the difference is paired by
    seed, and of "alive" it is the number of seeds, beside those that are ``undecided``. Data sets
    are sorted by ``information``, I(x; c) of an exact language. Measures that no record has are
    left out; a study of one data set, or of fewer than `LEAST` rows, has no numbers at all.
    """
    data = {name for group in groups for name in group.runs["data"].iloc[:1]}
    labels = {label for group in groups for label in group.runs["label"]}
    if len(data) < 2 or len(labels) < LEAST:
        return runs.frame([], COLUMNS)
    table = []
    for group in groups:
        true = runs.truth(runs.runs(group))
        head = {"data": group.title, "information": true.information if true else math.nan}
        for label, of in group.runs.groupby("label", sort=False):
            role = max(of["role"])  # a run without a record has none, ""
            baseline = next(filter(None, of["baseline"]), "")
            row = head | {"place": of["place"].iloc[0], "label": label, "role": role,
                          "baseline": baseline}  # fmt: skip
            values = _values(group, str(label), of[of["status"] == "done"])
            table += [row | {"measure": one, "bound": ""} | values.get(one, {}) for one in PANELS]
    cells = runs.frame(table, COLUMNS).sort_values("information", kind="stable")
    parts = [cells[cells["measure"] == measure] for measure in PANELS]
    return pd.concat([part for part in parts if part["value"].notna().any()] or [cells[:0]])


def _values(group: Group, label: str, done: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return a row's values by measure, as in the tables, without dashes."""
    values: dict[str, dict[str, Any]] = {}
    counts = states(done) if len(done) else None
    if counts:
        values["alive"] = {"value": counts[0], "undecided": counts[1], "n": len(done)}
    for measure in ("mi", "excess"):
        mean = cell(done, measure)
        if mean.value is not None:
            sign = SIGNS[bound(done, measure)]
            values[measure] = {"value": mean.value, "n": mean.n, "bound": sign}
    lines = group.differences
    lines = lines[(lines["reference"] == "lstm_lm") & (lines["metric"] == "iw_nll")]
    for line in lines[(lines["label"] == label) & lines["mean"].notna()].to_dict("records"):
        n, sign = len(line["seeds"]), SIGNS[line["bound"]]
        values[DIFFERENCE] = {"value": line["mean"], "n": n, "bound": sign}
    return values


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a heat map a measure, side by side as far as the width of a page goes."""
    measures, data = frame["measure"].unique(), frame.drop_duplicates("data")
    labels = frame.sort_values("place", kind="stable")["label"].unique()
    names = [style.printable(label, 22) for label in labels]
    heads = [_head(name, of) for name, of in zip(data["data"], data["information"], strict=True)]
    widths = [_width(frame[frame["measure"] == measure], len(data)) for measure in measures]
    room = style.WIDE - 0.2 - _inches(names)
    abreast = len(measures) if sum(widths) <= room else min(len(measures), 2)
    abreast = 1 if max(widths) > room / abreast and abreast == 2 else abreast
    down = math.ceil(len(measures) / abreast)
    line = BROKEN if any("\n" in name for name in names) else LINE
    height = line * len(names) + _inches(heads) + 0.45
    ratios = widths if down == 1 else [1.0] * abreast
    figure, panels = style.grid(down, abreast, style.WIDE, down * height, width_ratios=ratios)
    flat = [panel for across in panels for panel in across]
    for i, (panel, measure) in enumerate(zip(flat, measures, strict=False)):
        cells = frame[frame["measure"] == measure].drop_duplicates(["label", "data"])
        _panel(panel, cells, list(labels), list(data["data"]))
        panel.set_title(PANELS[measure][0])
        panel.set_xticks([x + 0.5 for x in range(len(heads))], heads, rotation=90, ma="left")
        panel.set_yticks([y + 0.5 for y in range(len(names))], names if i % abreast == 0 else [])
    for panel in flat[len(measures) :]:
        panel.set_visible(False)
    return figure


def _width(cells: pd.DataFrame, columns: int) -> float:
    """Return the inches that a panel needs: for its cells, and for its title."""
    texts = [_text(one) for one in cells[cells["value"].notna()].to_dict("records")]
    title = PANELS[cells["measure"].iloc[0]][0].split("\n")
    return max(columns * (_inches(texts) + 0.08), _inches(title) + 0.1)


def _head(data: str, information: float) -> str:
    """Return what stands above a column."""
    known = f"\nI(x; c) {number(information)}" if math.isfinite(information) else ""
    return style.printable(data, 26) + known


def _inches(texts: Sequence[str]) -> float:
    """Return the length of the longest line of all texts."""
    return style.LETTER * max(len(line) for text in texts for line in text.split("\n"))


def _panel(panel: Axes, cells: pd.DataFrame, labels: list[str], data: list[str]) -> None:
    """Draw the map of one measure."""
    import seaborn as sns

    measure = str(cells["measure"].iloc[0])
    values = cells["value"] / (cells["n"].astype(float) if measure == "alive" else 1.0)
    usual = values[cells["role"] != "end"].dropna()
    high = float(usual.abs().quantile(USUAL)) if len(usual) else 1.0
    low, high = {
        "alive": (0.0, 1.0),
        "excess": (float(usual.min()), high),
        DIFFERENCE: (-max(NEAR, high), max(NEAR, high)),
    }.get(measure, (0.0, high))
    cells = cells.assign(colour=values, text=[_text(one) for one in cells.to_dict("records")])
    colour, text = (
        cells.pivot(index="label", columns="data", values=of).reindex(index=labels, columns=data)
        for of in ("colour", "text")
    )
    sns.heatmap(
        colour, annot=text.fillna(""), fmt="", annot_kws={"color": "black", "size": style.TEXT},
        cmap=sns.color_palette(PANELS[measure][1], as_cmap=True),
        vmin=low, vmax=high, cbar=False, linewidths=0.5, linecolor="white", ax=panel,
    )  # fmt: skip
    for y, x in zip(*colour.isna().to_numpy().nonzero(), strict=True):
        panel.text(x + 0.5, y + 0.5, DASH, color="0.4", ha="center", va="center")
    panel.tick_params(length=0, labeltop=True, labelbottom=False)
    panel.set(xlabel="", ylabel="")


def _text(one: Mapping[Any, Any]) -> str:
    """Return what stands in a cell that has a value."""
    if one["measure"] == "alive":
        doubt = "?" if pd.notna(one["undecided"]) and one["undecided"] else ""
        return f"{one['value']:.0f}/{one['n']}{doubt}"
    return f"{one['bound']}{number(one['value'], plus=one['measure'] == DIFFERENCE)}"
