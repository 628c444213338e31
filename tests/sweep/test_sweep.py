"""The pool, run states, claims and collection, with a stand-in for training."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from made_up import record

from benchmark import cli, data
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.signals import noted
from benchmark.run import claims
from benchmark.sweep import collect, manifest, plan, status, study, sweep

ROOT = Path(__file__).parents[2]
TOML = """[study]
data = ["exact_small"]
seeds = [0, 1]
preset = "exact_small"
[[baseline]]
name = "none"
[[baseline]]
name = "cyclical"
"""
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


class Place:
    """A study, a runs folder and a stand-in for training."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs, self.results = root, root / "runs", root / "results"
        (root / "mine.toml").write_text(TOML)
        (root / "stand_in.py").write_text(STAND_IN.format(tests=str(ROOT / "tests" / "tools")))
        self.study = study.load(root / "mine.toml")
        self.ids = [run.id for run in self.study.configs]

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

    def write(self, run_id: str, **metrics: float) -> None:
        records.write_exclusive(self.runs / run_id, record(run_id, **metrics))

    def collected(self) -> list[records.Record]:
        return records.read_jsonl(self.results / "mine.jsonl")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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
    (place.root / "mine.toml").write_text(TOML.replace('["exact_small"]', f'["{corpus}"]'))
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
    assert data.is_prepared("exact_small", place.root)


@contextmanager
def claimed_elsewhere(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another live process that holds a run."""
    source = (
        "import sys, pathlib, time\nfrom benchmark.run import claims\n"
        "with claims.claim(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", source, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_claim_keeps_others_out_until_its_process_dies(tmp_path: Path) -> None:
    with claimed_elsewhere(tmp_path) as process:
        with pytest.raises(claims.Claimed, match=f"another process \\({process.pid}\\)"):  # noqa: SIM117
            with claims.claim(tmp_path):
                pass
        assert claims.holder(tmp_path) is not None
        assert status.state(tmp_path).status == "running"
        process.kill()
        process.wait()
        assert claims.holder(tmp_path) is None
        with claims.claim(tmp_path):  # the dead one's claim blocks nobody, at once
            assert len(list(tmp_path.glob("claim-*"))) == 1
    assert list(tmp_path.glob("claim-*")) == []


def test_a_claim_of_another_machine_dies_by_its_heartbeat(tmp_path: Path) -> None:
    other = tmp_path / "claim-0000"
    other.mkdir()
    (other / "heartbeat").write_text('{"pid": 1, "host": "another machine"}')
    with pytest.raises(claims.Claimed), claims.claim(tmp_path):
        pass
    old = time.time() - 2 * claims.STALE
    os.utime(other / "heartbeat", (old, old))
    with claims.claim(tmp_path):
        assert not other.exists()


def test_a_heart_beats(tmp_path: Path) -> None:
    with claims.claim(tmp_path, beat=0.02):
        (beat,) = tmp_path.glob("claim-*/heartbeat")
        os.utime(beat, (0, 0))
        limit = time.monotonic() + 10
        while beat.stat().st_mtime == 0 and time.monotonic() < limit:
            time.sleep(0.02)
        assert beat.stat().st_mtime > 0


def test_of_many_newcomers_at_most_one_holds(tmp_path: Path) -> None:
    holding, most, refused = [0], [0], [0]
    lock = threading.Lock()

    def come() -> None:
        try:
            with claims.claim(tmp_path):
                with lock:
                    holding[0] += 1
                    most[0] = max(most[0], holding[0])
                time.sleep(0.01)
                with lock:
                    holding[0] -= 1
        except claims.Claimed:
            with lock:
                refused[0] += 1

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 1
    assert refused[0] < 16 or most[0] == 0


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


def test_collect_writes_a_line_for_each_expected_run(place: Place) -> None:
    place.write(place.ids[0])
    place.write(place.ids[3], bleu=9.0)
    done = collect.collect(place.study, place.runs, place.results)
    assert done.counts == {"done": 2, "missing": 2}
    lines = place.collected()
    assert [line["id"] for line in lines] == sorted(place.ids)
    found = {line["id"]: line for line in lines}
    assert found[place.ids[3]] == {
        **record(place.ids[3], bleu=9.0), "label": "cyclical", "row": 1, "status": "done",
    }  # fmt: skip
    assert found[place.ids[1]] == {
        "schema": 1, "id": place.ids[1], "status": "missing", "label": "cyclical", "row": 1,
        "config": {"data": "exact_small", "seed": 0, "precision": "fp32"},
    }  # fmt: skip
    before = done.path.read_bytes()
    collect.collect(place.study, place.runs, place.results)
    assert done.path.read_bytes() == before


def test_an_error_is_collected_without_folders(place: Place) -> None:
    folder = place.runs / place.ids[0]
    folder.mkdir(parents=True)
    for error, kept in [
        (f"{folder}/checkpoint.pt: damaged", f"{place.ids[0]}/checkpoint.pt: damaged"),
        ("/scratch/me/ptb/arrays.npz: was altered", "arrays.npz: was altered"),
        ("OSError: [Errno 28] full: '/a/b c/d'", "OSError: [Errno 28] full: 'b c/d'"),
        ("run: prepare text:/home/me/news,size=9", "run: prepare text:news,size=9"),
        ("get https://host/a/b; loss 1/2", "get https://host/a/b; loss 1/2"),
    ]:
        (folder / "error.txt").write_text(f"{error}\n")
        collect.collect(place.study, place.runs, place.results)
        assert {line["id"]: line.get("error") for line in place.collected()}[place.ids[0]] == kept


def test_collect_never_loses_a_record(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id)
    collect.collect(place.study, place.runs, place.results)
    before = (place.results / "mine.jsonl").read_bytes()
    elsewhere = place.root / "empty"
    done = collect.collect(place.study, elsewhere, place.results)
    assert (done.path.read_bytes(), done.notes) == (before, [])
    records.write_exclusive(elsewhere / place.ids[0], record(place.ids[0], kl=2.0))
    done = collect.collect(place.study, elsewhere, place.results)
    assert done.path.read_bytes() == before
    kept = "which is kept (--replace takes it): metrics.test.kl: 1.5 against 2.0 and 1 more"
    assert done.notes[0].endswith(kept)
    done = collect.collect(place.study, elsewhere, place.results, taking=collect.Taking(True))
    assert done.notes == [f"{done.path}: replaced: {place.ids[0]}"]
    assert done.taken == {"new": 0, "replaced": 1}
    assert {r["id"]: r["metrics"]["test"]["kl"] for r in place.collected()}[place.ids[0]] == 2.0


def test_records_the_study_no_longer_names_stay_until_pruned(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id)
    collect.collect(place.study, place.runs, place.results)
    fewer = study.load(place.root / "mine.toml", seeds=[1])
    done = collect.collect(fewer, place.runs, place.results)
    assert [line["row"] for line in place.collected()].count(None) == 2
    assert done.counts == {"done": 2}
    assert "2 records" in done.notes[0]
    collect.collect(fewer, place.runs, place.results, prune=True)
    assert len(place.collected()) == 2


def test_collecting_some_seeds_leaves_the_others_as_they_are(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id)
    collect.collect(place.study, place.runs, place.results, seeds=[1])
    assert [line["config"]["seed"] for line in place.collected()] == [1, 1]
    collect.collect(place.study, place.runs, place.results)
    everything = place.collected()
    collect.collect(place.study, place.runs, place.results, prune=True, seeds=[1])
    assert place.collected() == everything


def test_a_damaged_record_changes_nothing(place: Place) -> None:
    place.write(place.ids[0])
    collect.collect(place.study, place.runs, place.results)
    before = (place.results / "mine.jsonl").read_bytes()
    place.write(place.ids[1])
    path = place.runs / place.ids[1] / "record.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=r"record\.json: damaged or cut off"):
        collect.collect(place.study, place.runs, place.results)
    assert (place.results / "mine.jsonl").read_bytes() == before
    path.unlink()
    (place.results / "mine.jsonl").write_bytes(before[:-30])
    with pytest.raises(UserError, match=r"mine\.jsonl:\d: damaged or cut off"):
        collect.collect(place.study, place.runs, place.results)


def test_results_that_cannot_be_written_are_a_clear_error(place: Place) -> None:
    place.results.write_text("a file, not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        collect.collect(place.study, place.runs, place.results)
