"""Place names beside points so that no two overlap and none hides a point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NEAR = 6.0  # points: names whose points are nearer to each other stand one below the other
# Points from a point to its name, nearest first.
RADII = (6, 11, 17, 24, 32, 42, 54, 68, 84, 102, 122, 145, 170, 200)
SHORT = 84  # of these, the longest way that leads round everything
ANGLES = (0, 180, 45, 135, -45, -135, 90, -90, 22, 158, -22, -158, 68, 112, -68, -112)
LEADER = 10.0  # points from which on a line leads from the name to its point


class Label(NamedTuple):
    """A name of the point at ``x`` and ``y`` of the panel's axes."""

    text: str
    x: float
    y: float
    colour: str


class _Block(NamedTuple):
    """Labels one below the other: the place of their point, and their size, all in pixels."""

    labels: list[Label]
    anchor: Array
    width: float
    line: float


def place(
    panel: Axes, labels: Sequence[Label], points: Array, lines: Array | None = None
) -> list[str]:
    """Write each label beside its point, and return those for which there is no room.

    The panel has its final size. Texts that it holds already are kept clear. So are ``points``,
    shape (N, 2), in units of its axes, and points of ``lines``, as long as there is room.
    """
    if not labels:
        return []
    unit = panel.figure.dpi / 72  # pixels of a point
    taken: list[Array] = [np.array(text.get_window_extent().extents) for text in panel.texts]
    nothing = np.empty((0, 2))
    pixels = panel.transData.transform(points) if len(points) else nothing
    drawn = panel.transData.transform(lines) if lines is not None and len(lines) else nothing
    # What is kept clear, whether leaders may pass anything, and how long they may be: a long way
    # round is worse than that, and a name that hides a point is better than none.
    wishes = [
        (np.concatenate([pixels, drawn]), False, SHORT),
        (pixels, False, SHORT),
        (pixels, True, RADII[-1]),
        (nothing, True, RADII[-1]),
    ]
    leaders: list[tuple[Array, Array]] = []
    blocks = _blocks(panel, labels, unit)
    blocks.sort(key=lambda block: (-len(block.labels), -_crowd(block, pixels, unit)))
    without: list[str] = []
    for block in blocks:
        for clear, crossing, longest in wishes:
            known = None if crossing else leaders
            box = next(_free(panel, block, taken, clear, known, longest, unit), None)
            if box is not None:
                break
        else:
            without += [label.text for label in block.labels]
            continue
        taken.append(box)
        leaders.append((_nearest(box, block.anchor), block.anchor))
        _write(panel, block, box, unit)
    return without


def _blocks(panel: Axes, labels: Sequence[Label], unit: float) -> list[_Block]:
    """Return the labels, those of one place together."""
    blocks: list[_Block] = []
    for label in labels:
        anchor = panel.transData.transform((label.x, label.y))
        text = panel.text(0, 0, label.text)
        size = text.get_window_extent()
        text.remove()
        for i, block in enumerate(blocks):
            if math.dist(block.anchor, anchor) < NEAR * unit:
                block.labels.append(label)
                blocks[i] = block._replace(width=max(block.width, size.width))
                break
        else:
            blocks.append(_Block([label], anchor, size.width, style.TEXT * 1.15 * unit))
    return blocks


def _crowd(block: _Block, points: Array, unit: float) -> int:
    """Return how many points are near."""
    return int((np.hypot(*(points - block.anchor).T) < 40 * unit).sum())


def _free(
    panel: Axes, block: _Block, taken: Sequence[Array], points: Array,
    leaders: Sequence[tuple[Array, Array]] | None, longest: float,
    unit: float,
) -> Iterator[Array]:  # fmt: skip
    """Yield the free places of a block, near ones first: left, bottom, right and top, pixels.

    Its leader passes no text, no other point and none of the ``leaders``, unless they are None.
    """
    size = np.array([block.width, block.line * len(block.labels)])
    inside = panel.bbox.extents
    boxes = np.array(taken).reshape(-1, 4)
    others = points[np.hypot(*(points - block.anchor).T) > 12 * unit]
    for radius in (one for one in RADII if one <= longest):
        for angle in ANGLES:
            way = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
            middle = block.anchor + way * radius * unit + np.clip(1.6 * way, -1, 1) * size / 2
            box = np.concatenate([middle - size / 2, middle + size / 2])
            if (box[:2] < inside[:2]).any() or (box[2:] > inside[2:]).any():
                continue
            wide = box + np.array([-1, -1, 1, 1]) * unit
            if _overlap(wide, boxes) or _holds(wide + np.array([-2, -2, 2, 2]) * unit, points):
                continue
            start = _nearest(box, block.anchor)
            if radius >= LEADER and leaders is not None:
                way_out = np.linspace(start, block.anchor, 25)[1:]
                gaps = np.hypot(*(way_out[:, None] - others[None]).transpose(2, 0, 1))
                if (gaps < 3 * unit).any():
                    continue
                if any(_holds(other, way_out) for other in boxes):
                    continue
                if any(_cross(start, block.anchor, *other) for other in leaders):
                    continue
            yield box


def _overlap(box: Array, boxes: Array) -> bool:
    return bool(((box[:2] < boxes[:, 2:]) & (box[2:] > boxes[:, :2])).all(axis=1).any())


def _holds(box: Array, points: Array) -> bool:
    return bool(((points > box[:2]) & (points < box[2:])).all(axis=1).any())


def _nearest(box: Array, point: Array) -> Array:
    return np.clip(point, box[:2], box[2:])


def _cross(a: Array, b: Array, c: Array, d: Array) -> bool:
    """Return whether the lines from a to b and from c to d cross."""

    def side(one: Array, two: Array, three: Array) -> float:
        first, second = two - one, three - one
        return float(first[0] * second[1] - first[1] * second[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _write(panel: Axes, block: _Block, box: Array, unit: float) -> None:
    """Write a block into its box, and lead from it to its point."""
    first = block.labels[0]
    start = _nearest(box, block.anchor)
    if math.dist(start, block.anchor) >= LEADER * unit:
        panel.annotate(
            "", (first.x, first.y), xytext=tuple((start - block.anchor) / unit),
            textcoords="offset points", zorder=2.6, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": first.colour, "shrinkA": 0,
                        "shrinkB": 2},
        ).set_in_layout(False)  # fmt: skip
    left, _, _, top = box
    for i, label in enumerate(block.labels):
        at = np.array([left, top - (i + 0.5) * block.line]) - block.anchor
        panel.annotate(
            label.text, (first.x, first.y), xytext=tuple(at / unit), textcoords="offset points",
            ha="left", va="center_baseline", color=label.colour, zorder=4, annotation_clip=False,
            bbox=style.PLAIN,
        ).set_in_layout(False)  # fmt: skip
