"""The learning rate as an axis of its own, and phases: what each resets, and what it must not."""

import math
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

import benchmark.run.training
from benchmark.core.errors import UserError
from benchmark.core.settings import TrainConfig
from benchmark.model import checkpoint
from benchmark.model.learning_rate import LearningRate, restarted
from benchmark.sweep import study

HALVING = {"lr_schedule": "halving", "patience": 2, "halve_from": 0, "halvings": 3}


def verdicts(rate: LearningRate, losses: list[float]) -> list[str]:
    return [rate.decide(loss, {"of": i}) for i, loss in enumerate(losses)]


def test_restarts_have_the_mean_of_the_constant_row() -> None:
    found = [restarted(1e-3, epoch, 10) for epoch in range(40)]
    assert found[:10] == found[10:20] == found[30:]
    assert found[0] == 1e-3
    assert found[5] == pytest.approx(0.5e-3, rel=1e-12)
    assert math.fsum(found) / 40 == pytest.approx(5.5e-4, rel=1e-12)


def test_weight_1_has_27_percent_of_their_cyclical_training_and_78_of_the_other() -> None:
    """What Fu et al.'s code does, weighted by learning rate, with their warm-ups."""
    run = tiny.config("cyclical", params={"cycles": 4, "ratio": 0.45, "floor": 0.1}).method()
    at_one = [run.weight(10 * e + i, 400) == 1 for e in range(40) for i in range(10)]
    rates = [restarted(1e-3, e, 10) for e in range(40) for _ in range(10)]
    cyclical = math.fsum(r for r, one in zip(rates, at_one, strict=True) if one) / math.fsum(rates)
    assert cyclical == pytest.approx(0.27, abs=0.005)
    slow = tiny.config("monotonic", params={"warmup": 9 / 40, "floor": 0.1}).method()
    assert sum(slow.weight(step, 400) == 1 for step in range(400)) == 310  # 77.5 %


def test_halving_waits_for_patience_and_brings_the_best_back() -> None:
    rate = LearningRate(TrainConfig(lr=1.0, **HALVING), settled=0)  # type: ignore[arg-type]
    assert verdicts(rate, [5, 4, 4.5, 4.1]) == ["go on", "go on", "go on", "halve"]
    assert (rate.at(0, 1), rate.weights, rate.stalled) == (0.5, {"of": 1}, 0)
    assert verdicts(rate, [4.2, 3.9, 4.0, 3.9]) == ["go on", "go on", "go on", "halve"]
    assert (rate.at(0, 1), rate.weights) == (0.25, {"of": 1})
    assert verdicts(rate, [9, 9]) == ["go on", "stop"]


def test_after_a_halving_the_loss_that_caused_it_is_to_be_beaten() -> None:
    """As He et al.'s code has it; what comes back is the best of all nonetheless."""
    rate = LearningRate(TrainConfig(lr=1.0, **HALVING), settled=0)  # type: ignore[arg-type]
    assert verdicts(rate, [4, 5, 6]) == ["go on", "go on", "halve"]
    assert verdicts(rate, [5.5, 5.6, 5.4, 5.5, 5.5]) == [*["go on"] * 4, "halve"]
    assert (rate.weights, rate.best) == ({"of": 0}, 4)
    state = {k: v for k, v in rate.state_dict().items() if k != "bar"}  # of before it was kept
    again = LearningRate(rate.config, settled=0)
    again.load_state_dict(state)
    assert (again.bar, again.at(0, 1)) == (4, 0.25)


def test_halving_does_not_begin_early() -> None:
    late = LearningRate(TrainConfig(**{**HALVING, "halve_from": 5}), settled=0)  # type: ignore[arg-type]
    assert verdicts(late, [1.0] * 6) == [*["go on"] * 5, "halve"]
    unsettled = LearningRate(TrainConfig(**HALVING), settled=4)  # type: ignore[arg-type]
    losses = [1.0, 9.0, 9.0, 9.0, 8.0, 8.5, 7.0, 7.5, 7.5]
    assert verdicts(unsettled, losses) == [*["go on"] * 8, "halve"]
    assert unsettled.weights == {"of": 6}  # not 0, which is better and belongs to another weight


class Scripted:
    """Validation whose bound is told beforehand; the rest of training is real."""

    def __init__(self, losses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        self.losses, self.seen = losses, []  # type: ignore[var-annotated]
        monkeypatch.setattr(benchmark.run.training, "validate", self)

    def __call__(self, model: Any, split: Any, prior: bool) -> dict[str, Any]:
        self.seen.append({k: v.clone() for k, v in model.state_dict().items()})
        loss = self.losses[len(self.seen) - 1]
        return {"rec": loss, "kl": 0.0, "neg_elbo": loss, "mi": 0.0, "au": 0, "z_use": 0.0}


def test_halving_never_undoes_a_cyclical_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of all epochs lies in the first cycle; patience knows the last hold alone."""
    script = Scripted([10, 1, 10, 10, 10, 10, 10, 10, 9, 9.5], monkeypatch)
    train = {**HALVING, "patience": 1, "epochs": 10}
    run = tiny.training(tiny.config("cyclical", params={"cycles": 2, "ratio": 0.4}, train=train))
    assert run.phases[0].settled == 7  # the second cycle rises in epochs 6 and 7
    tiny.advance(run)
    assert [point["lr"] for point in run.curve] == [0.002] * 10
    assert run.rate.at(0, 1) == 0.001  # halved after the last epoch alone
    assert tiny.same(run.model.state_dict(), script.seen[8])
    assert tiny.same(run.best["weights"], script.seen[1])


def test_a_halving_reloads_renews_and_is_kept_by_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = Scripted([5, 4, 6, 6, 3, 3], monkeypatch)
    run = tiny.training(tiny.config("none", train={**HALVING, "epochs": 6}))
    tiny.until(run, run.epochs.ends[3])
    assert tiny.same(run.model.state_dict(), script.seen[1])
    assert run.optimiser.state_dict()["state"] == {}
    checkpoint.save(tmp_path / "checkpoint.pt", run.state())
    again = tiny.training(run.config)
    again.load_state(checkpoint.load(tmp_path / "checkpoint.pt"))
    tiny.advance(run)
    script.seen = script.seen[:4]
    tiny.advance(again)
    assert tiny.same(run.state(), again.state())
    assert [point["lr"] for point in run.curve] == [0.002] * 4 + [0.001] * 2


def test_the_last_halving_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted([1, 2, 2, 2, 2, 2], monkeypatch)
    run = tiny.training(tiny.config("none", train={**HALVING, "patience": 1, "epochs": 9}))
    tiny.advance(run)
    assert len(run.curve) == 4
    assert (run.step, run.updates["decoder"]) == (run.total_steps, run.epochs.ends[3])
    assert run.best["step"] == run.epochs.ends[0]


def test_a_phase_resets_best_patience_rate_and_optimiser(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Scripted([3, 1, 2, 2, 9, 8, 7, 7], monkeypatch)
    train = {**HALVING, "patience": 1, "halvings": 2, "epochs": 12}
    params = {"pretraining": 0.5, "warmup": 0.25}
    run = tiny.training(tiny.config("pretrained_free_bits", params=params, train=train))
    first = run.phases[0]
    assert (first.begin, first.end, run.phases[1].settled) == (0, 6, 3)
    tiny.until(run, run.epochs.ends[first.end - 1])
    # Two halvings end the first phase after its fourth epoch; the next begins where it would have.
    assert (len(run.curve), run.epoch, run.phase) == (4, 6, 1)
    assert run.curve[3]["lr"] == 0.001
    assert run.annealer.weight == run.baseline.weight(run.step, run.total_steps) == 0
    assert run.best["loss"] == math.inf
    assert (run.rate.at(0, 1), run.rate.halvings, run.rate.best) == (0.002, 0, math.inf)
    assert run.optimiser.state_dict()["state"] == {}
    encoder = {k: v for k, v in run.model.state_dict().items() if not k.startswith("decoder")}
    assert tiny.same(encoder, {k: script.seen[1][k] for k in encoder})  # its best, not its last


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_phase_lasts_an_epoch_at_least(epochs: int) -> None:
    config = tiny.config("pretrained_free_bits", train={"epochs": epochs})
    if epochs == 1:
        with pytest.raises(UserError, match="2 phases need more than 1 epoch"):
            tiny.training(config)
    else:
        assert [phase.begin for phase in tiny.training(config).phases] == [0, 1]


@pytest.mark.parametrize(
    ("part", "epochs", "ends"), [(0.37, 10, 3), (0.5, 5, 2), (10 / 15, 15, 10), (0.5, 4, 2)]
)
def test_no_step_of_a_phase_has_the_weight_of_the_next(part: float, epochs: int, ends: int) -> None:
    params, train = {"pretraining": part, "warmup": 0.1}, {"epochs": epochs}
    for data in (tiny.SPEC, tiny.SPEC + ",fresh=true"):  # there epochs differ in steps
        for seed in range(3):
            config = tiny.config("pretrained_free_bits", seed, params, data, train=train)
            run = tiny.training(config)
            steps = range(run.epochs.ends[run.phases[0].end - 1])
            assert {run.baseline.weight(step, run.total_steps) for step in steps} == {0.0}
            assert run.phases[0].settled == 0
            assert run.phases[0].end == ends or (
                data != tiny.SPEC and run.phases[0].end == ends - 1
            )


def test_pretraining_and_warmup_may_fill_training() -> None:
    params = {"pretraining": "9 epochs", "warmup": "1 epoch"}  # 1 - 0.9 is below 0.1
    tiny.config("pretrained_free_bits", params=params, train={"epochs": 10})
    with pytest.raises(UserError, match="fit into what pretraining leaves"):
        tiny.config("pretrained_free_bits", params={"pretraining": 0.9, "warmup": 0.11})


def test_a_checkpoint_of_another_version_is_told(tmp_path: Path) -> None:
    run = tiny.training(tiny.config())
    state = {k: v for k, v in run.state().items() if k != "rate"}
    with pytest.raises(UserError, match=r"lacks 'rate'.*delete checkpoint\.pt"):
        run.load_state(state)


def test_a_row_may_have_its_own_settings(tmp_path: Path) -> None:
    """The confound's six rows: two schedules, three learning rates."""
    (tmp_path / "confound.toml").write_text(
        f"""
[study]
data = ["{tiny.SPEC}"]
seeds = [0]
preset = "fu2019_ptb"
[train]
epochs = 20
[[baseline]]
name = "cyclical"
[[baseline]]
name = "cyclical"
label = "restarted"
train = {{lr_schedule = "cosine_restarts", restart_epochs = 5}}
[[baseline]]
name = "cyclical"
label = "low"
train = {{lr = 5.5e-4}}
model = {{dropout = 0.2}}
"""
    )
    plain, other, low = (run.config for run in study.load(tmp_path / "confound.toml").configs)
    assert len({plain.id, other.id, low.id}) == 3
    assert (other.train.epochs, other.train.lr_schedule) == (20, "cosine_restarts")
    assert (low.train.lr, low.train.epochs, low.model.dropout) == (5.5e-4, 20, 0.2)
    assert plain.train == TrainConfig(epochs=20)


def test_a_rows_settings_are_read_strictly(tmp_path: Path) -> None:
    head = '[study]\ndata = ["exact"]\nseeds = [0]\n[[baseline]]\nname = "none"\n'
    for line, message in (
        ("train = {ecpochs = 3}", "train.ecpochs: unknown key; did you mean 'epochs'"),
        ("train = 3", "baseline 1.train: 3 is not a table"),
    ):
        (tmp_path / "one.toml").write_text(head + line)
        with pytest.raises(UserError, match=message):
            study.load(tmp_path / "one.toml")


def test_the_curve_shows_the_rate_of_each_epoch() -> None:
    run = tiny.training(
        tiny.config(train={"lr_schedule": "cosine_restarts", "restart_epochs": 2, "epochs": 4})
    )
    seen: list[float] = []
    run.train(lambda: seen.append(run.optimiser.param_groups[0]["lr"]))
    assert [point["lr"] for point in run.curve] == pytest.approx([0.002, 0.001, 0.002, 0.001])
    inside = [seen[begin] for begin in (0, *run.epochs.ends[:-1])]
    assert inside == [point["lr"] for point in run.curve]


def test_sgd_takes_a_plain_step() -> None:
    """w - lr g, the gradient clipped over all parameters."""
    run = tiny.training(tiny.config(train={"optimiser": "sgd", "lr": 0.5, "clip": 0.1}))
    before = {k: v.clone() for k, v in run.model.named_parameters()}
    tokens = run.epochs.batch(0, 0)
    noise = run.noise.get_state()
    loss, _ = run.loss(tokens)
    grads = torch.autograd.grad(loss, list(run.model.parameters()))
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in grads))
    assert norm > 0.1
    run.noise.set_state(noise)
    run.update(tokens)
    for (key, value), grad in zip(run.model.named_parameters(), grads, strict=True):
        torch.testing.assert_close(
            value, before[key] - 0.5 * 0.1 / norm * grad, rtol=1e-4, atol=1e-7
        )
