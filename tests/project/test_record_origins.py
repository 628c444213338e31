"""Records must come from committed code of this history."""

import subprocess
from pathlib import Path

import pytest
from origin import problems
from test_results import Repository, at
from test_results import repository as repository
from test_results import runs as runs

from benchmark import cli
from benchmark.core import provenance
from benchmark.sweep import study
from benchmark.sweep.collect import collect


def test_a_dirty_tree(repository: Repository) -> None:
    name = repository.change(at("provenance", "dirty", value=True), wrote=True)
    repository.one(
        f"{name}: ran with changes to the code that were not committed; take its line out, delete"
    )


def test_no_commit(repository: Repository) -> None:
    name = repository.change(at("provenance", "commit", value=None), wrote=True)
    repository.one(f"{name}: names no commit", "with that mended, take its line out")


@pytest.fixture
def refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> str:
    """What git says of a repository that belongs to another user, and the command that mends it."""
    monkeypatch.chdir(repository.root.parent)
    monkeypatch.setattr(provenance, "checkout", lambda: repository.root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.delenv("PCBENCH_COMMIT", raising=False)
    return (
        f"git: detected dubious ownership in repository at '{repository.root}'; "
        f"run: git config --global --add safe.directory '{repository.root}'"
    )


def test_a_clone_that_git_refuses_makes_no_record_bad(repository: Repository, refused: str) -> None:
    repository.one(f"mine.jsonl: the commits of its records cannot be checked: {refused}")
    repository.change(at("metrics", "test", "mi", value=0.001))
    assert len(problems(repository.file, repository.root)) == 2


def test_a_clone_that_git_refuses_is_told_before_training(
    repository: Repository, refused: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine, runs = str(repository.root / "paper" / "mine.toml"), str(tmp_path / "runs")
    told = f"pcbench: warning: the records will name no commit: {refused}\n"
    assert cli.main(["sweep", mine, "--runs", runs]) == 0
    assert capsys.readouterr().err.startswith(told)
    assert cli.main(["run", mine, "--id", repository.lines[0]["id"], "--runs", runs]) == 2
    assert capsys.readouterr().err.startswith(told)
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert 'unknown (git: detected dubious ownership in repository at "$PWD"; run: git c' in said
    assert str(repository.root) not in said


def test_an_unknown_commit(repository: Repository, tmp_path: Path) -> None:
    name = repository.change(at("provenance", "commit", value="0123456789" * 4), wrote=True)
    repository.one(f"{name}: commit 012345678901 is unknown here; push the branch")
    repository.git("checkout", "-q", "results")
    source = f"file://{repository.root}"
    subprocess.run(["git", "clone", "-q", "--depth=1", source, str(tmp_path / "clone")], check=True)
    clone = Repository(tmp_path / "clone")
    said = problems(clone.file, clone.root)
    assert len(said) == 2
    assert all("is unknown here; this clone is shallow: `git fetch --unshallow`" in s for s in said)


def test_code_that_is_not_that_of_its_commit(repository: Repository) -> None:
    name = repository.change(at("provenance", "code_sha256", value="ab" * 32), wrote=True)
    repository.one(
        f"{name}: code_sha256 abababababab is not that of commit ", "sweep and collect again"
    )


def test_a_method_that_is_not_that_of_its_commit(repository: Repository) -> None:
    name = repository.change(at("provenance", "method_sha256", value="ab" * 32), wrote=True)
    repository.one(f"{name}: ran with another monotonic.py than that of commit ")


def test_a_commit_of_no_history(repository: Repository) -> None:
    """The baseline's commit is amended, as a rebase or a squash would."""
    old = repository.lines[0]["provenance"]["commit"]
    saved = repository.file.read_text()
    repository.git("reset", "-q", "--hard", old)
    repository.commit("Say it better", "--amend")
    repository.file.parent.mkdir(exist_ok=True)
    repository.file.write_text(saved)
    repository.commit("Add records")
    said = problems(repository.file, repository.root)
    assert len(said) == 2
    for line, text in zip(repository.lines, said, strict=True):
        assert f"{line['id']}: commit {old[:12]} is not in the history of this branch" in text
        assert "rebased, squashed" in text
        assert "merge the branch that holds it, or take its line out" in text


def test_a_run_resumed_with_other_code(repository: Repository) -> None:
    other = at("provenance", "code_sha256_resumed", value=["ab" * 32])
    name = repository.change(other, wrote=True)
    repository.one(f"{name}: was resumed with other code than it began with; take its line out")


def test_collecting_says_what_cannot_be_contributed(repository: Repository, tmp_path: Path) -> None:
    repository.change(at("provenance", "dirty", value=True), wrote=True)
    loaded = study.load(repository.root / "paper" / "mine.toml")
    (note,) = collect(loaded, tmp_path / "runs", repository.file.parent).notes
    assert "mine.jsonl: 1 records of code that was not committed cannot be contributed: " in note
    repository.change(at("provenance", "commit", value=None), wrote=True)
    _, note = collect(loaded, tmp_path / "runs", repository.file.parent).notes
    assert note.endswith("mine.jsonl: 1 records that name no commit cannot be contributed")
