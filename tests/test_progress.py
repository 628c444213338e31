"""What a person sees of a run: a bar that fits a terminal, or a line an epoch."""

import json
from pathlib import Path

import pytest
from tqdm import tqdm

from benchmark.progress import BAR, SHOWN, Progress

POINT = {"step": 50, "epoch": 1, "neg_elbo": 101.5, "kl": 1.25, "weight": 0.5}


def test_the_bar_fits_80_columns_with_all_figures() -> None:
    figures = dict(zip(SHOWN, (101.25, 12.5, 0.75, 26_183.4), strict=True))
    words = ", ".join(text.format(figures[name]) for name, text in SHOWN.items())
    line = tqdm.format_meter(
        1_000, 54_360, 60.0, ncols=80, prefix="train ", bar_format=BAR, postfix=words
    )
    assert len(line) <= 80
    assert line.startswith("train   2%|")
    assert line.endswith("left, loss 101.25, KL 12.50, weight 0.75, 26,183 tokens/s")


def test_without_a_terminal_an_epoch_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(tmp_path, "ptb-none-0-0123abcd", shown=True)
    progress.show("train", 10, 100, loss=102.0, kl=1.0, weight=0.1, tokens_per_second=1000.0)
    progress.epoch(POINT, 100, 1234.5)
    progress.close()
    first, second = capsys.readouterr().err.splitlines()
    assert first == "run ptb-none-0-0123abcd"
    assert second.startswith("epoch 1: step 50 of 100, validation ELBO -101.50, KL 1.25, ")
    assert "weight 0.50, 1,23" in second
    assert second.endswith(" s left")
    said = json.loads((tmp_path / "progress.json").read_text())
    assert (said["phase"], said["step"], said["total"]) == ("train", 10, 100)


def test_quiet_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(tmp_path, "ptb-none-0-0123abcd", shown=False)
    progress.show("train", 10, 100, loss=102.0)
    progress.epoch(POINT, 100, 1234.5)
    progress.close()
    assert capsys.readouterr().err == ""
