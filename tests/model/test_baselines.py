"""The contract that every baseline keeps, and what a new file may and may not change.

Every file found in ``baselines/`` is tested; nothing need be written here for a new one.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from benchmark.model import checkpoint, registry
from benchmark.model.baseline import Baseline
from benchmark.run import contract
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import evaluate
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
NAMES = registry.names()
every = pytest.mark.parametrize("name", NAMES)


@every
def test_tells_its_source(name: str) -> None:
    module = sys.modules[registry.load(name).__module__]
    source = (module.__doc__ or "").partition("Source: ")[2]
    assert re.search(r"\b(19|20)\d\d\b", source), "title and year after 'Source: '"
    assert re.search(r"arXiv \d{4}\.\d{4,5}|doi|https?://|Proceedings|Journal", source)
    assert registry.describe(name) == (module.__doc__ or "").splitlines()[0]


@every
def test_is_a_frozen_dataclass_with_defaults(name: str) -> None:
    cls = registry.load(name)
    method = cls()
    assert isinstance(method, Baseline)
    assert cls.__mro__[1] is Baseline  # final, no parent but the seam
    assert type(cls.version) is int
    assert cls.version >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.version = 2  # type: ignore[misc]


@every
def test_weight_is_a_pure_function_of_the_step(name: str) -> None:
    rng = np.random.default_rng(0)
    for total in (1, 2, 7, 300, 10_000):
        steps = sorted({0, total // 2, total - 1, total, *rng.integers(0, total, 40).tolist()})
        method = registry.load(name)()
        forwards = {step: method.weight(step, total) for step in steps}
        shuffled = rng.permutation(steps).tolist()
        assert {step: method.weight(step, total) for step in shuffled} == forwards
        assert {step: registry.load(name)().weight(step, total) for step in steps} == forwards
        contract.Contract(tiny.config(name), torch.device("cpu")).check_weight(total)


@every
def test_each_hook_returns_what_a_run_checks(name: str) -> None:
    for params in [{}, *other_values(registry.load(name))]:
        for precision in ("fp32", "bf16"):
            config = tiny.config(name, params=params, precision=precision)
            contract.check(config, tiny.corpus(), torch.device("cpu"))


@every
def test_five_steps_change_every_parameter_and_keep_it_finite(name: str) -> None:
    run = tiny.training(tiny.config(name))
    before = {key: value.clone() for key, value in run.model.named_parameters()}
    tiny.until(run, 5)
    assert run.step == 5
    for key, value in run.model.named_parameters():
        assert torch.isfinite(value).all(), key
        assert not torch.equal(value, before[key]), key


def other_values(cls: type[Baseline]) -> list[dict[str, Any]]:
    """For each hyper-parameter a table with another value of it than the default."""
    tables = []
    hints = typing.get_type_hints(cls)
    for key, value in dataclasses.asdict(cls()).items():
        if isinstance(value, bool):
            options: list[Any] = [not value]
        elif isinstance(value, str):
            options = list(typing.get_args(hints[key]))
        else:
            options = [value / 2, value + 0.5] if isinstance(value, float) else [value + 1]
        for option in options:
            try:
                cls(**{key: option})
            except ValueError:
                continue
            if option != value:
                tables.append({key: option})
                break
    return tables


def toml(head: str, table: dict[str, Any]) -> str:
    return "\n".join([head, *(f"{key} = {json.dumps(table[key])}" for key in table)]) + "\n"


@every
def test_survives_a_study_file(name: str, tmp_path: Path) -> None:
    cls = registry.load(name)
    plain = tiny.config(name)
    for params in [{}, dataclasses.asdict(cls()), *other_values(cls)]:
        head = {"data": [tiny.SPEC], "seeds": [0], "preset": tiny.PRESET}
        tables = {
            "[study]": head,
            "[model]": tiny.MODEL,
            "[train]": tiny.TRAINING,
            "[evaluate]": tiny.EVALUATE,
            "[[baseline]]": {"name": name, **params},
        }
        (tmp_path / "one.toml").write_text("".join(toml(*table) for table in tables.items()))
        (found,) = study.load(tmp_path / "one.toml").configs
        assert found.config == tiny.config(name, params=params)
        assert found.config.method() == cls(**params)
        assert (found.id == plain.id) == (cls(**params) == cls())


@every
def test_resumes_to_the_bit(name: str, tmp_path: Path) -> None:
    whole = tiny.training(tiny.config(name))
    tiny.advance(whole)
    first = tiny.training(tiny.config(name))
    middle = whole.epochs.ends[0] + 3
    tiny.until(first, middle)
    checkpoint.save(tmp_path / "checkpoint.pt", first.state())
    second = tiny.training(tiny.config(name))
    second.load_state(checkpoint.load(tmp_path / "checkpoint.pt"))
    assert second.step == middle
    tiny.advance(second)
    assert second.step == whole.total_steps
    assert tiny.same(second.state(), whole.state())
    assert measured(second) == measured(whole)


def measured(run: Any) -> dict[str, Any]:
    run.model.eval()
    test = Measured("test", run.corpus.splits["test"], run.config.seed, run.device)
    prior = run.baseline.selection_weight > 0
    return evaluate(run.model, run.corpus, test, 10, 12, prior)[0]


def ids() -> dict[str, str]:
    return {name: tiny.config(name).id for name in registry.names()}


def test_ids_are_the_same_in_another_process() -> None:
    source = "import json, test_baselines; print(json.dumps(test_baselines.ids()))"
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONHASHSEED": "12345",
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "tests" / "tools"), str(Path(__file__).parent)]
            ),
        },
    )
    assert json.loads(done.stdout) == ids() == ids()
    assert len(set(ids().values())) == len(NAMES)
