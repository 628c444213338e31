"""The weight that was used, and what a method logs: in the record as they were in training."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_learning_rate import HALVING, Scripted

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.model.weight_path import MOST, TOLERANCE, corners
from benchmark.report import figures
from benchmark.report.figures import schedules
from benchmark.report.grouping import groups
from benchmark.run.config import RunConfig
from benchmark.run.result import assemble, weight_path
from benchmark.run.session import run as whole_run
from benchmark.run.training import Training

FEEDBACK = '''"""A weight by feedback, for a test."""
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

@dataclass(frozen=True)
class Feedback(Baseline):
    """``target``: the KL that the weight shall bring about, nats."""

    target: float = 0.3

    def objective(self, run, out):
        rec, kl = run.criterion(out.logits, out.targets, out.mu, out.logvar)
        weight = run.memory.setdefault("weight", 0.5)
        run.log(weight=weight, target=self.target * (run.step + 1))
        run.memory["weight"] = min(1.0, max(0.0, weight + 0.2 * (float(kl.detach()) - self.target)))
        run.memory.setdefault("used", []).append(weight)
        return rec + weight * kl
'''


def made(folder: Path, body: str = FEEDBACK, name: str = "feedback", **others: Any) -> RunConfig:
    path = folder / f"{name}.py"
    path.write_text(body)
    return tiny.config(name, file=str(path), **others)


def finished(config: RunConfig) -> Training:
    run = tiny.training(config)
    tiny.advance(run)
    return run


def between(path: Any, steps: Any) -> np.ndarray:
    """A weight path read at steps, straight lines between its points."""
    x, y = zip(*path, strict=True)
    return np.interp(steps, x, y)


# Corners ------------------------------------------------------------------------------------------


def test_a_ramp_has_two_corners_and_a_constant_too() -> None:
    x = np.arange(1000)
    assert corners(x, 0.002 * x + 0.1) == [(0.0, 0.1), (999.0, pytest.approx(2.098))]
    assert corners(x, np.ones(1000)) == [(0.0, 1.0), (999.0, 1.0)]
    assert corners(x, np.minimum(1, x / 250)) == [(0, 0), (250, 1), (999, 1)]


def test_a_saw_keeps_both_sides_of_each_jump() -> None:
    found = corners(range(400), [step % 50 / 50 for step in range(400)])
    sides = [50 * tooth + side for tooth in range(8) for side in (0, 49)]
    assert found == [(float(step), step % 50 / 50) for step in sides]


@pytest.mark.parametrize("seed", range(3))
def test_few_points_stand_for_all_of_a_smooth_curve(seed: int) -> None:
    noise = np.random.default_rng(seed)
    x = np.cumsum(noise.integers(1, 5, 5000))
    y = np.sin(x / noise.uniform(4000, 9000)) + (x > noise.choice(x))
    found = corners(x, y)
    assert 10 < len(found) < MOST
    assert np.abs(between(found, x) - y).max() <= TOLERANCE
    assert set(found) <= set(zip(x.tolist(), y.tolist(), strict=True))
    assert (found[0][0], found[-1][0]) == (x[0], x[-1])


@pytest.mark.parametrize("most", [2, 3, 10, MOST])
def test_never_more_points_than_asked_for(most: int) -> None:
    y = np.random.default_rng(0).random(5000)
    found = corners(range(5000), y, most=most)
    assert len(found) == most
    assert [step for step, _ in found] == sorted({step for step, _ in found})


def test_the_largest_error_goes_first() -> None:
    y = np.zeros(5000)
    y[[1000, 2000, 3000]] = 1.0, 3.0, 2.0
    assert (2000.0, 3.0) in corners(range(5000), y, most=3)


def test_short_curves() -> None:
    assert corners([], []) == []
    assert corners([3], [0.5]) == [(3.0, 0.5)]
    assert corners([3, 4], [0.5, 0.7]) == [(3.0, 0.5), (4.0, 0.7)]


# The weight of a schedule -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("cyclical", {"cycles": 3}), ("cyclical", {"cycles": 2, "span": 0.5, "floor": 0.1}),
        ("cosine", {"warmup": 0.7}), ("delayed_linear", {"delay": 0.3, "ramp": 0.3}),
        ("none", {}), ("autoencoder", {}), ("aggressive", {"inner": 2, "window": 1}),
    ],
)  # fmt: skip
def test_the_path_is_the_weight_of_every_step(name: str, params: dict[str, Any]) -> None:
    run = finished(tiny.config(name, params=params, train={"epochs": 4}))
    path, total = weight_path(run), run.total_steps
    assert path is not None
    used = [run.baseline.weight(step, total) for step in range(total)]
    np.testing.assert_allclose(between(path, range(total)), used, atol=TOLERANCE)
    assert all(used[int(step)] == weight for step, weight in path)
    assert (path[0][0], path[-1][0]) == (0, total - 1)
    if name == "cyclical":
        assert {0.1 if params.get("floor") else 0.0, 1.0} <= {weight for _, weight in path}


def test_a_language_model_has_none() -> None:
    run = finished(tiny.config("lstm_lm"))
    assert weight_path(run) is None
    assert [point["z_use"] for point in run.curve] == [None, None]


def test_steps_that_a_phase_leaves_out_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halvings end the first phase, of six epochs, after its fourth."""
    Scripted([3, 1, 2, 2, 9, 8, 7, 6, 5, 4], monkeypatch)
    train = {**HALVING, "patience": 1, "halvings": 2, "epochs": 12}
    params = {"pretraining": 0.5, "warmup": 0.25}
    run = finished(tiny.config("pretrained_free_bits", params=params, train=train))
    left_out = np.flatnonzero(~run.weights.isfinite().numpy())
    assert left_out.tolist() == list(range(run.epochs.ends[3], run.epochs.ends[5]))
    path = weight_path(run)
    assert path is not None
    assert not {step for step, _ in path} & set(left_out.tolist())
    assert all(math.isfinite(weight) for _, weight in path)
    used = run.weights.isfinite().nonzero()[:, 0].tolist()
    known = [run.baseline.weight(step, run.total_steps) for step in used]
    np.testing.assert_allclose(between(path, used), known, atol=TOLERANCE)


def test_the_record_holds_the_path_the_version_and_the_method(tmp_path: Path) -> None:
    config = tiny.config("cyclical")
    record = whole_run(config, tmp_path / "runs", tmp_path / "data", progress=False)
    assert records.read(tmp_path / "runs" / config.id / "record.json") == record
    twin = finished(config)
    assert record["weight_path"] == weight_path(twin)
    assert {weight for _, weight in record["weight_path"]} >= {0.0, 1.0}
    assert record["provenance"]["method_sha256"] == config.method_sha256
    assert all(isinstance(point["z_use"], float) for point in record["curve"])
    assert record["metrics"]["test"]["mi_se"] > 0
    assert record["metrics"]["test"]["z_use_se"] > 0


# What a method logs -------------------------------------------------------------------------------


def test_a_feedback_methods_weight_is_the_one_that_it_used(tmp_path: Path) -> None:
    run = finished(made(tmp_path, train={"epochs": 3}))
    used, total = run.memory["used"], run.total_steps
    assert len(used) == total
    assert len(set(used)) > 5  # the schedule's own would be 1 throughout
    path = weight_path(run)
    assert path is not None
    np.testing.assert_allclose(between(path, range(total)), used, atol=TOLERANCE)
    for point in run.curve:
        assert point["weight"] == used[point["step"] - 1]
        assert point["target"] == 0.3 * point["step"]  # of the last step before it


def test_resumed_in_the_middle_it_is_the_same(tmp_path: Path) -> None:
    config = made(tmp_path, train={"epochs": 3})
    known = finished(config)
    for step in (1, known.epochs.ends[0], known.epochs.ends[0] + 4, known.total_steps - 1):
        again = tiny.resumed(config, step, tmp_path)
        assert tiny.same(again.state() | {"seconds": 0}, known.state() | {"seconds": 0})
        assert weight_path(again) == weight_path(known)


def test_a_record_with_logged_numbers_is_read_back(tmp_path: Path) -> None:
    config = made(tmp_path)
    record = whole_run(config, tmp_path / "runs", tmp_path / "data", progress=False)
    assert records.read(tmp_path / "runs" / config.id / "record.json") == record
    run = finished(config)
    assert record["curve"] == run.curve
    assert {"target", "weight"} <= record["curve"][0].keys()
    again = assemble(run, record["provenance"], record["metrics"], {}, 0.0)
    assert again["weight_path"] == record["weight_path"]


def test_the_figures_numbers_are_the_weights_of_feedback(tmp_path: Path) -> None:
    """The csv beside the figure, not what the method's ``weight`` would be today: 1 throughout."""
    config = made(tmp_path, train={"epochs": 3})
    record = whole_run(config, tmp_path / "runs", tmp_path / "data", progress=False)
    used = finished(config).memory["used"]
    (picture,) = [
        one
        for one in figures.pictures("s", groups([record | {"label": "feedback", "row": 0}]))
        if one.figure is schedules
    ]
    rows = list(csv.DictReader(io.StringIO(picture.csv)))
    drawn = [(float(row["fraction"]) * len(used), float(row["weight"])) for row in rows]
    np.testing.assert_allclose(between(drawn, range(len(used))), used, atol=1e-4)
    assert len({weight for _, weight in drawn}) > 5


def test_a_method_that_stops_logging_its_weight_has_the_schedules_again(tmp_path: Path) -> None:
    body = FEEDBACK.replace("run.log(weight=weight", "run.step < 5 and run.log(weight=weight")
    run = finished(made(tmp_path, body))
    assert run.weights[:5].tolist() == run.memory["used"][:5]
    assert (run.weights[5:] == 1).all()
    assert ["target" in point for point in run.curve] == [True, False]  # none since the first


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("kl=1.0", r"run\.log\(kl=\.\.\.\): the curve already has a kl; choose another name"),
        ("step=1", r"run\.log\(step=\.\.\.\): the curve already has a step; choose another name"),
        ("z_use=1.0", r"the curve already has a z_use"),
        ("much=float('nan')", r"run\.log\(much=\.\.\.\) at step 3: nan is not a finite number"),
        ("much=float('inf')", r"inf is not a finite number"),
        ("much=1e150", r"1e\+150 is not a finite number"),
        ("weight=float('nan')", r"run\.log\(weight=\.\.\.\) at step 3: nan is not a finite number"),
        ("much='a lot'", r"'a lot' is not a finite number"),
        ("much='0.5'", r"'0.5' is not a finite number"),
        ("much=None", r"None is not a finite number"),
        ("much=out.kl", r"is not a finite number"),
    ],
)
def test_what_cannot_be_logged_is_one_clear_line(tmp_path: Path, given: str, said: str) -> None:
    body = FEEDBACK.replace("run.log(", f"run.step == 3 and run.log({given})\n        run.log(")
    config = made(tmp_path, body)
    with pytest.raises(UserError, match=f"^{config.id}: .*{said}") as caught:
        finished(config)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_tensor_of_one_number_can_be_logged(tmp_path: Path) -> None:
    body = FEEDBACK.replace("run.log(", "run.log(mean=out.kl.mean())\n        run.log(")
    run = finished(made(tmp_path, body))
    assert all(type(point["mean"]) is float for point in run.curve)
    assert torch.tensor([point["mean"] for point in run.curve]).isfinite().all()
