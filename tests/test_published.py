"""Published figures: the file, the printed mistakes that are found in it, and ours beside them."""

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up import missing, record

from benchmark import cli
from benchmark.config import resolve
from benchmark.errors import UserError
from benchmark.presets import PRESETS
from benchmark.report import comparable, literature, misprints, published
from benchmark.report.statistics import shown, summarise

ROOT = Path(__file__).parent.parent
FILE = ROOT / literature.FILE
OPTIMUS, DELLA = "Li et al. 2020 (Optimus, EMNLP)", "Hu et al. 2022 (DELLA, NAACL)"


@pytest.fixture(scope="module")
def values() -> list[literature.Value]:
    return literature.read(FILE)


@pytest.fixture(scope="module")
def found(values: list[literature.Value]) -> list[misprints.Misprint]:
    return misprints.check(values)


# The file -----------------------------------------------------------------------------------------


def test_every_value_is_there_with_its_source(values: list[literature.Value]) -> None:
    assert len(values) >= 538
    assert {value.dataset for value in values} == {"ptb", "yahoo", "yelp", "snli"}
    assert all(value.seen and value.paper and value.table for value in values)
    anchors = {
        (OPTIMUS, "ptb", "LSTM-LM", "iw_nll"): 101.04,
        (OPTIMUS, "ptb", "LSTM-LM", "ppl_iw"): 100.47,
        (OPTIMUS, "ptb", "LSTM VAE AE-BP / AE+FB (Li 2019)", "neg_elbo"): 102.41,
        (OPTIMUS, "yahoo", "LSTM-LM", "iw_nll"): 328.0,
    }
    by = {(value.paper, value.dataset, value.method, value.metric): value for value in values}
    assert {key: by[key].number for key in anchors} == anchors


def test_a_spreadsheet_can_read_it() -> None:
    text = FILE.read_text(encoding="ascii")
    lines = list(csv.reader(text.splitlines()))
    assert {len(line) for line in lines} == {len(lines[0])}
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)


def test_it_tells_nothing_of_how_it_was_gathered() -> None:
    text = FILE.read_text().lower()
    told = re.findall(r"/work|/home|/tmp|session|helper|agent|pypi|npm|crates\.io|file://", text)
    assert told == []


def test_rows_of_ours_exist_with_the_settings_that_are_told(values: list[literature.Value]) -> None:
    mapped = {(v.dataset, v.baseline, v.preset, v.settings): v for v in values if v.baseline}
    assert {value.preset for value in mapped.values()} <= PRESETS.keys()
    assert {key[1] for key in mapped} >= {"lstm_lm", "cyclical", "monotonic", "aggressive"}
    for value in mapped.values():
        train = {
            key: item for key, item in value.set.items() if key in ("lr", "epochs", "lr_schedule")
        }
        params = {key: item for key, item in value.set.items() if key not in train}
        run = resolve(value.dataset, value.baseline, 0, params=params, preset=value.preset,
                      sections={"train": train})  # fmt: skip
        config = run.to_dict() | {"precision": "fp32"}
        assert list(published.differences(config, value)) == [], value


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("metric,value", "metric,number", ":1: the columns must be paper, table, dataset"),
        (",32,units,", ",many,units,", "value: 'many' is no number of plain digits"),
        (",32,units,", ",-1,units,", "value: '-1' is no number of plain digits"),
        (",32,units,", ",NaN,units,", "value: 'NaN' is no number of plain digits"),
        (",32,units,", ",32,nats,", "unit: of au must be units"),
        (",32,units,", ",32,", "15 cells instead of 16"),
        (",ptb,words,", ",ptn,words,", "dataset: unknown 'ptn'; did you mean 'ptb'?"),
        (",ptb,words,", ",ptb,letters,", "coding: unknown 'letters'"),
        (",neg_elbo,", ",elbo,", "metric: unknown 'elbo'"),
        (",yes,", ",perhaps,", "comparable: must be yes, or nearly or no with a reason"),
        (",lstm_lm,", ",,", "baseline and preset must be given where comparable is not no"),
        (",sum,", ",summ,", "misprint: unknown 'summ'; did you mean 'sum'?"),
        (",text copy (OCR) of the paper,", ",,", "seen is missing"),
        ("\n", "\nx\"y,", "cells instead of 16"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = FILE.read_text()
    assert old in text
    (tmp_path / "p.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=re.escape(reason)) as caught:
        literature.read(tmp_path / "p.csv")
    assert re.match(rf"{re.escape(str(tmp_path))}/p\.csv:\d+: ", str(caught.value))


def test_a_value_that_stands_twice_is_refused(tmp_path: Path) -> None:
    lines = FILE.read_text().splitlines()
    (tmp_path / "p.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    with pytest.raises(UserError, match="kl stands on line 2 already"):
        literature.read(tmp_path / "p.csv")


# What is wrong in it ------------------------------------------------------------------------------

CYCLICAL = "LSTM VAE C.A. (cyclical, Fu 2019)"
AGGRESSIVE = "LSTM VAE Aggressive (He 2019)"
EMBED = "Transformer-VAE Embed + cyclical"
MISTAKES = [  # kind, paper, data set, method, what is said
    ("sum", OPTIMUS, "ptb", CYCLICAL, "101.85 + kl 1.37 is 103.22, neg_elbo is 102.81: 0.41 nats"),
    ("sum", OPTIMUS, "yahoo", "SA-VAE", "is 330.20, neg_elbo is 327.2: 3.00 nats apart"),
    ("sum", OPTIMUS, "ptb", "Optimus lambda=1.00", "neg_elbo is 77.65: 28.50 nats apart"),
    ("sum", OPTIMUS, "yahoo", "Optimus lambda=0.05", "neg_elbo is 282.70: 7.11 nats apart"),
    ("sum", OPTIMUS, "yelp", AGGRESSIVE, "is 326.10, neg_elbo is 328.40: 2.30 nats apart"),
    ("mi", DELLA, "snli", "DELLA + cyclical", "mi 16.58 is 10.72 nats above kl 5.86"),
    ("mi", DELLA, "ptb", "DELLA + cyclical", "mi 12.35 is 4.12 nats above ln 3,761 = 8.23"),
    ("mi", DELLA, "yelp", "DELLA + cyclical", "mi 10.78 is 1.57 nats above ln 10,000 = 9.21"),
    ("mi", DELLA, "yahoo", "DELLA + cyclical", "mi 12.31 is 3.10 nats above ln 10,000 = 9.21"),
    ("mi", OPTIMUS, "yelp", "LSTM-AE", "mi 9.24 is 0.03 nats above ln 10,000 = 9.21"),
    ("mi", OPTIMUS, "yahoo", "LSTM-AE", "mi 9.26 is 0.05 nats above ln 10,000 = 9.21"),
    ("ppl", OPTIMUS, "yelp", "LSTM-LM", "of which 96.66 tokens a sentence make 40.65"),
    ("ppl", "PaddleNLP example", "yahoo", "vae-seq2seq (Paddle)", "tokens a sentence make 79.50"),
    ("ppl", DELLA, "yelp", "DELLA + cyclical", "83.47 to 95.63 tokens a sentence only"),
    ("ppl", "Bowman et al. 2016 (CoNLL)", "ptb", "VAE (Bowman), standard decoder", "3.15 above"),
    ("ppl", "SentenceMIM demo", "ptb", "sVAE-16", "22.71 tokens a sentence, the text has 21.92"),
    ("repeat", OPTIMUS, "yelp", AGGRESSIVE, "neg_elbo 328.40, rec 322.70 of Table 10, yahoo"),
    ("repeat", DELLA, "ptb", EMBED, "neg_elbo 327.28, ppl_iw 19.98 of Tables 1 and 5, yelp"),
    ("column", OPTIMUS, "ptb", CYCLICAL, "ppl_iw 108.81 is that of neg_elbo 102.81 (102.78 nats)"),
    ("twice", OPTIMUS, "yahoo", "LSTM VAE C.A. (cyclical)", "64.26 here and 66.93 in Table 1"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "paper", "dataset", "method", "said"), MISTAKES)
def test_printed_mistakes_are_found(
    found: list[misprints.Misprint], kind: str, paper: str, dataset: str, method: str, said: str
) -> None:
    texts = [
        one.text
        for one in found
        if (one.kind, one.value.paper, one.value.dataset, one.value.method)
        == (kind, paper, dataset, method)
    ]
    assert any(said in text for text in texts), texts


@pytest.mark.parametrize(
    ("paper", "dataset", "method", "table"),
    [
        (OPTIMUS, "ptb", "LSTM-LM", "Tables 1 and 8"),
        (OPTIMUS, "ptb", "LSTM-AE", "Table 8"),
        (OPTIMUS, "ptb", "LSTM VAE M.A. (monotonic)", "Table 8"),
        (OPTIMUS, "ptb", AGGRESSIVE, "Table 8"),
        (OPTIMUS, "ptb", "LSTM VAE AE-BP / AE+FB (Li 2019)", "Table 8"),
        (OPTIMUS, "yahoo", "LSTM-LM", "Tables 1 and 10"),
        (OPTIMUS, "yahoo", "LSTM VAE M.A. (monotonic)", "Table 10"),
        (OPTIMUS, "yahoo", "LSTM VAE AE-BP / AE+FB (Li 2019)", "Table 10"),
        ("He et al. 2019 (lagging inference, submitted version)", "yahoo", "VAE", "Table 1"),
        ("He et al. 2019 (lagging inference, submitted version)", "yahoo", "VAE + anneal",
         "Table 1"),
        ("He et al. 2019 (lagging inference, submitted version)", "yahoo",
         "Lagging (aggressive) + anneal", "Table 1"),
        ("texar examples", "ptb", "VAE LSTM decoder (texar TF)", "README"),
        ("texar examples", "yahoo", "VAE LSTM decoder (texar TF)", "README"),
    ],
)  # fmt: skip
def test_good_rows_are_left_alone(
    values: list[literature.Value],
    found: list[misprints.Misprint],
    paper: str,
    dataset: str,
    method: str,
    table: str,
) -> None:
    row = (paper, dataset, method, table)
    there = [v for v in values if (v.paper, v.dataset, v.method, v.table) == row]
    assert there
    said = [(one.kind, one.text) for one in found if one.value in there]
    assert said == []


def test_the_file_marks_just_what_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["report", "--published"]) == 0
    out = capsys.readouterr().out
    head, *lines = out.splitlines()
    assert re.fullmatch(r"\d+ published values of 14 sources; 35 misprints, all marked .*", head)
    assert sum(line.startswith("- ") for line in lines) == 35
    assert f"\n{OPTIMUS}\n- Table 8, ptb, " in out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # The auto-encoder with free bits, 102.41 = 95.87 + 6.54; and its KL taken for its MI.
        ("neg_elbo,102.41,", "neg_elbo,104.21,", "NOT MARKED: Table 8, ptb, LSTM VAE AE-BP"),
        ("mi,5.31,", "mi,6.54,", None),
        ("mi,5.31,", "mi,6.56,", "above kl 6.54"),
        ("neg_elbo,102.81,", "neg_elbo,103.22,", "MARKED, BUT FOUND NO MORE"),
        ("ppl_iw,96.86,", "ppl_iw,107.60,", "102.54 nats with 21.92 tokens a sentence: 0.1"),
        ("ppl_iw,96.86,", "ppl_iw,71.00,", "93.43 nats with 21.92 tokens a sentence: 1.9"),
        ("ppl_iw,96.86,", "ppl_iw,107.0,", "not importance-weighted, though kl is 6.54"),
        ("ppl_iw,100.47,", "ppl_iw,100.47,", None),
        ("ppl_iw,100.47,", "ppl_iw,100.74,", "from its nats, of which 21.92 tokens a sentence"),
        ("mi_batch,3.4,", "mi_batch,3.6,", "mi_batch 3.6 is 0.13 nats above ln 32 = 3.47"),
        ("ppl_elbo,119.0,", "ppl_elbo,121.0,", "does not follow from 4.78 nats a token (119.10)"),
    ],
)
def test_a_mistake_of_ours_in_the_file_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    said: str | None,
) -> None:
    text = FILE.read_text()
    assert f",{old}" in text
    lines = text.splitlines(keepends=True)
    changed = False
    for number, line in enumerate(lines):
        mine = "AE+FB" in line if "5.31" in old or "96.86" in old else True
        if f",{old}" in line and mine and not changed:
            lines[number], changed = line.replace(f",{old}", f",{new}"), True
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "published.csv").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "--published"]) == (1 if said else 0)
    out = capsys.readouterr().out
    assert said is None or said in out, out


# Ours beside them ---------------------------------------------------------------------------------

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
    """Cells of the rows by figure, without the figure."""
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
    for line in lines:
        line["data"] |= {"text_sha256": "0" * 64, "lossless": {"test": True}}
    (group,) = comparable.groups(lines)
    (table,) = published.tables(group.title, group.lines, FILE)
    assert {(row.label, row.cells[3].text) for row in table.rows} == {("ours, word", "1")}


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
    from benchmark.records import read_jsonl

    lines = read_jsonl(ROOT / "results" / "ptb_check.jsonl")
    (table,) = published.tables("ptb", lines)
    assert table.notes[0] == "Not the same protocol: 3 of 40 epochs of fu2019_ptb."
    assert {row.cells[6].text for row in table.rows} == {"other"}
    assert all(" of 100 epochs" in text or "3 of 40 epochs" in text for text in table.footnotes)
    ids = {line["id"] for line in lines}
    assert all(set(row.ids) <= ids and row.ids for row in table.rows)


def test_no_torch_is_imported() -> None:
    source = (
        "import sys; from benchmark.report import published, misprints; "
        "misprints.listing(published.read()); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", source], cwd=ROOT).returncode == 0
