"""The figures as files: all there, the same bytes every time, and no record breaks them."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from made_up import missing, record

from benchmark.core.records import read_jsonl
from benchmark.report import figures, grouping
from benchmark.report.figures import forest, learning, positions, rate_distortion, style
from benchmark.report.grouping import groups

RESULTS = Path(__file__).parents[2] / "results"
ODD = ["$x_1$ 100 %", "_hidden <b>&amp;", "größe 漢字 🙂", "x" * 60, r"\alpha $ {", "a\nb", "="]


def records(study: str) -> list[dict[str, Any]]:
    return read_jsonl(RESULTS / f"{study}.jsonl")


def line(label: str, row: int, seed: int = 0, data: str = "ptb", **more: Any) -> dict[str, Any]:
    baseline = label if label in ("none", "lstm_lm") else "monotonic"
    found = record(f"{data}-{baseline}-{seed}-0123abcd", kl=1.5 + row + seed / 10)
    return found | {"label": label, "row": row, "status": "done"} | more


def drawn(lines: list[dict[str, Any]]) -> set[str]:
    """Names of the figures, each drawn as PNG."""
    found = set()
    for picture in figures.pictures("s", groups(lines)):
        assert picture.images("png")[0].startswith(b"\x89PNG")
        found.add(picture.name)
    return found


@pytest.mark.slow
def test_files_are_complete_and_the_same_every_time() -> None:
    lines = [run for run in records("quickstart") if run["config"]["seed"] < 2]
    first = [picture.images("png", "pdf") for picture in figures.pictures("s", groups(lines))]
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": True}):
        # a user's own settings
        second = [picture.images("png", "pdf") for picture in figures.pictures("s", groups(lines))]
    assert len(first) == 7
    assert first == second
    for png, pdf in first:
        assert png.startswith(b"\x89PNG")
        assert pdf.startswith(b"%PDF")
        assert b"CreationDate" not in pdf
        assert b"/FontFile2" in pdf  # embedded


def test_odd_labels_and_data_sets_are_drawn() -> None:
    lines = [line(label, row) for row, label in enumerate(ODD)]
    lines += [
        line("one", 0, data="text:a$b_%<ü,size=5"),
        line("none", 1, data="text:a$b_%<ü,size=5"),
    ]
    for run in lines[-2:]:
        run["data"] = run["data"] | {"sha256": "1" * 64}
    assert {"s-learning-ptb", "s-learning-text-a-b_-size-5"} <= drawn(lines)
    with style.settings():
        figure = forest.draw(forest.rows(grouping.groups(lines)[0]))
        plane = rate_distortion.draw(rate_distortion.rows(grouping.groups(lines)[0]))
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert shown[:2] == ["$x_1$ 100 % (1)", "_hidden <b>&amp; (1)"]
    assert shown[2] == "größe 漢字 🙂 (1)"
    named = {text.get_text() for text in plane.axes[0].texts}
    assert {"$x_1$ 100 %", "_hidden <b>&amp;", "größe 漢字 🙂", "a b"} <= named
    assert shown[3] == "x" * 26 + "\n" + "x" * 26 + "\n" + "x" * 8 + " (1)"


def test_one_run_alone() -> None:
    assert {"s-forest", "s-learning", "s-spectrum", "s-positions"} <= drawn([line("a", 0)])


def test_what_records_lack_is_left_out() -> None:
    assert drawn([]) == set()
    assert drawn([missing("none", 0), missing("a", 1)]) == set()
    bare = [line("none", 0, curve=[], kl_spectrum=None, loss_by_position=[]), missing("a", 1)]
    assert drawn(bare) == {"s-rate-distortion"}
    stray = line("gone", 0) | {"row": None}
    assert drawn([stray]) == set()


def test_language_models_alone_have_no_latent_to_draw() -> None:
    none = dict.fromkeys(("mi", "mi_cap", "marginal_kl", "z_use", "bleu", "au", "excess"))
    lines = [line("lstm_lm", 0, seed, kl_spectrum=None) for seed in range(2)]
    for run in lines:
        run["metrics"] = run["metrics"] | {"test": run["metrics"]["test"] | none}
        run["curve"] = [point | {"mi": None, "au": None} for point in run["curve"]]
    found = drawn(lines)
    assert "s-learning" in found
    assert not any("rate" in name or "spectrum" in name for name in found)


def test_an_auto_encoder_far_away_squashes_no_axis_and_is_told() -> None:
    lines = grouping.groups(records("quickstart"))[0]
    with style.settings():
        plane = rate_distortion.draw(rate_distortion.rows(lines))
        curves = learning.draw(learning.rows(lines))
        trees = forest.draw(forest.rows(lines))
    (panel,) = plane.axes
    assert panel.get_xlim()[1] < 3  # the auto-encoder's KL is 46
    told = [text.get_text() for text in plane.legends[0].get_texts()]
    assert any("autoencoder\n(KL 46." in text for text in told)
    assert {"lstm_lm: NLL 29.83", "truth: NLL 27.23"} <= set(told)
    assert curves.axes[0].get_ylim()[0] > -35  # its ELBO is -68
    assert any("ELBO to −6" in text.get_text() for text in curves.legends[0].get_texts())
    kl = next(panel for panel in trees.axes if panel.get_xlabel().startswith("KL"))
    assert kl.get_xlim()[1] < 4
    assert "+46.4 →" in [text.get_text() for text in kl.texts]


def test_the_truth_by_position_is_a_line_in_every_panel() -> None:
    frame = positions.rows(grouping.groups(records("exact"))[0])
    truth = frame[(frame["role"] == "truth") & ~frame["later"]]
    with style.settings():
        figure = positions.draw(frame)
    assert len(figure.axes) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()].count("truth: class known") == 1
    for panel in figure.axes:
        (line,) = (
            one for one in panel.get_lines()
            if one.get_color() == "#000000" and len(one.get_xdata()) == len(truth)
        )  # fmt: skip
        np.testing.assert_allclose(line.get_ydata(), truth["difference"])
        low, high = panel.get_ylim()
        assert low < truth["difference"].min() < truth["difference"].max() < high


def test_every_axis_has_a_unit() -> None:
    lines = grouping.groups(records("ptb_check"))[0]
    for module in figures.OF_TABLE:
        with style.settings():
            figure = module.draw(module.rows(lines))
        for panel in figure.axes:
            across = f"{panel.get_xlabel()} {figure.get_supxlabel()}".strip()
            up = panel.get_ylabel() + panel.get_title(loc="left") + figure.get_supylabel()
            assert "(" in across or across == "token position in the sentence", module
            assert "(" in up or panel is not figure.axes[0] or module is forest, module


def test_axes_say_which_way_is_better_and_where_they_are_logarithmic() -> None:
    lines = grouping.groups(records("exact"))[0]
    with style.settings():
        curves = learning.draw(learning.rows(lines))
        trees = forest.draw(forest.rows(lines))
    titles = [panel.get_title(loc="left") for panel in curves.axes]
    assert sum("validation ELBO, higher is better" in title for title in titles) == 1
    (kl,) = [panel for panel in curves.axes if panel.get_title(loc="left").startswith("KL (nats")]
    assert kl.get_yscale() == "symlog"
    assert "log scale above 1" in kl.get_title(loc="left")
    for panel in trees.axes:
        assert ("lower is better" in panel.get_xlabel()) == panel.get_xlabel().startswith("IW-NLL")
    assert "cyclical (3)" in [text.get_text() for text in trees.axes[0].get_yticklabels()]


def test_curves_begin_at_their_first_validation_on_an_axis_from_step_0() -> None:
    frame = learning.rows(grouping.groups(records("quickstart"))[0])
    with style.settings():
        figure = learning.draw(frame)
    first = frame[frame["seed"].notna()]["step"].min()
    for panel in figure.axes[:-1]:  # the last shows the weight, whose path begins at 0
        assert panel.get_xlim()[0] == 0
        starts = [line.get_xdata()[0] for line in panel.get_lines() if len(line.get_xdata()) > 2]
        assert min(starts) == first > 0


def test_a_figure_has_one_legend() -> None:
    group = grouping.groups(records("exact"))[0]
    for module in (learning, positions, rate_distortion):
        with style.settings():
            figure = module.draw(module.rows(group))
        (legend,) = figure.legends
        assert all(panel.get_legend() is None for panel in figure.axes)
        names = [text.get_text() for text in legend.get_texts()]
        assert len(set(names)) == len(names)


def test_codings_of_one_text_have_figures_of_their_own() -> None:
    lines = []
    for coding, worse in (("ptb", 1.0), ("ptb:vocabulary=sentencepiece", 2.0)):
        for label, row in (("none", 0), ("a", 1)):
            run = line(label, row)
            run["config"] = run["config"] | {"data": coding}
            run["data"] = run["data"] | {"sha256": coding}
            run["metrics"]["test"]["iw_nll"] = 101.0 + worse * row
            lines.append(run)
    for group, worse in zip(grouping.groups(lines), (1.0, 2.0), strict=True):
        table = forest.rows(group)
        means = table[(table["metric"] == "iw_nll") & table["seed"].isna()]
        assert dict(zip(means["label"], means["value"], strict=True)) == {"a": worse}
    assert {"s-forest-ptb", "s-forest-ptb-vocabulary-sentencepiece"} < drawn(lines)


def test_limits_and_facets() -> None:
    assert style.limits([1.0, np.nan, 3.0], spare=0.0) == (1.0, 3.0)
    assert style.limits([2.0], least=1.0, spare=0.0) == (1.5, 2.5)
    table = learning.rows(grouping.groups(records("exact"))[0])
    parts = style.facets(table)
    assert [len(part) for part in parts] == [8, 9, 8]  # with both references in each
    assert all({"lstm_lm", "none"} <= {row.label for row in part} for part in parts)
    assert style.headings(parts) == [
        "schedules", "constant weights, free bits", "network, training",
    ]  # fmt: skip
    assert style.headings(parts[:1]) == [""]


def test_a_family_in_several_panels_is_headed_by_its_methods() -> None:
    parts = style.facets(learning.rows(grouping.groups(records("matched_rate"))[0]))
    assert [heading.replace("\n", " ") for heading in style.headings(parts)] == [
        "schedules, constant weights", "free bits, minimum_rate", "controlled, target_rate",
        "network",
    ]  # fmt: skip
