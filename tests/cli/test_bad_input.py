"""Mistakes and bad days through the real command line: one line, exit 2, nothing lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import record

from benchmark.core import records

ROOT = Path(__file__).parents[2]
STUDY = """[study]
data = ["exact_small"]
seeds = [0]
[[baseline]]
name = "none"
"""


def pcbench(
    *arguments: str, folder: Path, before: list[str] | None = None, root: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*(before or []), sys.executable, "-m", "benchmark", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def one_line(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("pcbench: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STUDY.replace('data = ["exact_small"]', "").encode(), "study.data: missing"),
        (b"[study]\ndata = ['exact_small']\nseeds = [0]\n", "the study is empty"),
        (b"# \xff\xfe\n", "not valid TOML"),
        (STUDY.replace('"none"', '"nona"').encode(), "did you mean 'none'?"),
        (STUDY.replace("_small", "_smal").encode(), "did you mean 'exact_small'?"),
        (STUDY.replace("[0]", "['a']").encode(), "study.seeds 1: 'a' should be a valid integer"),
        (f"{STUDY}cycels = 3\n".encode(), "cycels: unknown key"),
        (f"{STUDY}[[baseline]]\nname = 'none'\nlabel = 'b'\n".encode(), "are the same run"),
    ],
)
def test_a_bad_study(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "mine.toml").write_bytes(text)
    one_line(pcbench("sweep", "mine.toml", "--list", folder=tmp_path), "mine.toml: ", message)


def test_a_study_that_is_a_folder(tmp_path: Path) -> None:
    one_line(pcbench("collect", ".", folder=tmp_path), "Is a directory")


def test_nonsense_in_flags(tmp_path: Path) -> None:
    run = ["run", "--data", "exact_small", "--baseline", "cyclical"]
    one_line(pcbench(*run, "--set", "cycles=1\nratio=1", folder=tmp_path), "valid integer")
    one_line(
        pcbench(*run, "--threads", "0", folder=tmp_path),
        "--threads: must be an integer of at least 1, not 0",
    )
    one_line(
        pcbench("sweep", "x", "--seeds", "0,", folder=tmp_path),
        "--seeds",
        "must be integers separated by commas",
    )


@pytest.mark.slow
def test_folders_that_may_not_be_read_or_written(tmp_path: Path, without_rights: list[str]) -> None:
    (tmp_path / "mine.toml").write_text(STUDY)
    listed = pcbench("sweep", "mine.toml", "--list", folder=tmp_path)
    run_id = listed.stdout.strip()
    records.write_exclusive(tmp_path / "runs" / run_id, record(run_id))
    (tmp_path / "out").mkdir()
    for name, mode, arguments in [
        ("out", 0o555, ["sweep", "mine.toml", "--runs", "out"]),
        ("out", 0o555, ["run", "mine.toml", "--id", run_id, "--runs", "out"]),
        ("out", 0o555, ["collect", "mine.toml", "--runs", "runs", "--results", "out"]),
        ("runs", 0o000, ["sweep", "mine.toml", "--pending", "--runs", "runs"]),
        ("runs", 0o000, ["sweep", "mine.toml", "--status", "--runs", "runs"]),
        ("runs", 0o000, ["collect", "mine.toml", "--runs", "runs", "--results", "new"]),
        ("runs", 0o000, ["run", "mine.toml", "--id", run_id, "--runs", "runs"]),
    ]:
        (tmp_path / name).chmod(mode)
        done = pcbench(*arguments, folder=tmp_path, before=without_rights)
        (tmp_path / name).chmod(0o755)
        one_line(done, name, "Permission denied")
    assert records.read(tmp_path / "runs" / run_id / "record.json")["id"] == run_id
    assert not (tmp_path / "new").exists()


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    (tmp_path / "mine.toml").write_text(STUDY)
    command = f"{sys.executable} -m benchmark sweep mine.toml --list"
    for end, code, message in [
        ("> /dev/full", 2, "pcbench: output: No space left on device\n"),
        (">&-", 0, ""),
    ]:
        done = subprocess.run(
            ["bash", "-c", f"{command} {end}"], capture_output=True, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (code, message)


def test_a_broken_baseline_breaks_no_other_command(tmp_path: Path) -> None:
    for name in ("benchmark", "baselines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in {
        "syntax": b"def (:\n",
        "bytes": b"\xff",
        "leaves": b"raise SystemExit(3)\n",
        "lines": b"raise ValueError('a\\nb')\n",
    }.items():
        (tmp_path / "baselines" / f"{name}.py").write_bytes(content)
    (tmp_path / "mine.toml").write_text(STUDY)
    listed = pcbench("baselines", folder=tmp_path, root=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "(syntax error in line 1)" in listed.stdout
    assert pcbench("sweep", "mine.toml", "--list", folder=tmp_path, root=tmp_path).returncode == 0
    run = ["run", "--data", "exact_small", "--dry-run", "--baseline"]
    for name, message in [
        ("syntax", "baselines/syntax.py:1: syntax error"),
        ("bytes", "baselines/bytes.py:1: syntax error"),
        ("leaves", "cannot be imported: SystemExit: 3"),
        ("lines", "cannot be imported: ValueError: a b"),
    ]:
        one_line(pcbench(*run, name, folder=tmp_path, root=tmp_path), message)
