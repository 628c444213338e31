"""`pcbench evaluate STUDY`: kept weights measured again, beside the record."""

from pathlib import Path

import pytest
from tiny import SETTINGS, SPEC

from benchmark import cli
from benchmark.core import records
from benchmark.sweep import plan

STUDY = f"""[study]
data = ["{SPEC}"]
seeds = [0]
{SETTINGS}[[baseline]]
name = "none"
[[baseline]]
name = "lstm_lm"
"""


@pytest.mark.slow
def test_changed_settings_measure_kept_weights_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Path("mine.toml")
    study.write_text(STUDY)
    sweep = ["sweep", "mine.toml", "--jobs", "2"]
    assert cli.main(sweep) == 0
    assert cli.main(["collect", "mine.toml"]) == 0
    first = {line["id"]: line for line in records.read_jsonl(Path("results/mine.jsonl"))}
    study.write_text(STUDY.replace("iw_samples = 2", "iw_samples = 4"))
    capsys.readouterr()

    assert cli.main(["sweep", "mine.toml", "--pending"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 records were measured by other [evaluate] settings than the study's" in said.err
    assert cli.main(["evaluate", "mine.toml"]) == 0
    assert "2 records measured" in capsys.readouterr().out
    assert cli.main(["evaluate", "mine.toml"]) == 0  # nothing is left to measure
    assert "0 records measured" in capsys.readouterr().out
    for run_id, old in first.items():
        folder = Path("results/runs", run_id)
        assert records.digest(records.read(folder / "record.json")) == records.digest(old)
        new = records.read(folder / plan.MEASURED)
        assert new["config"]["evaluate"]["iw_samples"] == 4
        assert new["digest"] == records.digest(new)
        assert new["metrics"]["valid"] == old["metrics"]["valid"]
        assert new["metrics"]["last"] == old["metrics"]["last"]
        for name in ("kl", "mi", "z_use", "au"):
            assert new["metrics"]["test"][name] == old["metrics"]["test"][name]
        assert new["provenance"]["measured"]["code_sha256"] == old["provenance"]["code_sha256"]

    assert cli.main(["collect", "mine.toml"]) == 0
    assert "--replace takes the new one" in capsys.readouterr().err
    assert cli.main(["collect", "mine.toml", "--replace"]) == 0
    assert "(2 replaced)" in capsys.readouterr().out
    for line in records.read_jsonl(Path("results/mine.jsonl")):
        assert line["config"]["evaluate"]["iw_samples"] == 4
    assert cli.main(["collect", "mine.toml"]) == 0
    assert "left out" not in capsys.readouterr().err  # its sentences are the new record's


def test_what_kept_no_weights_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(STUDY)
    assert cli.main(["sweep", "mine.toml", "--only", "lstm_lm"]) == 0
    for weights in Path("results/runs").glob("*/best.pt"):
        weights.unlink()
    Path("mine.toml").write_text(STUDY.replace("iw_samples = 2", "iw_samples = 4"))
    assert cli.main(["evaluate", "mine.toml"]) == 0
    said = capsys.readouterr()
    assert "0 records measured" in said.out
    assert "1 others kept no weights" in said.err
