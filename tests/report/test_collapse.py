"""Whether a latent is alive: three states, decided with their errors; and the two fixed points."""

from typing import Any

import pytest
from made_up import line, markdown
from test_report import cells

from benchmark.report import collapse, tables
from benchmark.report.formats import Table
from benchmark.report.grouping import groups


def metrics_of(mi: float, mi_se: float, use: float, use_se: float) -> dict[str, Any]:
    return {"mi": mi, "mi_se": mi_se, "z_use": use, "z_use_se": use_se}


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            metrics_of(-0.001, 0.002, 0.142, 0.1),
            "undecided",
        ),  # by 100 sentences: once "alive"
        (metrics_of(-0.001, 0.002, 0.142, 0.02), "alive"),  # of 2,500 with the same mean
        (metrics_of(0.01, 0.01, 0.02, 0.02), "collapsed"),
        (metrics_of(0.01, 0.01, 0.02, 0.05), "undecided"),  # 0.118 at its upper end
        (metrics_of(0.0, 0.0, 0.0, 0.0), "collapsed"),
        (metrics_of(1.5, 0.02, 3.0, 0.1), "alive"),
        (metrics_of(5.0, 0.03, 0.0, 0.01), "alive"),  # by one half alone
        ({"mi": 0.01, "z_use": 0.02}, "collapsed"),  # an older record, by its values
        ({"mi": None, "z_use": None}, None),
        ({"mi": 0.01, "z_use": None}, None),  # no two sentences of one length
    ],
)
def test_states(metrics: dict[str, Any], expected: str | None) -> None:
    assert collapse.state(metrics) == expected


def test_the_state_depends_on_the_threshold_as_it_says() -> None:
    metrics = metrics_of(0.15, 0.01, 0.05, 0.005)
    assert [collapse.state(metrics, t) for t in (0.03, 0.1, 0.15, 0.3)] == [
        "alive", "alive", "undecided", "collapsed",
    ]  # fmt: skip


def test_a_latent_that_the_encoder_fills_and_the_decoder_ignores_is_seen_to_be_so() -> None:
    """Batch normalisation can make one: MI of 5 nats, z_use 0."""
    halves = {"kl": 5.0, "rec": 96.5, "mi": 5.0, "mi_se": 0.03, "z_use": 0.0, "z_use_se": 0.01}
    found = cells(markdown("s", [line("bn", 0, seed, **halves) for seed in range(3)]), "bn")
    assert found["alive / undecided / collapsed"] == "3 / 0 / 0"
    assert found["alive by MI, by z_use"] == "3, 0"


def steps_of(lines: list[dict[str, Any]]) -> Table:
    (found,) = [table for table in tables.build(groups(lines)) if table.kind == "steps"]
    return found


def moved(seed: int, mi: float, last: float) -> dict[str, Any]:
    one = line("cyclical", 0, seed, mi=mi)
    one["metrics"]["last"] = {**one["metrics"]["last"], "mi": last}
    return one


def test_the_last_step_stands_beside_the_chosen_one_and_is_marked_where_it_moved() -> None:
    near = steps_of([moved(seed, 1.2 + seed / 10, 1.25 + seed / 10) for seed in range(3)])
    far = steps_of([moved(seed, 1.2 + seed / 10, 2.0 + seed / 10) for seed in range(3)])
    for table, text, mark in ((near, "1.35", ""), (far, "2.10", " *")):
        (row,) = table.rows
        shown = dict(zip(table.columns, row.cells, strict=True))
        assert shown["chosen at"].text == "50 %"  # step 10 of 20
        assert shown["MI, chosen"].text == "1.30 ± 0.25"  # t(0.975, 2) x 0.1 / sqrt(3)
        assert shown["MI, last"].text == f"{text} ± 0.25{mark}"
        assert shown["z_use, chosen"].value == shown["z_use, last"].value == 1.0


def test_records_of_two_evaluations_never_share_a_column() -> None:
    older, newer = line("a", 0, 0, z_use=3.3), line("b", 1, 0, z_use=3.9)
    del older["evaluation"]
    text = markdown("study", [older, newer])
    assert (cells(text, "a")["z_use"], cells(text, "a")["z_use (next)"]) == ("–", "3.30")
    assert (cells(text, "b")["z_use"], cells(text, "b")["z_use (next)"]) == ("3.90 (SE 0.05)", "–")
    assert "1 of 2 records were measured before evaluation 2" in text
    assert "z_use" not in cells(markdown("study", [older]), "a")
    assert "z_use (next)" not in cells(markdown("study", [newer]), "b")


def test_states_by_two_kinds_of_z_use_are_not_added_up() -> None:
    lines = [line("a", 0, seed, z_use=3.0) for seed in range(3)]
    del lines[0]["evaluation"]
    found = cells(markdown("study", lines), "a")
    assert found["z_use"] == found["z_use (next)"] == "–"
    assert found["alive / undecided / collapsed"] == found["at 0.3 nats"] == "–"
    assert found["alive by MI, by z_use"] == "–"
