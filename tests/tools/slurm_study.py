"""A tiny study submitted to a private Slurm: for the tests of slurm/ and the chaos script."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import tiny
from private_slurm import Completed, Job, PrivateSlurm, poll

from benchmark.core import records
from benchmark.run.session import run
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
SUBMIT = ROOT / "slurm" / "submit.sh"
ORDERS = "PCBENCH_TEST_ORDERS"  # the folder in which a test gives orders to its jobs
# While `slow` stands among the orders a step takes the seconds written there, so that a signal
# finds the run at work; where each process begins is noted in `began`.
OBEDIENT = f'''"""A baseline for tests: it slows down or breaks when it is told to."""
import os, pathlib, time
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

def ordered(word):
    try:
        return (pathlib.Path(os.environ.get("{ORDERS}", "/nowhere")) / word).read_text()
    except OSError:
        return ""

began = False

@dataclass(frozen=True)
class Obedient(Baseline):
    beta: float = 1.0

    def weight(self, step, total):
        return self.beta

    def before_step(self, run):
        global began
        if "{ORDERS}" in os.environ and not began:
            began = True
            names = "SLURM_ARRAY_TASK_ID", "CUDA_VISIBLE_DEVICES", "SLURM_LEAK"
            with open(os.path.join(os.environ["{ORDERS}"], "began"), "a") as file:
                file.write(" ".join([*(os.environ.get(name, "-") for name in names), str(run.step),
                                     str(self.beta)]) + "\\n")
        if ordered(f"break_{{self.beta}}"):
            raise ValueError("no luck with beta " + str(self.beta))
        if run.step > 0:
            time.sleep(float(ordered("slow") or 0))
'''


@cache
def data() -> Path:
    """The prepared data of all tiny runs of this process."""
    folder = tempfile.TemporaryDirectory(prefix="tiny_data_")
    _kept.append(folder)
    return Path(folder.name)


_kept: list["tempfile.TemporaryDirectory[str]"] = []
_undisturbed: dict[str, records.Record] = {}


def undisturbed(run_id: str, studies: Path) -> records.Record:
    """The record of a study's run in this process, with nobody near."""
    if run_id not in _undisturbed:
        config = study.load(studies).find(run_id).config
        with tempfile.TemporaryDirectory(prefix="undisturbed_") as runs:
            _undisturbed[run_id] = run(config, Path(runs), data(), progress=False)
    found: records.Record = json.loads(json.dumps(_undisturbed[run_id]))
    return found


def began(line: str) -> dict[str, Any]:
    """A line of `began` among the orders."""
    task, gpu, leak, step, beta = line.split()
    return {"task": task, "gpu": gpu, "leak": leak, "step": int(step), "beta": float(beta)}


class SlurmStudy:
    """A study file `mine.toml` in a folder, its runs, and the ways to submit and disturb them.

    Args:
        root: an empty folder.
        slurm: where it is submitted.
        betas: a row each; one seed.
        iw_samples: of the evaluation, which takes the longer the more there are.
    """

    def __init__(
        self,
        root: Path,
        slurm: PrivateSlurm,
        betas: Sequence[float] = (0.5, 1.0),
        iw_samples: int = 10,
    ) -> None:
        self.root, self.slurm, self.iw_samples = root, slurm, iw_samples
        self.runs, self.results, self.path = root / "runs", root / "results", root / "mine.toml"
        self.orders = root / "orders"
        self.orders.mkdir()
        (root / "obedient.py").write_text(OBEDIENT)
        self.write(betas)
        self.environment = {
            **slurm.environment,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), slurm.environment["PATH"]]),
            ORDERS: str(self.orders),
        }

    def write(self, betas: Sequence[float]) -> None:
        evaluate = {**tiny.EVALUATE, "iw_samples": self.iw_samples}
        sections = {"model": tiny.MODEL, "train": tiny.TRAINING, "evaluate": evaluate}
        lines = ["[study]", f'data = ["{tiny.SPEC}"]', "seeds = [0]", f'preset = "{tiny.PRESET}"']
        for name, table in sections.items():
            lines += [
                f"[{name}]",
                *(f"{key} = {json.dumps(value)}" for key, value in table.items()),
            ]
        for beta in betas:
            lines += ["[[baseline]]", 'name = "obedient"', 'file = "obedient.py"']
            lines += [f'label = "beta_{beta}"', f"beta = {beta}"]
        self.path.write_text("\n".join(lines) + "\n")

    @property
    def ids(self) -> list[str]:
        return [run.id for run in study.load(self.path).configs]

    def order(self, word: str, detail: str = "yes") -> None:
        (self.orders / word).write_text(detail)

    def recall(self, word: str) -> None:
        (self.orders / word).unlink()

    def began(self) -> list[dict[str, Any]]:
        """What each process noted that began to train: task, gpu, leak, step, beta."""
        path = self.orders / "began"
        return [began(line) for line in path.read_text().splitlines()] if path.exists() else []

    def submit(self, *options: str, **changes: str) -> Completed:
        """`slurm/submit.sh mine.toml`, from the study's folder."""
        return self.slurm.call(
            str(SUBMIT), "mine.toml", "--runs", str(self.runs), "--data-dir", str(data()),
            "--results", str(self.results), *options,
            cwd=self.root, env=self.environment | changes,
        )  # fmt: skip

    def status(self, **changes: str) -> str:
        """`pcbench sweep mine.toml --status`."""
        done = self.slurm.call(
            sys.executable, "-m", "benchmark", "sweep", str(self.path), "--status",
            "--runs", str(self.runs), cwd=ROOT, env=self.environment | changes,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submitted(self, *options: str) -> list[Job]:
        """Submit, and what then stands in the queue."""
        done = self.submit(*options)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.slurm.queue()

    def wait(self, seconds: float = 300) -> None:
        self.slurm.wait(seconds=seconds)

    def wait_begun(self, number: int = 1) -> None:
        """Wait until so many processes have begun to train."""
        try:
            poll(lambda: len(self.began()) >= number, 120, f"{number} runs to begin")
        except TimeoutError as error:
            queue = "\n".join(map(str, self.slurm.queue()))
            raise TimeoutError(f"{error}\n{queue}\n{self.logs()}") from None

    def logs(self) -> str:
        """All that was said in the jobs and runs."""
        texts = []
        for path in sorted([*self.root.rglob("*.out"), *self.root.rglob("log*.txt")]):
            texts.append(f"--- {path.relative_to(self.root)}\n{path.read_text(errors='replace')}")
        return "\n".join(texts)

    def record(self, run_id: str) -> records.Record:
        path = self.runs / run_id / "record.json"
        assert path.exists(), f"{run_id} is not done\n{self.logs()}"
        return records.read(path)

    def assert_done(self, *run_ids: str) -> None:
        """All (or these) runs are done, equal to the undisturbed ones; nothing is left over."""
        for run_id in run_ids or self.ids:
            found = records.differences(undisturbed(run_id, self.path), self.record(run_id))
            assert not found, found
            assert not (left := leftovers(self.runs / run_id)), left


FINISHED = {
    "failures.jsonl",
    "baseline.py",
    "best.pt",
    "config.json",
    "log.jsonl",
    "record.json",
    "sentences.npz",
    "log.txt",
}


def leftovers(folder: Path) -> list[str]:
    """What stands in a finished run's folder and does not belong there."""
    return sorted(
        str(path.relative_to(folder.parent))
        for path in folder.rglob("*")
        if path.relative_to(folder).parts[0] not in FINISHED
    )
