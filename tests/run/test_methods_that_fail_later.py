"""What fails after the first step, and methods that are right in unusual ways."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_wrong_methods import data as data
from test_wrong_methods import method
from test_wrong_methods import pcbench as pcbench
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.model import checkpoint
from benchmark.run import contract, failures
from benchmark.run.session import run
from benchmark.run.training import Training


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "def before_step(self, run):\n    if run.step == 3:\n        run.model.mean()",
            "m.py:34: before_step raised AttributeError: 'TextVAE' object has no attribute 'mean'",
        ),
        (
            "def after_eval(self, run, metrics):\n    run.memory['x'] = self._of(metrics)\n"
            "def _of(self, metrics):\n    return metrics['mutual']",
            "m.py:35: after_eval raised KeyError: 'mutual'",
        ),
        (
            "def objective(self, run, out):\n"
            "    loss = super().objective(run, out)\n"
            "    return loss * float('nan') if run.step == 3 else loss",
            "m.py: objective returned nan at step 3, although the reconstruction, ",
        ),
    ],
    ids=["before_step", "after_eval", "objective"],
)
def test_what_fails_later_is_put_down_to_the_hook(
    body: str, message: str, pcbench: Callable[[str], tuple[int, str]], tmp_path: Path
) -> None:
    code, said = pcbench(body)
    assert message in said
    assert "train.lr" not in said
    assert (code, said.count("\n")) == (2, 1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert failures.count(folder) == 1
    assert (folder / "error.txt").read_text() == said.removeprefix("pcbench: ")


def test_an_error_of_the_suite_is_not_put_down_to_the_method(
    pcbench: Callable[[str], tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def clip(self: Training) -> None:
        raise ZeroDivisionError("of the suite")

    monkeypatch.setattr(Training, "_clip", clip)
    with pytest.raises(ZeroDivisionError, match="of the suite"):
        pcbench("def weight(self, step, total):\n    return 0.5")


def test_a_gradient_that_is_not_finite_has_the_method_among_its_suspects(
    pcbench: Callable[[str], tuple[int, str]],
) -> None:
    code, said = pcbench(
        "def objective(self, run, out):\n"
        "    loss = super().objective(run, out)\n    return loss + (loss - loss).sqrt()"
    )
    assert code == 2
    assert "look at objective in " in said


def test_what_numpy_returns_is_a_weight(pcbench: Callable[[str], tuple[int, str]]) -> None:
    assert pcbench("def weight(self, step, total):\n    return np.float32(step / total)")[0] == 0


def test_methods_that_are_right_in_unusual_ways_pass(
    pcbench: Callable[[str], tuple[int, str]],
) -> None:
    body = """_KINDS: ClassVar[tuple] = ("a", "b")
share: float = 0.5
@cached_property
def _rate(self):
    return self.share / 2
@staticmethod
def _square(x):
    return x ** 2
def penalty(self, kl):
    return self._square((kl.sum(-1) - kl.sum(-1).median()) * self._rate) + kl.sum(-1)
def before_step(self, run):
    run.memory["scale"] = 1.0
def inputs(self, tokens, generator=None):
    return tokens.int()
def objective(self, run, out):
    run.log(rec=float(out.rec.mean().detach())) if False else None
    return run.memory["scale"] * out.rec.mean() + run.annealer(run.criterion.penalty(out.kl).mean())
"""
    assert pcbench(body) == (0, "")


@pytest.mark.parametrize("name", ["batch_norm_mean", "dispersed", "word_dropout"])
def test_the_check_changes_no_bit_of_a_run(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def results(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], list[str]]:
        config = tiny.config(name)
        record = run(config, folder, data, progress=False)
        weights = checkpoint.load(folder / config.id / "best.pt")["weights"]
        files = sorted(path.name for path in (folder / config.id).iterdir())
        numbers = {key: record[key] for key in record.keys() - {"cost", "digest", "provenance"}}
        return numbers, weights, files

    checked = results(tmp_path / "with")
    monkeypatch.setattr(contract, "check", lambda *arguments: None)
    assert tiny.same(checked, results(tmp_path / "without"))


def test_the_check_leaves_all_global_generators_and_the_method_as_they_are(tmp_path: Path) -> None:
    def states() -> tuple[object, ...]:
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()

    path = method(tmp_path, "def weight(self, step, total):\n    return random.random()")
    config = tiny.config("m", file=str(path))
    before, made = states(), config.method()
    for each in (config, tiny.config("batch_norm_mean")):
        with suppress(UserError):
            contract.check(each, tiny.corpus(), torch.device("cpu"))
    assert states() == before
    assert config.method() is made
