"""Training one run: its state, the loop, validation, and what a checkpoint must hold."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.core.settings import TrainConfig
from benchmark.data.corpus import Corpus
from benchmark.data.epochs import Epochs
from benchmark.model.annealing import Annealer
from benchmark.model.baseline import Baseline
from benchmark.model.loss import VAELoss
from benchmark.model.polyline import corners
from benchmark.model.vae import TextVAE, build
from benchmark.run.blame import check_loss, suspects
from benchmark.run.checkpoint import unreadable
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import validate
from benchmark.run.learning_rate import LearningRate
from benchmark.run.phases import Phase, plan

CURVE_POINTS = 100
POINT = ("step", "epoch", "weight", "lr", "neg_elbo", "rec", "kl", "mi", "au", "z_use")


class Training:
    """A run in progress; it is the `benchmark.baseline.Run` that hooks see.

    Everything random comes from generators seeded by (seed, purpose), the batches from (seed,
    epoch, position), the weight from the step: two baselines with one seed see the same batches,
    and a checkpoint needs no state of a loader.

    Args:
        config: the run.
        corpus: its data.
        device: where to train.
    """

    def __init__(self, config: RunConfig, corpus: Corpus, device: torch.device) -> None:
        self.config, self.corpus, self.device = config, corpus, device
        self.baseline: Baseline = config.method()
        train = config.train
        self.epochs = Epochs(corpus, config.seed, train.epochs, train.batch_size, device)
        self.total_steps = self.epochs.ends[-1]
        self.step = self.epoch = self.tokens = 0
        try:
            self.phases: list[Phase] = plan(self.baseline, self.epochs.ends)
        except ValueError as error:
            raise UserError(f"{config.id}: {error}") from error
        self.model: TextVAE = self.fresh_model()
        self.noise = generator(config.seed, "noise", device=device)
        self._begin()
        self.annealer = Annealer(self.total_steps, shape=self.baseline.weight)
        self.criterion = VAELoss(penalty=self.baseline.penalty)
        self.memory: dict[str, Any] = {}
        self.held: tuple[str, ...] = ()
        self.valid = Measured("valid", corpus.splits["valid"], config.seed, device)
        self.seconds = 0.0
        self.updates = {"encoder": 0, "decoder": 0}
        self.curve: list[dict[str, Any]] = []
        self.logged: dict[str, float] = {}  # by the method, for the next point of the curve
        self.weights = torch.full((self.total_steps,), torch.nan, dtype=torch.float64)  # used
        self._watched = torch.zeros((), device=device)  # sum of losses since `mean_loss`
        self._watched_kl = torch.zeros((), device=device)
        self._watched_from = 0

    def train(self, after_step: Callable[[], None]) -> None:
        """Train from the current step to the last; ``after_step`` may save, show or interrupt."""
        while self.step < self.total_steps:
            begin = self.epochs.ends[self.epoch - 1] if self.epoch else 0
            self.batch = self.epochs.batch(self.epoch, self.step - begin)
            self.held = ()
            self.logged.pop("weight", None)
            self.baseline.before_step(self)
            loss, kl = self.update(self.batch)
            self.weights[self.step] = self.logged.get("weight", self.annealer.weight)
            self.annealer.step()
            self._watched += loss
            self._watched_kl += kl
            self.step += 1
            if self.step == self.epochs.ends[self.epoch]:
                self._end_epoch()
            after_step()

    def loss(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a batch ``<s> ... </s>`` (B, T + 1), and its mean raw KL, both scalars."""
        with self.autocast():
            words = self.baseline.inputs(tokens[:, :-1], self.noise)
            out = self.model(tokens, self.noise, words)
            loss = self.baseline.objective(self, out)
            if self.device.type == "cpu":  # where looking costs nothing
                check_loss(self, out, loss)
        return loss, out.kl.detach().sum(-1).mean()

    def update(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """One optimiser step on a batch; the loss and KL before it, as scalars on the device.

        The gradient is clipped as a whole; then the modules in ``held`` do not follow it.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate.at(self.step, self.total_steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss, kl = self.loss(tokens)
        loss.backward()  # type: ignore[no-untyped-call]
        self._clip()
        for name in self.held:
            getattr(self.model, name).zero_grad(set_to_none=True)
        self.optimiser.step()
        self.tokens += tokens.shape[0] * (tokens.shape[1] - 1)
        self.updates["decoder"] += int("decoder" not in self.held)
        self.updates["encoder"] += int(self.baseline.latent and "encoder" not in self.held)
        return loss.detach(), kl

    def _clip(self) -> None:
        """Scale the gradient of all parameters down to the norm `clip`.

        On a CPU, where looking costs nothing, a gradient that need not be scaled is not rewritten:
        it would be multiplied by exactly 1.
        """
        parameters, most = list(self.model.parameters()), self.config.train.clip
        slopes = [value.grad for value in parameters if value.grad is not None]
        norm = torch.nn.utils.get_total_norm(slopes)
        if self.device.type != "cpu" or not float(norm) < 0.999 * most:
            torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)

    def log(self, **figures: float) -> None:
        """Keep named numbers of the method for the next point of the curve, and only for that one.

        Where a name comes again before it, the last value counts.

        ``weight`` is the KL weight of the step in progress, for a method that sets it by feedback:
        the record and its figures then show it in place of the schedule's.

        Raises:
            UserError: a name that the curve has of its own, or a value that is no finite number.
        """
        for name, value in figures.items():
            if name in POINT and name != "weight":
                raise UserError(
                    f"{self.config.id}: run.log({name}=...): the curve has its own {name}; choose "
                    "another name"
                )
            given = value.detach() if isinstance(value, Tensor) else value
            try:
                number = math.nan if isinstance(given, str) else float(given)
            except (TypeError, ValueError, RuntimeError):
                number = math.nan
            if not math.isfinite(number):
                told = " ".join(repr(given).split())[:60]
                raise UserError(
                    f"{self.config.id}: run.log({name}=...) at step {self.step}: {told} is not a "
                    "finite number"
                )
            self.logged[name] = number

    def random_batch(self) -> Tensor:
        """Any batch of the epoch, (B, T + 1), drawn from the training noise."""
        return self.epochs.any(self.epoch, self.noise)

    def fresh_model(self) -> TextVAE:
        """A newly initialised model on the device; another one in each phase."""
        key = ("init", self.phase) if self.phase else ("init",)
        initial, words = generator(self.config.seed, *key), len(self.corpus.vocabulary)
        return build(self.config.model, self.baseline, words, initial).to(self.device)

    @property
    def phase(self) -> int:
        """The number of the phase in progress."""
        return max(i for i, phase in enumerate(self.phases) if phase.begin <= self.epoch)

    def _begin(self) -> None:
        """What every phase has of its own."""
        self.best: dict[str, Any] = {"loss": math.inf, "step": 0, "metrics": {}, "weights": {}}
        self.rate = LearningRate(self.config.train, self.phases[self.phase].settled)
        self.optimiser = make_optimiser(self.model, self.config.train)

    def autocast(self) -> AbstractContextManager[None]:
        """bf16 arithmetic around fp32 master weights where the run's precision says so."""
        wanted = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=wanted, cache_enabled=False)

    def mean_loss(self) -> tuple[float, float]:
        """Loss and KL averaged over the steps since the last call.

        Raises:
            UserError: the loss is no longer finite.
        """
        steps = self.step - self._watched_from
        if steps == 0:
            return 0.0, 0.0
        loss, kl = float(self._watched) / steps, float(self._watched_kl) / steps
        if not math.isfinite(loss):
            between = f"between steps {self._watched_from} and {self.step}"
            raise self._diverged(f"the loss became {loss} {between}")
        self._watched.zero_()
        self._watched_kl.zero_()
        self._watched_from = self.step
        return loss, kl

    def check(self) -> None:
        """Raise UserError unless loss and parameters are finite: else no state is worth keeping."""
        self.mean_loss()
        if kind := unreadable(self.memory):
            raise UserError(
                f"{self.config.id}: run.memory holds {kind}, which no checkpoint gives back; keep "
                "tensors and Python's own numbers, texts, lists and dicts"
            )
        for name, value in self.model.named_parameters():
            if not bool(value.isfinite().all()):
                raise self._diverged(f"{name} is no longer finite after step {self.step}")

    def _diverged(self, what: str) -> UserError:
        mend = "the last good checkpoint is kept; lower train.lr or train.clip"
        return UserError(f"{self.config.id}: {what}; {mend}{suspects(self.config)}")

    def state(self) -> dict[str, Any]:
        """All that training needs to go on as if nothing had happened."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "annealer": self.annealer.state_dict(),
            "noise": self.noise.get_state(),
            "memory": self.memory,
            "step": self.step,
            "epoch": self.epoch,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "updates": self.updates,
            "curve": self.curve,
            "logged": self.logged,
            "weights": self.weights,
            "best": self.best,
            "rate": self.rate.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to a state from `state`.

        Raises:
            UserError: the state is of another version of the code, or of another kind of device.
        """
        absent = self.state().keys() - state.keys()
        if absent:
            raise UserError(
                f"{self.config.id}: its checkpoint lacks '{min(absent)}': another version of the "
                "code wrote it; finish the run with that version, or delete checkpoint.pt"
            )
        if state["noise"].numel() != self.noise.get_state().numel():
            raise UserError(
                f"{self.config.id}: its checkpoint is from another kind of device than "
                f"{self.device.type}, whose noise is another; go on with the other --device, or "
                "delete checkpoint.pt"
            )
        self.epoch = state["epoch"]
        self._begin()
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rate.load_state_dict(state["rate"])
        self.annealer.load_state_dict(state["annealer"])
        self.noise.set_state(state["noise"].cpu())
        self.weights = state["weights"].cpu().clone()
        for name in (
            "memory", "step", "epoch", "tokens", "seconds", "updates", "curve", "logged", "best"
        ):  # fmt: skip
            setattr(self, name, state[name])
        self._watched_from = self.step

    def _end_epoch(self) -> None:
        """Validate, keep the best weights, add a point to the curve; decide how to go on."""
        self.mean_loss()
        selection = self.baseline.selection_in(self.phase)
        self.model.eval()
        with self.autocast():
            found = validate(self.model, self.valid, selection > 0)
        self.model.train()
        selected = found["rec"] + selection * found["kl"]
        if not math.isfinite(selected):
            raise self._diverged(f"the validation loss became {selected} at step {self.step}")
        weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if selected < self.best["loss"]:
            self.best = {"loss": selected, "step": self.step, "metrics": found, "weights": weights}
        self.baseline.after_eval(self, found)
        point = {
            **found,
            "step": self.step,
            "epoch": self.epoch + 1,
            "weight": float(self.weights[self.step - 1]),
            "lr": self.rate.at(self.step - 1, self.total_steps),
        }
        self.curve.append({**self.logged, **{name: point[name] for name in POINT}})
        self.logged = {}
        self._go_on(selected, weights)

    def _go_on(self, selected: float, weights: dict[str, Tensor]) -> None:
        """The learning rate of the next epoch, the end of a phase, the beginning of the next."""
        phase = self.phases[self.phase]
        verdict = self.rate.after_eval(selected, weights)
        self.epoch += 1
        if verdict == "stop":  # the rest of the phase's schedule is left out
            self.epoch, self.step = phase.end, self.epochs.ends[phase.end - 1]
            self.annealer.load_state_dict({**self.annealer.state_dict(), "current_step": self.step})
            self._watched_from = self.step
        elif verdict == "halve":
            self.model.load_state_dict(self.rate.weights)
            self.optimiser = make_optimiser(self.model, self.config.train)
        if self.epoch == phase.end < len(self.epochs.ends):
            self.model.load_state_dict(self.best["weights"])
            self._begin()
            self.baseline.begin_phase(self, self.phase)

    def thinned_curve(self) -> list[dict[str, Any]]:
        """At most 100 points of the curve, the last among them."""
        stride = math.ceil(len(self.curve) / CURVE_POINTS)
        return self.curve[::-1][::stride][::-1] if stride > 1 else self.curve

    def weight_path(self) -> list[list[float]] | None:
        """Corners [step, weight] of the KL weight that was used; None without a latent variable."""
        if not self.baseline.latent:
            return None
        steps = self.weights.isfinite().nonzero()[:, 0]  # a phase that ended early has none
        return [list(corner) for corner in corners(steps.numpy(), self.weights[steps].numpy())]


def make_optimiser(model: torch.nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Adam or SGD over all parameters, in the fused form; each step sets its learning rate."""
    kind = torch.optim.SGD if config.optimiser == "sgd" else torch.optim.Adam
    return kind(list(model.parameters()), lr=config.lr, fused=True)
