"""Ours beside published numbers: which rows, the difference, and whether they were made alike."""

from pathlib import Path
from typing import Any

from made_up import missing, record

from benchmark.core.records import read_jsonl
from benchmark.report import grouping
from benchmark.report.paper import literature, published
from benchmark.report.statistics import shown, summarise

ROOT = Path(__file__).parents[2]
FILE = ROOT / literature.FILE
OPTIMUS = "Li et al. 2020 (Optimus, EMNLP)"

FB5 = {
    "preset": "li2019_ptb", "baseline": "pretrained_free_bits", "params": {"target": 5.0},
    "train": {"epochs": 200, "optimiser": "sgd", "lr": 0.5, "lr_schedule": "halving",
              "patience": 5},
    "model": {"feed": "cell", "bias": False, "init": 0.01, "init_embedding": 0.1},
    "evaluate": {"iw_samples": 500},
}  # fmt: skip


def run(seed: int, config: dict[str, Any], data: str = "ptb", **metrics: Any) -> dict[str, Any]:
    found = record(f"ptb-fb-{seed}-0123abcd", **{"iw_curve": [[1, 101.5], [500, 101.0]]} | metrics)
    found["config"] |= {**config, "data": data}
    found["data"]["name"] = data
    return found | {"label": "ours", "row": 0, "status": "done"}


def rows(lines: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Cells of the rows by measure, without the measure."""
    (table,) = published.tables("ptb", lines, FILE)
    assert table.kind == "published"
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    return {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in table.rows}


def test_the_same_protocol_is_told_and_the_difference_taken() -> None:
    bounds = [102.0, 102.5, 103.5]
    lines = [run(seed, FB5, neg_elbo=value, rec=value - 6.5, kl=6.5, mi=5.0)
             for seed, value in enumerate(bounds)]  # fmt: skip
    found = rows(lines)
    ours = shown(summarise(bounds))
    source = f"{OPTIMUS}, Table 8"
    assert ours.startswith("102.67 ± ")
    assert found["−ELBO"] == ["102.41", ours, "3", "+0.26", "same", "same", source]
    assert found["KL"][:4] == ["6.54", "6.50 ± 0.00", "3", "−0.04"]
    assert found["MI"][4:6] == ["nearly: one sample in both terms", "same"]
    assert found["PPL (IW)"][4:6] == ["same", "same"]


def test_another_protocol_and_estimator_are_told_with_the_reason() -> None:
    other = FB5 | {
        "train": FB5["train"] | {"epochs": 3, "lr": 1.0}, "evaluate": {"iw_samples": 50},
        "precision": "bf16",
    }  # type: ignore[operator]  # fmt: skip
    lines = [run(0, other, mi=8.0, kl=9.0, rec=92.5)]
    found = rows(lines)
    assert found["PPL (IW)"][4:6] == ["other: 50 samples, not 500", "other"]
    assert found["MI"][1] == "≥ 8.00"
    assert found["MI"][3] == "≥ +2.69"
    (table,) = published.tables("ptb", lines, FILE)
    assert table.notes[0] == "Not the same protocol: 3 of 100 epochs of li2019_ptb."
    assert table.footnotes == (
        'published as "LSTM VAE AE-BP / AE+FB (Li 2019)"; not the same protocol: 3 of 200 epochs, '
        "lr 1.0 (published 0.5), precision bf16",
    )
    assert {row.mark for row in table.rows} == {1}


def test_other_data_codings_and_methods_are_not_beside_them() -> None:
    eight = FB5 | {"params": {"target": 8.0}}
    lines = [
        run(0, FB5, data="ptb:size=4000"), run(1, FB5, data="yahoo_small"), run(2, eight),
        run(3, FB5 | {"baseline": "none"}), run(4, FB5, data="exact"),
    ]  # fmt: skip
    assert published.tables("ptb", lines, FILE) == []
    assert published.tables("ptb", [missing("ours", 0)], FILE) == []


def test_codings_of_one_text_are_not_mixed() -> None:
    lines = [run(0, FB5), run(1, FB5, data="ptb:vocabulary=sentencepiece", neg_elbo=1.0, rec=0.5)]
    words, coded = grouping.groups(lines)
    (table,) = published.tables(words.title, words.lines, FILE)
    assert {(row.label, row.cells[3].text) for row in table.rows} == {("ours", "1")}
    assert published.tables(coded.title, coded.lines, FILE) == []


def test_a_likelihood_of_samples_is_not_an_exact_one() -> None:
    model = FB5 | {"baseline": "lstm_lm", "params": {}}
    assert rows([run(0, model)])["IW-NLL"][4] == "other: 500 samples, not exact"
    assert rows([run(0, model, iw_curve=None)])["IW-NLL"][4] == "same"


def test_doubtful_figures_carry_a_question_mark() -> None:
    cyclical = {"preset": "fu2019_ptb", "baseline": "cyclical", "evaluate": {"iw_samples": 500},
                "params": {"cycles": 4, "ratio": 0.45, "floor": 0.1}}  # fmt: skip
    found = rows([run(0, cyclical)])
    assert (found["−ELBO"][0], found["rec"][0], found["PPL (IW)"][0]) == (
        "102.81?", "101.85", "108.81?",
    )  # fmt: skip


def test_the_check_on_ptb_is_not_the_published_protocol() -> None:
    lines = read_jsonl(ROOT / "results" / "ptb_check.jsonl")
    (table,) = published.tables("ptb", lines)
    assert table.notes[0] == "Not the same protocol: 3 of 40 epochs of fu2019_ptb."
    assert {row.cells[6].text for row in table.rows} == {"other"}
    assert all(" of 100 epochs" in text or "3 of 40 epochs" in text for text in table.footnotes)
    ids = {line["id"] for line in lines}
    assert all(set(row.ids) <= ids and row.ids for row in table.rows)
