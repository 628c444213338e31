"""A sweep on a private Slurm under random faults, submitted again until done: is anything lost?

    python tests/tools/chaos.py --faults 20 --seed 0

At random moments a random task's processes, or one of them, get SIGKILL; or the task is requeued,
warned (USR1), ended (TERM) or cancelled, or its whole array is cancelled. When all runs are done
before all faults are spent, another sweep begins. Passes when all faults were made, each record
equals its undisturbed twin's (id, config, metrics), and nothing is left over: no temporary file,
checkpoint or claim of a finished run, no process. Twenty faults take three minutes of two cores.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from private_slurm import Job, PrivateSlurm, end_by_signal, missing
from slurm_study import SlurmStudy, began, leftovers, undisturbed

from benchmark.core import records
from benchmark.sweep import status

STEP = "0.15"  # seconds a step takes while there are faults to come
IW_SAMPLES = 1000  # so that the evaluation takes a second
AIMS = {"start": 1, "train": 3, "evaluate": 2}  # how often a fault looks for a run at this
PATIENCE = 15.0  # seconds after which it takes any
STUCK = 180.0  # seconds without a new record, fault or submission


@dataclass
class Chaos:
    """What was done to the sweeps, and what was found."""

    slurm: PrivateSlurm
    rng: random.Random
    faults: int
    made: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    submissions: int = 0
    processes: int = 0
    resumed: int = 0
    records: int = 0
    found: list[str] = field(default_factory=list)

    def sweep(self, place: SlurmStudy) -> None:
        """Submit, disturb and submit again until all runs are done."""
        place.order("slow", STEP)
        moved, done_before = time.monotonic(), 0
        aim, due = self.aim()
        while (done := self.done(place)) < len(place.ids):
            left = self.faults - self.made.total()
            if not left and (place.orders / "slow").exists():
                place.recall("slow")
            queued = [job for job in self.slurm.queue() if "_" in job.id]
            if not queued:
                self.submit(place)
                moved = time.monotonic()
                continue
            aim = aim if time.monotonic() < due + PATIENCE else ""
            if left and time.monotonic() > due and self.fault(place, queued, aim, done):
                moved = time.monotonic()
                aim, due = self.aim()
            if done > done_before:
                moved, done_before = time.monotonic(), done
            if time.monotonic() - moved > STUCK:
                raise SystemExit(f"nothing moves; {queued}\n{place.logs()[-5000:]}")
            time.sleep(0.1)
        self.slurm.wait()

    def aim(self) -> tuple[str, float]:
        """What the next fault's victim shall be at, and the earliest time."""
        (phase,) = self.rng.choices(list(AIMS), list(AIMS.values()))
        return phase, time.monotonic() + self.rng.uniform(0.1, 2.0)

    def done(self, place: SlurmStudy) -> int:
        return sum((place.runs / run_id / "record.json").exists() for run_id in place.ids)

    def submit(self, place: SlurmStudy) -> None:
        pack = self.rng.choice([1, 2, 3])
        for options in ([], ["--retry-failed"]):
            said = place.submit("--pack", str(pack), "--checkpoint-seconds", "0.5", *options)
            if said.returncode != 0:
                raise SystemExit(f"submission: {said.stdout}{said.stderr}")
            self.submissions += 1
            if self.slurm.queue():
                print(f"  submitted, {pack} a task {' '.join(options)}", flush=True)
                return

    def fault(self, place: SlurmStudy, queued: list[Job], aim: str, done: int) -> bool:
        """Do something bad to a running task that is at what is aimed at; False if none is."""
        running = [job for job in queued if job.state == "RUNNING"]
        self.rng.shuffle(running)
        for task in running:
            processes = dict(self.slurm.processes(task.id))
            where = phase(place, processes)
            if processes and aim in ("", where):
                break
        else:
            return False
        kinds: dict[str, Callable[[], None]] = {
            "kill -9 of all": lambda: kill(list(processes)),
            "kill -9 of one": lambda: kill([self.rng.choice(list(processes))]),
            "requeue": lambda: self.call("scontrol", "requeue", task.id),
            "USR1": lambda: self.call("scancel", "--batch", "--signal=USR1", task.id),
            "TERM": lambda: self.call("scancel", "--batch", "--signal=TERM", task.id),
            "scancel": lambda: self.call("scancel", task.id),
            "scancel of the array": lambda: self.call("scancel", task.id.split("_")[0]),
        }
        weights = [3, 3, 3, 4, 3, 2, 1]
        (kind,) = self.rng.choices(list(kinds), weights)
        try:
            kinds[kind]()
        except TimeoutError:  # Slurm is just ending or requeueing it, and asks to try again
            return False
        self.made[kind] += 1
        self.places[where] += 1
        total = len(place.ids)
        print(
            f"  fault {self.made.total()}/{self.faults}: {kind}, {task.id} ({where}); "
            f"{done}/{total} done",
            flush=True,
        )
        return True

    def call(self, *command: str) -> None:
        self.slurm.call(*command, seconds=5)  # may fail: the task has just ended

    def verify(self, place: SlurmStudy) -> None:
        """Compare with the undisturbed; look for what is left over."""
        for run_id in place.ids:
            self.records += 1
            record = records.read(place.runs / run_id / "record.json")
            twin = undisturbed(run_id, place.path)
            if different := records.differences(twin, record):
                self.found.append(f"{run_id}: {len(different)} differences, as {different[0]}")
            self.found += [f"left over: {name}" for name in leftovers(place.runs / run_id)]
        self.found += [f"left over: {path}" for path in place.root.rglob(".*")]
        lines = records.read_jsonl(place.results / "mine.jsonl")
        self.found += [f"report: {x['id']}: {x['status']}" for x in lines if x["status"] != "done"]
        self.found += [f"report: {len(lines)} lines"] if len(lines) != len(place.ids) else []
        self.found += [f"still runs: {command}" for _, command in self.slurm.processes()]
        if place.submit().returncode != 0 or self.slurm.queue():
            self.found.append("a finished sweep was submitted again")
        noted = [began(line) for line in (place.orders / "began").read_text().splitlines()]
        self.processes += len(noted)
        self.resumed += sum(process["step"] > 0 for process in noted)


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def phase(place: SlurmStudy, processes: dict[int, str]) -> str:
    """What one of a task's runs is at."""
    ids = [run_id for run_id in place.ids if any(run_id in c for c in processes.values())]
    said = [status.progress(place.runs / run_id).split(" ")[0] for run_id in ids]
    return next((word for word in said if word), "start")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the faults and their moments")
    parser.add_argument("--runs", type=int, default=12, help="of a sweep")
    arguments = parser.parse_args()
    if lack := missing():
        raise SystemExit(lack)
    end_by_signal()
    start, sweeps = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="chaos_") as folder, PrivateSlurm() as slurm:
        chaos = Chaos(slurm, random.Random(arguments.seed), arguments.faults)
        while chaos.made.total() < arguments.faults:
            sweeps += 1
            print(f"sweep {sweeps}: {arguments.runs} runs", flush=True)
            root = Path(folder) / str(sweeps)
            root.mkdir()
            place = SlurmStudy(
                root, slurm, [round(0.1 * n, 1) for n in range(1, arguments.runs + 1)]
            )
            chaos.sweep(place)
            chaos.verify(place)
    kinds = ", ".join(f"{number} {kind}" for kind, number in chaos.made.most_common())
    places = ", ".join(f"{number} at {word}" for word, number in chaos.places.most_common())
    print(
        f"{chaos.made.total()} faults ({kinds}; {places}) in {sweeps} sweeps, "
        f"{chaos.submissions} submissions, {time.monotonic() - start:.0f} s; "
        f"{chaos.resumed} of {chaos.processes} processes went on from a checkpoint"
    )
    for line in chaos.found:
        print(f"found: {line}")
    print(f"{chaos.records} records; {len(chaos.found)} differences or left-overs")
    return 1 if chaos.found else 0


if __name__ == "__main__":
    sys.exit(main())
