"""The pool: devices, kills, failures, claims of others, frozen settings; with a stand-in."""

import io
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.errors import UserError
from benchmark.core.signals import noted
from benchmark.run import claims, failures
from benchmark.sweep import manifest, status, study
from benchmark.sweep import slurm_task as tasks
from benchmark.sweep.pool import Display, Outcome, Pool, outcome

ROWS = 4
TOML = """[study]
data = ["exact_small"]
seeds = [0]
""" + "".join(
    f'[[baseline]]\nname = "beta"\nlabel = "row_{row}"\nbeta = {row + 1}\n' for row in range(ROWS)
)
# What stands in for training: obeys the file named as its row, tells of itself in `told`.
STAND_IN = """
import json, os, pathlib, signal, sys, time
sys.path.insert(0, {tests!r})
from made_up import record
from benchmark.sweep import manifest
from benchmark.core import records
word = dict(zip(sys.argv[2::2], sys.argv[3::2]))
assert sys.argv[1] == "run"
entry = manifest.read(pathlib.Path(word["--manifest"])).find(word["--id"])
root, folder = pathlib.Path(__file__).parent, pathlib.Path(word["--runs"]) / entry.id
told = dict(label=entry.label, gpu=os.environ.get("CUDA_VISIBLE_DEVICES"),
            config=entry.resolve().to_dict(), device=word["--device"])
with open(root / "told", "a") as file:
    file.write(json.dumps(told) + "\\n")
path = root / entry.label
order = path.read_text() if path.exists() else ""
if order == "edit the study":
    (root / "mine.toml").write_text("[study]\\nnonsense")
if order.startswith("checkpoint"):
    (folder / "checkpoint.pt").write_text(str(time.time_ns()))
if order.endswith("die"):
    os.kill(os.getpid(), signal.SIGKILL)
if order == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if order == "be overtaken":
    records.write_exclusive(folder, record(entry.id))
    sys.exit(2)
if order.endswith("wait"):
    signal.signal(signal.SIGUSR1, lambda *a: sys.exit(75))
    (root / "ready").touch()
    time.sleep(30)
records.write_exclusive(folder, record(entry.id))
"""


class Place:
    """A manifest of four runs, the stand-in, and what they told."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs = root, root / "runs"
        (root / "mine.toml").write_text(TOML)
        tools = Path(__file__).parents[1] / "tools"
        (root / "stand_in.py").write_text(STAND_IN.format(tests=str(tools)))
        self.study = study.load(root / "mine.toml")
        self.ids = [run.id for run in self.study.configs]

    def pool(self, jobs: int = 2, **chosen: Any) -> Pool:
        options = manifest.Options(str(self.root), device="cuda")
        frozen = manifest.build(self.study, self.study.configs, self.runs, options)
        manifest.write(frozen, self.study)
        self.out = io.StringIO()
        launcher = (sys.executable, str(self.root / "stand_in.py"))
        display = Display(self.out, ROWS)
        return Pool(frozen, list(frozen.entries), jobs, display, launcher=launcher, **chosen)

    def work(self, **chosen: Any) -> Pool:
        pool = self.pool(**chosen)
        with noted(pool.asked):
            pool.work()
        return pool

    def order(self, row: int, word: str) -> None:
        (self.root / f"row_{row}").write_text(word)

    @contextmanager
    def warned(self) -> Iterator[None]:
        """USR1 comes as soon as a run waits."""

        def warn() -> None:
            limit = time.monotonic() + 30
            while not (self.root / "ready").exists() and time.monotonic() < limit:
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=warn)
        thread.start()
        yield
        thread.join()
        (self.root / "ready").unlink()

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "told").read_text().splitlines()]

    def folder(self, row: int) -> Path:
        return self.runs / self.ids[row]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("files", "code", "asked", "expected"),
    [
        (["record.json"], 0, False, Outcome.DONE),
        (["record.json"], 2, False, Outcome.DONE),  # another process was first
        (["record.json", "error.txt"], 2, False, Outcome.FAILED),  # and its numbers differ
        ([], 0, False, Outcome.FAILED),
        ([], 75, False, Outcome.STOPPED),
        ([], 130, False, Outcome.STOPPED),  # Ctrl-C, amid its imports
        ([], -signal.SIGTERM, False, Outcome.STOPPED),
        ([], -signal.SIGKILL, False, Outcome.FAILED),
        ([], -signal.SIGKILL, True, Outcome.STOPPED),  # a second Ctrl-C of ours
    ],
)
def test_how_a_process_ended(
    files: list[str], code: int, asked: bool, expected: Outcome, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert outcome(tmp_path, code, asked) is expected


def test_a_study_edited_meanwhile_changes_nothing(place: Place) -> None:
    expected = [run.config.to_dict() for run in place.study.configs]
    place.order(0, "edit the study")
    assert place.work(jobs=1).done == ROWS
    assert [line["config"] for line in place.told()] == expected
    assert {line["device"] for line in place.told()} == {"cuda"}


def test_devices_are_dealt_in_turn(place: Place) -> None:
    assert place.work(jobs=4, devices=["3", "MIG-7"]).done == ROWS
    assert sorted(line["gpu"] for line in place.told()) == ["3", "3", "MIG-7", "MIG-7"]
    said = place.out.getvalue()
    assert f"start: {place.ids[1]} with CUDA_VISIBLE_DEVICES=MIG-7" in said


def test_a_kill_without_progress_counts_and_one_after_a_checkpoint_does_not(place: Place) -> None:
    place.order(0, "die")
    place.order(1, "checkpoint and die")
    place.order(2, "crash")
    for turn in range(1, 3):
        pool = place.work()
        assert set(pool.failed) == set(place.ids[:3])
        assert [failures.count(place.folder(row)) for row in range(ROWS)] == [turn, 0, turn, 0]
        assert pool.moved
    assert status.state(place.folder(0)).detail == "killed by SIGKILL (out of memory?)"
    assert status.state(place.folder(2)).detail == "killed by SIGSEGV"


def test_a_record_that_another_process_wrote_is_a_success(place: Place) -> None:
    place.order(1, "be overtaken")
    pool = place.work()
    assert (pool.done, pool.failed) == (ROWS, [])


def test_a_signal_reaches_each_run_and_starts_no_more(place: Place) -> None:
    place.order(0, "wait")
    pool = place.pool(jobs=1)
    with noted(pool.asked), place.warned():
        pool.work()
    assert [line["label"] for line in place.told()] == ["row_0"]
    assert (pool.left, pool.failed, pool.done) == (True, [], 0)


def claim_of(folder: Path, age: float) -> Path:
    """The claim of a process on another machine, last heard of ``age`` seconds ago."""
    path = folder / "claim-0000"
    path.mkdir(parents=True)
    beat = path / "heartbeat"
    beat.write_text(json.dumps({"pid": 1, "host": f"not {platform.node()}"}))
    os.utime(beat, (time.time() - age, time.time() - age))
    return beat


def test_a_claim_whose_heart_stopped_is_waited_for_and_taken_over(place: Place) -> None:
    claim_of(place.folder(0), age=claims.STALE - 3)
    began = time.time()
    pool = place.work()
    assert (pool.done, pool.elsewhere) == (ROWS, [])
    assert place.told()[0]["label"] != "row_0"  # the others did not wait for it
    assert (place.folder(0) / "record.json").stat().st_mtime > began + 2


def test_a_claim_whose_heart_beats_is_left_alone(place: Place) -> None:
    with claims.claim(place.folder(0), beat=0.05):
        pool = place.work()
    assert (pool.done, pool.elsewhere, pool.failed) == (ROWS - 1, [place.ids[0]], [])
    assert f"left to another process: {place.ids[0]}" in place.out.getvalue()


def test_a_task_leaves_out_what_failed_three_times(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = (sys.executable, str(place.root / "stand_in.py"))
    place.order(0, "die")
    path = place.pool().manifest.path
    for _ in range(failures.LIMIT + 1):
        assert tasks.task(path, index=0, pack=2, launcher=launcher) == 1
    labels = [line["label"] for line in place.told()]
    assert labels.count("row_0") == failures.LIMIT
    assert labels.count("row_1") == 1
    assert f"left out, failed 3 times: {place.ids[0]}" in capsys.readouterr().err
    assert "(failed 3 times; --retry-failed runs it again)" in status.table(place.study, place.runs)
    options = manifest.Options(str(place.root), retry_failed=True)
    again = manifest.build(place.study, place.study.configs, place.runs, options)
    manifest.write(again, place.study)
    place.order(0, "")
    assert tasks.task(again.path, index=0, pack=2, launcher=launcher) == 0
    assert tasks.task(path, index=0, pack=2, launcher=launcher) == 0  # a record ends all doubt


def test_a_task_takes_its_index_from_slurm(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.pool().manifest.path
    launcher = (sys.executable, str(place.root / "stand_in.py"))
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    with pytest.raises(UserError, match="--index is missing, and this is not an array task"):
        tasks.task(path, None, launcher=launcher)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    with pytest.raises(UserError, match="index 4: out of range; 4 runs, 1 to a task"):
        tasks.task(path, None, offset=3, launcher=launcher)
    assert tasks.task(path, None, offset=2, launcher=launcher) == 0
    assert [line["label"] for line in place.told()] == ["row_3"]


@pytest.mark.slow
def test_turns_without_progress_end(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked of a stand-in for scontrol, which notes its arguments."""
    calls, command = place.root / "calls", place.root / "bin" / "scontrol"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    names = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    path = place.pool().manifest.path
    launcher = (sys.executable, str(place.root / "stand_in.py"))
    monkeypatch.setattr(tasks, "IDLE_TURNS", 2)
    orders = ["wait", "checkpoint and wait", "wait", "wait"]
    for turn, order in enumerate(orders, start=1):
        place.order(2, order)
        with place.warned():
            assert tasks.task(path, None, launcher=launcher) == 75
        asked = calls.read_text().splitlines()
        assert asked == ["requeue 7_2"] * min(turn, len(orders) - 1)
    assert "no run got on in 2 turns: not asking for another" in capsys.readouterr().err
