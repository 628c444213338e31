"""Loss by token position, against the language model's: which words a latent variable knows.

What is gained here is paid for in KL: the sum over positions of the difference, plus the KL, is
the difference of the negative ELBOs.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.report.figures import runs, style
from benchmark.report.statistics import number, summarise

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "positions"
COLUMNS = ("place", "label", "role", "position", "later", "tokens", "loss", "reference", "n",
           "difference", "low", "high")  # fmt: skip
WHOLE = 50  # positions that stand alone in a record; a further entry is all later ones
PART = 0.25  # of the sentences: a position that fewer reach is counted to all later ones


def title(data: str, frame: "pd.DataFrame") -> str:
    """What the figure shows."""
    return f"Loss by token position, test split, {data} (mean over seeds, 95 % t interval)"


def rows(lines: Sequence[runs.Record]) -> "pd.DataFrame":
    """One row a row of the study and position, from 1; ``later`` marks the last, which pools all
    later positions.

    Columns: `COLUMNS`. ``loss`` is the mean over seeds, nats a token; ``difference`` that to the
    ``reference`` of the same seed over ``n`` pairs, from ``low`` to ``high`` (95 % t interval; n =
    2: the range). The reference is the language model, else `none`, else the first row.
    """
    known = [run for run in runs.runs(lines) if run.record.get("loss_by_position")]
    roles = [role for role in runs.REFERENCES if any(run.role == role for run in known)]
    first = {run.data: run.label for run in reversed(known)}
    base = {
        (run.data, run.seed): (run.label, _pooled(run))
        for run in known
        if (run.role == roles[0] if roles else run.label == first[run.data])
    }
    found: list[runs.Row] = []
    for label in dict.fromkeys(run.label for run in known):
        mine = [(run, _pooled(run)) for run in known if run.label == label]
        shape = [(later, tokens) for _, later, tokens in mine[0][1]]
        mine = [(run, curve) for run, curve in mine if len(curve) == len(shape)]
        reference = {base[run.data, run.seed][0] for run, _ in mine if (run.data, run.seed) in base}
        for at, (later, tokens) in enumerate(shape):
            pairs = [
                curve[at][0] - base[run.data, run.seed][1][at][0]
                for run, curve in mine
                if len(base.get((run.data, run.seed), ("", []))[1]) == len(shape)
            ]
            row: runs.Row = {"position": at + 1, "later": later, "tokens": tokens}
            row |= {"loss": sum(curve[at][0] for _, curve in mine) / len(mine)}
            row |= {"reference": next(iter(reference), "")}
            found.append(mine[0][0].row() | row | _difference(pairs))
    return runs.frame(found, COLUMNS)


def _pooled(run: runs.Run) -> list[tuple[float, bool, int]]:
    """(mean loss, whether all later positions, tokens) of positions that enough sentences reach."""
    points = [(float(mean), int(count)) for mean, count in run.record["loss_by_position"]]
    least = PART * points[0][1]
    alone = next((i for i, (_, count) in enumerate(points) if count < least), len(points))
    if alone == len(points) > WHOLE:
        alone = WHOLE  # what comes after is, in the record itself, all later positions
    found = [(mean, False, count) for mean, count in points[:alone]]
    tokens = sum(count for _, count in points[alone:])
    if tokens:
        nats = sum(mean * count for mean, count in points[alone:])
        found.append((nats / tokens, True, tokens))
    return found


def _difference(pairs: Sequence[float]) -> runs.Row:
    if not pairs:
        return {"n": 0}
    found = summarise(pairs)
    low, high = found.ends
    return {"n": found.n, "difference": found.mean, "low": low, "high": high}


def draw(frame: "pd.DataFrame") -> "Figure":
    """A line a row, the pooled last position apart."""
    own = frame["label"] == frame["reference"]
    shown = frame[~own & frame["difference"].notna()]
    shown = shown if len(shown) else frame  # the reference alone: a line at 0
    parts = style.facets(shown)
    span, notes = _limits(shown)
    figure, ((*panels,),) = style.faceted(parts, [2.0], notes, sharex=True, sharey=True)
    for panel, part in zip(panels, parts, strict=True):
        panel.axhline(0, color="black", lw=0.6, ls=(0, (1, 1)), zorder=0)
        for place, label, role in part:
            _line(panel, shown[shown["label"] == label], style.look(place, role), place)
    panels[0].set_ylim(span)
    _ticks(panels[0], shown)
    names = [name for name in dict.fromkeys(frame["reference"]) if name]
    base = style.printable(names[0], 30) if len(names) == 1 else "its coding's reference"
    gap = " " if len(base) < 12 else "\n"
    panels[0].set_ylabel(f"loss minus that of{gap}{base}\n(nats per token)")
    figure.supxlabel("token position in the sentence")
    return figure


def _line(panel: "Axes", points: "pd.DataFrame", look: style.Look, place: int) -> None:
    single, later = points[~points["later"]], points[points["later"]]
    every = max(1, len(single) // 6)
    given = {"color": look.colour, "marker": look.marker}
    panel.plot(single["position"], single["difference"], ls=look.line,
               markevery=(place % every, every), **given)  # fmt: skip
    panel.plot(later["position"] + 1, later["difference"], ls="", **given)
    x, low, high = (single[name].astype(float) for name in ("position", "low", "high"))
    panel.fill_between(x, low, high, color=look.colour, alpha=0.12, lw=0)


def _limits(frame: "pd.DataFrame") -> tuple[tuple[float, float], dict[str, str]]:
    """An axis for all but end points that would squash the rest, and where those are."""
    kept = frame[frame["role"] != "end"]
    kept = kept if len(kept) else frame
    span = style.limits([0.0, *kept["difference"].dropna()], least=0.05, spare=0.1)
    assert span is not None  # 0 is among them
    notes = {}
    for label, points in frame.groupby("label", sort=False):
        low, high = float(points["difference"].min()), float(points["difference"].max())
        if low < span[0] or high > span[1]:
            notes[str(label)] = f"{number(low, plus=True)} to {number(high, plus=True)}"
    return span, notes


def _ticks(panel: "Axes", frame: "pd.DataFrame") -> None:
    """Positions, and a name for the pooled one."""
    single = frame[~frame["later"]]["position"]
    last = int(single.max()) if len(single) else 0
    ticks = [1, *range(5, last + 1, 5 if last < 30 else 10)] if last else []
    names = [str(tick) for tick in ticks]
    if frame["later"].any():
        ticks, names = [*ticks, last + 2], [*names, f">{last}"]
    panel.set_xticks(ticks, names)
