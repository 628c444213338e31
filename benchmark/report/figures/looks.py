"""The look of each method, by its name: the same in every figure of every study.

The hue tells the family of the method, marker and line which one of the family it is. Rows of one
method share its look: a number at the end of the label makes it larger and darker, other words
change how its marker is filled. A method that no table here knows, such as one of a file of one's
own, has a look that follows from its name alone.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple
from zlib import crc32

SOLID, DASHED, LONG, DASHDOT, DOTTED = "-", (0, (5, 1.5)), (0, (9, 1.5)), (0, (6, 1.5, 1, 1.5)), (
    0, (1.2, 1.2),
)  # fmt: skip
# Hues that stay apart for readers with each of the common kinds of colour blindness.
FAMILIES = {
    "references": "#5c5c5c",
    "schedules": "#0072b2",
    "constant weights": "#857a52",
    "free bits": "#ea5b20",
    "controllers": "#6a2fbf",
    "network": "#006d33",
    "training": "#80122e",
    "other methods": "#e57fb8",
}
# Method, or label of a row that is known by its own name: family, lightness, marker, line.
_KNOWN: dict[str, tuple[str, float, str, Any]] = {
    "none": ("references", 0.0, "o", SOLID),
    "lstm_lm": ("references", -1.0, "", DOTTED),
    "cyclical": ("schedules", 0.0, "^", SOLID),
    "monotonic": ("schedules", -0.4, "v", DASHED),
    "cosine": ("schedules", 0.15, "P", DOTTED),
    "logistic": ("schedules", 0.3, "X", DASHDOT),
    "delayed_linear": ("schedules", 0.2, "D", DASHDOT),
    "delayed_linear_late": ("schedules", -0.2, "d", LONG),
    "late_rise": ("schedules", -0.6, "s", LONG),
    "zero_linear": ("schedules", 0.0, "<", DASHED),
    "autoencoder": ("constant weights", 0.0, "h", SOLID),
    "beta": ("constant weights", 0.0, "p", DASHED),
    "mean_reduction": ("constant weights", 0.2, "*", DOTTED),
    "free_bits": ("free bits", 0.0, "s", SOLID),
    "free_bits_sentence": ("free bits", 0.25, "^", DASHED),
    "free_bits_batch": ("free bits", -0.3, "D", DASHDOT),
    "free_bits_batch_dimension": ("free bits", 0.0, "v", DOTTED),
    "minimum_rate": ("controllers", 0.0, "<", SOLID),
    "controlled": ("controllers", -0.35, ">", DASHED),
    "target_rate": ("controllers", 0.2, "d", DASHDOT),
    "batch_norm_mean": ("network", 0.1, "h", SOLID),
    "delta": ("network", 0.3, "X", DASHED),
    "dispersed": ("network", -0.2, "P", DASHDOT),
    "max_pooling": ("network", 0.2, "p", DOTTED),
    "aggressive": ("training", 0.0, "<", SOLID),
    "aggressive_annealed": ("training", 0.2, ">", DASHED),
    "pretrained_free_bits": ("training", 0.3, "P", DASHDOT),
    "word_dropout": ("training", 0.1, "*", DOTTED),
}
# The method of those labels that are no method's name.
_ROWS = {
    "delayed_linear_late": "delayed_linear",
    "late_rise": "delayed_linear",
    "zero_linear": "delayed_linear",
    "free_bits_sentence": "free_bits",
    "free_bits_batch": "free_bits",
    "free_bits_batch_dimension": "free_bits",
    "aggressive_annealed": "aggressive",
}
_MARKERS = ("s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*")  # of methods that no table knows
_LINES = (SOLID, DASHED, DASHDOT, DOTTED)
_SHADES = (0.0, -0.3, 0.2, -0.5, -0.15)
# What a label says of its training behind a comma: how the marker is filled, and the lightness.
_CONDITIONS = {
    "constant": ("full", 0.0),
    "restarted": ("none", 0.3),
    "constant at the mean": ("left", -0.25),
    "bf16": ("none", 0.3),
}
_FILLS = ("none", "left", "top", "bottom", "right")
_NUMBER = re.compile(r"[ _=,](\d+(?:\.\d+)?)$")
FEW, MANY = 0.125, 8.0  # numbers of a label between which lightness and size grow


class Look(NamedTuple):
    """How a row is drawn: ``size`` is that of its marker, 1 by default, ``fill`` of matplotlib."""

    colour: str
    marker: str
    line: Any
    fill: str = "full"
    size: float = 1.0


TRUTH = Look("#000000", "", (0, (6, 2)))


def family(label: str, method: str = "") -> str:
    """Return the family of a row's method, a key of `FAMILIES`."""
    return _KNOWN.get(name_of(label, method), ("other methods",))[0]


def look(label: str, method: str = "") -> Look:
    """Return the look of a row of the study, which depends on nothing but these names.

    Args:
        label: of the row.
        method: of the row, a baseline's name; by default the label is one.
    """
    name = name_of(label, method)
    if name in _KNOWN:
        kind, shade, marker, line = _KNOWN[name]
    else:
        kind, key = "other methods", crc32(name.encode())
        marker, line = _MARKERS[key % len(_MARKERS)], _LINES[key // 11 % len(_LINES)]
        shade = _SHADES[key // 44 % len(_SHADES)]
    colour = mixed(FAMILIES[kind], shade)
    rest = label.removeprefix(name).strip(" _,:")
    if not rest:
        return Look(colour, marker, line)
    key = crc32(rest.encode())
    marker = marker or _MARKERS[key % len(_MARKERS)]  # the language model has none of its own
    if number := _NUMBER.search(label):
        share = math.log(max(FEW, float(number[1])) / FEW) / math.log(MANY / FEW)
        share = min(1.0, share)
        return Look(mixed(colour, 0.35 - 0.75 * share), marker, line, size=0.75 + 0.6 * share)
    chosen = _FILLS[key % len(_FILLS)], _SHADES[key // 5 % len(_SHADES)]
    fill, shade = _CONDITIONS.get(rest, chosen)
    return Look(mixed(colour, shade), marker, line, fill)


def name_of(label: str, method: str) -> str:
    """Return the name by which the table, or else the code, knows the row's look."""
    for known in (label, label.partition(",")[0]):
        if known in _KNOWN and method in ("", known, _ROWS.get(known)):
            return known
    return method or label


def mixed(colour: str, amount: float) -> str:
    """Return a colour mixed with white by ``amount``, or with black by minus that."""
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    towards = 255 if amount > 0 else 0
    return "#" + "".join(f"{round(c + (towards - c) * abs(amount)):02x}" for c in channels)
