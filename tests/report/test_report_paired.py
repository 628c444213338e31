"""Paired tables: the right seeds are paired, tests are adjusted, and bold is what it claims."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import record
from scipy import stats
from statsmodels.stats.power import TTestPower

from benchmark.report import formats, tables
from benchmark.report import report as reporting
from benchmark.report.formats import Cell, Table
from benchmark.report.grouping import groups
from benchmark.report.verdict import verdict

Lines = list[dict[str, Any]]


def rows_of(label: str, row: int, iw: list[float | None], **more: Any) -> Lines:
    """A run a seed with these IW-NLLs; None: the seed has no record."""
    found: Lines = []
    for seed, value in enumerate(iw):
        run_id = f"ptb-{more.get('baseline', label)}-{seed}-{row:08x}"
        added = {"label": label, "row": row, "status": "missing" if value is None else "done"}
        if value is None:
            config = {"data": "ptb", "seed": seed}
            found.append({"schema": 1, "id": run_id, "config": config} | added)
            continue
        metrics = {name: values[seed] for name, values in more.items() if name != "baseline"}
        found.append(record(run_id, iw_nll=value, bleu=row + seed / 100, **metrics) | added)
    return found


def build(*lines: Lines) -> dict[str, Table]:
    """Tables of our records by name."""
    found = tables.build(groups([one for part in lines for one in part]))
    return {table.name: table for table in found if table.kind not in ("published", "steps")}


def cell(table: Table, label: str, column: str) -> Cell:
    (row,) = [row for row in table.rows if row.label == label]
    return row.cells[table.columns.index(column)]


NONE = [101.0, 101.2, 100.9, 101.1, 101.4]
GOOD = [100.1, 100.4, 100.0, 100.3, 100.5]  # lower by 0.9, 0.8, 0.9, 0.8, 0.9
BAD = [102.0, 102.1, 102.0, 102.2, 102.3]
SAME = [101.1, 101.1, 100.8, 101.2, 101.3]


def test_differences_are_students_and_holms() -> None:
    found = build(
        rows_of("none", 0, NONE), rows_of("a", 1, GOOD), rows_of("b", 2, BAD), rows_of("c", 3, SAME)
    )["ptb-minus-none"]
    assert found.kind == "paired"
    assert [row.label for row in found.rows] == ["a", "b", "c"]
    by = {"a": GOOD, "b": BAD, "c": SAME}
    p = {label: float(stats.ttest_rel(values, NONE).pvalue) for label, values in by.items()}
    first, second, third = sorted(p, key=lambda label: p[label])
    adjusted = {first: 3 * p[first]}
    adjusted[second] = max(adjusted[first], 2 * p[second])
    adjusted[third] = max(adjusted[second], p[third])
    for label, values in by.items():
        differences = np.subtract(values, NONE)
        half = stats.t.ppf(0.975, 4) * differences.std(ddof=1) / math.sqrt(5)
        shown = f"{differences.mean():.2f} ± {half:.2f}".replace("-", "−")
        ends = stats.t.interval(0.90, 4, differences.mean(), stats.sem(differences))
        shown += " ≈" if max(np.abs(ends)) < 0.2 else ""  # here no adjustment changes it
        assert cell(found, label, "IW-NLL").text == shown
        assert cell(found, label, "p (IW-NLL)").value == pytest.approx(min(1, adjusted[label]))
        assert cell(found, label, "n").text == "5"
    assert [cell(found, label, "IW-NLL").text.endswith("≈") for label in "abc"] == [0, 0, 1]
    least = TTestPower().solve_power(nobs=5, alpha=0.05 / 3, power=0.8)
    deviation = np.subtract(GOOD, NONE).std(ddof=1)
    assert cell(found, "a", "detectable (IW-NLL)").value == pytest.approx(least * deviation)
    assert "≈: equal within 0.2 nats by two one-sided t tests" in found.notes[0]
    # All runs have one MI: no test, and nothing that counts in the adjustment.
    assert cell(found, "a", "MI (primary)").text == "0.00 ± 0.00"
    assert "p (MI)" not in found.columns


def test_only_a_significantly_better_likelihood_is_bold() -> None:
    lines = rows_of("none", 0, NONE), rows_of("a", 1, GOOD), rows_of("b", 2, BAD)
    found = build(*lines, rows_of("c", 3, SAME))
    bold = [
        (table.name, row.label, title)
        for table in found.values()
        for row in table.rows
        for title, one in zip(table.columns, row.cells, strict=True)
        if one.bold
    ]
    assert bold == [("ptb", "a", "IW-NLL")]
    text = formats.markdown("s", list(found.values()))
    assert text.count("**") == 2
    assert f"**{cell(found['ptb'], 'a', 'IW-NLL').text}**" in text
    assert found["ptb"].notes[-1] == (
        "Bold follows one primary outcome: an IW-NLL significantly below that of `none` (paired t "
        "test over seeds, p < 0.05, adjusted by Holm for 3 rows). Here it marks 1 row."
    )
    few = build(rows_of("none", 0, NONE[:2]), rows_of("a", 1, GOOD[:2]))
    assert not cell(few["ptb"], "a", "IW-NLL").bold  # two seeds: no test
    assert not any("Bold" in note for note in few["ptb"].notes)
    loose = build(rows_of("none", 0, NONE, iw_upper_bound=[True] * 5), rows_of("a", 1, GOOD))
    assert not cell(loose["ptb"], "a", "IW-NLL").bold  # that of `none` may be lower than it seems
    assert cell(loose["ptb-minus-none"], "a", "IW-NLL").text.startswith("≥ −0.86")


def test_only_shared_seeds_are_paired_and_their_number_is_told() -> None:
    found = build(
        rows_of("none", 0, [101.0, None, 103.0, 104.0]),
        rows_of("a", 1, [100.0, 100.0, 102.5, None]),
    )
    table = found["ptb-minus-none"]
    assert cell(table, "a", "IW-NLL").text == "−1.00 to −0.50"
    assert cell(table, "a", "n").text == "2"
    assert table.rows[0].ids == ("ptb-a-0-00000001", "ptb-a-2-00000001")
    one = build(rows_of("none", 0, [101.0, None]), rows_of("a", 1, [100.0, 100.0]))
    assert cell(one["ptb-minus-none"], "a", "IW-NLL").text == "−1.00"
    apart = build(rows_of("none", 0, [101.0, None]), rows_of("a", 1, [None, 100.0]))
    assert list(apart) == ["ptb"]


def test_a_reference_has_the_name_of_its_row() -> None:
    two = [*rows_of("none", 0, NONE), *rows_of("none", 1, GOOD)]
    for one in two:
        one["label"] = f"plain {one['row']}"
    assert build(two)["ptb-minus-none"].title == "ptb: differences to `plain 0`"


def test_sign_flips_stand_in_brackets_from_six_seeds_on() -> None:
    table = build(rows_of("none", 0, [101.0] * 6), rows_of("a", 1, [*GOOD, 100.2]))
    found = table["ptb-minus-none"]
    assert cell(found, "a", "p (IW-NLL)").text == "< 0.001 [0.031]"
    assert "the least it can be: n = 6: 0.031" in found.notes[0]
    five = build(rows_of("none", 0, NONE), rows_of("a", 1, GOOD))["ptb-minus-none"]
    assert "[" not in cell(five, "a", "p (IW-NLL)").text
    assert "sign-flip" not in five.notes[0]


def test_a_reference_is_found_by_its_method_whatever_its_label() -> None:
    lines = rows_of("plain", 0, NONE, baseline="none"), rows_of("a", 1, GOOD)
    found = build(*lines, rows_of("lm", 2, SAME, baseline="lstm_lm", mi=[None] * 5))
    assert list(found) == ["ptb", "ptb-minus-none", "ptb-minus-lstm_lm"]
    assert [row.label for row in found["ptb-minus-none"].rows] == ["a", "lm"]
    assert cell(found["ptb-minus-none"], "lm", "MI (primary)").text == "–"
    assert cell(found["ptb-minus-lstm_lm"], "a", "IW-NLL (primary)").value == pytest.approx(-0.84)
    assert "MI" not in found["ptb-minus-lstm_lm"].columns  # a language model has none


def test_without_a_reference_each_pair_of_few_rows_is_compared() -> None:
    labels = "abcdefg"
    found = build(*(rows_of(label, row, GOOD) for row, label in enumerate(labels[:3])))
    assert [row.label for row in found["ptb-pairs"].rows] == ["a − b", "a − c", "b − c"]
    many = build(*(rows_of(label, row, GOOD) for row, label in enumerate(labels)))
    assert list(many) == ["ptb"]
    told = many["ptb"].notes[-1]
    assert told.startswith("No differences between rows are shown: none is of `none` or `lstm_lm`")
    assert "7 rows make 21 pairs" in told
    crossed = [rows_of(label, row, GOOD) for row, label in enumerate(labels)]
    for one in (run for runs in crossed for run in runs):  # three methods under two rates, and
        method, rate = one["row"] % 3, one["row"] // 3  # one of them under a third
        one["config"] |= {"baseline": "m", "params": {"which": method}, "train": {"lr": rate}}
    pairs = [row.label for row in build(*crossed)["ptb-pairs"].rows]
    assert pairs == [
        "a − b", "a − c", "a − d", "a − g", "b − c", "b − e", "c − f", "d − e", "d − f", "d − g",
        "e − f",
    ]  # fmt: skip
    assert not any("No differences" in note for note in found["ptb"].notes)
    referred = build(*(rows_of(label, row, GOOD) for row, label in enumerate(["none", *labels])))
    assert not any("No differences" in note for note in referred["ptb"].notes)


def test_a_bounds_difference_is_a_bound() -> None:
    high = {"mi": [7.0, 7.1, 6.9], "kl": [9.0] * 3, "rec": [92.5] * 3}
    found = build(rows_of("none", 0, NONE[:3]), rows_of("a", 1, GOOD[:3], **high))
    assert cell(found["ptb"], "a", "MI").text.startswith("≥ 7.00")
    assert cell(found["ptb-minus-none"], "a", "MI (primary)").text.startswith("≥ 5.75")
    both = build(rows_of("none", 0, NONE[:3], **high), rows_of("a", 1, GOOD[:3], **high))
    assert "MI (primary)" not in both["ptb-minus-none"].columns


def test_a_setting_younger_than_a_record_is_no_difference() -> None:
    rows = [rows_of(label, row, GOOD) for row, label in enumerate("abcdefgh")]
    for one in (run for runs in rows for run in runs):
        young = {"span": 1.0} if one["row"] >= 4 else {}
        one["config"] |= {"baseline": "m", "params": {"which": one["row"] % 4, **young}}
        one["config"]["train"] = {"lr": one["row"] // 4}
    pairs = {row.label for row in build(*rows)["ptb-pairs"].rows}
    assert {"a − e", "b − f", "c − g", "d − h"} <= pairs
    assert len(pairs) == 4 + 2 * 6


def planned(*lines: Lines) -> tuple[dict[str, Table], list[str]]:
    """The tables by name, and the verdict, of a study that plans a - b, c - b and d - b."""
    contrasts = [("a", "b"), ("c", "b"), ("d", "b")]
    by_table = groups([one for part in lines for one in part], contrasts)
    ((_, said),) = verdict(by_table)
    return {table.name: table for table in tables.build(by_table)}, said


def detectable(first: list[float], second: list[float], tests: int) -> float:
    least = TTestPower().solve_power(nobs=len(first), alpha=0.05 / tests, power=0.8)
    return float(least * np.subtract(first, second).std(ddof=1))


A_MI, B_MI, C_MI = [1.5, 1.9, 1.4, 1.6, 1.7], [0.5, 0.7, 0.6, 0.4, 0.55], [0.9, 0.3, 0.8, 0.5, 0.4]
D = rows_of("d", 4, [None] * 5)  # no record yet


def test_planned_contrasts_are_a_family_of_their_own() -> None:
    built, said = planned(
        rows_of("none", 0, NONE, mi=[0.01] * 5), rows_of("a", 1, GOOD, mi=A_MI),
        rows_of("b", 2, BAD, mi=B_MI), rows_of("c", 3, SAME, mi=C_MI), D,
    )  # fmt: skip
    found = built["ptb-planned"]
    assert list(built)[1] == "ptb-planned"  # after the main table, before all other differences
    assert found.labels == "contrast"
    assert [row.label for row in found.rows] == ["a − b", "c − b", "d − b"]
    assert {one.text for one in found.rows[2].cells} == {"–", "0"}
    # The family has the size that was planned, though one contrast has no record.
    p = {label: float(stats.ttest_rel(mi, B_MI).pvalue) for label, mi in (("a", A_MI), ("c", C_MI))}
    assert p["a"] < p["c"]
    assert cell(found, "a − b", "p (MI)").value == pytest.approx(3 * p["a"])
    assert cell(found, "c − b", "p (MI)").value == pytest.approx(min(1, 2 * p["c"]))
    least = detectable(C_MI, B_MI, 3)
    assert cell(found, "c − b", "detectable (MI)").value == pytest.approx(least)
    assert cell(found, "a − b", "alive in each").text == "5 and 5 of 5"
    assert cell(found, "a − b", "n").text == "5"
    assert not found.footnotes
    assert "ELBO" not in found.columns  # no planned outcome
    # What is compared with `none` is not planned, and keeps its own adjustment.
    other = built["ptb-minus-none"]
    assert "tests of this table are exploratory" in other.notes[0]
    assert "MI" in other.columns  # and not "MI (primary)"
    assert any("The test is exploratory." in note for note in built["ptb"].notes)
    difference = np.subtract(A_MI, B_MI)
    half = stats.t.ppf(0.975, 4) * stats.sem(difference)
    plans = [one for one in said if one.startswith("Planned, ")]
    assert plans[0].startswith(
        f"Planned, `a` − `b`: MI {difference.mean():.2f} ± {half:.2f} nats (p "
    )
    assert f"(no difference is shown; 5 seeds could detect {least:.2f})" in plans[1]
    assert plans[2] == "Planned, `d` − `b`: no seed of both rows has a record."
    assert said[-1].startswith("Exploratory, likelihood against `none`: ")


def test_a_planned_difference_is_not_called_about_equal() -> None:
    """The plan has a t test alone; a comparison with a reference is not made twice in words."""
    contrasts = [("a", "none")]
    lines = [*rows_of("none", 0, NONE, mi=B_MI), *rows_of("a", 1, SAME, mi=A_MI)]
    by_table = groups(lines, contrasts)
    found = {table.name: table for table in tables.build(by_table)}
    assert cell(found["ptb-minus-none"], "a", "IW-NLL").text.endswith(" ≈")
    assert not cell(found["ptb-planned"], "a − none", "IW-NLL").text.endswith(" ≈")
    ((_, said),) = verdict(by_table)
    assert not any("about equal" in one or "Exploratory" in one for one in said)
    assert groups(lines, [("a", "else")])[0].contrasts == []  # of another table


def test_contrasts_of_seeds_in_different_states_say_that_the_counts_are_the_result() -> None:
    built, said = planned(
        rows_of("a", 1, GOOD, mi=[0.01, 1.9, 0.01, 1.6, 1.7], z_use=[0.01, 1, 0.01, 1, 1],
                z_use_se=[0.01] * 5),
        rows_of("b", 2, BAD, mi=B_MI), rows_of("c", 3, SAME, mi=C_MI), D,
    )  # fmt: skip
    found = built["ptb-planned"]
    assert cell(found, "a − b", "alive in each").text == "3 and 5 of 5"
    assert [row.mark for row in found.rows] == [1, None, None]
    assert found.footnotes[0].endswith("the counts are the result.")
    (text,) = [one for one in said if one.startswith("Planned, `a`")]
    assert text.endswith("; 3 and 5 of 5 seeds are alive, and these counts are the result.")
    assert built["ptb-pairs"].notes[0].startswith("The tests of this table are exploratory")
    assert [one for one in said if "row against row" in one] == [
        one for one in said if one.startswith("Exploratory, ")
    ]


def test_no_mi_that_is_a_bound_enters_a_planned_test_but_an_iw_nll_does() -> None:
    """MI above ln N - 3 is a lower bound; an IW-NLL that still falls is an upper one."""
    a = rows_of("a", 1, GOOD, mi=[7.5, 7.9, 7.4, 7.6, 7.7])
    for one in a:
        one["metrics"]["test"]["iw_upper_bound"] = True
    built, said = planned(a, rows_of("b", 2, BAD, mi=B_MI), rows_of("c", 3, SAME, mi=C_MI), D)
    found = built["ptb-planned"]
    assert cell(found, "a − b", "MI").text.startswith("≥ ")
    assert cell(found, "a − b", "p (MI)").text == "–"
    p = float(stats.ttest_rel(C_MI, B_MI).pvalue)
    assert cell(found, "c − b", "p (MI)").value == pytest.approx(min(1, 3 * p))
    assert cell(found, "a − b", "IW-NLL").text.startswith("≤ −")
    assert cell(found, "a − b", "p (IW-NLL)").value is not None
    (text,) = [one for one in said if one.startswith("Planned, `a`")]
    for part in ("MI ≥ 7.07 ± ", "nats (not tested)", "IW-NLL ≤ −", "(p < 0.001)"):
        assert part in text


def test_a_study_beside_the_folder_of_results_is_read_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pcbench sweep` finds it."""
    monkeypatch.chdir(tmp_path)
    rows = '[[baseline]]\nname = "none"\nlabel = "a"\n[[baseline]]\nname = "none"\nlabel = "b"\n'
    head = '[study]\ndata = ["ptb"]\nseeds = [0]\ncontrasts = [["a", "b"]]\n'
    (tmp_path / "my.toml").write_text(head + rows)
    (tmp_path / "results").mkdir()
    lines = [*rows_of("a", 0, GOOD, mi=A_MI), *rows_of("b", 1, BAD, mi=B_MI)]
    text = "".join(f"{json.dumps(one)}\n" for one in lines)
    (tmp_path / "results" / "my.jsonl").write_text(text)
    for name in ("my", "my.toml", "results/my.jsonl"):
        report = reporting.read(name, Path("results"))
        assert "ptb-planned" in {table.name for table in report.built}, name
