"""The rate-distortion plane: KL against reconstruction, one point a seed.

Schedules compared at one weight compare little but its mean over training; here rows that buy
their KL at the same price lie on one curve.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.report.figures import runs, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Span = tuple[float, float]

NAME = "rate-distortion"
COLUMNS = ("place", "label", "role", "seed", "kl", "rec", "neg_elbo")
LEAST = 1.0  # nats that an axis shows at least: collapsed rows are not to look spread
LEGEND = 10  # rows from which on the legend stands beside, on a page's width
DIAGONALS = 8
PLACES = (0.9, 0.1, 0.7, 0.3, 0.5)  # along a diagonal, where its value may stand
GREY = "0.75"


def title(data: str, frame: "pd.DataFrame") -> str:
    """What the figure shows."""
    return f"Rate and distortion, test split, {data} (one point a seed)"


def rows(lines: Sequence[runs.Record]) -> "pd.DataFrame":
    """One row a run: KL, reconstruction and their sum; of a language model its NLL alone.

    Columns: `COLUMNS`. The truth's row is a code that keeps the class of an exact language and
    nothing else: rate I(x; c), and together the true NLL of the test split's sentences.
    """
    known = runs.runs(lines)
    found = [
        run.row() | {"seed": run.seed, "neg_elbo": run.number("neg_elbo")}
        | ({"kl": run.number("kl"), "rec": run.number("rec")} if run.latent else {})
        for run in known
    ]  # fmt: skip
    if not any(run.latent for run in known):
        return runs.frame([], COLUMNS)
    true = runs.truth(known)
    if true is not None:
        rate, total = true.information, true.nll
        found.append(runs.TRUTH | {"kl": rate, "rec": total - rate, "neg_elbo": total})
    return runs.frame(found, COLUMNS)


def draw(frame: "pd.DataFrame") -> "Figure":
    """The plane, its diagonals of equal ELBO, and the language model and the truth among them."""
    shown = style.rows_of(frame[frame["kl"].notna()])
    beside = len(shown) >= LEGEND
    (across, up), notes = _limits(frame)
    handles = [
        style.handle(label, place, role, notes.get(label, ""), ls="")
        for place, label, role in shown
    ]
    handles += [entry for role in ("lstm_lm", "truth") for _, entry in _totals(frame, role)]
    columns = 1 if beside else style.abreast(handles, spare=8)
    height = 4.2 if beside else 2.5 + style.handles_height(handles, columns)
    figure, ((panel,),) = style.grid(1, 1, style.WIDE if beside else style.NARROW, height)
    panel.set(xlim=across, ylim=up)
    for place, label, role in shown:
        look = style.look(place, role)
        points = frame[frame["label"] == label]
        panel.plot(points["kl"], points["rec"], ls="", color=look.colour, marker=look.marker,
                   ms=5, mec="white", mew=0.3, zorder=3)  # fmt: skip
    for role in ("lstm_lm", "truth"):
        look = style.look(0, role)
        for total, _ in _totals(frame, role):
            panel.axline((0, total), slope=-1, color=look.colour, ls=look.line, lw=1, zorder=2)
    handles.append(_diagonals(panel, frame))
    _information(panel, frame)
    panel.set(xlabel=f"rate: KL ({style.NATS})", ylabel=f"distortion: rec ({style.NATS})")
    if beside:
        figure.legend(handles=handles, loc="outside right upper")
    else:
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def _limits(frame: "pd.DataFrame") -> tuple[tuple[Span, Span], dict[str, str]]:
    """Axes that show all runs and the totals of a language model and the truth; end points that
    would squash them lie outside, and it is told where.
    """
    points = frame[frame["kl"].notna() & (frame["role"] != "truth")]
    ends = points["role"] == "end"
    kept = points[~ends] if len(points[~ends]) else points
    totals = frame[frame["role"].isin(("lstm_lm", "truth"))]["neg_elbo"].dropna()
    right = max(LEAST, float(kept["kl"].max()))
    across = (-0.04 * right, 1.06 * right)
    up = style.limits([*kept["rec"], *totals], LEAST)
    assert up is not None  # there are points
    outside = points[~points["kl"].between(*across) | ~points["rec"].between(*up)]
    return (across, up), {
        str(label): f"KL {mean['kl']:.1f}, rec {mean['rec']:.1f}"
        for label, mean in outside.groupby("label")[["kl", "rec"]].mean().iterrows()
    }


def _totals(frame: "pd.DataFrame", role: str) -> "list[tuple[float, Line2D]]":
    """What runs compare with, a diagonal of the plane, and its entry in the legend."""
    found = []
    for label, points in frame[frame["role"] == role].groupby("label", sort=False):
        total = float(points["neg_elbo"].mean())
        if math.isfinite(total):
            found.append((total, style.handle(f"{label}: NLL {total:.2f}", 0, role)))
    return found


def _diagonals(panel: "Axes", frame: "pd.DataFrame") -> "Line2D":
    """Lines of equal ELBO, each with its value where there is room, and their entry."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    totals = MaxNLocator(DIAGONALS, steps=[1, 2, 5, 10]).tick_values(left + bottom, right + top)
    digits = 0 if float(totals[1] - totals[0]) >= 1 else 1
    for total in totals:
        low, high = max(left, total - top), min(right, total - bottom)
        if high - low < 0.12 * (right - left):
            continue  # no more than a corner
        panel.axline((0, total), slope=-1, color=GREY, lw=0.5, zorder=0)
        x = max(
            (low + part * (high - low) for part in PLACES),
            key=lambda x: min([0.1, *_distances(frame, x, total - x, right - left, top - bottom)]),
        )
        panel.text(x, total - x, f"{-total:.{digits}f}".replace("-", "−"), fontsize=6,
                   color="0.45", rotation=-45, rotation_mode="anchor", transform_rotates_text=True,
                   ha="center", va="center", bbox=style.PLAIN, zorder=1)  # fmt: skip
    panel.set(xlim=(left, right), ylim=(bottom, top))
    return Line2D([], [], color=GREY, lw=0.8, label="equal ELBO (nats)")


def _distances(
    frame: "pd.DataFrame", x: float, y: float, width: float, height: float
) -> list[float]:
    """From a place to each run, in parts of the panel."""
    points = frame[frame["kl"].notna()]
    pairs = zip(points["kl"], points["rec"], strict=True)
    return [math.hypot((kl - x) / width, (rec - y) / height) for kl, rec in pairs]


def _information(panel: "Axes", frame: "pd.DataFrame") -> None:
    """The rate that would suffice for the class of an exact language."""
    for rate in frame[frame["role"] == "truth"]["kl"].dropna():
        if rate < panel.get_xlim()[1]:
            panel.axvline(rate, color="black", ls=style.look(0, "truth").line, lw=0.6, zorder=0)
            panel.annotate(
                "I(x; c)", (rate, 1), xycoords=("data", "axes fraction"), ha="left", va="top",
                xytext=(2, 0), textcoords="offset points", fontsize=6,
            )  # fmt: skip
