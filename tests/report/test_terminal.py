"""``pcbench report`` in a terminal: a narrow table, colours only there, and only problems."""

import re
from pathlib import Path

import pytest
from made_up import line, missing

from benchmark import cli
from benchmark.core import records
from benchmark.report import terminal


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [line(label, row, 0) for row, label in enumerate(("none", "cyclical"))]
    lines.append(missing("beta", 2))
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "mine.jsonl"
    path.write_text("".join(records.dumps(one) + "\n" for one in lines))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["report", "mine", "--no-figures", *words]) == 0
    return capsys.readouterr().out


def test_verdict_table_gaps_and_places_in_this_order(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(capsys, "--page", "mine.html")
    first, rest = out.split("\n", 1)
    assert first == "Verdict"
    assert rest.startswith("In these runs of one seed, `none` (1.25 nats of MI) and `cyclical` ")
    assert "\nOne seed ranks no method.\n" in rest
    head = next(one for one in out.splitlines() if one.startswith("baseline"))
    assert head.split() == ["baseline", "a/u/c", "ELBO", "KL", "MI", "IW-NLL", "z_use"]
    row = next(one for one in out.splitlines() if one.startswith("cyclical "))
    numbers = ["−101.50", "1.50", "1.25", "(SE", "0.01)", "101.00", "1.00", "(SE", "0.05)"]
    assert row.split() == ["cyclical", "1/0/0", *numbers]
    assert "\nMissing: 1 run of 1 row without a record;" in out
    assert out.endswith(
        f"Written: paper/tables/mine.{{md,tex,csv}}\nPage:    {(here / 'mine.html').as_uri()}\n"
    )


def test_full_prints_the_written_markdown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--full") == (here / "paper/tables/mine.md").read_text()


def test_quiet_prints_problems_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--quiet") == ""
    assert told(capsys, "--quiet", "--check") == ""
    path = here / "results" / "mine.jsonl"
    path.write_text(path.read_text().replace('"dirty":false', '"dirty":true'))
    assert told(capsys, "--quiet").startswith("2 records of code that was not committed: ")
    path.write_text(path.read_text().replace('"mi":1.25', '"mi":9.25'))
    assert cli.main(["report", "mine", "--quiet"]) == 1
    assert capsys.readouterr().out.startswith("Inconsistent records, so nothing was written:\n")


def test_colours_are_for_terminals_and_can_be_forbidden(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain = told(capsys)
    assert "\x1b" not in plain
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    bright = told(capsys)
    assert bright.startswith("\x1b[1mVerdict\x1b[0m\n")
    assert re.sub(r"\x1b\[\d*m", "", bright) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert told(capsys) == plain


def test_shortened_labels_stay_different() -> None:
    labels = ["a_long_label_ending_in_x", "a_long_label_ending_in_y", "short"]
    cut = terminal.shortened(labels, 8)
    assert len(set(cut)) == 3
    assert all("…" in one and len(one) == 8 for one in cut[:2])
    assert cut[2] == "short"
    middle = ["begin_1_the_same_end", "begin_2_the_same_end"]
    assert len(set(terminal.shortened(middle, 9))) == 2
