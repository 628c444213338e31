"""Loss by token position, against the language model's: which words a latent variable knows.

What is gained here is paid for in KL. The sum over positions of the difference, each weighted by
the share of sentences that reach it, plus the KL, is the difference of the negative ELBOs. On an
exact language the truth is drawn, what is to be gained by the class: I(c; w_t | w_<t) at position
t, whose sum with the same weights is I(x; c).
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.core.errors import UserError
from benchmark.data import find
from benchmark.data.exact import TEST
from benchmark.report.figures import runs, style
from benchmark.report.grouping import Group
from benchmark.report.statistics import number, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

NAME = "positions"
COLUMNS = (*runs.ROW, "position", "later", "tokens", "loss", "reference", "n", "difference", "low",
           "high")  # fmt: skip
WHOLE = 50  # positions that stand alone in a record; a further entry is all later ones
PART = 0.25  # of the sentences: a position that fewer reach is counted to all later ones
KNOWN = style.Row(0, "truth: class known", "truth", "")


def title(data: str, frame: pd.DataFrame) -> str:
    """Return what the figure shows."""
    true = ""
    if "truth" in set(frame["role"]):
        true = "; truth: the language's own loss given the sentence's class, minus that without it"
    return f"Loss by token position, test split, {data} (mean over seeds, 95 % t interval{true})"


def rows(group: Group) -> pd.DataFrame:
    """Return a row for each row of the study and position, from 1.

    ``later`` marks the last position, which pools all later ones. ``loss`` is the mean over seeds,
    nats a token; ``difference`` that to the ``reference`` of the same seed over ``n`` pairs, from
    ``low`` to ``high`` (95 % t interval; n = 2: the range). The reference is the language model,
    else `none`, else the first row.

    The truth's rows are of the exact language itself, on the same sentences: its loss where it
    knows their classes, and the difference to where it does not. They stand beside differences to
    a language model only.
    """
    known = runs.having(runs.runs(group), "loss_by_position")
    role = next((role for role in ("lstm_lm", "none") if role in set(known["role"])), None)
    first = known.groupby("data")["label"].transform("first")
    is_reference = known["role"] == role if role else known["label"] == first
    of = {
        (run["data"], run["seed"]): (run["label"], _pooled(run["record"]))
        for run in known[is_reference].to_dict("records")
    }
    table = []
    for _, part in known.groupby("label", sort=False):
        pairs = [
            (_pooled(run["record"]), *of.get((run["data"], run["seed"]), ("", [])))
            for run in part.to_dict("records")
        ]
        shape = pairs[0][0]  # other seeds have other positions only where their sentences differ
        pairs = [pair for pair in pairs if len(pair[0]) == len(shape)]
        row = part.iloc[0][list(runs.ROW)].to_dict()
        row["reference"] = next((label for _, label, _ in pairs if label), "")
        for at, (_, later, tokens) in enumerate(shape):
            seeds = [losses[at][0] for losses, _, _ in pairs]
            differences = [losses[at][0] - base[at][0] for losses, _, base in pairs
                           if len(base) == len(shape)]  # fmt: skip
            row |= {"position": at + 1, "later": later, "tokens": tokens, "n": len(differences)}
            table.append(row | {"loss": sum(seeds) / len(seeds)})
            if differences:
                summary = summarise(differences)
                low, high = summary.ends
                table[-1] |= {"difference": summary.mean, "low": low, "high": high}
    if role == "lstm_lm" and runs.truth(known) is not None:
        data = known.iloc[0]["record"]["data"]
        table.extend(_truth(data["name"], data["sha256"]))
    return runs.frame(table, COLUMNS)


@lru_cache(maxsize=64)  # all records of a data set have one truth
def _truth(name: str, sha256: str) -> tuple[dict[Any, Any], ...]:
    """Return the truth's rows; none of a language that the code here does not generate."""
    try:
        data = find(name)
    except UserError:
        return ()
    if data.language is None or data.identity != sha256:
        return ()
    split = data.language.sample(data.language.settings.test, TEST)
    known, alone = data.language.token_log_prob(split)
    place = np.minimum(split.places, WHOLE + 1)  # as in a record; 0 is <s>
    count = np.bincount(place)[1:]

    def by_position(nats: NDArray[np.float64]) -> list[tuple[float, bool, int]]:
        mean = np.bincount(place, nats)[1:] / count
        return _pooled({"loss_by_position": np.stack([mean, count], axis=1).tolist()})

    losses, differences = by_position(-known), by_position(alone - known)
    return tuple(
        runs.TRUTH | {"position": at, "later": later, "tokens": tokens, "reference": "",
                      "loss": loss, "difference": difference}
        for at, ((loss, later, tokens), (difference, _, _))
        in enumerate(zip(losses, differences, strict=True), start=1)
    )  # fmt: skip


def _pooled(record: dict[str, Any]) -> list[tuple[float, bool, int]]:
    """Return (mean loss, whether all later positions, tokens) of positions often reached."""
    points = record["loss_by_position"]
    least = PART * points[0][1]
    alone = list(itertools.takewhile(lambda point: point[1] >= least, points))
    if len(alone) == len(points) > WHOLE:
        alone = points[:WHOLE]  # what comes after is, in the record itself, all later positions
    later = points[len(alone) :]
    tokens = sum(count for _, count in later)
    pooled = [(sum(mean * n for mean, n in later) / tokens, True, int(tokens))] if tokens else []
    return [*((mean, False, int(count)) for mean, count in alone), *pooled]


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a line a row, the pooled last position apart."""
    true = frame["role"] == "truth"
    shown = frame[(frame["label"] != frame["reference"]) & frame["difference"].notna() & ~true]
    shown = shown if len(shown) else frame[~true]  # the reference alone: a line at 0
    parts = [[*part, *([KNOWN] if true.any() else [])] for part in style.facets(shown)]
    inside = [*style.without_ends(shown)["difference"], *frame[true]["difference"]]
    low, high = style.limits([0.0, *inside], 0.05, 0.1)
    spans = shown.groupby("label", sort=False)["difference"].agg(["min", "max"])
    outside = spans[(spans["min"] < low) | (spans["max"] > high)]
    notes = {
        str(label): f"{number(span['min'], plus=True)} to {number(span['max'], plus=True)}"
        for label, span in outside.iterrows()
    }
    figure, ((*panels,),) = style.faceted(parts, [2.0], notes, sharex=True, sharey=True)
    for panel, part, heading in zip(panels, parts, style.headings(parts), strict=True):
        panel.set_title(heading)
        panel.axhline(0, color="black", lw=0.6, ls=(0, (1, 1)), zorder=0)
        for row in part:
            of = frame[true] if row is KNOWN else shown[shown["label"] == row.label]
            _line(panel, of, row)
    panels[0].set_ylim(low, high)
    _ticks(panels[0], shown)
    names = [name for name in frame["reference"].unique() if name]
    base = style.printable(names[0], 30) if len(names) == 1 else "its coding's reference"
    gap = " " if len(base) < 12 else "\n"
    panels[0].set_ylabel(f"loss minus that of{gap}{base}\n(nats per token,\nlower is better)")
    figure.supxlabel("token position in the sentence")
    return figure


def _line(panel: Axes, points: pd.DataFrame, row: style.Row) -> None:
    single, later = points[~points["later"]], points[points["later"]]
    look, every = row.look, max(1, len(single) // 6)
    given = style.marks(look, 3.5)
    panel.plot(single["position"], single["difference"], ls=look.line,
               markevery=(row.place % every, every), **given)  # fmt: skip
    given["marker"] = look.marker or "_"  # without one, a single point would not be seen
    panel.plot(later["position"] + 1, later["difference"], ls="", **given)
    x, low, high = (single[name].astype(float) for name in ("position", "low", "high"))
    panel.fill_between(x, low, high, color=look.colour, alpha=0.12, lw=0)


def _ticks(panel: Axes, frame: pd.DataFrame) -> None:
    """Name positions, and the pooled one."""
    single = frame[~frame["later"]]["position"]
    last = int(single.max()) if len(single) else 0
    ticks = [1, *range(5, last + 1, 5 if last < 30 else 10)] if last else []
    names = [str(tick) for tick in ticks]
    if frame["later"].any():
        ticks, names = [*ticks, last + 2], [*names, f">{last}"]
    panel.set_xticks(ticks, names)
