"""The training loop: paired batches, selection, what a step is, and a loss that is not finite."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.core.seeds import derive, generator
from benchmark.data.batches import Epochs
from benchmark.data.corpus import Split
from benchmark.data.exact import ExactLanguage
from benchmark.model.lowprecision import has_bf16
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import validate
from benchmark.run.result import CURVE_POINTS, thinned_curve
from benchmark.run.training import Training

FRESH = tiny.SPEC.replace("exact_small:", "exact_small:fresh=true,")
HEAD = '''"""A baseline for a test."""
import torch
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

@dataclass(frozen=True)
class Mine(Baseline):
'''


def own(folder: Path, body: str, name: str = "mine", **settings: Any) -> RunConfig:
    """A run of a baseline written here."""
    path = folder / f"{name}.py"
    path.write_text(HEAD + body)
    return tiny.config(name, file=str(path), **settings)


def batches(run: Training) -> list[Tensor]:
    """All batches in the order of training."""
    begins = [0, *run.epochs.ends]
    return [
        run.epochs.batch(epoch, position)
        for epoch, (begin, end) in enumerate(zip(begins, run.epochs.ends, strict=False))
        for position in range(end - begin)
    ]


def test_one_seed_gives_every_baseline_the_same_batches_and_weights() -> None:
    one, two = tiny.training(tiny.config("cyclical")), tiny.training(tiny.config("none"))
    other, lm = tiny.training(tiny.config("none", seed=1)), tiny.training(tiny.config("lstm_lm"))
    assert tiny.same(batches(one), batches(two))
    assert tiny.same(batches(one), batches(lm))
    assert not tiny.same(batches(one), batches(other))
    assert tiny.same(one.model.state_dict(), two.model.state_dict())
    assert torch.equal(one.noise.get_state(), two.noise.get_state())
    assert not tiny.same(one.model.state_dict(), other.model.state_dict())


def test_an_epoch_is_every_sentence_once_in_batches_of_one_length() -> None:
    run = tiny.training(tiny.config(train={"batch_size": 8}))
    split = tiny.corpus().splits["train"]
    all_of_them = sorted(tuple(split.sentence(i).tolist()) for i in range(len(split)))
    found, middle = batches(run), run.epochs.ends[0]
    for epoch in (found[:middle], found[middle:]):
        assert max(len(batch) for batch in epoch) == 8
        assert sorted(tuple(row) for batch in epoch for row in batch.tolist()) == all_of_them
    assert not tiny.same(found[:middle], found[middle:])  # another order
    assert run.total_steps == len(found) == run.epochs.ends[-1]
    tiny.advance(run)
    assert run.tokens == 2 * int(split.lengths.sum())
    assert run.updates == {"encoder": run.total_steps, "decoder": run.total_steps}


def test_fresh_sentences_differ_by_epoch_and_follow_the_seed() -> None:
    one, two = tiny.training(tiny.config(data=FRESH)), tiny.training(tiny.config(data=FRESH))
    found, middle = batches(one), one.epochs.ends[0]

    def rows(some: list[Tensor]) -> list[tuple[int, ...]]:
        return sorted(tuple(row) for batch in some for row in batch.tolist())

    assert len(rows(found[:middle])) == len(rows(found[middle:])) == 160
    assert rows(found[:middle]) != rows(found[middle:])
    assert tiny.same(batches(two), found)
    assert two.epochs.batch(0, 0).equal(found[0])  # back again
    assert rows(batches(tiny.training(tiny.config(data=FRESH, seed=1)))[:middle]) != rows(
        found[:middle]
    )
    tiny.advance(one)
    assert one.step == one.total_steps == len(found)
    assert [point["step"] for point in one.curve] == one.epochs.ends


def test_batches_are_a_function_of_seed_epoch_and_position() -> None:
    corpus, place = tiny.corpus(), torch.device("cpu")
    long = Epochs(corpus, 0, 5, 32, place)
    short = Epochs(corpus, 0, 3, 32, place)
    assert long.ends[:3] == short.ends
    for epoch, position in [(2, 4), (0, 1), (2, 3), (1, 0)]:
        assert long.batch(epoch, position).equal(short.batch(epoch, position))


def test_fresh_sentences_are_drawn_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches a method asks for: it would take most of the time."""
    drawn: list[int] = []
    draw = ExactLanguage.fresh

    def counted(self: ExactLanguage, seed: int, epoch: int) -> Split:
        drawn.append(epoch)
        return draw(self, seed, epoch)

    monkeypatch.setattr(ExactLanguage, "fresh", counted)
    run = tiny.training(tiny.config("aggressive", data=FRESH))
    planned = len(drawn)
    tiny.until(run, 3)
    assert run.updates["encoder"] > 20
    assert drawn[planned:] == [0]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_step_is_the_one_written_out(optimiser: str) -> None:
    """Gradient of rec + weight * KL, clipped as a whole, then Adam or SGD by their formulas."""
    lr = 0.01 if optimiser == "adam" else 0.5
    settings = {"optimiser": optimiser, "lr": lr, "clip": 0.7}
    run = tiny.training(tiny.config("monotonic", params={"warmup": 1}, train=settings))
    twin = tiny.training(tiny.config("monotonic", params={"warmup": 1}, train=settings))
    parameters = list(twin.model.parameters())
    mean = [torch.zeros_like(p) for p in parameters]
    square = [torch.zeros_like(p) for p in parameters]
    for step in range(3):
        out = twin.model(twin.epochs.batch(0, step), twin.noise)
        loss = out.rec.mean() + step / twin.total_steps * out.kl.sum(-1).mean()
        gradients = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
        assert norm > 0.7  # it does clip
        with torch.no_grad():
            for i, gradient in enumerate(gradients):
                clipped = gradient * 0.7 / norm
                if optimiser == "adam":
                    mean[i] = 0.9 * mean[i] + 0.1 * clipped
                    square[i] = 0.999 * square[i] + 0.001 * clipped**2
                    first = mean[i] / (1 - 0.9 ** (step + 1))
                    second = square[i] / (1 - 0.999 ** (step + 1))
                    clipped = first / (second.sqrt() + 1e-8)
                parameters[i] -= lr * clipped
    tiny.until(run, 3)
    for name, value in run.model.named_parameters():
        torch.testing.assert_close(value, twin.model.get_parameter(name), rtol=1e-4, atol=1e-5)
    assert run.annealer.weight == 3 / run.total_steps


def test_the_hooks_are_called(tmp_path: Path) -> None:
    run = tiny.training(
        own(
            tmp_path,
            "    def inputs(self, tokens, generator):\n"
            "        return torch.full_like(tokens, 1)\n"
            "    def penalty(self, kl):\n"
            "        return kl.sum(-1).clamp(min=3.0)\n"
            "    def before_step(self, run):\n"
            "        run.memory.setdefault('steps', []).append(run.step)\n"
            "    def after_eval(self, run, metrics):\n"
            "        run.memory.setdefault('mi', []).append((run.step, metrics['mi']))\n",
        )
    )
    tokens = run.epochs.batch(0, 0)
    noise = run.noise.get_state()
    loss, kl = run.loss(tokens)
    run.noise.set_state(noise)
    out = run.model(tokens, run.noise, torch.ones_like(tokens[:, :-1]))
    torch.testing.assert_close(loss, out.rec.mean() + out.kl.sum(-1).clamp(min=3.0).mean())
    torch.testing.assert_close(kl, out.kl.sum(-1).mean())
    tiny.advance(run)
    assert run.memory["steps"] == list(range(run.total_steps))
    assert run.memory["mi"] == [(point["step"], point["mi"]) for point in run.curve]


@pytest.mark.parametrize("selection", [1.0, 0.0, 0.5])
def test_the_best_weights_are_those_of_the_least_validation_loss(
    tmp_path: Path, selection: float
) -> None:
    """A schedule that ends in ruin: the best is found in the middle, by the selection weight."""
    run = tiny.training(
        own(
            tmp_path,
            f"    @property\n    def selection_weight(self):\n        return {selection}\n"
            "    def objective(self, run, out):\n"
            "        sign = 1 if run.step < 0.6 * run.total_steps else -1\n"
            "        return sign * (out.rec.mean() + 0.02 * out.kl.sum(-1).mean())\n",
            name=f"ruin{int(10 * selection)}",
            train={"epochs": 5, "lr": 0.01},
        )
    )
    seen: dict[int, dict[str, Tensor]] = {}

    def keep() -> None:
        if run.step in run.epochs.ends:
            seen[run.step] = {k: v.clone() for k, v in run.model.state_dict().items()}

    tiny.advance(run, keep)
    losses = {}
    for step, weights in seen.items():
        run.model.load_state_dict(weights)
        run.model.eval()
        valid = Measured("valid", tiny.corpus().splits["valid"], 0, torch.device("cpu"))
        found = validate(run.model, valid)
        losses[step] = found["rec"] + selection * found["kl"]
    best = min(losses, key=losses.__getitem__)
    assert best < run.total_steps
    assert run.best["step"] == best
    assert run.best["loss"] == losses[best]
    assert tiny.same(run.best["weights"], seen[best])
    metrics = run.best["metrics"]
    assert metrics["rec"] + selection * metrics["kl"] == losses[best]


def test_the_curve_has_a_point_for_every_validation() -> None:
    run = tiny.training(tiny.config("cyclical", train={"epochs": 3}))
    tiny.advance(run)
    assert [point["epoch"] for point in run.curve] == [1, 2, 3]
    for point in run.curve:
        assert point["weight"] == run.baseline.weight(point["step"] - 1, run.total_steps)
        assert point["neg_elbo"] == pytest.approx(point["rec"] + point["kl"], rel=1e-12)
    assert thinned_curve(run.curve) == run.curve
    for count in (100, 101, 250, 1000):
        run.curve = [{"step": step} for step in range(count)]
        thin = [point["step"] for point in thinned_curve(run.curve)]
        assert len(thin) <= CURVE_POINTS
        assert len(thin) > CURVE_POINTS / 2
        assert thin[-1] == count - 1
        assert len(set(np.diff(thin))) == 1


def test_mean_loss_is_over_the_steps_since_it_was_asked() -> None:
    run, twin = tiny.training(tiny.config()), tiny.training(tiny.config())
    losses = [twin.update(twin.epochs.batch(0, i)) for i in range(5)]
    tiny.until(run, 2)
    assert run.mean_loss()[0] == pytest.approx(float(sum(a for a, _ in losses[:2])) / 2)
    assert run.mean_loss() == (0.0, 0.0)
    tiny.until(run, 5)
    found = run.mean_loss()
    assert found[0] == pytest.approx(float(sum(a for a, _ in losses[2:])) / 3)
    assert found[1] == pytest.approx(float(sum(b for _, b in losses[2:])) / 3)


@pytest.mark.parametrize(
    ("hook", "body"),
    [
        ("weight", "def weight(self, step, total):\n        return float('nan') if {at} else 1.0"),
        ("penalty", "def penalty(self, kl):\n        return kl.sum(-1) / 0.0"),
        (
            "objective",
            "def objective(self, run, out):\n        return out.rec.mean() / (run.step - 3)",
        ),
    ],
)
def test_a_method_whose_loss_is_not_finite_is_stopped_before_the_step(
    hook: str, body: str, tmp_path: Path
) -> None:
    run = tiny.training(own(tmp_path, "    " + body.format(at="step == 3")))
    with pytest.raises(UserError, match=rf"mine\.py: {hook} returned (nan|inf) at step ") as caught:
        tiny.advance(run)
    assert str(caught.value).endswith(f"are finite; correct {hook}")
    assert run.step == (0 if hook == "penalty" else 3)
    assert all(bool(value.isfinite().all()) for value in run.model.parameters())


def test_a_learning_rate_far_too_high_stops_training() -> None:
    run = tiny.training(tiny.config(train={"optimiser": "sgd", "lr": 1e30, "clip": 1e30}))
    with pytest.raises(UserError, match=r"the loss became (nan|inf) between steps") as caught:
        tiny.advance(run)
    said = str(caught.value)
    assert run.config.id in said
    assert said.endswith("the last good checkpoint is kept; lower train.lr or train.clip")
    assert run.best["weights"] == {}


def test_so_does_a_model_ruined_by_the_last_step(tmp_path: Path) -> None:
    """The loss before each step is finite, the model after the last one is not."""
    ends = tiny.training(tiny.config()).epochs.ends
    body = (
        "    def objective(self, run, out):\n"
        "        loss = super().objective(run, out)\n"
        f"        if run.step == {ends[0] - 1}:\n"
        "            return loss + (loss - loss).sqrt()\n"  # its gradient is not finite
        "        return loss\n"
    )
    run = tiny.training(own(tmp_path, body))
    with pytest.raises(UserError, match=f"validation loss became nan at step {ends[0]}"):
        tiny.advance(run)


def test_bf16_computes_in_bf16_and_keeps_fp32_weights() -> None:
    run, plain = (tiny.training(tiny.config(precision=p)) for p in ("bf16", "fp32"))
    dtypes = set()
    run.model.decoder.lstm.register_forward_hook(lambda m, i, out: dtypes.add(out[0].dtype))
    tiny.advance(run)
    tiny.advance(plain)
    assert dtypes == {torch.bfloat16 if has_bf16() else torch.float32}  # of rounded numbers
    assert {value.dtype for value in run.model.parameters()} == {torch.float32}
    a, b = run.best["metrics"]["neg_elbo"], plain.best["metrics"]["neg_elbo"]
    assert a != b
    assert a == pytest.approx(b, rel=0.02)


def test_seeds_are_functions_of_their_names() -> None:
    assert derive("a", 1) == derive("a", 1) == derive("a", "1")
    assert len({derive(*names) for names in [("a", "b"), ("ab",), ("a b",), ("b", "a")]}) == 4
    assert 0 <= derive(0) < 2**63
    assert derive(0, "init") == 5789233368486568501  # on every machine
    draws = {float(torch.randn((), generator=generator(0, name))) for name in ("init", "noise")}
    assert len(draws) == 2


def test_a_config_is_enough_to_build_the_method() -> None:
    run = tiny.config("cyclical", params={"cycles": 2})
    assert dataclasses.asdict(tiny.training(run).baseline) == run.params
    assert run.params == {"cycles": 2, "ratio": 0.5, "floor": 0.0, "span": 1.0}
