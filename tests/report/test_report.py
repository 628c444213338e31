"""The table, its statistics, and what it refuses to believe."""

from pathlib import Path

import numpy as np
import pytest
from made_up import line, markdown, missing

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.report import formats, report, tables
from benchmark.report.grouping import groups
from benchmark.report.statistics import shown, summarise

TOKENS = 82430 / 3761  # a sentence


def cells(text: str, label: str) -> dict[str, str]:
    """A row of the first table by its columns' titles."""
    (rows,) = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")][:1]
    head = [cell.strip() for cell in rows[0].strip("|").split("|")]
    (row,) = [row for row in rows if row.startswith(f"| {label} ")]
    return dict(zip(head, [cell.strip() for cell in row.strip("|").split("|")], strict=True))


def test_the_interval_is_students() -> None:
    values = [1.0, 2.0, 4.0]
    # t(0.975, 2 degrees of freedom), of any table
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)
    found = summarise(values)
    assert found.mean == pytest.approx(7 / 3)
    assert found.half == pytest.approx(half, rel=1e-6)
    assert shown(found) == f"2.33 ± {half:.2f}"


def test_few_values_get_no_interval() -> None:
    assert shown(summarise([1.0, 2.0])) == "1.00 to 2.00"
    assert shown(summarise([-1.5])) == "−1.50"
    assert shown(summarise([-0.001])) == "0.00"
    assert shown(None) == "–"
    with pytest.raises(ValueError, match="no values"):
        summarise([])


def test_rows_keep_the_studys_order_and_columns_begin_with_elbo_kl_mi() -> None:
    lines = [line("a_late", 1, 0), line("z_first", 0, 0)]
    text = markdown("study", lines)
    text = text.split("\n## ")[1]
    rows = [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")]
    assert [row for row in rows if row.strip("-")] == ["baseline", "z_first", "a_late"]
    found = cells(text, "z_first")
    assert list(found)[:4] == ["baseline", "ELBO", "KL", "MI"]
    assert (found["ELBO"], found["KL"], found["MI"]) == ("−101.50", "1.50", "1.25 (SE 0.01)")
    assert (found["PPL (ELBO)"], found["PPL (IW)"]) == ("102.65", "100.34")
    assert found["alive / undecided / collapsed"] == "1 / 0 / 0"
    assert found["alive by MI, by z_use"] == "1, 1"
    assert found["hours a run"] == "0.010"
    assert "excess" not in found


def test_seeds_are_summarised_and_their_states_counted() -> None:
    kls = [0.01, 0.02, 1.5]
    errors = {"mi_se": 0.001, "z_use_se": 0.01}
    lines = [
        line(
            "none", 0, seed, kl=kl, rec=100.0, neg_elbo=100 + kl, mi=kl / 2, z_use=kl / 3, **errors
        )
        for seed, kl in enumerate(kls)
    ]
    found = cells(markdown("study", lines), "none")
    assert found["KL"] == shown(summarise(kls))
    assert found["ELBO"].startswith("−100.51 ± ")
    assert found["alive / undecided / collapsed"] == "1 / 0 / 2"
    assert found["at 0.03 nats"] == "1 / 0 / 2"
    assert found["at 0.3 nats"] == "1 / 0 / 2"


def test_missing_runs_are_dashes_and_footnotes() -> None:
    lines = [
        line("none", 0, 0),
        missing("none", 0, 1),
        missing("b", 1, 0, status="failed", error="x | y"),
    ]
    text = markdown("study", lines)
    assert cells(text, "none [1]")["ELBO"] == "−101.50"
    assert set(list(cells(text, "b [2]").values())[1:]) == {"–"}
    assert "1. 1 of 2 runs without a record (1 missing)." in text
    assert "2. 1 of 1 runs without a record (1 failed); x | y." in text
    everything = markdown("study", [missing("none", 0, 0)])
    assert set(list(cells(everything, "none [1]").values())[1:]) == {"–"}


def test_rows_that_lack_the_same_share_a_footnote() -> None:
    lines = [line("a", 0, 0), missing("a", 0, 1), *(missing(row, 1, 0) for row in ("b", "c"))]
    text = markdown("study", lines)
    for label in ("a [1]", "b [2]", "c [2]"):
        assert cells(text, label)
    assert text.count("1 of 1 runs without a record") == 1


def test_a_saturated_mi_is_a_lower_bound_and_has_no_marginal_kl() -> None:
    lines = [line("a", 0, 0, mi=5.5, kl=6.0, rec=95.5), line("b", 1, 0)]
    text = markdown("study", lines)
    assert cells(text, "a")["MI"] == "≥ 5.50 (SE 0.01)"
    assert cells(text, "a")["marginal KL"] == "–"
    assert cells(text, "b")["marginal KL"] == "0.25"


def test_null_metrics_are_dashes_and_unfinished_iw_an_upper_bound() -> None:
    none = dict.fromkeys(("mi", "mi_cap", "marginal_kl", "z_use", "bleu", "au"))
    text = markdown("s", [line("lm", 0, 0, **none), line("a", 1, 0, iw_upper_bound=True)])
    found = cells(text, "lm")
    assert {found[name] for name in ("KL", "MI", "z_use", "BLEU", "AU", "marginal KL")} == {"–"}
    assert found["alive / undecided / collapsed"] == "–"
    assert cells(text, "a")["IW-NLL"] == "≤ 101.00"
    assert cells(text, "lm")["IW-NLL"] == "101.00"


def test_an_exact_language_shows_its_truth() -> None:
    one = line("none", 0, 0, excess=2.0, recovered=0.5, recovered_mean=0.75)
    one["data"] |= {
        "entropy": 26.5, "entropy_se": 0.03, "information": 2.62, "information_se": 0.004,
    }  # fmt: skip
    text = markdown("study", [one, line("lm", 1, 0, excess=3.0)])
    assert "True entropy 26.500 ± 0.030" in text
    assert "I(x; c) 2.620 ± 0.004" in text
    assert cells(text, "none")["recovered (mean)"] == "0.75"
    assert (cells(text, "lm")["excess"], cells(text, "lm")["recovered"]) == ("3.00", "–")


def test_figures_that_older_records_lack_have_columns_only_where_one_has_them() -> None:
    old = [line("none", 0, 0), line("none", 0, 1), line("lm", 1, 0)]
    without = markdown("study", old)
    assert "given length" not in without
    assert "(word" not in without
    words = {f"recovered_word_{place}": place / 4 for place in range(1, 5)}
    length = {"mi_given_length": 1.125, "mi_given_length_se": 0.01, "mi_given_length_cap": 4.0}
    both = line("none", 0, 1, recovered_length=0.375, **length, **words)
    new = markdown("study", [line("a", 2, 0, recovered_length=0.25, **length), both, *old[::2]])
    assert "≥" in new.partition("| baseline")[0].partition("N = ")[2]  # it is explained
    found = cells(new, "a")
    assert (found["MI given length"], found["recovered (length)"]) == ("≥ 1.12 (SE 0.01)", "0.25")
    assert found["recovered (word 1)"] == "–"
    for name in ("MI given length", "recovered (length)", "recovered (word 4)"):
        assert cells(new, "none")[name] == "–"  # one of its two runs is older
    only = cells(markdown("study", [both]), "none")
    assert [only[f"recovered (word {place})"] for place in range(1, 5)] == [
        "0.25", "0.50", "0.75", "1.00",
    ]  # fmt: skip


def test_a_single_run_shows_its_own_errors_and_a_loose_bound_is_marked() -> None:
    more = {"excess_se": 0.125, "recovered_se": 0.0625, "iw_upper_bound": True}
    one = line("none", 0, 0, excess=2.0, recovered=0.5, **more)
    two = [line("b", 1, seed, excess=2.0, recovered=0.5 + seed, **more) for seed in range(2)]
    text = markdown("study", [one, *two])
    assert cells(text, "none")["excess"] == "≤ 2.00 (SE 0.12)"
    assert cells(text, "none")["recovered"] == "0.50 (SE 0.06)"
    assert cells(text, "b")["recovered"] == "0.50 to 1.50"
    assert (
        "N = 3,761 test sentences of 21.92 tokens on average; MI can show at most ln N = 8.23"
        in text
    )


def test_runs_the_study_no_longer_names_are_not_shown() -> None:
    stray = line("old", 0, 0) | {"row": None}
    text = markdown("study", [line("none", 0, 1), stray])
    assert "| old" not in text
    assert "1 records belong to runs that the study no longer names" in text


def test_a_report_is_written_and_returned(tmp_path: Path) -> None:
    lines = [line("none", 0, 0), line("cyclical", 1, 0), line("cyclical", 1, 1)]
    (tmp_path / "mine.jsonl").write_text("".join(records.dumps(one) + "\n" for one in lines))
    found = report.read("somewhere/mine.toml", tmp_path)
    found.write(report.Places(tmp_path / "tables"))
    assert found.markdown == (tmp_path / "tables" / "mine.md").read_text()
    assert found.markdown.endswith("\n- none on ptb: 1 of 2 seeds; without a record: 1\n")
    with pytest.raises(UserError, match=r"other\.jsonl: no such file; run `pcbench collect"):
        report.read("other", tmp_path)
    (tmp_path / "mine.jsonl").write_text("")
    with pytest.raises(UserError, match="holds no run"):
        report.read("mine", tmp_path)


def test_a_page_gets_the_short_table_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results:s -->\nold\n<!-- /results:s -->\nafter\n")
    lines = [line("none", 0, seed) for seed in range(3)]
    (tmp_path / "s.jsonl").write_text("".join(records.dumps(one) + "\n" for one in lines))
    found = report.read("s", tmp_path)
    to = report.Places(tmp_path)
    found.write(to)
    assert found.differing(to, page) == [f"{page}: its table does not match {found.path}"]
    found.fill(page)
    found.fill(page)
    assert found.differing(to, page) == []
    text = formats.short(tables.build(groups(lines)))
    assert page.read_text() == (f"before\n<!-- results:s -->\n{text}\n<!-- /results:s -->\nafter\n")
    assert list(cells(text, "none")) == [
        "baseline", "ELBO", "KL", "MI", "IW-NLL", "z_use", "alive / undecided / collapsed",
    ]  # fmt: skip
    (tmp_path / "s.jsonl").rename(tmp_path / "other.jsonl")
    with pytest.raises(UserError, match="lacks the lines"):
        report.read("other", tmp_path).fill(page)
    assert "old" not in page.read_text()


def test_a_label_means_nothing_to_markdown() -> None:
    text = markdown("study", [line("a*b`c$d|e", 0, 0)])
    assert "| a\\*b\\`c\\$d\\|e " in text
