"""Cooldown: falls to zero by the step alone, the same in all rows of a table."""

from pathlib import Path
from typing import Any

import pytest
import tiny
from test_learning_rate import Scripted

from benchmark.core.errors import UserError
from benchmark.core.settings import TrainConfig
from benchmark.model.learning_rate import LearningRate, cooled
from benchmark.run.training import Training

LR = 0.002
COOLDOWN: dict[str, Any] = {"lr_schedule": "cooldown", "epochs": 4, "lr": LR}


def rates(run: Training) -> list[float]:
    """Train to the end; the rate that the optimiser had in each step."""
    found: list[float] = []
    tiny.advance(run, lambda: found.append(run.optimiser.param_groups[0]["lr"]))
    return found


def known(step: int, total: int, share: float) -> float:
    """Constant, then a straight line through (total, 0)."""
    begin = (1 - share) * total
    return LR if step <= begin else LR * (total - step) / (total - begin)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9, 1.0])
def test_each_step_has_the_rate_of_the_closed_form(share: float) -> None:
    run = tiny.training(tiny.config(train={**COOLDOWN, "cooldown": share}))
    total = run.total_steps
    found = rates(run)
    assert found == pytest.approx([known(step, total, share) for step in range(total)], rel=1e-9)
    assert found[0] == LR
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(LR / (share * total), rel=1e-9)  # never 0 in training
    assert [point["lr"] for point in run.curve] == [found[point["step"] - 1] for point in run.curve]


def test_half_is_the_default() -> None:
    assert TrainConfig().cooldown == 0.5
    assert [cooled(1.0, step, 4, 0.5) for step in range(5)] == [1.0, 1.0, 1.0, 0.5, 0.0]
    rate = LearningRate(TrainConfig(lr=LR, lr_schedule="cooldown"), settled=0)
    assert [rate.at(step, 4) for step in range(4)] == [LR, LR, LR, LR / 2]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_the_rate_is_the_one_that_moves_the_weights(optimiser: str) -> None:
    """A step at a quarter of the rate moves every weight a quarter as far."""
    moved = []
    for schedule in ("constant", "cooldown"):
        train = {**COOLDOWN, "lr_schedule": schedule, "optimiser": optimiser, "cooldown": 1.0}
        run = tiny.training(tiny.config(train=train))
        run.step = run.total_steps * 3 // 4
        before = run.model.decoder.output.weight.detach().double().clone()
        run.update(run.epochs.batch(0, 0))
        moved.append((run.model.decoder.output.weight.detach().double() - before).norm().item())
    assert moved[1] == pytest.approx(moved[0] / 4, rel=1e-3)


def test_all_rows_share_it_whatever_validation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name, losses in (("none", [4, 3, 2, 1]), ("cyclical", [1, 9, 9, 9]), ("lstm_lm", [5] * 4)):
        with monkeypatch.context() as patch:
            Scripted(losses, patch)
            found.append(rates(tiny.training(tiny.config(name, train={**COOLDOWN, "patience": 1}))))
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) > 10


def test_a_second_phase_does_not_begin_it_anew() -> None:
    """Patience, best and optimiser begin anew, the rate goes on by the global step."""
    params = {"pretraining": 0.5, "warmup": 0.25}
    run = tiny.training(tiny.config("pretrained_free_bits", params=params, train=COOLDOWN))
    assert len(run.phases) == 2
    total, found = run.total_steps, rates(run)
    assert found == pytest.approx([known(step, total, 0.5) for step in range(total)], rel=1e-9)
    assert found == rates(tiny.training(tiny.config("none", train=COOLDOWN)))


@pytest.mark.parametrize("name", ["none", "pretrained_free_bits"])
def test_resumed_in_the_middle_no_bit_differs(name: str, tmp_path: Path) -> None:
    config = tiny.config(name, train=COOLDOWN)
    whole = tiny.training(config)
    tiny.advance(whole)
    ends = whole.epochs.ends
    for step in (3, ends[1], ends[1] + 3, whole.total_steps - 2):
        again = tiny.resumed(config, step, tmp_path)
        assert tiny.same(again.state() | {"seconds": 0}, whole.state() | {"seconds": 0})


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UserError, match=r"train\.cooldown: .* should be (greater|less) than"):
        tiny.config(train={**COOLDOWN, "cooldown": share})
