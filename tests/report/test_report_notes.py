"""What stands around a table: settings in which rows differ, devices, the first words."""

from typing import Any

from made_up import record

from benchmark.report import tables
from benchmark.report.formats import Table
from benchmark.report.grouping import groups


def line(label: str, row: int, **train: Any) -> dict[str, Any]:
    found = record(f"ptb-none-0-0000000{row}", bleu=float(row))
    found["config"] |= {"preset": "p", "train": {"lr": 1e-3, "schedule": "constant"} | train}
    return found | {"label": label, "row": row, "status": "done"}


def table(*lines: dict[str, Any]) -> Table:
    return tables.build(groups(list(lines)))[0]


def test_settings_of_some_rows_are_told() -> None:
    found = table(
        line("a", 0), line("b", 1), line("c", 2, lr=0.5, schedule="cosine"), line("d", 3, new=1)
    )
    assert found.notes[-1] == (
        "Rows differ in settings too, not in the method alone: "
        "`c` has lr 0.5 (others 0.001), schedule cosine (others constant)."
    )
    same = line("b", 1)
    same["config"]["preset"] = None  # tells where the settings come from, and is none itself
    assert not any("differ" in note for note in table(line("a", 0), same).notes)


def test_hours_of_two_devices_do_not_compare() -> None:
    other = line("b", 1)
    other["cost"] = other["cost"] | {"device": "GPU X"}
    assert "(GPU X, cpu): they do not compare" in table(line("a", 0), other).notes[-1]


def test_the_loss_on_the_first_words_is_a_mean_over_tokens() -> None:
    one, short, none = line("a", 0), line("b", 1), line("c", 2)
    one["loss_by_position"] = [[5.0, 100], [4.0, 100], [3.0, 50], [2.0, 10], [1.0, 10]]
    short["loss_by_position"] = [[5.0, 3], [4.0, 1]]
    none["loss_by_position"] = None
    found = table(one, short, none)
    column = found.columns.index("first words")
    texts = [row.cells[column].text for row in found.rows]
    mean = (500 + 400 + 150 + 20) / 260
    assert texts == [f"{mean:.2f}", "4.75", "–"]


def test_the_marginal_kl_of_an_auto_encoder_is_a_dash() -> None:
    one = line("a", 0)
    one["config"]["baseline"] = "autoencoder"
    found = table(one, line("b", 1))
    column = found.columns.index("marginal KL")
    assert [row.cells[column].text for row in found.rows] == ["–", "0.25"]
