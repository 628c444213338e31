"""A run that is stopped or killed goes on, and loses nothing that was finished."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_run import KILL, ROOT, Place, expected, once
from test_run import data as data
from test_run import done as done
from test_run import place as place

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.model import checkpoint
from benchmark.run import evaluation
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured, encode
from benchmark.run.session import Interrupted


@pytest.mark.parametrize(
    ("step", "name"), [(0, "SIGTERM"), (5, "SIGHUP"), (14, "SIGTERM"), (27, "SIGHUP")]
)
def test_a_signal_leaves_a_checkpoint_and_the_next_call_goes_on(
    place: Place, data: Path, step: int, name: str
) -> None:
    number = signal.Signals[name]
    config = once(place.root)
    assert tiny.training(config).total_steps == 28
    known = expected(data, place.root)
    (place.root / f"at_{step}_{int(number)}").touch()
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"stopped by {name}"):
        place.run(config)
    assert signal.getsignal(number) is before
    assert not list(place.folder(config).glob("claim-*"))
    assert not (place.folder(config) / "record.json").exists()
    kept = checkpoint.load(place.folder(config) / "checkpoint.pt")
    assert kept["step"] == step + 1  # the step at work is finished
    found = place.run(config)
    assert found["metrics"] == known
    assert found["provenance"]["resumed"] == 1
    assert {"resumed_at_step": step + 1, "phase": "train" if step < 27 else "evaluate"} in (
        place.log(config)
    )
    assert not (place.folder(config) / "checkpoint.pt").exists()


def test_sigterm_while_evaluating_loses_no_finished_bucket(
    place: Place, monkeypatch: pytest.MonkeyPatch, done: tuple[Place, RunConfig]
) -> None:
    config = done[1]
    measured: list[int] = []
    plain = evaluation.measure_bucket

    def measure(*arguments: Any) -> Any:
        measured.append(len(measured))
        if len(measured) == 14:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(*arguments)

    monkeypatch.setattr(evaluation, "measure_bucket", measure)
    with pytest.raises(Interrupted):
        place.run(config)
    assert len(measured) == 14
    parts = list((place.folder(config) / "evaluation").glob("*.npz"))
    assert len(parts) == 14
    parts[0].write_bytes(b"")  # what a power cut may leave of some
    parts[1].write_bytes(parts[1].read_bytes()[:-30])
    parts[2].write_bytes(b"\0" * 500)
    found = place.run(config)
    buckets = len(np.unique(tiny.corpus().splits["test"].lengths))
    assert len(measured) == 2 * buckets + 3
    metrics = records.read(done[0].folder(config) / "record.json")["metrics"]
    assert found["metrics"] == metrics


@pytest.mark.slow
def test_kill_9_at_any_step_and_resume(place: Place, data: Path) -> None:
    config = once(place.root)
    known = expected(data, place.root)
    for step in (7, 15):
        (place.root / f"at_{step}_{int(signal.SIGKILL)}").touch()
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "tools"), str(ROOT / "tests" / "run")])
    environment = {**os.environ, "PYTHONPATH": path}
    ends = []
    for _ in range(2):
        ended = subprocess.run(
            [sys.executable, "-c", KILL, str(place.root)], env=environment, capture_output=True
        )
        ends.append(ended.returncode)
        for stale in place.folder(config).glob("claim-*"):  # instead of a minute of waiting
            os.utime(stale / "heartbeat", (0, 0))
    assert ends == [-signal.SIGKILL, -signal.SIGKILL]
    found = place.run(config)
    assert found["metrics"] == known
    resumed = [line["resumed_at_step"] for line in place.log(config) if "resumed_at_step" in line]
    assert resumed == [7, 15]


def test_a_damaged_checkpoint_is_refused_and_kept(place: Place) -> None:
    config = once(place.root)
    (place.root / f"at_5_{int(signal.SIGTERM)}").touch()
    with pytest.raises(Interrupted):
        place.run(config)
    path = place.folder(config) / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"checkpoint\.pt: damaged or cut off .* delete it"):
        place.run(config)
    assert path.exists()
    assert not (place.folder(config) / "record.json").exists()


def test_parts_of_an_evaluation_belong_to_their_checkpoint(
    place: Place, done: tuple[Place, RunConfig]
) -> None:
    """Whoever deletes a checkpoint starts over: nothing measured before is believed."""
    config = done[1]
    fresh = tiny.training(config).model.eval()
    test = Measured("test", tiny.corpus().splits["test"], 0, torch.device("cpu"))
    encoded = encode(fresh, test)
    folder = place.folder(config) / "evaluation"
    folder.mkdir(parents=True)
    for number, bucket in enumerate(test.buckets):
        parts = evaluation.measure_bucket(fresh, test, encoded, bucket, 10, 12)
        for which in ("last", "best"):
            name = f"{which}-test-{config.evaluation_digest}-{number}.npz"
            np.savez(folder / name, **parts, seconds=0.0)
    found = place.run(config)
    metrics = records.read(done[0].folder(config) / "record.json")["metrics"]
    assert found["metrics"] == metrics


def test_a_diverged_run_keeps_its_last_good_checkpoint(place: Place) -> None:
    config = once(place.root)
    (place.root / "ruin_6").touch()  # a finite loss, then parameters that are not
    with pytest.raises(UserError, match=r"no longer finite after step 7; the last good checkpoint"):
        place.run(config, checkpoint_seconds=0.0)
    kept = checkpoint.load(place.folder(config) / "checkpoint.pt")
    assert kept["step"] == 6
    assert all(bool(value.isfinite().all()) for value in kept["model"].values())
    (place.root / "ruin_6").unlink()
    assert place.run(config)["provenance"]["resumed"] == 1
