"""A study on a real Slurm that is warned, killed, preempted and cancelled."""

import os
import signal
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm, poll
from slurm_study import SlurmStudy

pytestmark = pytest.mark.slurm


@pytest.fixture
def place(tmp_path: Path, slurm: PrivateSlurm) -> SlurmStudy:
    """A study whose runs are slow until `recall("slow")`."""
    place = SlurmStudy(tmp_path, slurm)
    place.order("slow", "0.5")
    return place


def array(place: SlurmStudy, *options: str) -> str:
    """Submit; the number of the array."""
    (number,) = {job.id.split("_")[0] for job in place.submitted(*options) if "_" in job.id}
    return number


def resumed(place: SlurmStudy) -> list[bool]:
    """Of each process that began to train, in this order, whether it went on from a checkpoint."""
    return [b["step"] > 0 for b in place.began()]


def test_a_warning_requeues_and_the_rerun_ends_as_if_undisturbed(place: SlurmStudy) -> None:
    number = array(place)
    place.wait_begun(2)
    place.slurm.call("scancel", "--batch", "--signal=USR1", number)
    poll(lambda: {j.state for j in place.slurm.queue(number)} == {"PENDING"}, 30, "the requeue")
    for run_id in place.ids:
        assert (place.runs / run_id / "checkpoint.pt").exists()
    place.recall("slow")
    place.wait()
    assert sorted(resumed(place)) == [False, False, True, True]
    for task in (0, 1):
        assert place.slurm.job(f"{number}_{task}")["Restarts"] == "1"
    place.assert_done()
    assert [place.record(run_id)["provenance"]["resumed"] for run_id in place.ids] == [1, 1]


def test_the_time_limit_warns_by_itself(place: SlurmStudy) -> None:
    """Slurm looks at limits every 30 s only, so it warns 50 to 80 s before the end."""
    place.order("slow", "3")  # 28 steps: nobody gets through before the warning
    number = array(place, "--time=2", "--signal=B:USR1@50")
    poll(lambda: {j.state for j in place.slurm.queue(number)} == {"RUNNING"}, 30, "the start")
    poll(lambda: {j.state for j in place.slurm.queue(number)} == {"PENDING"}, 110, "the requeue")
    assert resumed(place) == [False, False]
    place.recall("slow")
    place.wait()
    assert all(resumed(place)[2:])  # on a busy machine perhaps in more than one turn
    place.assert_done()


def test_a_killed_task_is_submitted_again(place: SlurmStudy) -> None:
    """As when a node dies: nothing could be saved or said."""
    number = array(place)
    place.wait_begun(2)
    for pid, _ in list(place.slurm.processes(f"{number}_0")):
        os.kill(pid, signal.SIGKILL)
    place.recall("slow")
    place.wait()
    assert place.slurm.job(f"{number}_0")["JobState"] == "FAILED"
    place.assert_done(place.ids[1])
    place.submitted()
    place.wait()
    assert len(place.began()) == 3
    place.assert_done()


def test_killing_the_parent_of_packed_runs_leaves_no_orphans(place: SlurmStudy) -> None:
    number = array(place, "--pack", "2")
    place.wait_begun(2)
    pids = sorted(pid for pid, _ in place.slurm.processes(f"{number}_0"))
    assert len(pids) == 3
    os.kill(pids[0], signal.SIGKILL)  # the first process of the task
    poll(lambda: not list(place.slurm.processes(f"{number}_0")), 30, "the children to end")
    place.recall("slow")
    place.wait()
    place.submitted("--pack", "2")
    place.wait()
    place.assert_done()


@pytest.mark.parametrize("grace", [20, 0])
def test_preempted_runs_give_way_and_come_back(tmp_path: Path, grace: int) -> None:
    """Warned some seconds before, or ended at once. Two runs in the task: it is requeued once."""
    with PrivateSlurm(grace=grace) as slurm:
        place = SlurmStudy(tmp_path, slurm)
        place.order("slow", "0.5")
        number = array(place, "--partition=main", "--exclusive", "--pack", "2")
        place.wait_begun(2)
        first = slurm.call(
            "sbatch", "--parsable", "--partition=urgent", "--exclusive", "-o/dev/null",
            "--wrap", "sleep 2",
        )  # fmt: skip
        urgent = first.stdout.strip()
        poll(lambda: slurm.job(urgent)["JobState"] == "RUNNING", 40, "the urgent job's start")
        assert {j.state for j in slurm.queue(number)} == {"PENDING"}
        assert all((place.runs / run_id / "checkpoint.pt").exists() for run_id in place.ids)
        place.recall("slow")
        place.wait()
        assert slurm.job(urgent)["JobState"] == "COMPLETED"
        assert slurm.job(f"{number}_0")["Restarts"] == "1"
        assert sorted(resumed(place)) == [False, False, True, True]
        place.assert_done()


def test_scancel_stops_for_good_and_the_rest_can_be_resumed(place: SlurmStudy) -> None:
    number = array(place)
    place.wait_begun(2)
    place.slurm.call("scancel", number)
    place.wait()
    assert place.slurm.job(f"{number}_0")["JobState"] == "CANCELLED"
    for run_id in place.ids:
        assert (place.runs / run_id / "checkpoint.pt").exists()
        assert not (place.runs / run_id / "record.json").exists()
    place.recall("slow")
    place.submitted()
    place.wait()
    assert sorted(resumed(place)) == [False, False, True, True]
    place.assert_done()
