"""Two processes train one run at the same time: as after a claim was lost. No harm is done."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from benchmark.core import records
from benchmark.run import claims
from benchmark.run.session import run
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
# Until the file `go` is there it stands still at its fifth step.
GATED = '''"""A baseline for a test."""
import os, pathlib, time
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

@dataclass(frozen=True)
class Gated(Baseline):
    def before_step(self, run):
        place = pathlib.Path(os.environ["PLACE"])
        if run.step == 5:
            (place / f"at_gate_{os.getpid()}").touch()
            while not (place / "go").exists():
                time.sleep(0.02)
'''


@pytest.mark.slow
def test_both_end_well_and_leave_one_record(tmp_path: Path) -> None:
    (tmp_path / "gated.py").write_text(GATED)
    sections = {"model": tiny.MODEL, "train": tiny.TRAINING, "evaluate": tiny.EVALUATE}
    text = f'[study]\ndata = ["{tiny.SPEC}"]\nseeds = [0]\npreset = "{tiny.PRESET}"\n'
    for name, table in sections.items():
        text += f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items())
    (tmp_path / "mine.toml").write_text(text + '[[baseline]]\nname = "gated"\nfile = "gated.py"\n')
    (config,) = [run.config for run in study.load(tmp_path / "mine.toml").configs]
    folder = tmp_path / "runs" / config.id
    command = [sys.executable, "-m", "benchmark", "run", "mine.toml", "--id", config.id]
    command += ["--runs", "runs", "--data-dir", "data", "--checkpoint-seconds", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLACE": str(tmp_path)}

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE
        )

    def gates(number: int) -> None:
        limit = time.monotonic() + 90
        while len(list(tmp_path.glob("at_gate_*"))) < number:
            assert time.monotonic() < limit, "did not come to the gate"
            time.sleep(0.05)

    with start() as first:
        try:
            gates(1)
            for claim in folder.glob("claim-*"):  # as if it had been silent for a minute
                shutil.rmtree(claim)
            with start() as second:
                try:
                    gates(2)
                    (tmp_path / "go").touch()
                    said = [process.communicate(timeout=300)[1] for process in (first, second)]
                finally:
                    second.kill()
        finally:
            first.kill()
    assert (first.returncode, second.returncode) == (0, 0), said
    os.environ["PLACE"] = str(tmp_path)
    try:
        expected = run(config, tmp_path / "alone", tmp_path / "data", progress=False)
    finally:
        del os.environ["PLACE"]
    found = records.read(folder / "record.json")
    assert records.differences(found, json.loads(json.dumps(expected))) == []
    assert claims.holder(folder) is None
    left = {path.name for path in folder.iterdir()}
    assert not {"checkpoint.pt", "evaluation", "progress.json", "error.txt"} & left
    assert not [name for name in left if name.startswith((".", "claim-"))]
