"""What a person sees of a run: a bar that fits a terminal, or a line an epoch."""

import json
import re
import time
from pathlib import Path

import pytest
from tqdm import tqdm

from benchmark.run.progress import BAR, SHOWN, Clock, Progress

TIME = r"\d\d:\d\d:\d\d"
POINT = {"step": 50, "epoch": 1, "neg_elbo": 101.5, "kl": 1.25, "weight": 0.5}


def test_the_bar_fits_80_columns_with_all_figures() -> None:
    values = dict(zip(SHOWN, (101.25, 12.5, 0.75, 26_183.4), strict=True))
    words = ", ".join(text.format(values[name]) for name, text in SHOWN.items())
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
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d {TIME} run ptb-none-0-0123abcd", first)
    assert re.match(rf"{TIME} epoch 1: step 50 of 100, validation ELBO -101.50, KL 1.25, ", second)
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


def test_a_log_tells_the_date_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, strftime = Clock(), time.strftime
    late = time.mktime((2026, 1, 31, 23, 59, 58, 0, 0, -1))
    moments = iter((late, late + 1, late + 2))
    monkeypatch.setattr(
        time, "strftime", lambda form: strftime(form, time.localtime(next(moments)))
    )
    assert [clock(line) for line in "abc"] == [
        "2026-01-31 23:59:58 a", "23:59:59 b", "2026-02-01 00:00:00 c",
    ]  # fmt: skip


def test_a_terminal_needs_no_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    Progress(tmp_path, "ptb-none-0-0123abcd", shown=True)
    assert capsys.readouterr().err == "run ptb-none-0-0123abcd\n"
