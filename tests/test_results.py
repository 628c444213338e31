"""The committed records: readable, consistent, and from code that is in the history."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from benchmark import study
from benchmark.provenance import code_sha256
from benchmark.records import read_jsonl
from benchmark.report import consistency

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "results").glob("*.jsonl"))


def test_there_are_results() -> None:
    assert {"quickstart", "ptb_check"} <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_records_agree_with_themselves_and_with_their_study(file: Path) -> None:
    lines = read_jsonl(file)
    assert consistency.check(lines) == []
    named = {run.id: run.config for run in study.load(ROOT / "paper" / f"{file.stem}.toml").configs}
    done = [line for line in lines if line["status"] == "done"]
    assert {line["id"] for line in lines} == set(named)
    for line in done:
        assert line["evaluation_digest"] == named[line["id"]].evaluation_digest
        assert line["provenance"]["dirty"] is False


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no history here")
def test_the_records_come_from_commits_of_the_history(tmp_path: Path) -> None:
    claimed = {
        (line["provenance"]["commit"], line["provenance"]["code_sha256"])
        for file in FILES
        for line in read_jsonl(file)
        if line["status"] == "done"
    }
    for commit, digest in claimed:
        git = ["git", "-C", str(ROOT)]
        subprocess.run([*git, "merge-base", "--is-ancestor", commit, "HEAD"], check=True)
        paths = ["benchmark", "baselines", "constraints.txt"]
        packed = subprocess.run(
            [*git, "archive", commit, *paths], check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(tmp_path / commit, filter="data")
        assert code_sha256(tmp_path / commit) == digest
