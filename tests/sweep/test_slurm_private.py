"""The private Slurm of the tests: what the others rely on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm, missing, poll

TOOLS = Path(__file__).parents[1] / "tools"
NOBODY = 65534
AS_USER = """
import os, sys
from private_slurm import PrivateSlurm
if os.geteuid() == 0:
    user = int(sys.argv[1])
    os.setgroups([]), os.setgid(user), os.setuid(user), os.chdir("/")
with PrivateSlurm() as slurm:
    print(slurm.call("srun", "id", "-u").stdout)
"""
pytestmark = pytest.mark.slurm


def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() == ""
    monkeypatch.setattr("private_slurm.path", lambda: "")
    assert "no slurmctld, slurmd, sbatch" in missing()
    assert "apt-get install" in missing()


def test_jobs_run_requeue_and_are_told(slurm: PrivateSlurm, tmp_path: Path) -> None:
    (tmp_path / "job").write_text(
        "#!/bin/sh\necho try $SLURM_RESTART_COUNT\n"
        '[ -n "$SLURM_RESTART_COUNT" ] || { scontrol requeue $SLURM_JOB_ID; sleep 60; }\n'
    )
    submit = slurm.call("sbatch", "--parsable", "--open-mode=append", "-oout", "job", cwd=tmp_path)
    job = submit.stdout.strip()
    slurm.wait(job)
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line for line in lines if line.startswith("try")] == ["try", "try 1"]
    assert (slurm.job(job)["JobState"], slurm.job(job)["Restarts"]) == ("COMPLETED", "1")


def test_two_clusters_stand_side_by_side_on_the_loopback(slurm: PrivateSlurm) -> None:
    with PrivateSlurm(max_array=3) as other:
        assert "MaxArraySize            = 3" in other.call("scontrol", "show", "config").stdout
        assert other.call("sbatch", "--array=0-3", "--wrap", "true").returncode != 0
        assert slurm.call("sbatch", "-o/dev/null", "--array=0-3", "--wrap", "true").returncode == 0
        assert other.queue() == []
        for cluster in (slurm, other):
            for daemon in cluster.daemons.values():
                assert listening(daemon.pid) == {"0100007F"}  # 127.0.0.1
    slurm.wait()


def listening(pid: int) -> set[str]:
    """The addresses (hexadecimal) on which a process listens for TCP."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(descriptor)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        if (table := Path("/proc/net") / name).exists()
        for line in table.read_text().splitlines()[1:]
    ]
    return {f[1].split(":")[0] for f in lines if f[3] == "0A" and f[9] in inodes}


def leave_behind(cluster: PrivateSlurm) -> None:
    """A job whose child escapes into a session of its own."""
    with cluster:
        cluster.call("sbatch", "-o/dev/null", "--wrap", "setsid -f sleep 61; sleep 1")
        poll(lambda: [c for _, c in cluster.processes() if c == "sleep 61"], 20, "the job")
        cluster.wait()


def test_what_a_job_leaves_behind_is_ended_and_told() -> None:
    cluster = PrivateSlurm()
    with pytest.raises(RuntimeError, match=r"left processes behind: \d+ sleep 61$"):
        leave_behind(cluster)
    assert list(cluster.processes()) == []
    assert not cluster.root.exists()


def test_an_ordinary_user_can_have_one() -> None:
    user = os.geteuid() or NOBODY
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, str(user)], capture_output=True, text=True, cwd=TOOLS
    )
    assert done.stdout.strip() == str(user), done.stderr
