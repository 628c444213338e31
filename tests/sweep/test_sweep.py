"""The pool, run states, claims and collection, with a stand-in for training."""

import io
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import small_study
from made_up import record

from benchmark import cli, data
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.signals import noted
from benchmark.run import claims
from benchmark.sweep import manifest, plan, status, sweep

ROOT = Path(__file__).parents[2]
# What stands in for training: notes its start, does as its label's file says, writes a record.
STAND_IN = """
import os, pathlib, signal, sys, time
sys.path.insert(0, {tests!r})
from made_up import record
from benchmark.core import records
run_id, runs = sys.argv[sys.argv.index("--id") + 1], sys.argv[sys.argv.index("--runs") + 1]
root, folder = pathlib.Path(__file__).parent, pathlib.Path(runs) / run_id
with open(root / "started", "a") as file:
    file.write(run_id + " " + os.environ["OMP_NUM_THREADS"] + "\\n")
baseline = run_id.split("-")[1]
order = root / baseline
word = order.read_text() if order.exists() else "go"
if word == "fail":
    print("Traceback ...\\nValueError: no luck")
    sys.exit(1)
if word == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if word == "wait":
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(75))
    (root / "ready").touch()
    time.sleep(30)
records.write_exclusive(folder, record(run_id))
"""


class Place(small_study.Place):
    """A study of four runs, and a stand-in for training."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "stand_in.py").write_text(STAND_IN.format(tests=str(ROOT / "tests" / "tools")))

    def order(self, baseline: str, word: str) -> None:
        (self.root / baseline).write_text(word)

    def sweep(
        self, jobs: int = 2, out: io.StringIO | None = None, **chosen: Any
    ) -> tuple[int, str]:
        out = out or io.StringIO()
        launcher = (sys.executable, str(self.root / "stand_in.py"))
        options = manifest.Options(str(self.root), **chosen)
        code = sweep.sweep(self.study, self.runs, options, jobs, out=out, launcher=launcher)
        return code, out.getvalue()

    def started(self) -> list[str]:
        path = self.root / "started"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def collected(self) -> list[records.Record]:
        return records.read_jsonl(self.results / "mine.jsonl")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.slow
def test_all_runs_are_done_once_in_order(place: Place) -> None:
    code, said = place.sweep(jobs=1)
    assert code == 0
    assert place.started() == place.ids
    assert {line.split()[1] for line in (place.root / "started").read_text().splitlines()} == {"1"}
    assert "4/4 done: cyclical, exact_small, seed 1" in said
    assert plan.pending(place.study, place.runs) == []
    assert place.sweep()[0] == 0  # nothing is left to do
    assert len(place.started()) == 4


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_what_is_done_and_the_time_left(place: Place) -> None:
    place.results.mkdir()
    lines = [record(run.id) | {"config": run.config.to_dict()} for run in place.study.configs[:2]]
    for line, seconds in zip(lines, (3600.0, 7200.0), strict=True):
        line["cost"]["seconds"] = seconds
        line |= {"label": "x", "row": 0, "status": "done"}
    (place.results / "mine.jsonl").write_text("".join(records.dumps(x) + "\n" for x in lines))
    out = Terminal()
    assert place.sweep(out=out, results=str(place.results), fresh=True)[0] == 0
    first = out.getvalue().split("\x1b[K")[1]
    assert first.startswith("0/4 done, about 4.0 h left | none 0 | cyclical 0")


def test_a_run_that_is_done_is_skipped(place: Place) -> None:
    place.write(place.ids[2])
    assert place.sweep()[0] == 0
    assert sorted(place.started()) == sorted(set(place.ids) - {place.ids[2]})


@pytest.mark.slow
def test_failing_runs_stop_no_others(place: Place) -> None:
    place.order("none", "fail")
    code, said = place.sweep()
    assert code == 1
    assert said.count("failed: none, exact_small, seed") == 2
    assert [said.count(text) for text in ("seed 0: ValueError: no luck", "no luck")] == [1, 2]
    assert said.count(f"log: {place.runs / place.ids[0] / 'log.txt'}\n") == 1
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", said)
    assert re.search(r"\n\d\d:\d\d:\d\d 2/4 done\n$", said)
    assert "Traceback" in (place.runs / place.ids[0] / "log.txt").read_text()
    assert [run.label for run in plan.pending(place.study, place.runs)] == ["none", "none"]
    place.order("none", "go")
    assert place.sweep()[0] == 0


def test_a_killed_run_is_told(place: Place) -> None:
    place.order("none", "die")
    code, said = place.sweep()
    assert code == 1
    assert "killed by SIGKILL" in said
    assert status.state(place.runs / place.ids[0]) == status.State(
        "failed", "killed by SIGKILL (out of memory?)"
    )


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_ends_the_sweep(place: Place, number: signal.Signals) -> None:
    place.order("none", "wait")

    def interrupt() -> None:
        limit = time.monotonic() + 20
        while not (place.root / "ready").exists() and time.monotonic() < limit:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=interrupt)
    thread.start()
    code, said = place.sweep(1, Gone() if number == signal.SIGHUP else None)
    thread.join()
    assert code == 75
    assert "resumes" in said or number == signal.SIGHUP
    assert place.started() == place.ids[:1]
    assert signal.getsignal(number) is before


def test_under_nohup_a_hangup_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked: list[int] = []
    try:
        with noted(asked):
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert asked == [signal.SIGUSR1]


def test_bad_sweeps_are_refused(place: Place) -> None:
    place.runs.write_text("a file, not a folder")
    with pytest.raises(UserError, match="runs: cannot be written"):
        place.sweep()
    assert place.started() == []


@pytest.mark.parametrize(
    ("corpus", "device", "said"),
    [
        ("ptb", "cpu", "pcbench: ptb: not prepared in "),
        ("exact_small", "cuda", "pcbench: --device cuda: cannot be used ("),
    ],
)
def test_what_no_run_can_begin_without_is_told_once(
    place: Place,
    corpus: str,
    device: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also where there is a GPU
    small_study.Place(place.root, data=[corpus])
    options = [
        "--runs",
        str(place.runs),
        "--data-dir",
        str(place.root / "data"),
        "--device",
        device,
    ]
    assert cli.main(["sweep", str(place.root / "mine.toml"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1
    assert list(place.runs.iterdir()) == []


def test_each_visible_device_is_tried(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    script = place.root / "python"
    script.write_text(
        '#!/bin/sh\n[ "$CUDA_VISIBLE_DEVICES" = 3 ] || { echo "no such card"; exit 1; }'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(UserError, match=r"^CUDA_VISIBLE_DEVICES=MIG-7: no such card$"):
        sweep.try_device("cuda", place.study.configs, ["3", "MIG-7"])
    sweep.try_device("cuda", place.study.configs, ["3"])


def test_a_language_is_generated_before_the_first_run(place: Place) -> None:
    assert place.sweep()[0] == 0
    assert data.find("exact_small").meta(place.root)


def test_states_are_read_from_files_alone(place: Place) -> None:
    first, second, third, fourth = (place.runs / run_id for run_id in place.ids)
    place.write(place.ids[0])
    second.mkdir()
    (second / "error.txt").write_text("Traceback\nOSError: full\n\n")
    third.mkdir()
    (third / "checkpoint.pt").touch()
    assert [status.state(folder).status for folder in (first, second, third, fourth)] == [
        "done", "failed", "stopped", "missing",
    ]  # fmt: skip
    said = {"phase": "train", "step": 1200, "total": 5000, "seconds_left": 100}
    (third / "progress.json").write_text(json.dumps(said))
    with claims.claim(third):
        table = status.table(place.study, place.runs)
    assert f"running: {place.ids[2]}: train 1,200/5,000, 2 min left" in table
    assert f"failed: {place.ids[1]}: OSError: full" in table
    lines = [line.split() for line in table.splitlines()]
    assert lines[0] == ["exact_small"]
    assert lines[1] == ["none", "1", "done,", "1", "running"]
    assert lines[2] == ["cyclical", "1", "failed,", "1", "missing"]
    assert lines[3] == ["all", "1", "done,", "1", "running,", "1", "failed,", "1", "missing"]
