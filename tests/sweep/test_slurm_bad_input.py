"""What slurm/submit.sh says to mistakes: one line, exit status 2, nothing submitted or written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from private_slurm import Completed, PrivateSlurm
from slurm_study import SUBMIT, SlurmStudy

FOLDERS = ["--runs", "runs", "--data-dir", "data", "--results", "results"]


def refused(done: Completed, *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("pcbench: ")
    for word in words:
        assert word in line


@pytest.fixture
def place(tmp_path: Path, slurm: PrivateSlurm) -> SlurmStudy:
    return SlurmStudy(tmp_path, slurm)


def test_without_sbatch(tmp_path: Path) -> None:
    """On a machine without Slurm: which command to use instead."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "env", "dirname", "readlink", "realpath", "cat", "git", "tr", "sed"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    (programs / "pcbench").write_text(f'#!/bin/sh\nexec {sys.executable} -m benchmark "$@"\n')
    (programs / "pcbench").chmod(0o755)
    study = SUBMIT.parent.parent / "paper" / "quickstart.toml"
    done = subprocess.run(
        [str(SUBMIT), str(study), *FOLDERS], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PATH": str(programs)},
    )  # fmt: skip
    refused(done, "sbatch", "pcbench sweep")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slurm
def test_an_unknown_partition(place: SlurmStudy) -> None:
    refused(place.submit("--partition=nowhere"), "partition")
    assert place.slurm.queue() == []


@pytest.mark.slurm
def test_an_empty_study(place: SlurmStudy) -> None:
    place.path.write_text(place.path.read_text().split("[[baseline]]")[0])
    refused(place.submit(), "mine.toml: the study is empty")
    assert not place.runs.exists()


@pytest.mark.slurm
def test_a_runs_folder_that_cannot_be_written(place: SlurmStudy) -> None:
    place.runs.write_text("a file")
    refused(place.submit(), "runs: cannot be written")
    assert place.slurm.queue() == []


@pytest.mark.slurm
@pytest.mark.parametrize("option", ["--dry-run", "--test-only"])
def test_a_trial_submits_nothing(place: SlurmStudy, option: str) -> None:
    done = place.submit(option)
    assert done.returncode == 0, done.stderr
    assert "2" in done.stdout
    assert place.slurm.queue() == []
    assert not list(place.runs.glob("*/config.json"))
