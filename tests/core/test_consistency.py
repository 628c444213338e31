"""What a report refuses to believe, and what it remarks."""

import math
from pathlib import Path
from typing import Any

import pytest
from made_up import line, missing

from benchmark.core import consistency, records
from benchmark.report import report

TOKENS = 82430 / 3761  # a sentence


def wrong(lines: list[dict[str, Any]]) -> list[tuple[str | None, int | None, str]]:
    return [(one.id, one.line, one.text) for one in consistency.check(lines) if one.wrong]


def remarks(lines: list[dict[str, Any]], **more: Any) -> list[tuple[str | None, str]]:
    found = consistency.check(lines, **more)
    assert not any(one.wrong for one in found)
    return [(one.id, one.text) for one in found]


def test_consistent_records_are_believed() -> None:
    lines = [line(label, row, seed) for row, label in enumerate("ab") for seed in range(2)]
    assert consistency.check(lines) == []
    # Above, but within four standard errors of 0.01.
    sampled = line("none", 0, 3, iw_nll=101.53, ppl_iw=math.exp(101.53 / TOKENS))
    assert consistency.check([sampled]) == []


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"rec": 99.0}, "rec + kl is 100.5000, neg_elbo 101.5000"),
        (
            {"iw_nll": 101.6, "ppl_iw": math.exp(101.6 / TOKENS)},
            "iw_nll 101.6000 is above neg_elbo",
        ),
        ({"mi": 1.7}, "mi 1.7000 is above kl 1.5000"),
        ({"mi": 9.0, "kl": 9.5, "rec": 92.0}, "mi 9.0000 is above mi_cap 8.2324"),
        ({"ppl_elbo": 107.0}, "ln ppl_elbo is 4.6728, neg_elbo / tokens 4.6311"),
        (
            {"ppl_iw": 102.653},
            "ln ppl_iw is 4.6314, iw_nll / tokens 4.6083",
        ),  # the other perplexity
        ({"recovered": 1.5, "recovered_se": 0.01}, "recovered 1.5000 is above mi"),
        (
            {"mi_given_length": 1.4, "mi_given_length_se": 0.01},
            "mi_given_length 1.4000 is above mi 1.2500",
        ),
        (
            {"mi_given_length": 1.2, "mi_given_length_cap": 1.1},
            "mi_given_length 1.2000 is above mi_given_length_cap 1.1000",
        ),
        ({"mi_given_length_cap": 8.5}, "mi_given_length_cap 8.5000 is above mi_cap 8.2324"),
        ({"excess": -0.5, "excess_se": 0.1}, "excess -0.5000 is below 0"),
        ({"marginal_kl": 0.5}, "kl - mi is 0.2500, marginal_kl 0.5000"),
        ({"au_0.05": 4}, "au_0.05 4.0000 is above au 3.0000"),
        ({"au": 3.0, "au_0.2": 2.5}, "au_0.2 2.5000 is above au_0.05 2.0000"),
        ({"kl": -1.0, "rec": 102.5, "mi": -1.5}, "kl -1.0000 is below 0"),
        (
            {"ppl_elbo": 1e300, "neg_elbo": 1e6, "rec": 1e6 - 1.5},
            "neg_elbo / tokens 45626.5923",
        ),
        ({"mi_cap": 9.2}, "mi_cap is 9.2000, ln N 8.2324"),
        ({"iw_curve": [[1, 101.5], [10, 101.6], [100, 101.0]]}, "iw_curve rises: 101.5000, 101.6"),
        ({"iw_curve": [[1, 101.5], [10, 101.2]]}, "end of iw_curve is 101.2000, iw_nll 101.0000"),
    ],
)
def test_corrupted_records_are_named(metrics: dict[str, float], message: str) -> None:
    ((name, number, text),) = wrong([line("a", 0, 1), line("none", 1, 0, **metrics)])
    assert (name, number) == ("ptb-none-0-0123abcd", 2)
    assert message in text


@pytest.mark.parametrize(
    ("sentences", "metrics"),
    [
        (3761, {"iw_nll": 101.6, "iw_gap_se": None, "iw_curve": [[1, 101.6]]}),
        (3761, {"excess": -0.5, "excess_se": None}),
        (3761, {"recovered": 1.5, "recovered_se": None}),
        (3761, {"mi": 0.5, "mi_given_length": 0.55, "mi_given_length_se": 0.02}),
        (3761, {"mi": 0.5, "mi_given_length": 0.9}),
        (20, {"iw_nll": 101.6, "mi": 1.7, "excess": -0.5, "excess_se": 0.1}),
    ],
)
def test_what_lacks_a_usable_standard_error_is_no_contradiction(
    sentences: int, metrics: dict[str, Any]
) -> None:
    one = line("none", 0, 0, mi_cap=math.log(sentences), **{"mi": 0.5, **metrics})
    one["data"] |= {"test_sentences": sentences, "test_tokens": 22 * sentences}
    for name, nats in (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll")):
        one["metrics"]["test"][name] = math.exp(one["metrics"]["test"][nats] / 22)
    assert not [text for _, _, text in wrong([one]) if "cap" not in text]  # of the last step


def test_a_repeated_row_is_named() -> None:
    lines = [line("a", 0, 0, bleu=1.0), missing("a", 0, 1), line("b", 1, 0, bleu=1.0)]
    text = "test: repeats every number of ptb-a-0-0123abcd"
    assert wrong(lines) == [("ptb-b-0-0123abcd", 3, text)]
    lines[2]["cost"]["seconds"] += 1.0
    lines[2]["config"]["seed"] = 1
    assert wrong(lines) == [("ptb-b-0-0123abcd", 3, text)]


def test_two_names_of_one_method_repeat_each_other() -> None:
    lines = [line("none", 0, 0, bleu=1.0), line("beta", 1, 0, bleu=1.0)]
    lines[1]["cost"]["seconds"] += 1.0
    assert remarks(lines) == [
        ("ptb-beta-0-0123abcd", "test: repeats every number of ptb-none-0-0123abcd")
    ]


def test_parts_of_a_record_that_contradict_one_another_are_named() -> None:
    one = line("none", 0, 0)
    one["kl_spectrum"] = [1.0, 0.25, 0.0]
    assert wrong([one])[0][2] == "kl_spectrum sums to 1.2500, kl of test is 1.5000"
    one["kl_spectrum"] = [1.5]
    assert wrong([one])[0][2] == "test: au 3 is above the 1 dimensions of kl_spectrum"


def test_words_that_cannot_be_those_of_the_tokens_are_named() -> None:
    """Perplexities per word rest on them."""
    one = line("none", 0, 0)
    one["data"] |= {"segmentation": "sentencepiece", "test_words": 90000}
    assert wrong([one])[0][2] == "data: 90,000 words cannot make only 82,430 tokens"
    one["data"] |= {"segmentation": "word", "test_words": 80000}
    assert "80,000 words but 82,430 tokens" in wrong([one])[0][2]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("config", "train"), {"lr": 0.5}, "train.lr is 0.5 against 0.1"),
        (("config", "file_sha256"), "ab", "file_sha256 is ab against None"),
        (("data", "sha256"), "1" * 64, "the data differ"),
    ],
)
def test_two_protocols_in_one_row_are_named(
    path: tuple[str, str], value: object, text: str
) -> None:
    lines = [line("none", 0, seed) for seed in range(3)]
    for one in lines:
        one["config"]["train"] = {"lr": 0.1}
    lines[2][path[0]][path[1]] = value
    told = f"config: shares a row with ptb-none-0-0123abcd, but {text}"
    assert wrong(lines) == [("ptb-none-2-0123abcd", 3, told)]
    lines[2]["row"] = None  # shown nowhere
    assert wrong(lines) == []


def test_the_name_of_the_preset_is_no_setting() -> None:
    """A run by flags and one of a study have one id where their settings are equal."""
    lines = [line("none", 0, seed) for seed in range(2)]
    lines[1]["config"]["preset"] = "fu2019_ptb"
    assert remarks(lines) == []
    assert list(consistency.differences(*lines)) == []


def test_a_setting_that_older_records_do_not_name_is_no_difference() -> None:
    lines = [line("none", 0, seed) for seed in range(3)]
    lines[2]["config"]["train"] = {**lines[2]["config"]["train"], "younger": 5}
    lines[0]["config"]["params"] = {"younger": 0.5}
    assert wrong(lines) == []


def test_a_record_changed_by_hand_is_named() -> None:
    one = line("none", 0, 0)
    one["digest"] = records.digest(one)
    assert wrong([one]) == []
    one["metrics"]["test"]["bleu"] = 99.0
    assert wrong([one]) == [
        ("ptb-none-0-0123abcd", 1, "record: was changed after its run wrote it"),
    ]  # fmt: skip


def test_fewer_seeds_than_the_study_states_are_remarked() -> None:
    lines = [line("a", 0, 0), line("a", 0, 1), line("b", 1, 0), missing("b", 1, 1)]
    assert remarks(lines) == [(None, "b on ptb: 1 of 2 seeds; without a record: 1")]
    assert remarks(lines, seeds=[0, 1, 2]) == [
        (None, "a on ptb: 2 of 3 seeds; without a record: 2"),
        (None, "b on ptb: 1 of 3 seeds; without a record: 1, 2"),
    ]
    assert remarks([*lines[:3], line("c", 2, 1), line("c", 2, 0) | {"row": None}]) == [
        (None, "b on ptb: 1 of 2 seeds; without a record: 1"),
        (None, "c on ptb: 1 of 2 seeds; without a record: 0"),
    ]


def test_several_versions_of_the_code_are_remarked() -> None:
    lines = [line("a", 0, seed) for seed in range(3)]
    lines[0]["provenance"] |= {"commit": "c" * 40, "code_sha256": "1" * 64}
    lines[1]["provenance"] |= {"code_sha256_resumed": ["0" * 64, "2" * 64]}
    assert remarks(lines) == [
        (None, "records of several versions of the code: 2 of commit 000000000000 (code "
               "000000000000), 1 of commit cccccccccccc (code 111111111111)"),
        ("ptb-a-1-0123abcd", "provenance: began with code 000000000000, resumed with 222222222222"),
    ]  # fmt: skip


def test_uncommitted_code_and_several_machines_are_remarked() -> None:
    lines = [line("a", 0, seed) for seed in range(4)]
    for one in lines:
        one["provenance"]["dirty"] = True
    lines[3]["provenance"] |= {"commit": None, "dirty": None}  # no git: not known
    lines[3]["cost"] = lines[3]["cost"] | {"device": "cuda"}
    told = "ptb-a-0-0123abcd, ptb-a-1-0123abcd, ptb-a-2-0123abcd"
    assert remarks(lines) == [
        (None, f"3 records of code that was not committed: {told}"),
        (None, "1 records that name no commit: ptb-a-3-0123abcd"),
        (None, "records of several machines: 3 of torch 2.13 on cpu, 1 of torch 2.13 on cuda"),
    ]


def test_a_report_counts_the_seeds_that_the_study_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.jsonl").write_text(records.dumps(line("a", 0, 0)) + "\n")

    def told(study: str) -> list[str]:
        return [one.text for one in report.read(study, tmp_path).findings]

    assert told("mine") == told("mine.toml") == []
    Path("mine.toml").write_text("[study]\nseeds = [0, 1, 2]\n")
    stated = ["a on ptb: 1 of 3 seeds; without a record: 1, 2"]
    assert told("mine") == told("mine.toml") == stated
    Path("paper").mkdir()
    Path("mine.toml").rename("paper/mine.toml")
    assert told("mine") == told("paper/mine.toml") == stated
    Path("paper/mine.toml").write_text("[study]\nseeds = 'all'\n")
    assert told("mine") == []
