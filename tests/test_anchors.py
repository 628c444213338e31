"""The judge of the anchors on Penn Treebank: what it takes for reached, missed, and not there."""

from typing import Any

import pytest
from anchors import judged, published

REACHED: dict[str, dict[str, Any]] = {
    "lstm_lm": {"iw_nll": 102.5, "ppl_iw": 107.5},
    "none": {"neg_elbo": 100.0, "mi": 0.0, "z_use": 0.0},
    "monotonic": {"neg_elbo": 102.7, "mi": 0.09, "z_use": 0.09},
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
        ("lstm_lm", "iw_nll", 102.6),  # 1.54 % above 101.04
        ("lstm_lm", "iw_nll", 99.4),
        ("none", "mi", 0.11),
        ("monotonic", "z_use", 0.11),
        ("monotonic", "neg_elbo", 102.9),
        ("autoencoder", "mi", 7.9),
        ("autoencoder", "rec", 77.5),
        ("pretrained_free_bits_5", "kl", 4.9),
        ("pretrained_free_bits_5", "kl", 8.1),
        ("pretrained_free_bits_5", "ppl_iw", 107.6),
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
