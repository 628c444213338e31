"""What pip packs: all of the code and the files that it reads; the rest of a clone is asked for."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_wheel_holds_all_of_the_code_and_says_what_needs_a_clone(tmp_path: Path) -> None:
    clone, copy = tmp_path / "clone", tmp_path / "copy"
    for name in ("benchmark", "baselines"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(tmp_path), str(clone)], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(copy)
    code = {
        path.relative_to(ROOT)
        for name in ("benchmark", "baselines")
        for path in (ROOT / name).rglob("*.*")
        if "__pycache__" not in path.parts
    }
    packed = {path.relative_to(copy) for path in copy.rglob("*.*") if path.is_file()}
    assert {path for path in packed if ".dist-info" not in path.parts[0]} == code
    asked = subprocess.run(
        [sys.executable, "-m", "benchmark", "report", "--published"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(copy)},
    )  # fmt: skip
    assert (asked.returncode, asked.stderr) == (
        2,
        "pcbench: paper/published.csv: exists only in a clone; this code is an installed copy in "
        f"{copy}; clone the repository and run `pip install -e .` there\n",
    )
