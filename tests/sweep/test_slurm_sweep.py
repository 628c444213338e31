"""A study through slurm/submit.sh on a real Slurm that does nothing unexpected."""

import subprocess
import sys
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm
from slurm_study import ROOT, SUBMIT, SlurmStudy, data, leftovers

from benchmark.core import records
from benchmark.run import failures
from benchmark.sweep import study

pytestmark = pytest.mark.slurm


@pytest.fixture
def place(tmp_path: Path, slurm: PrivateSlurm) -> SlurmStudy:
    return SlurmStudy(tmp_path, slurm)


def collected(place: SlurmStudy) -> dict[str, str]:
    """The status of each run in what the report job collected."""
    return {line["id"]: line.get("status", "done") for line in
            records.read_jsonl(place.results / "mine.jsonl")}  # fmt: skip


def test_an_array_runs_to_its_report(place: SlurmStudy) -> None:
    queued = place.submitted()
    assert len({job.id.split("_")[0] for job in queued}) == 2  # the array and the report
    place.wait()
    place.assert_done()
    assert collected(place) == dict.fromkeys(place.ids, "done")
    assert len(place.began()) == 2
    again = place.submit()
    assert again.returncode == 0
    assert "0 of 2 runs to submit (2 done)" in again.stdout
    assert place.slurm.queue() == []


def totals(said: str) -> str:
    """The line of all runs in what --status prints."""
    (line,) = [line for line in said.splitlines() if line.startswith("all ")]
    return line.removeprefix("all").strip()


def test_what_is_in_the_queue_is_not_submitted_again(place: SlurmStudy) -> None:
    first = place.submitted("--hold")
    again = place.submit()
    assert again.returncode == 0
    assert place.slurm.queue() == first
    assert totals(place.status()) == "2 queued"
    assert totals(place.status(PATH="/nowhere")) == "2 submitted"  # where Slurm cannot be asked
    place.slurm.cancel_all()
    assert totals(place.status()) == "2 missing"
    assert len(place.submitted("--hold")) == len(first)
    place.slurm.cancel_all()


def test_a_long_manifest_is_split(tmp_path: Path) -> None:
    with PrivateSlurm(max_array=3) as slurm:
        place = SlurmStudy(tmp_path, slurm, (0.25, 0.5, 0.75, 1.0, 1.25))
        queued = place.submitted("--limit", "2")
        assert len({job.id.split("_")[0] for job in queued if "_" in job.id}) == 2
        place.wait()
        place.assert_done()
        assert collected(place) == dict.fromkeys(place.ids, "done")
        assert len(place.began()) == 5


def test_packed_runs_share_one_gpu_a_task(tmp_path: Path, slurm: PrivateSlurm) -> None:
    place = SlurmStudy(tmp_path, slurm, (0.25, 0.5, 0.75, 1.0))
    place.order("break_0.75")
    place.submitted("--pack", "2", "--gres=gpu:1")
    place.wait()
    gpus = {task: {b["gpu"] for b in place.began() if b["task"] == task} for task in ("0", "1")}
    assert sorted(gpus.values()) == [{"0"}, {"1"}]
    failed = place.ids[2]
    place.assert_done(*set(place.ids) - {failed})
    assert "no luck" in (place.runs / failed / "log.txt").read_text()
    for run_id in place.ids:  # each has a log of its own
        others = set(place.ids) - {run_id}
        assert not any(other in (place.runs / run_id / "log.txt").read_text() for other in others)


def test_a_failing_run_stops_neither_the_others_nor_the_report(place: SlurmStudy) -> None:
    """It fails for the third time here, so it then waits for --retry-failed."""
    place.order("break_0.5")
    bad, good = place.ids
    for _ in range(2):
        (place.runs / bad).mkdir(parents=True, exist_ok=True)
        failures.add(place.runs / bad, "no luck")
    place.submitted()
    place.wait()
    place.assert_done(good)
    assert collected(place) == {bad: "failed", good: "done"}
    assert totals(place.status()) == "1 done, 1 failed"
    assert "ValueError: no luck with beta 0.5" in place.status()
    refused = place.submit()
    assert "0 of 2 runs to submit" in refused.stdout
    assert "--retry-failed" in refused.stdout
    assert place.slurm.queue() == []
    place.recall("break_0.5")
    place.submitted("--retry-failed")
    place.wait()
    place.assert_done()


def test_a_submission_from_inside_a_job(place: SlurmStudy) -> None:
    """What Slurm told the outer task about itself must not reach the inner jobs."""
    inner = [str(SUBMIT), "mine.toml", "--runs", "runs", "--data-dir", str(data()),
             "--results", "results"]  # fmt: skip
    (place.root / "outer").write_text(
        f"#!/bin/bash\necho saw $CUDA_VISIBLE_DEVICES\nexport SLURM_LEAK=1\n{' '.join(inner)}\n"
    )
    place.slurm.call(
        "sbatch", "--array=7", "--gres=gpu:1", "--time=7", "-oouter.out", "outer",
        cwd=place.root, env=place.environment,
    )  # fmt: skip
    place.wait()
    assert "saw 0" in (place.root / "outer.out").read_text()
    assert {b["task"] for b in place.began()} == {"0", "1"}, place.logs()
    assert {(b["gpu"], b["leak"]) for b in place.began()} == {("-", "-")}
    place.assert_done()
    assert collected(place) == dict.fromkeys(place.ids, "done")


def test_a_study_edited_after_submission_changes_nothing(place: SlurmStudy) -> None:
    ids = place.ids
    queued = place.submitted("--hold")
    place.write((0.125,))
    (place.root / "obedient.py").write_text("raise SystemError('edited')\n")
    place.slurm.call("scontrol", "release", *{job.id.split("_")[0] for job in queued})
    place.wait()
    assert sorted(path.parent.name for path in place.runs.glob("*/record.json")) == sorted(ids)
    assert collected(place) == dict.fromkeys(ids, "done")


def test_the_quickstart_equals_the_local_pool_s(tmp_path: Path, slurm: PrivateSlurm) -> None:
    """One row of it; id, config and metrics to the bit."""
    place = SlurmStudy(tmp_path, slurm)
    text = (ROOT / "paper" / "quickstart.toml").read_text().split("[[baseline]]")
    rows = [part for part in text[1:] if '"cyclical"' in part]
    head = text[0].replace("[0, 1, 2, 3, 4]", "[0]")
    place.path.write_text("[[baseline]]".join([head, *rows]))
    whole = {run.id for run in study.load(ROOT / "paper" / "quickstart.toml").configs}
    assert len(place.ids) == 1
    assert set(place.ids) <= whole
    place.submitted()
    pool = [sys.executable, "-m", "benchmark", "sweep", str(place.path)]
    folders = ["--runs", str(tmp_path / "pool"), "--data-dir", str(data())]
    done = subprocess.run([*pool, *folders], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    place.wait(300)
    for run_id in place.ids:
        assert leftovers(place.runs / run_id) == []
        local = records.read(tmp_path / "pool" / run_id / "record.json")
        assert records.differences(local, place.record(run_id)) == []
