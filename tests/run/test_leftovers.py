"""What SIGKILL leaves in a run's folder is gone when the run is done."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from slurm_study import leftovers

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.run import claims
from benchmark.run.session import refuse_done, run

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tests" / "tools"
# Dies in the middle of writing, or as soon as the record has its name.
DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from made_up import record
from benchmark.run import claims
from benchmark.core import files, records
folder, call = Path(sys.argv[1]), sys.argv[2]
real = getattr(os, call)
def die(*arguments):
    if call == "link":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
with claims.claim(folder):
    (folder / "checkpoint.pt").write_bytes(b"x")
    (folder / "evaluation").mkdir()
    setattr(os, call, die)
    if call == "fsync":
        files.write_atomic(folder / "checkpoint.pt", b"y")
    records.write_exclusive(folder, record(folder.name))
"""


def die(folder: Path, call: str) -> None:
    """What a process leaves that is killed in a system call."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            DYING.format(tests=str(TOOLS)),
            str(folder),
            call,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_half_written_files_are_gone_with_the_next_process(tmp_path: Path) -> None:
    config = tiny.config("none", train={"epochs": 1})
    folder = tmp_path / "runs" / config.id
    die(folder, "fsync")
    (folder / "checkpoint.pt").unlink()  # which was none
    assert len(list(folder.glob(".*.tmp"))) == 1
    run(config, tmp_path / "runs", tmp_path / "data", progress=False)
    assert leftovers(folder) == []


def test_what_a_process_left_that_died_at_its_record_is_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "ptb-none-0-0123abcd"
    die(folder, "link")
    names = {name.split(".")[1] if name[0] == "." else name.split("-")[0]
             for name in os.listdir(folder)}  # fmt: skip
    assert names == {"record", "record.json", "claim", "checkpoint.pt", "evaluation"}
    with pytest.raises(UserError, match="a record exists already"):
        refuse_done(folder)
    assert os.listdir(folder) == ["record.json"]
    assert records.read(folder / "record.json")["id"] == folder.name


def test_a_live_process_keeps_its_files(tmp_path: Path) -> None:
    with claims.claim(tmp_path):
        (tmp_path / ".checkpoint.pt.abc.tmp").touch()
        claims.clear_finished(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
    claims.clear_finished(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_a_link_is_written_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    link = tmp_path / "mine.jsonl"
    link.symlink_to("shared/mine.jsonl")
    write_atomic(link, b"x")
    assert link.is_symlink()
    assert (tmp_path / "shared" / "mine.jsonl").read_bytes() == b"x"
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["mine.jsonl"]
