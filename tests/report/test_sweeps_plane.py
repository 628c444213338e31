"""The rate-distortion plane of a study that sweeps a hyper-parameter: a curve a method."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import line
from matplotlib.figure import Figure

from benchmark.report.figures import looks, rate_distortion, runs, style
from benchmark.report.grouping import Group, groups

RATES = (2.0, 0.5, 10.0, 1.0)  # in no order, neither as numbers nor as words


def run(label: str, row: int, seed: int, kl: float, method: str = "", **params: Any) -> Any:
    """A run whose KL is given, and whose negative ELBO rises with it."""
    found = line(label, row, seed, kl=kl, mi=0.9 * kl, rec=101.0 - 0.8 * kl,
                 neg_elbo=101.0 + 0.2 * kl)  # fmt: skip
    found["config"] |= {"baseline": method or label, "params": params}
    return found


def sweep(method: str, row: int, name: str = "rate", **more: Any) -> list[dict[str, Any]]:
    return [
        run(f"{method}_{rate:g}", row + i, seed, rate + 0.1 * seed, method, **{name: rate, **more})
        for i, rate in enumerate(RATES)
        for seed in range(3)
    ]


def found(lines: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Sweep, hyper-parameter and setting by label."""
    of = runs.sweeps(runs.runs(groups(lines)[0]))
    return {label: tuple(facts[name] for name in runs.SWEEP) for label, facts in of.items()}


def drawn(lines: list[dict[str, Any]]) -> Figure:
    with style.settings():
        return rate_distortion.draw(rate_distortion.rows(groups(lines)[0]))


def names(figure: Figure) -> list[str]:
    """What stands in the plane, but for values of its diagonals."""
    texts = [text.get_text() for text in figure.axes[0].texts]
    return [text for text in texts if text and not text.startswith("−")]


def test_rows_that_differ_in_one_number_are_a_sweep() -> None:
    lines = [*sweep("minimum", 1, kind="mean"), run("none", 0, 0, 0.01)]
    assert found(lines) == {
        f"minimum_{rate:g}": ("minimum", "rate", rate) for rate in sorted(RATES, key=RATES.index)
    }
    table = rate_distortion.rows(groups(lines)[0])
    assert table[table["label"] == "none"]["sweep"].isna().all()
    assert list(table.columns) == [*rate_distortion.COLUMNS, "sweep", "parameter", "setting"]


@pytest.mark.parametrize(
    "params",
    [
        [{"kind": "a"}, {"kind": "b"}, {"kind": "c"}],  # no number
        [{"on": True}, {"on": False}, {"on": 2}],  # no number either
        [{"rate": 1.0}, {"rate": 2.0}, {"rate": 2.0}],  # two values
        [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 3, "b": 3}],  # two at once
    ],
)
def test_other_rows_of_one_method_are_none(params: list[dict[str, Any]]) -> None:
    lines = [run(f"row {i}", i, 0, float(i), "m", **one) for i, one in enumerate(params)]
    assert found(lines) == {}
    table = rate_distortion.rows(groups(lines)[0])
    assert list(table.columns) == list(rate_distortion.COLUMNS)
    assert len(drawn(lines).axes) == 1


def test_a_row_of_other_training_is_not_in_the_sweep() -> None:
    lines = sweep("m", 0)
    lines[0]["config"]["train"] = {"epochs": 80}
    for other in lines[1:3]:
        other["config"]["train"] = {"epochs": 80}
    assert set(found(lines)) == {"m_0.5", "m_10", "m_1"}


def test_two_sweeps_of_one_method_are_called_after_their_first_rows() -> None:
    batch = [one | {"label": f"batch {one['label']}"} for one in sweep("free", 4, kind="batch")]
    lines = [*sweep("free", 0, kind="sentence"), *batch]
    assert {name for name, _, _ in found(lines).values()} == {"free_2, …", "batch free_2, …"}


def test_a_row_of_two_sweeps_is_in_the_longer() -> None:
    grid = [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3)]
    lines = [run(f"{a}_{b}", i, 0, a + b / 10, "m", a=a, b=b) for i, (a, b) in enumerate(grid)]
    assert found(lines) == {f"{a}_1": ("m", "a", a) for a in range(1, 5)}


def test_a_sweep_is_one_curve_with_one_entry() -> None:
    lines = [run("none", 0, 0, 0.01), *sweep("minimum", 1), *sweep("delta", 5, "delta")]
    figure = drawn(lines)
    assert sorted(names(figure)) == [
        "0.5", "0.5", "delta 10", "minimum, rate 10", "none",
    ]  # fmt: skip
    for panel, values in zip(figure.axes, ("rec", "neg_elbo"), strict=True):
        base = looks.look("minimum")
        (curve,) = [one for one in panel.get_lines() if len(one.get_xdata()) == 4
                    and one.get_color() == base.colour]  # fmt: skip
        kl = np.array(sorted(RATES)) + 0.1  # the mean of three seeds
        np.testing.assert_allclose(np.array(curve.get_xdata(), float), kl)
        expected = 101 - 0.8 * kl if values == "rec" else 101 + 0.2 * kl
        np.testing.assert_allclose(np.array(curve.get_ydata(), float), expected)
        for rate in RATES:
            own = looks.look(f"minimum_{rate:g}", "minimum")
            (points,) = [one for one in panel.get_lines() if one.get_color() == own.colour
                         and one.get_linestyle() == "None"]  # fmt: skip
            assert (points.get_marker(), len(points.get_xdata())) == (base.marker, 3)


def test_ends_of_a_curve_tell_their_setting_where_no_point_is_hidden() -> None:
    lines = [*sweep("minimum", 1), *(run("cloud", 9, seed, 0.8) for seed in range(20))]
    for one in lines[
        12:
    ]:  # of points right and up of the curve's first, where its setting would be
        across, up = divmod(one["config"]["seed"], 5)
        kl, rec = 0.75 + 0.25 * across, 100.7 + 0.15 * up
        one["metrics"]["test"] |= {"kl": kl, "rec": rec, "neg_elbo": kl + rec}
    for panel in drawn(lines).axes:
        texts = {text.get_text(): text.get_window_extent() for text in panel.texts
                 if text.get_text() in ("0.5", "1", "2", "minimum, rate 10")}  # fmt: skip
        assert set(texts) == {"0.5", "minimum, rate 10"}
        hidden = 0
        for one in panel.get_lines():
            if len(one.get_xdata()) in (3, 20):
                data = np.column_stack([one.get_xdata(), one.get_ydata()]).astype(float)
                points = panel.transData.transform(data)
                hidden += sum(int(box.count_contains(points)) for box in texts.values())
        assert hidden == 0


def test_many_labels_have_few_entries() -> None:
    lines = [one for i in range(5) for one in sweep(f"method {i}", 4 * i)]
    lines += [run(f"schedule {i}", 20 + i, seed, 0.3 + i / 5) for i in range(5) for seed in (0, 1)]
    table = rate_distortion.rows(Group(lines=groups(lines)[0].lines))
    assert table["label"].nunique() == 25
    assert isinstance(table, pd.DataFrame)
    assert len(names(drawn(lines))) == 15
