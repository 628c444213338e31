"""The judge of the anchors on Penn Treebank: what it takes for reached, missed, and not there."""

import json
from pathlib import Path
from typing import Any

import anchors
import pytest
from anchors import judged, published
from made_up import line, missing

from benchmark.report.paper import literature
from benchmark.report.paper import published as beside
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]

REACHED: dict[str, dict[str, Any]] = {
    "lstm_lm": {"iw_nll": 101.4, "ppl_iw": 102.2},
    "none": {"neg_elbo": 100.9, "mi": 0.0, "z_use": 0.0},
    "monotonic": {"neg_elbo": 101.6, "mi": 0.09, "z_use": 0.09},
    "autoencoder": {"mi": 8.0, "mi_cap": 8.232, "rec": 77.0},
    "pretrained_free_bits_5": {"kl": 6.5, "ppl_iw": 99.0},
}


def test_published_values() -> None:
    assert published("LSTM-LM", "iw_nll") == 101.04
    assert published("LSTM VAE M.A.", "neg_elbo") == 101.28
    assert published("LSTM-AE", "rec") == 70.36


def test_all_reached() -> None:
    verdicts = list(judged({label: [test] for label, test in REACHED.items()}))
    assert [reached for reached, _ in verdicts] == [True] * 9


@pytest.mark.parametrize(
    ("label", "metric", "value"),
    [
        ("lstm_lm", "iw_nll", 101.45),  # 0.41 above 101.04
        ("lstm_lm", "iw_nll", 100.63),
        ("none", "mi", 0.11),
        ("monotonic", "z_use", 0.11),
        ("monotonic", "neg_elbo", 101.69),  # 0.41 above 101.28
        ("autoencoder", "mi", 7.9),
        ("autoencoder", "rec", 77.5),
        ("pretrained_free_bits_5", "kl", 4.9),
        ("pretrained_free_bits_5", "kl", 8.1),
        ("pretrained_free_bits_5", "ppl_iw", 102.3),
    ],
)
def test_one_missed(label: str, metric: str, value: float) -> None:
    rows = {name: [dict(test)] for name, test in REACHED.items()}
    rows[label][0][metric] = value
    missed = [text for reached, text in judged(rows) if not reached]
    assert len(missed) == 1
    assert label in missed[0]


def test_one_of_two_seeds_alive_is_not_collapsed() -> None:
    alive = {**REACHED["none"], "mi": 1.0}
    verdicts = {text: reached for reached, text in judged({"none": [REACHED["none"], alive]})}
    assert verdicts["none collapsed: 1 of 2 seeds"] is False


def test_rows_without_records_are_told() -> None:
    verdicts = list(judged({}))
    assert all(reached is None and text.endswith("no record") for reached, text in verdicts)


def test_the_anchors_are_trained_as_the_published_rows() -> None:
    """But for bf16, and for `none`, which has no row of its own."""
    rows = {run.label: run for run in study.load(ROOT / "paper/li2019_ptb.toml", [0]).configs}
    values = [v for v in literature.read() if v.paper == anchors.SOURCE and v.dataset == "ptb"]
    for label, method in {
        "lstm_lm": "LSTM-LM",
        "monotonic": "LSTM VAE M.A.",
        "autoencoder": "LSTM-AE",
        "pretrained_free_bits_5": "LSTM VAE AE-BP",
    }.items():
        (value, *_) = [value for value in values if value.method.startswith(method)]
        differ = beside.differences(rows[label].config.to_dict(), value)
        assert list(differ) == ["precision bf16"]


# The exit status --------------------------------------------------------------------------------


def collected(path: Path, nll: float | None) -> Path:
    """A file with one record of the language model, or without one."""
    found = missing("lstm_lm", 0) if nll is None else line("lstm_lm", 0, 0, iw_nll=nll)
    path.write_text(json.dumps(found) + "\n")
    return path


def test_a_miss_is_told_and_fails_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert anchors.main(collected(tmp_path / "near.jsonl", 101.3)) == 0
    told = capsys.readouterr().out
    assert "reached lstm_lm iw_nll: 101.30, published 101.04: +0.26, margin 0.40" in told
    assert "MISSED" not in told
    assert "ablation" not in told
    assert anchors.main(collected(tmp_path / "far.jsonl", 102.35)) == 0
    told = capsys.readouterr().out
    assert "MISSED  lstm_lm iw_nll: 102.35, published 101.04: +1.31, margin 0.40" in told
    assert "1 missed: commit an ablation" in told


def test_what_cannot_be_judged_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert anchors.main(collected(tmp_path / "empty.jsonl", None)) == 1
    assert anchors.main(tmp_path / "absent.jsonl") == 1
    assert "absent.jsonl: no such file" in capsys.readouterr().err
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text("{")
    assert anchors.main(damaged) == 1
    assert "damaged.jsonl:1: " in capsys.readouterr().err
