"""A machine that only trains: torch, numpy, pydantic and tqdm are there, nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from benchmark import data

ABSENT = (
    "datasets", "huggingface_hub", "matplotlib", "pandas", "pyarrow", "sacrebleu", "scipy",
    "seaborn", "sentencepiece",
)  # fmt: skip
RUN = ("--data", tiny.SPEC, "--baseline", "none", "--preset", "fu2019_ptb", "--quiet")
SMALL = ("embedding=4", "hidden=4", "latent=2")


def pcbench(runs: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line where those libraries cannot be imported."""
    code = (
        f"import sys\nfor name in {ABSENT!r}:\n    sys.modules[name] = None\n"
        "from benchmark import cli\nsys.exit(cli.main(sys.argv[1:]))\n"
    )
    folders = ("--runs", str(runs), "--data-dir", str(runs.parent / "data"))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments, *folders],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    data.load(tiny.SPEC, tmp_path / "data")
    return tmp_path / "runs"


def test_a_run_on_prepared_data_needs_no_other_library(runs: Path) -> None:
    settings = [f"--set=model.{setting}" for setting in SMALL]
    done = pcbench(
        runs, "run", *RUN, *settings,
        "--set=train.epochs=1", "--set=evaluate.iw_samples=2", "--set=evaluate.bleu=false",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_without_sacrebleu_nothing_begins_that_would_end_in_it(runs: Path) -> None:
    done = pcbench(runs, "run", *RUN)
    assert done.returncode == 2
    assert done.stderr.startswith("pcbench: sacrebleu: cannot be imported (")
    assert done.stderr.endswith(
        "; run `pip install sacrebleu`, or leave BLEU out: evaluate.bleu = false\n"
    )
    assert done.stderr.count("\n") == 1
    assert not runs.exists()
    study = runs.parent / "mine.toml"
    study.write_text(
        f'[study]\ndata = ["{tiny.SPEC}"]\nseeds = [0, 1]\n[[baseline]]\nname = "none"\n'
    )
    swept = pcbench(runs, "sweep", str(study))
    assert (swept.returncode, swept.stderr) == (2, done.stderr)
    assert list(runs.iterdir()) == []


def test_a_language_model_needs_none(runs: Path) -> None:
    settings = ("--set=model.embedding=4", "--set=model.hidden=4", "--set=train.epochs=1")
    done = pcbench(runs, "run", *RUN, "--baseline", "lstm_lm", *settings)
    assert (done.returncode, done.stderr) == (0, "")
