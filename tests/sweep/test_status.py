"""The state of a sweep as a person reads it: from files alone, on a copy, once submitted."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import small_study
from made_up import record

from benchmark.core import records
from benchmark.run import claims, failures
from benchmark.sweep import manifest, status


class Place(small_study.Place):
    """Twelve runs: two baselines, two data sets, three seeds."""

    def id(self, data: str, baseline: str, seed: int) -> str:
        (found,) = [
            run.id
            for run in self.study.configs
            if (run.config.data, run.config.baseline, run.config.seed) == (data, baseline, seed)
        ]
        return found

    def folder(self, data: str, baseline: str, seed: int) -> Path:
        path = self.runs / self.id(data, baseline, seed)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def table(self, runs: Path | None = None) -> list[str]:
        return status.table(self.study, runs or self.runs).splitlines()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # a machine without Slurm
    return Place(tmp_path, (0, 1, 2), ("exact_small", "ptb"))


def test_the_grid_counts_each_run_once(place: Place) -> None:
    for seed in (0, 2):
        run_id = place.id("ptb", "none", seed)
        records.write_exclusive(place.runs / run_id, record(run_id))
    (place.folder("ptb", "none", 1) / "checkpoint.pt").touch()
    failed = place.folder("exact_small", "cyclical", 1)
    (failed / "error.txt").write_text("Traceback\nValueError: no luck\n")
    failures.add(failed, "no luck")
    assert place.table() == [
        "          exact_small          ptb",
        "none      3 missing            2 done, 1 stopped",
        "cyclical  1 failed, 2 missing  3 missing",
        "all       1 failed, 5 missing  2 done, 1 stopped, 3 missing",
        f"failed: {failed.name}: ValueError: no luck (failed 1 times)",
    ]


def test_a_run_is_running_by_its_heartbeat_also_on_a_copy(place: Place) -> None:
    folder = place.folder("ptb", "none", 0)
    said = {"phase": "train", "step": 1200, "total": 5000, "seconds_left": 100}
    (folder / "progress.json").write_text(json.dumps(said))
    with claims.claim(folder):
        (beat,) = folder.glob("claim-*/heartbeat")
        beat.write_text(json.dumps({"pid": 1, "host": "a compute node"}))
        assert place.table()[-1] == f"running: {folder.name}: train 1,200/5,000, 2 min left"
        copy = place.root / "laptop"
        shutil.copytree(place.runs, copy)
        assert place.table(copy) == place.table()
        old = time.time() - claims.STALE - 1
        os.utime(copy / folder.name / beat.parent.name / "heartbeat", (old, old))
        assert place.table(copy)[1] == "none      3 missing    3 missing"


def test_what_was_handed_over_is_told_where_slurm_cannot_be_asked(place: Place) -> None:
    chosen = [run for run in place.study.configs if run.config.data == "ptb"]
    frozen = manifest.build(place.study, chosen, place.runs, manifest.Options("data"))
    manifest.write(frozen, place.study)
    note = {"job": "41", "offset": 1, "tasks": 2, "pack": 2, "time": "2026-01-02T03:04:05+00:00"}
    frozen.path.with_suffix(".jobs.json").write_text(json.dumps([note]))
    failed = place.folder("ptb", "cyclical", 1)  # after it was submitted
    (failed / "error.txt").write_text("OSError: full\n")
    lines = place.table()
    assert lines[1] == "none      3 missing    2 submitted, 1 missing"
    assert lines[2] == "cyclical  3 missing    1 submitted, 1 failed, 1 missing"
    submitted = place.id("ptb", "cyclical", 2)
    assert f"submitted: {submitted}: job 41_1, 2026-01-02T03:04:05+00:00" in lines
    assert lines[-1].startswith("squeue cannot be asked here")
    frozen.path.with_suffix(".jobs.json").write_text("[{")  # copied by half
    assert "submitted" not in place.table()[1]


def test_chosen_seeds_are_told_apart(place: Place) -> None:
    def submit(seeds: list[int] | None) -> None:
        chosen, options = place.study.of_seeds(seeds), manifest.Options("data", seeds=seeds)
        frozen = manifest.build(place.study, chosen, place.runs, options)
        manifest.write(frozen, place.study)
        note = {"job": "41", "offset": 0, "tasks": len(chosen), "pack": 1, "time": "now"}
        frozen.path.with_suffix(".jobs.json").write_text(json.dumps([note]))

    submit([2])
    run_id = place.id("ptb", "none", 2)
    records.write_exclusive(place.runs / run_id, record(run_id))
    lines = place.table()
    assert lines[3] == "all       2 submitted, 4 missing  1 done, 1 submitted, 4 missing"
    assert lines[4] == "submitted with --seeds 2: 1 done, 3 submitted"
    submit([0])
    assert place.table()[4] == "submitted with --seeds 0,2: 1 done, 7 submitted"
    submit(None)
    assert not any("--seeds" in line for line in place.table())
