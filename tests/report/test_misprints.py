"""Published numbers: the file that holds them, and the printed mistakes that are found in it."""

import csv
import re
from dataclasses import fields
from pathlib import Path

import misprints
import pytest

from benchmark import cli
from benchmark.core.errors import UserError
from benchmark.core.settings import TrainConfig
from benchmark.report.paper import literature, published
from benchmark.run.config import resolve
from benchmark.run.presets import PRESETS

ROOT = Path(__file__).parents[2]
FILE = ROOT / literature.FILE
OPTIMUS, DELLA = "Li et al. 2020 (Optimus, EMNLP)", "Hu et al. 2022 (DELLA, NAACL)"


@pytest.fixture(scope="module")
def values() -> list[literature.Value]:
    return literature.read(FILE)


@pytest.fixture(scope="module")
def found(values: list[literature.Value]) -> list[literature.Misprint]:
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
        known = {field.name for field in fields(TrainConfig)}
        train = {key: item for key, item in value.set.items() if key in known}
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
        (",ptb,words,", ",ptn,words,", "dataset: 'ptn'; did you mean 'ptb'?"),
        (",ptb,words,", ",ptb,letters,", "coding: 'letters'"),
        (",neg_elbo,", ",elbo,", "metric: unknown 'elbo'"),
        (",yes,", ",perhaps,", "comparable: must be yes, or nearly or no with a reason"),
        (",lstm_lm,", ",,", "baseline and preset must be given where comparable is not no"),
        (',"sum: ', ',"summ: ', "misprint: must be KIND: REASON, KIND of sum, mi"),
        (",text copy (OCR) of the paper,", ",,", "seen: is missing"),
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
    with pytest.raises(UserError, match="kl is on line 2 already"):
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
    found: list[literature.Misprint], kind: str, paper: str, dataset: str, method: str, said: str
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
    found: list[literature.Misprint],
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


def test_the_command_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # the file is that of the checkout
    assert cli.main(["report", "--published"]) == 0
    out = capsys.readouterr().out
    head, *lines = out.splitlines()
    assert re.fullmatch(r"\d+ published values of 14 sources; 35 misprints, all marked .*", head)
    assert sum(line.startswith("- ") for line in lines) == 35
    assert f"\n{OPTIMUS}\n- Table 8, ptb, " in out


def test_the_file_marks_just_what_is_found() -> None:
    assert misprints.main(FILE) == 0


@pytest.mark.parametrize(
    ("row", "old", "new", "said"),
    [
        # The auto-encoder with free bits, 102.41 = 95.87 + 6.54; and its KL taken for its MI.
        ("AE+FB", "neg_elbo,102.41", "neg_elbo,104.21", "neg_elbo is 104.21"),
        ("AE+FB", "mi,5.31", "mi,6.54", None),
        ("AE+FB", "mi,5.31", "mi,6.56", "above kl 6.54"),
        ("C.A.", "neg_elbo,102.81", "neg_elbo,103.22", "MARKED, BUT FOUND NO MORE"),
        ("AE+FB", "ppl_iw,96.86", "ppl_iw,107.60", "102.54 nats with 21.92 tokens a sentence: 0.1"),
        ("AE+FB", "ppl_iw,96.86", "ppl_iw,71.00", "93.43 nats with 21.92 tokens a sentence: 1.9"),
        ("AE+FB", "ppl_iw,96.86", "ppl_iw,107.0", "not importance-weighted, though kl is 6.54"),
        ("LSTM-LM", "ppl_iw,100.47", "ppl_iw,100.74", "from its nats, of which 21.92 tokens a sen"),
        ("", "mi_batch,3.4", "mi_batch,3.6", "mi_batch 3.6 is 0.13 nats above ln 32 = 3.47"),
        ("", "ppl_elbo,119.0", "ppl_elbo,121.0", "not follow from 4.78 nats a token (119.10)"),
    ],
)
def test_a_mistake_of_ours_in_the_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, old: str, new: str,
    said: str | None,
) -> None:  # fmt: skip
    lines = FILE.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if row in line and f",{old}," in line)
    lines[at] = lines[at].replace(f",{old},", f",{new},")
    (tmp_path / "published.csv").write_text("".join(lines))
    assert misprints.main(tmp_path / "published.csv") == (1 if said else 0)
    out = capsys.readouterr().out
    assert said is None or said in out, out
