"""Heat maps of a study: its rows by its data sets, with the tables' numbers."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import line, missing

from benchmark.core.records import read_jsonl
from benchmark.report import figures, tables
from benchmark.report.figures import heatmap
from benchmark.report.grouping import groups

RESULTS = Path(__file__).parents[2] / "results"
LABELS = ("lstm_lm", "none", "a", "b", "c", "d")


def language(strength: float, label: str, row: int, seed: int, **metrics: Any) -> dict[str, Any]:
    """A run on an exact language of a strength, its only name."""
    known = {"mi": strength / 2, "excess": 2.0, **metrics}
    if label == "lstm_lm":
        known |= dict.fromkeys(("mi", "mi_cap", "marginal_kl", "z_use"))
    run = line(label, row, seed, f"exact:mix={strength}", **known)
    run["data"] |= {"entropy": 90.0, "information": strength, "sha256": f"{strength}" * 8}
    return run


def study(*strengths: float) -> list[dict[str, Any]]:
    return [
        language(strength, label, row, seed)
        for strength in strengths
        for row, label in enumerate(LABELS)
        for seed in range(2)
    ]


def texts(frame: pd.DataFrame) -> list[list[str]]:
    """What stands in the cells of each panel, from top to bottom, from left to right."""
    found = []
    for panel in heatmap.draw(frame).axes:
        cells = sorted((*text.get_position()[::-1], text.get_text()) for text in panel.texts)
        found.append([text for _, _, text in cells])
    return found


def test_cells_are_means_of_the_records_on_each_data_set() -> None:
    lines = read_jsonl(RESULTS / "exact.jsonl")
    (picture,) = [one for one in figures.pictures("exact", groups(lines)) if "heat" in one.name]
    assert picture.name == "exact-heatmap"
    table = pd.read_csv(io.StringIO(picture.csv)).set_index(["measure", "data", "label"])
    assert len(table) == 4 * 3 * 21

    def values(data: str, label: str, metric: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        by_seed = {
            one["config"]["seed"]: one["metrics"]["test"][metric]
            for one in lines
            if (one["config"]["data"], one["label"]) == (data, label)
        }
        return np.array([by_seed[seed] for seed in sorted(by_seed)], float)

    for data in ("exact_small:mix=0.15", "exact_small:mix=0.25", "exact_small"):
        for label in ("none", "cyclical", "free_bits", "max_pooling"):
            for metric in ("mi", "excess"):
                cell = table.loc[metric, data, label]
                assert cell["value"] == pytest.approx(values(data, label, metric).mean(), rel=1e-5)
                assert cell["n"] == 3
            difference = values(data, label, "iw_nll") - values(data, "lstm_lm", "iw_nll")
            cell = table.loc["iw_nll minus lstm_lm", data, label]
            assert cell["value"] == pytest.approx(difference.mean(), rel=1e-4, abs=1e-5)
            alive = np.any(
                [values(data, label, half) - 1.96 * values(data, label, f"{half}_se") > 0.1
                 for half in ("mi", "z_use")], axis=0,
            )  # fmt: skip
            assert table.loc["alive", data, label]["value"] == alive.sum()
    assert table.loc["mi", "exact_small", "autoencoder"]["bound"] == "≥"
    assert table.loc["mi", :, "lstm_lm"]["value"].isna().all()
    assert table.loc["iw_nll minus lstm_lm", :, "lstm_lm"]["value"].isna().all()


def test_cells_are_those_of_the_tables() -> None:
    by_table = groups(read_jsonl(RESULTS / "exact.jsonl"))
    drawn = dict(zip(("alive", "MI", "excess", "difference"), texts(heatmap.rows(by_table)),
                     strict=True))  # fmt: skip
    main = {table.title: table for table in tables.build(by_table) if table.kind == "main"}
    shown = [main[name] for name in ("exact_small:mix=0.15", "exact_small:mix=0.25", "exact_small")]
    for column in ("MI", "excess"):
        place = shown[0].columns.index(column)
        cells = [row.cells[place].text for rows in zip(*(one.rows for one in shown), strict=True)
                 for row in rows]  # fmt: skip
        assert drawn[column] == [cell.partition(" ±")[0].replace(" ", "") for cell in cells]


def test_data_sets_are_in_the_order_of_their_strength() -> None:
    found = heatmap.rows(groups(study(2.5, 0.5, 1.5)))
    assert list(found["information"].unique()) == [0.5, 1.5, 2.5]
    figure = heatmap.draw(found)
    heads = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert heads == [f"exact:mix={one}\nI(x; c) {one:.2f}" for one in (0.5, 1.5, 2.5)]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(LABELS)
    assert all("(" in panel.get_title() for panel in figure.axes)


def test_a_missing_record_is_a_dash() -> None:
    lines = [
        one for one in study(0.5, 1.5)
        if (one["label"], one["config"]["data"]) != ("c", "exact:mix=0.5")
        and (one["label"], one["config"]["seed"]) != ("d", 1)
    ]  # fmt: skip
    lines += [missing("c", 4, seed) | {"config": {"data": "exact:mix=0.5", "seed": seed}}
              for seed in range(2)]  # fmt: skip
    lines += [missing("d", 5, 1) | {"config": {"data": f"exact:mix={one}", "seed": 1}}
              for one in (0.5, 1.5)]  # fmt: skip
    found = heatmap.rows(groups(lines))
    alive, mi, excess, difference = texts(found)
    assert mi == ["–", "–", *["0.25", "0.75"] * 3, "–", "0.75", "0.25", "0.75"]
    assert alive == ["–", "–", *["2/2"] * 6, "–", "2/2", "1/1", "1/1"]
    assert excess == [*["2.00"] * 8, "–", *["2.00"] * 3]
    assert difference == ["–", "–", *["0.00"] * 6, "–", *["0.00"] * 3]
    # Nothing of a data set, or of a row, is recorded.
    lines = [*study(0.5), *(missing("e", 6, 0) | {"config": {"data": one, "seed": 0}}
                            for one in ("exact:mix=0.5", "exact:mix=1.5"))]  # fmt: skip
    assert texts(heatmap.rows(groups(lines)))[1][-4:] == ["0.25", "–", "–", "–"]


def test_seeds_that_are_undecided_are_not_told_as_collapsed() -> None:
    lines = [one for one in study(0.5, 1.5) if one["label"] != "d"]
    lines += [
        language(strength, "d", 5, seed, mi=0.1, z_use=0.1, kl=0.2) for strength in (0.5, 1.5)
        for seed in range(2)
    ]  # fmt: skip
    found = heatmap.rows(groups(lines))
    assert texts(found)[0][-4:] == ["2/2", "2/2", "0/2?", "0/2?"]
    assert "?: some seeds are undecided" in heatmap.title("s", found)


def test_other_texts_are_compared_with_their_language_model() -> None:
    lines = [
        line(label, row, 0, data, excess=None, iw_nll=nll + row, mi=None if row == 0 else 1.25)
        for data, nll in (("ptb", 101.0), ("yahoo", 330.0)) for row, label in enumerate(LABELS)
    ]  # fmt: skip
    for run in lines:
        run["data"] = run["data"] | {"sha256": run["config"]["data"]}
    found = heatmap.rows(groups(lines))
    assert list(found["measure"].unique()) == ["alive", "mi", "iw_nll minus lstm_lm"]
    assert texts(found)[2] == ["–", "–", *(f"+{row}.00" for row in range(1, 6) for _ in "ab")]


def test_one_data_set_or_few_rows_have_none() -> None:
    assert len(heatmap.rows(groups(study(0.5, 1.5))))
    one = study(0.5)
    for lines in (
        one,
        one + [run | {"config": run["config"] | {"precision": "bf16"}} for run in one],
        [run for run in study(0.5, 1.5) if run["label"] != "d"],
        [],
    ):
        assert not len(heatmap.rows(groups(lines)))
        assert not any(
            "heatmap" in picture.name for picture in figures.pictures("s", groups(lines))
        )
