"""A run from its config to its record: refused, measured, kept, loaded again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from benchmark import data as corpora
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.model import checkpoint, registry
from benchmark.run import claims
from benchmark.run.config import RunConfig
from benchmark.run.finished import load_run
from benchmark.run.session import run

ROOT = Path(__file__).parents[2]
BASELINE = "cyclical"
# A baseline that sends its own process a signal, or ruins itself, at a step, the first time only.
ONCE = '''"""A baseline for a test."""
import os, pathlib, signal
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

@dataclass(frozen=True)
class Once(Baseline):
    def before_step(self, run):
        here = pathlib.Path(__file__)
        for order in sorted(here.parent.glob("at_*")):
            _, step, number = order.name.split("_")
            if int(step) == run.step:
                order.unlink()
                os.kill(os.getpid(), int(number))
    def objective(self, run, out):
        loss = super().objective(run, out)
        if (pathlib.Path(__file__).parent / f"ruin_{run.step}").exists():
            return loss + (loss - loss).sqrt()
        return loss
'''
KILL = """
import sys
from pathlib import Path
import tiny, test_run
test_run.Place(Path(sys.argv[1])).run(test_run.once(Path(sys.argv[1])), checkpoint_seconds=0.0)
"""


class Place:
    """Folders of runs and data, and a way to run there."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs, self.data = root, root / "runs", root / "data"

    def run(self, config: RunConfig, **options: Any) -> dict[str, Any]:
        return run(config, self.runs, self.data, progress=False, **options)

    def folder(self, config: RunConfig) -> Path:
        return self.runs / config.id

    def log(self, config: RunConfig) -> list[dict[str, Any]]:
        lines = (self.folder(config) / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared once."""
    root = tmp_path_factory.mktemp("data")
    corpora.load(tiny.SPEC, root)
    return root


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    (tmp_path / "data").symlink_to(data)
    return Place(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Place, RunConfig]:
    """A finished run; tests only read it."""
    root = tmp_path_factory.mktemp("done")
    (root / "data").symlink_to(data)
    found = Place(root)
    found.run(tiny.config(BASELINE))
    return found, tiny.config(BASELINE)


def once(root: Path) -> RunConfig:
    path = root / "once.py"
    if not path.exists():
        path.write_text(ONCE)
    return tiny.config("once", file=str(path))


def expected(data: Path, root: Path) -> dict[str, Any]:
    """The metrics of the same run undisturbed."""
    (root / "twin").mkdir()
    (root / "twin" / "data").symlink_to(data)
    twin = Place(root / "twin")
    metrics: dict[str, Any] = twin.run(once(root))["metrics"]
    return metrics


def test_a_finished_run_leaves_its_record_and_its_best_weights(
    done: tuple[Place, RunConfig],
) -> None:
    place, config = done
    folder = place.folder(config)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.pt", "config.json", "log.jsonl", "record.json", "sentences.npz"
    ]  # fmt: skip
    found = records.read(folder / "record.json")
    assert found["id"] == folder.name == config.id
    assert RunConfig.from_dict(found["config"]).id == config.id
    assert json.loads((folder / "config.json").read_text()) == config.to_dict()
    twin = tiny.training(config)
    tiny.advance(twin)  # the same training outside a run
    assert found["metrics"]["valid"] == twin.best["metrics"]
    assert found["curve"] == twin.curve == place.log(config)
    assert (found["best_step"], found["steps"]) == (twin.best["step"], twin.total_steps)
    assert found["updates"] == {**twin.updates, "passes": 2.0}
    assert found["parameters"] == sum(value.numel() for value in twin.model.parameters())
    test = tiny.corpus().splits["test"]
    assert found["data"]["test_sentences"] == len(test)
    assert found["data"]["test_tokens"] == int(test.lengths.sum())
    assert found["data"]["sha256"] == corpora.find(tiny.SPEC).identity
    assert found["provenance"]["resumed"] == 0
    assert found["metrics"]["last"]["iw_nll"] is None
    assert found["metrics"]["test"]["recovered"] <= np.log(4)
    with np.load(folder / "sentences.npz", allow_pickle=False) as arrays:
        assert {name: arrays[name].shape for name in arrays.files} == dict.fromkeys(
            ["rec", "kl", "iw_nll"], (len(test),)
        )
        for name in ("rec", "kl", "iw_nll"):
            assert arrays[name].dtype == np.float32
            mean = float(arrays[name].mean(dtype=float))
            assert mean == pytest.approx(found["metrics"]["test"][name], rel=1e-6)


def test_a_record_is_never_written_over(done: tuple[Place, RunConfig]) -> None:
    place, config = done
    before = {path.name: path.read_bytes() for path in place.folder(config).iterdir()}
    with pytest.raises(UserError, match=r"record\.json: a record exists already and is kept"):
        place.run(config)
    assert {path.name: path.read_bytes() for path in place.folder(config).iterdir()} == before


def test_a_finished_run_can_be_loaded_and_measured_again(done: tuple[Place, RunConfig]) -> None:
    place, config = done
    before = {path.name: path.stat().st_mtime_ns for path in place.folder(config).iterdir()}
    loaded = load_run(config.id, place.runs, place.data)
    assert loaded.config == config
    assert loaded.vocabulary.words == tiny.corpus().vocabulary.words
    assert not loaded.model.training
    assert loaded.vocabulary.decode(loaded.model.generate(torch.zeros(1, 3), 5)[0])
    found = load_run(config.id, place.runs, place.data).measure()[0]
    metrics = records.read(place.folder(config) / "record.json")["metrics"]["test"]
    assert found == metrics
    after = {path.name: path.stat().st_mtime_ns for path in place.folder(config).iterdir()}
    assert after == before


def test_the_best_weights_are_measured_and_kept_not_the_last(place: Place) -> None:
    source = ONCE.replace(
        "        return loss\n", "        return loss if run.epoch < 1 else -loss\n"
    )
    (place.root / "ruin.py").write_text(source.replace("Once", "Ruin"))
    config = tiny.config("ruin", file=str(place.root / "ruin.py"), train={"lr": 0.02})
    found = place.run(config, keep="all")
    assert found["best_step"] == found["steps"] / 2
    best, last = found["metrics"]["test"], found["metrics"]["last"]
    assert last["neg_elbo"] > best["neg_elbo"] + 0.1
    assert load_run(config.id, place.runs, place.data).measure()[0] == best
    half = tiny.training(config)
    tiny.until(half, found["best_step"])
    folder = place.folder(config)
    assert tiny.same(checkpoint.load(folder / "best.pt")["weights"], dict(half.model.state_dict()))
    assert not tiny.same(*(checkpoint.load(folder / name) for name in ("best.pt", "last.pt")))


def test_what_cannot_be_loaded_is_told(place: Place) -> None:
    with pytest.raises(UserError, match=r"no run 'absent'; none of the 0 ids there is like it"):
        load_run("absent", place.runs, place.data)
    config = tiny.config(BASELINE, train={"epochs": 1})
    place.run(config, keep="none")
    assert not list(place.folder(config).glob("*.pt"))
    with pytest.raises(UserError, match="used --keep none"):
        load_run(config.id, place.runs, place.data)
    for content, message in (
        ("{}", r"config\.json: data: missing"),
        ("{", r"config\.json cannot be read"),
    ):
        (place.folder(config) / "config.json").write_text(content)
        with pytest.raises(UserError, match=message):
            load_run(config.id, place.runs, place.data)


def test_all_weights_can_be_kept(place: Place) -> None:
    config = tiny.config("lstm_lm", train={"epochs": 1})
    place.run(config, keep="all")
    twin = tiny.training(config)
    tiny.advance(twin)
    last = checkpoint.load(place.folder(config) / "last.pt")["weights"]
    assert tiny.same(last, dict(twin.model.state_dict()))


def test_another_process_at_the_run_is_left_alone(place: Place) -> None:
    config = tiny.config(BASELINE)
    with claims.claim(place.folder(config)), pytest.raises(claims.Claimed):
        place.run(config)
    assert list(place.folder(config).iterdir()) == []


@pytest.mark.parametrize("name", ["config.json", "log.jsonl", "checkpoint.pt", "evaluation"])
def test_what_cannot_be_written_is_one_clear_line(place: Place, name: str) -> None:
    """A full disk: every write of one file fails; nothing else is lost."""
    config = once(place.root)
    folder = place.folder(config)
    folder.mkdir(parents=True)
    if name == "log.jsonl":
        (folder / name).symlink_to("/dev/full")
    elif name == "evaluation":
        (folder / name).touch()
    else:
        (folder / name).mkdir()
    with pytest.raises(UserError) as caught:
        place.run(config)
    said = str(caught.value)
    assert str(folder / name) in said
    assert "cannot be " in said
    assert "\n" not in said
    assert not (folder / "record.json").exists()
    assert not list(folder.glob("claim-*"))
    assert not list(folder.glob(".*.tmp"))


def test_runs_below_a_file_are_refused(place: Place) -> None:
    (place.root / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        place.run(tiny.config(BASELINE))
    assert (place.root / "runs").read_text() == "a file"


def test_an_unknown_device_is_one_clear_line(place: Place, done: tuple[Place, RunConfig]) -> None:
    for name in ("cudda", "cuda:99"):
        with pytest.raises(UserError, match=f"--device {name}: cannot be used"):
            place.run(tiny.config(BASELINE), device=name)
        with pytest.raises(UserError, match=f"--device {name}: cannot be used"):
            load_run(done[1].id, done[0].runs, done[0].data, device=name)


def test_metrics_do_not_depend_on_checkpoints_or_progress(
    place: Place, done: tuple[Place, RunConfig]
) -> None:
    found = place.run(done[1], checkpoint_seconds=0.0)
    metrics = records.read(done[0].folder(done[1]) / "record.json")["metrics"]
    assert found["metrics"] == metrics


def test_a_run_goes_on_with_the_method_that_it_began_with(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = once(place.root)
    (place.root / "ruin_6").touch()
    with pytest.raises(UserError, match="no longer finite"):
        place.run(config, checkpoint_seconds=0.0)
    (place.root / "ruin_6").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(registry, "digest", lambda name, file=None: "of an edited file")
        with pytest.raises(UserError, match=r"once\.py changed since this run began; restore it"):
            place.run(once(place.root))
    assert place.run(config)["provenance"]["resumed"] == 1
