"""A real Slurm of one node for tests, with its own daemons, folder and ports.

    python tests/tools/private_slurm.py bash   # a shell where sbatch means this cluster

No systemd, no cgroups, no munge, no database; as root or as an ordinary user, beside another Slurm,
several at once. CPUs and GPUs are only declared: more may be named than there are. Jobs of
partition `main` are requeued for those of `urgent`.
"""

import argparse
import contextlib
import os
import platform
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
INSTALL = "apt-get install -y --no-install-recommends slurm-wlm munge"
CONF = """ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire={cred_expire}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=10
MinJobAge=3600
MaxArraySize={max_array}
MessageTimeout=20
SlurmdTimeout=60
InactiveLimit=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} RealMemory=64000 \
{gres} State=UNKNOWN
PartitionName=main Nodes=n1 Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace}
PartitionName=urgent Nodes=n1 PriorityTier=10 PreemptMode=OFF
"""
# Of another Slurm, or of the job in which the tests run.
FOREIGN = re.compile(r"(SLURM|SLURMD|SBATCH|SQUEUE|SCANCEL|SINFO|SRUN|SALLOC)_")


def path() -> str:
    """The PATH, with the folders of daemons that an ordinary user's may lack."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def missing() -> str:
    """What is missing for a private Slurm and how to get it, or nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=path()) is None]
    return f"no {', '.join(absent)} on the PATH; {INSTALL}" if absent else ""


@dataclass(frozen=True)
class Job:
    """A line of the queue: ``12_3``, or ``12_[3-5]`` for tasks not begun."""

    id: str
    state: str
    name: str
    reason: str


class PrivateSlurm:
    """A cluster that lives while the block runs.

    Args:
        cpus: declared, whatever the machine has.
        gpus: declared; links to /dev/null stand for them.
        max_array: MaxArraySize: array indices stay below it.
        cred_expire: seconds after which a requeued job may start again.
        grace: seconds from the warning (USR1) to the end (TERM) of a preempted job; 0: no warning.

    Raises:
        RuntimeError: a daemon does not come up; with the end of its log.
    """

    def __init__(
        self,
        cpus: int = 4,
        gpus: int = 2,
        max_array: int = 1001,
        cred_expire: int = 5,
        grace: int = 20,
    ) -> None:
        self.cpus, self.gpus = cpus, gpus
        self.max_array, self.cred_expire, self.grace = max_array, cred_expire, grace
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        # Short: a socket's path is at most 107 bytes long.
        self.root = Path(tempfile.mkdtemp(prefix="slurm_"))
        self.root.chmod(0o755)
        self.environment = {k: v for k, v in os.environ.items() if not FOREIGN.match(k)}
        self.environment |= {"SLURM_CONF": str(self.root / "slurm.conf"), "PATH": path()}
        for attempt in range(3):  # another program may take a port between choosing and using it
            try:
                self._start()
                return self
            except RuntimeError:
                self._stop_daemons()
                if attempt == 2:
                    shutil.rmtree(self.root, ignore_errors=True)
                    raise
        raise AssertionError

    def __exit__(self, *error: object) -> None:
        """End all jobs, then the daemons, then what a job left behind (an error)."""
        left: list[str] = []
        try:
            with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
                self.cancel_all()
        finally:
            self._stop_daemons()
            for pid, command in self.processes():
                left.append(f"{pid} {command}")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.root, ignore_errors=True)
        if left and error[0] is None:
            raise RuntimeError("a job left processes behind: " + "; ".join(left))

    def _start(self) -> None:
        for name in ("state", "spool"):
            (self.root / name).mkdir(exist_ok=True)
        gres = []
        for number in range(self.gpus):
            device = self.root / f"nvidia{number}"
            if not device.is_symlink():
                device.symlink_to("/dev/null")
            gres.append(f"NodeName=n1 Name=gpu File={device}\n")
        (self.root / "gres.conf").write_text("".join(gres))
        conf = CONF.format(
            host=platform.node().split(".")[0],
            user=pwd.getpwuid(os.geteuid()).pw_name,
            ports=_free_ports(2),
            root=self.root,
            cpus=self.cpus,
            gres=f"Gres=gpu:{self.gpus}" if self.gpus else "",
            max_array=self.max_array,
            cred_expire=self.cred_expire,
            grace=self.grace,
        )
        (self.root / "slurm.conf").write_text(conf)
        self._daemon("slurmctld", lambda: "is UP" in self.call("scontrol", "ping").stdout)
        self._daemon(
            "slurmd", lambda: self.call("sinfo", "-hp", "main", "-o%T").stdout.strip() == "idle",
            "-N", "n1",
        )  # fmt: skip

    def _daemon(self, name: str, up: Callable[[], bool], *options: str) -> None:
        """Start a daemon in a session of its own and wait until it serves."""
        said = self.root / f"{name}.out"
        with said.open("wb") as out:
            process = subprocess.Popen(
                [name, "-D", "-c", *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        self.daemons[name] = process
        with (self.root / "pids").open("a") as pids:  # for whoever must clean up by hand
            pids.write(f"{name} {process.pid}\n")
        try:
            poll(lambda: process.poll() is not None or up(), 20, name)
        except TimeoutError:
            pass
        else:
            if process.poll() is None:
                return
        raise RuntimeError(f"{name} did not come up: {said.read_text()[-2000:]}")

    def _stop_daemons(self) -> None:
        for name in reversed(list(self.daemons)):
            process = self.daemons.pop(name)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def call(self, *command: str, seconds: float = 60, **options: Any) -> "Completed":
        """Run a command on this cluster to its end; its text output and exit status."""
        options.setdefault("env", self.environment)
        try:
            return subprocess.run(
                command, capture_output=True, text=True, errors="surrogateescape",
                timeout=seconds, stdin=subprocess.DEVNULL, **options,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(
                f"{error}\n{error.stdout!r} {error.stderr!r}\n{self.log()}"
            ) from None

    def log(self) -> str:
        """The end of what the daemons noted."""
        texts = [path.read_text(errors="replace")[-3000:] for path in self.root.glob("*.log")]
        return "\n".join(texts)

    def queue(self, *jobs: str) -> list[Job]:
        """What waits, runs or ends now: of some jobs, or of all."""
        chosen = ["-j", ",".join(jobs)] if jobs else []
        done = self.call("squeue", "-h", "-o%i|%T|%j|%r", *chosen)
        if done.returncode != 0 and "Invalid job id" not in done.stderr:  # one long over
            raise RuntimeError(done.stderr)
        return [Job(*line.split("|", 3)) for line in done.stdout.splitlines()]

    def wait(self, *jobs: str, seconds: float = 300) -> None:
        """Wait until jobs (none given: all) have left the queue."""
        try:
            poll(lambda: not self.queue(*jobs), seconds, f"jobs {', '.join(jobs)} to end")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.call('scontrol', 'show', 'job').stdout}") from None

    def job(self, job: str) -> dict[str, str]:
        """What Slurm knows of one job or task, also after its end."""
        text = self.call("scontrol", "show", "-o", "job", job).stdout
        return dict(pair.split("=", 1) for pair in text.split() if "=" in pair)

    def cancel_all(self) -> None:
        """End all jobs for good."""
        names = sorted({job.id.split("_")[0] for job in self.queue()})
        if names:
            self.call("scancel", *names)
        poll(lambda: not self.queue(), 60, "the queue to empty")

    def processes(self, job: str | None = None) -> Iterator[tuple[int, str]]:
        """The processes (pid, command) that jobs, or one job or task, run at present."""
        marks = {f"SLURM_CONF={self.root}/slurm.conf"}
        if job is not None:
            array, _, task = job.partition("_")
            name = "SLURM_ARRAY_JOB_ID" if task else "SLURM_JOB_ID"
            marks |= {f"{name}={array}", *([f"SLURM_ARRAY_TASK_ID={task}"] if task else [])}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_text(errors="replace").split("\0")
                command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
            except OSError:  # it has ended, or is another user's
                continue
            if marks <= set(environment) and any(
                e.startswith("SLURM_JOB_ID=") for e in environment
            ):
                yield int(folder.name), command.strip()


Completed = subprocess.CompletedProcess[str]


def poll(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not within ``seconds``.
    """
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def _free_ports(number: int) -> list[int]:
    """Ports of the loopback that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def end_by_signal() -> None:
    """SIGTERM raises SystemExit, so that a script's blocks are left properly."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs=argparse.REMAINDER, help="runs beside the cluster")
    command = parser.parse_args().command
    if lack := missing():
        raise SystemExit(lack)
    end_by_signal()
    with PrivateSlurm() as slurm:
        print(f"SLURM_CONF={slurm.root}/slurm.conf", file=sys.stderr, flush=True)
        return subprocess.run(command or ["bash"], env=slurm.environment).returncode


if __name__ == "__main__":
    raise SystemExit(main())
