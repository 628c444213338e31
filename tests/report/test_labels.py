"""Names in the plane: no two overlap, none hides a point, and each row has one."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from benchmark.core.records import read_jsonl
from benchmark.report.figures import labels, rate_distortion, style
from benchmark.report.grouping import groups

RESULTS = Path(__file__).parents[2] / "results"


def boxes(panel: Axes) -> dict[str, np.ndarray]:
    """Left, bottom, right and top of each text in the panel, in pixels."""
    texts = [text for text in panel.texts if text.get_text()]
    return {f"{text.get_text()} {i}": text.get_window_extent().extents
            for i, text in enumerate(texts)}  # fmt: skip


def overlapping(panel: Axes) -> list[tuple[str, str]]:
    return [
        (one, other) for (one, a), (other, b) in itertools.combinations(boxes(panel).items(), 2)
        if (a[:2] < b[2:] - 0.5).all() and (b[:2] < a[2:] - 0.5).all()
    ]  # fmt: skip


@pytest.mark.parametrize("study", ["exact", "confound_languages", "remedies", "matched_rate"])
def test_names_of_rows_do_not_overlap(study: str) -> None:
    group = groups(read_jsonl(RESULTS / f"{study}.jsonl"))[-1]
    frame = rate_distortion.rows(group)
    with style.settings():
        figure = rate_distortion.draw(frame)
        figure.draw_without_rendering()
        names = {text.get_text() for text in figure.axes[0].texts}
        outside = {text.get_text().split("\n")[0] for text in figure.legends[0].get_texts()}
        assert overlapping(figure.axes[0]) == []
        inside = figure.axes[0].bbox.extents
        for row in style.rows_of(frame[frame["kl"].notna()]):
            assert row.label in names | outside or "sweep" in frame
        for name, box in boxes(figure.axes[0]).items():
            if name[0] != "−":  # the values of diagonals
                assert (box[:2] > inside[:2] - 3).all(), name
                assert (box[2:] < inside[2:] + 3).all(), name


def test_28_names_beside_three_crowds_have_room() -> None:
    with style.settings():
        figure, ((panel,),) = style.grid(1, 1, style.WIDE, 3.6)
        panel.set(xlim=(0, 10), ylim=(0, 10))
        crowds = [(1 + i % 3 * 3 + 0.3 * np.cos(i), 9 - i % 3 * 3 + 0.3 * np.sin(i))
                  for i in range(28)]  # fmt: skip
        panel.plot(*zip(*crowds, strict=True), "o")
        wanted = [labels.Label(f"a method {i}", x, y, "black") for i, (x, y) in enumerate(crowds)]
        figure.draw_without_rendering()
        assert labels.place(panel, wanted, np.array(crowds)) == []
        assert len(boxes(panel)) == 28
        assert overlapping(panel) == []
        pixels = panel.transData.transform(crowds)
        for box in boxes(panel).values():
            hidden = (pixels > box[:2] + 1).all(axis=1) & (pixels < box[2:] - 1).all(axis=1)
            assert not hidden.any()


def test_names_of_one_point_stand_one_below_the_other() -> None:
    with style.settings():
        figure, ((panel,),) = style.grid(1, 1, style.NARROW, 2.4)
        figure.draw_without_rendering()
        wanted = [labels.Label(name, 0.5, 0.5, "black") for name in ("none", "monotonic", "cosine")]
        assert labels.place(panel, wanted, np.array([[0.5, 0.5]])) == []
        found = list(boxes(panel).values())
    assert np.ptp([box[0] for box in found]) < 1
    assert [box[1] for box in found] == sorted((box[1] for box in found), reverse=True)
    assert overlapping(panel) == []


def test_what_has_no_room_is_told() -> None:
    with style.settings():
        figure, ((panel,),) = style.grid(1, 1, 1.5, 1.0)
        figure.draw_without_rendering()
        long = [labels.Label("x" * 60, 0.5, 0.5, "black")]
        assert labels.place(panel, long, np.empty((0, 2))) == ["x" * 60]
