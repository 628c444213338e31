"""Kill a short run again and again, resume it each time, and compare: is anything lost?

    python tests/tools/kill_resume.py --kills 20 [--device cuda --precision bf16 --epochs 40]

One run is left in peace, its twin gets SIGKILL at random moments; when the twin finishes before
all kills are spent, another twin begins. Passes when every twin's metrics equal the undisturbed
run's to the bit, at least 3/4 of the kills were resumed at a step above 0, and at least 3 kills
fell inside the evaluation. About four minutes of one core.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

IN_EVALUATION = 3  # kills that must fall there
STUCK = 300.0  # seconds without any sign of life


class Twin:
    """One run in a folder of its own; each `start` is a new process."""

    def __init__(self, root: Path, name: str, epochs: int, extra: Sequence[str]) -> None:
        self.runs, self.data, self.epochs = root / name, root / "data", epochs
        self.extra = extra
        self.log = root / f"{name}.log"

    def start(self) -> "subprocess.Popen[bytes]":
        command = [
            *(sys.executable, "-m", "benchmark", "run", "--quiet"),
            *("--data", "exact_small", "--baseline", "cyclical", *self.extra),
            *("--set", f"train.epochs={self.epochs}", "--checkpoint-seconds", "0.5"),
            *("--runs", str(self.runs), "--data-dir", str(self.data)),
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def finish(self, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
        """Wait for the end; the record."""
        if process.wait() != 0:
            lines = self.log.read_text().splitlines()[-15:]
            raise SystemExit("\n".join([*lines, f"the run ended with {process.returncode}"]))
        (path,) = self.runs.glob("*/record.json")
        record: dict[str, Any] = json.loads(path.read_text())
        return record

    def progress(self, since: float = 0.0) -> dict[str, Any] | None:
        """What the run says of itself, if it has said it since a moment."""
        for path in self.runs.glob("*/progress.json"):
            try:
                if path.stat().st_mtime > since:
                    found: dict[str, Any] = json.loads(path.read_text())
                    return found
            except FileNotFoundError:  # the run has just finished
                return None
        return None

    @property
    def done(self) -> bool:
        return any(self.runs.glob("*/record.json"))

    def resumed(self) -> list[dict[str, Any]]:
        """The log's lines about resuming."""
        (path,) = self.runs.glob("*/log.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in lines if "resumed_at_step" in line]


def wait_for(twin: Twin, process: "subprocess.Popen[bytes]", phase: str | None) -> bool:
    """Wait until this process reports a phase (None: any); False when it ended before."""
    since, limit = time.time(), time.monotonic() + STUCK
    while process.poll() is None:
        said = twin.progress(since)
        if said is not None and phase in (None, said["phase"]):
            return True
        if time.monotonic() > limit:
            process.kill()
            raise SystemExit(f"no sign of life for {STUCK:.0f} s; see {twin.log}")
        time.sleep(0.02)
    return False


def disturb(twin: Twin, kills: int, evaluation: int, rng: random.Random) -> list[str]:
    """Kill the twin up to ``kills`` times, then let it finish; the phase at each kill.

    Args:
        evaluation: kills inside the evaluation still wanted: the last ones wait for it.
    """
    phases: list[str] = []
    while len(phases) < kills:
        process = twin.start()
        wanted = evaluation - phases.count("evaluate")
        phase = "evaluate" if kills - len(phases) <= wanted else None
        if not wait_for(twin, process, phase):
            twin.finish(process)
            return phases
        time.sleep(rng.uniform(0.05, 1.0) if phase else rng.uniform(0.05, 2.5))
        if process.poll() is not None:
            twin.finish(process)
            return phases
        process.kill()
        process.wait()
        if twin.done:  # too late to be a kill of a run in progress
            return phases
        said = twin.progress()
        assert said is not None
        phases.append(said["phase"])
        place = f"{said['phase']} {said['step']}/{said['total']}"
        print(f"  kill {len(phases)}: {place}", flush=True)
    twin.finish(twin.start())
    return phases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of killing")
    parser.add_argument("--epochs", type=int, default=3, help="of the run")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    extra = "--device", arguments.device, "--precision", arguments.precision
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="kill_resume_") as folder:
        root = Path(folder)
        peaceful = Twin(root, "undisturbed", arguments.epochs, extra)
        began = time.monotonic()
        expected = peaceful.finish(peaceful.start())["metrics"]
        print(f"undisturbed: {time.monotonic() - began:.1f} s", flush=True)

        phases: list[str] = []
        resumed: list[dict[str, Any]] = []
        different = 0
        for number in range(1, 4 * arguments.kills):
            left = arguments.kills - len(phases)
            if left == 0:
                break
            twin = Twin(root, f"twin_{number}", arguments.epochs, extra)
            print(f"twin {number}", flush=True)
            missing = IN_EVALUATION - phases.count("evaluate")
            phases += disturb(twin, left, missing, rng)
            resumed += twin.resumed()
            (path,) = twin.runs.glob("*/record.json")
            found = json.loads(path.read_text())["metrics"]
            if json.dumps(found, sort_keys=True) != json.dumps(expected, sort_keys=True):
                different += 1
                print(f"twin {number}: metrics differ\n{expected}\n{found}", flush=True)

    later = sum(line["resumed_at_step"] > 0 for line in resumed)
    inside = phases.count("evaluate")
    print(
        f"{len(phases)} kills in {number - 1} runs, {inside} of them inside the evaluation; "
        f"{later} resumed at a step above 0; {different} runs differ from the undisturbed one"
    )
    enough = len(phases) == arguments.kills and later >= 0.75 * arguments.kills
    return 0 if enough and inside >= min(IN_EVALUATION, arguments.kills) and not different else 1


if __name__ == "__main__":
    raise SystemExit(main())
