"""The story of a study: KL and ELBO of its schedules, as far as its records hold them."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import line, missing

from benchmark.core.records import read_jsonl
from benchmark.report import figures
from benchmark.report.figures import looks, story, style
from benchmark.report.grouping import groups

RESULTS = Path(__file__).parents[2] / "results"


def rows(study: str) -> pd.DataFrame:
    return story.rows(groups(read_jsonl(RESULTS / f"{study}.jsonl")))


def made_up(
    label: str, row: int, seed: int, steps: tuple[int, ...], kl: float
) -> dict[str, object]:
    found = line(label, row, seed)
    found["curve"] = [{"step": step, "weight": 1.0, "lr": 0.1, "neg_elbo": 100.0 + seed, "kl": kl}
                      for step in steps]  # fmt: skip
    return found


def test_it_shows_the_rows_of_ptb_that_have_records() -> None:
    frame = rows("fu2019_ptb")
    assert {"lstm_lm", "none", "cyclical"} <= set(frame["label"])
    assert "autoencoder" not in set(frame["label"])
    with style.settings():
        figure = story.draw(frame)
        figure.draw_without_rendering()
    assert figure.get_figwidth() / figure.get_figheight() == pytest.approx(10 / 3.2, rel=0.05)
    left, right = figure.axes
    names = [text.get_text() for text in (*left.texts, *right.texts)]
    assert any(name.startswith("no annealing 0.0") for name in names)
    assert any(name.startswith("language model −") for name in names)
    assert not figure.legends
    for panel in (left, right):
        boxes = sorted((text.get_window_extent() for text in panel.texts), key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
    curve = next(
        one for one in left.get_lines() if one.get_color() == looks.look("cyclical").colour
    )
    assert curve.get_xdata()[0] > 0  # its first validation; nothing is put before it
    assert "shaded: KL weight of cyclical below 1" in figure.get_supxlabel()


def test_a_study_of_one_table_with_a_plain_vae_and_a_schedule_has_one() -> None:
    for study, has in (("quickstart", True), ("confound_exact", False), ("exact", False)):
        assert (len(rows(study)) > 0) is has, study
    assert len(story.rows(groups([line("none", 0, 0), missing("cyclical", 1)]))) == 0
    assert len(story.rows(groups([line("none", 0, 0), line("free_bits", 1, 0)]))) == 0
    lines = [line("none", 0, 0), line("cyclical", 1, 0)]
    assert next(iter(figures.pictures("s", groups(lines)))).name == "s-story"


def test_seeds_whose_steps_differ_are_averaged_point_by_point() -> None:
    lines = [made_up("none", 0, 0, (10, 20), 1.0), made_up("none", 0, 1, (12, 24), 2.0),
             made_up("cyclical", 1, 0, (10, 20), 4.0)]  # fmt: skip
    with style.settings():
        figure = story.draw(story.rows(groups(lines)))
    mean = [one for one in figure.axes[0].get_lines() if one.get_marker() == "o"]
    np.testing.assert_allclose(np.array(mean[0].get_xdata(), float), [11, 22])
    np.testing.assert_allclose(np.array(mean[0].get_ydata(), float), [1.5, 1.5])
    assert "no annealing 1.5" in [text.get_text() for text in figure.axes[0].texts]
    assert "no annealing −100.5" in [text.get_text() for text in figure.axes[1].texts]
