"""Train one run: its state, the loop, validation, and the content of a checkpoint."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.core.schema import LARGEST
from benchmark.core.seeds import generator
from benchmark.core.settings import TrainConfig
from benchmark.data.batches import Epochs
from benchmark.data.corpus import Corpus
from benchmark.model.annealing import Annealer
from benchmark.model.baseline import Baseline
from benchmark.model.checkpoint import unreadable
from benchmark.model.learning_rate import Decision, LearningRate, Phase, plan
from benchmark.model.loss import VAELoss
from benchmark.model.vae import TextVAE, build
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import validate
from benchmark.run.failures import check_loss, suspects

POINT = ("step", "epoch", "weight", "lr", "neg_elbo", "rec", "kl", "mi", "au", "z_use")
# What a checkpoint holds as it is; the rest has a state of its own.
_STATE = ("memory", "step", "epoch", "tokens", "seconds", "updates", "curve", "logged", "best")


class Training:
    """A run in progress; it is the `benchmark.baseline.Run` that hooks see.

    Everything random comes from generators seeded by (seed, purpose), the batches from (seed,
    epoch, position), the weight from the step: two baselines with one seed see the same batches,
    and a checkpoint needs no state of a loader.
    """

    def __init__(self, config: RunConfig, corpus: Corpus, device: torch.device) -> None:
        self.config, self.corpus, self.device = config, corpus, device
        self.baseline: Baseline = config.method()
        train = config.train
        self.epochs = Epochs(corpus, config.seed, train.epochs, train.batch_size, device)
        self.total_steps = self.epochs.ends[-1]
        self.annealer = Annealer(self.total_steps, shape=self.baseline.weight)
        self.epoch = self.tokens = 0
        try:
            self.phases: list[Phase] = plan(self.baseline, self.epochs.ends)
        except ValueError as error:
            raise UserError(f"{config.id}: {error}") from error
        self.model: TextVAE = self.fresh_model()
        self.noise = generator(config.seed, "noise", device=device)
        self._begin_phase()
        self.criterion = VAELoss(penalty=self.baseline.penalty)
        self.memory: dict[str, Any] = {}
        self.held: tuple[str, ...] = ()
        self.valid = Measured("valid", corpus.splits["valid"], config.seed, device)
        self.seconds = 0.0
        self.updates = {"encoder": 0, "decoder": 0}
        self.curve: list[dict[str, Any]] = []
        self.logged: dict[str, float] = {}  # by the method, for the next point of the curve
        self.weights = torch.full((self.total_steps,), torch.nan, dtype=torch.float64)  # used
        self._sums = torch.zeros(2, device=device)  # of loss and KL since `mean_loss`
        self._sums_from = 0  # the step at which these sums begin

    def _begin_phase(self) -> None:
        """Reset what each phase has of its own: best weights, rate and optimiser."""
        self.best: dict[str, Any] = {"loss": math.inf, "step": 0, "metrics": {}, "weights": {}}
        self.rate = LearningRate(self.config.train, self.phases[self.phase].settled)
        self.optimiser = make_optimiser(self.model, self.config.train)

    @property
    def step(self) -> int:
        """Return the steps done. The annealer counts them: the KL weight is a function of it."""
        return self.annealer.current_step

    @step.setter
    def step(self, value: int) -> None:
        self.annealer.current_step = value

    @property
    def phase(self) -> int:
        """Return the number of the current phase."""
        return max(i for i, phase in enumerate(self.phases) if phase.begin <= self.epoch)

    def train(self, after_step: Callable[[], None]) -> None:
        """Train from the current step to the last; ``after_step`` may save, show or interrupt."""
        while self.step < self.total_steps:
            begin = self.epochs.ends[self.epoch - 1] if self.epoch else 0
            self.batch = self.epochs.batch(self.epoch, self.step - begin)
            self.held = ()
            self.logged.pop("weight", None)
            self.baseline.before_step(self)
            self._sums += torch.stack(self.update(self.batch))
            self.weights[self.step] = self.logged.get("weight", self.annealer.weight)
            self.step += 1
            if self.step == self.epochs.ends[self.epoch]:
                self._end_epoch()
            after_step()

    def loss(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and mean raw KL, scalars, of a batch ``<s> ... </s>`` (B, T + 1)."""
        with self.autocast():
            words = self.baseline.inputs(tokens[:, :-1], self.noise)
            out = self.model(tokens, self.noise, words)
            loss = self.baseline.objective(self, out)
            if self.device.type == "cpu":  # where looking at a number does not wait for a card
                check_loss(self.config, self, out, loss)
        return loss, out.kl.detach().sum(-1).mean()

    def update(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Make one optimiser step on a batch; return its loss and KL before it, on the device.

        The gradient is clipped as a whole; then the modules in ``held`` are left out of the step.
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
        """Scale the gradient of all parameters down to the norm `clip`."""
        parameters, most = list(self.model.parameters()), self.config.train.clip
        slopes = [value.grad for value in parameters if value.grad is not None]
        norm = torch.nn.utils.get_total_norm(slopes)
        # On a CPU, where looking costs nothing, a gradient that need not be scaled is not
        # rewritten: it would be multiplied by exactly 1.
        if self.device.type != "cpu" or not float(norm) < 0.999 * most:
            torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)

    def log(self, **values: float) -> None:
        """Keep the method's named numbers for the next point of the curve; the last value counts.

        ``weight`` is the KL weight of the current step, for a method that sets it by feedback: the
        record and its figures then show it in place of the schedule's.

        Raises:
            UserError: the curve has a number of that name, or a value is not a finite number.
        """
        for name, given in values.items():
            call = f"{self.config.id}: run.log({name}=...)"
            if name in POINT and name != "weight":
                raise UserError(f"{call}: the curve already has a {name}; choose another name")
            value = given.detach() if isinstance(given, Tensor) else given
            try:
                self.logged[name] = number = math.nan if isinstance(value, str) else float(value)
            except (TypeError, ValueError, RuntimeError):
                number = math.nan
            if not abs(number) <= LARGEST:  # so that NaN is refused, too
                shown = " ".join(repr(value).split())[:60]
                raise UserError(f"{call} at step {self.step}: {shown} is not a finite number")

    def random_batch(self) -> Tensor:
        """Return a random batch of the epoch, (B, T + 1), drawn with the training noise."""
        return self.epochs.any(self.epoch, self.noise)

    def fresh_model(self) -> TextVAE:
        """Return a newly initialised model on the device; it differs from phase to phase."""
        key = ("init", self.phase) if self.phase else ("init",)
        initial, words = generator(self.config.seed, *key), len(self.corpus.vocabulary)
        return build(self.config.model, self.baseline, words, initial).to(self.device)

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context that computes in bf16, with fp32 master weights, if the run does."""
        bf16 = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False)

    def rate_of_tokens(self) -> float:
        """Return the number of tokens trained on per second."""
        return self.tokens / max(self.seconds, 1e-9)

    def mean_loss(self) -> tuple[float, float]:
        """Return loss and KL averaged over the steps since the last call.

        Raises:
            UserError: the loss is no longer finite.
        """
        steps = self.step - self._sums_from
        if steps == 0:
            return 0.0, 0.0
        loss, kl = (self._sums / steps).tolist()
        if not math.isfinite(loss):
            raise self._diverged(
                f"the loss became {loss} between steps {self._sums_from} and {self.step}"
            )
        self._sums.zero_()
        self._sums_from = self.step
        return loss, kl

    def check(self) -> None:
        """Raise UserError unless the state is finite and fit for a checkpoint."""
        self.mean_loss()
        if kind := unreadable(self.memory):
            raise UserError(
                f"{self.config.id}: run.memory holds {kind}, which a checkpoint cannot restore; "
                "keep only tensors and Python's own numbers, texts, lists and dicts"
            )
        for name, value in self.model.named_parameters():
            if not bool(value.isfinite().all()):
                raise self._diverged(f"{name} is no longer finite after step {self.step}")

    def _diverged(self, what: str) -> UserError:
        advice = "the last good checkpoint is kept; lower train.lr or train.clip"
        return UserError(f"{self.config.id}: {what}; {advice}{suspects(self.config)}")

    def state(self) -> dict[str, Any]:
        """Return the state from which training resumes as if it had not stopped."""
        return {name: getattr(self, name) for name in _STATE} | {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "noise": self.noise.get_state(),
            "weights": self.weights,
            "rate": self.rate.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a state from `state`.

        Raises:
            UserError: the state is of another version of the code, or of another kind of device.
        """
        if absent := self.state().keys() - state.keys():
            raise UserError(
                f"{self.config.id}: its checkpoint lacks '{min(absent)}': another version of the "
                "code wrote it; finish the run with that version, or delete checkpoint.pt"
            )
        if state["noise"].numel() != self.noise.get_state().numel():
            raise UserError(
                f"{self.config.id}: its checkpoint is from another kind of device than "
                f"{self.device.type}, whose random numbers differ; resume with the --device used "
                "before, or delete checkpoint.pt"
            )
        self.epoch = state["epoch"]
        self._begin_phase()
        for name in _STATE:
            setattr(self, name, state[name])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rate.load_state_dict(state["rate"])
        self.noise.set_state(state["noise"].cpu())
        self.weights = state["weights"].cpu().clone()
        self._sums_from = self.step

    def _end_epoch(self) -> None:
        """Validate, keep the best weights, add a point to the curve, and go on as decided."""
        self.mean_loss()
        selection = self.baseline.selection_in(self.phase)
        self.model.eval()
        with self.autocast():
            metrics = validate(self.model, self.valid, selection > 0)
        self.model.train()
        loss = metrics["rec"] + selection * metrics["kl"]
        if not math.isfinite(loss):
            raise self._diverged(f"the validation loss became {loss} at step {self.step}")
        weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if loss < self.best["loss"]:
            self.best = {"loss": loss, "step": self.step, "metrics": metrics, "weights": weights}
        self.baseline.after_eval(self, metrics)
        point = {
            **metrics,
            "step": self.step,
            "epoch": self.epoch + 1,
            "weight": float(self.weights[self.step - 1]),
            "lr": self.rate.at(self.step - 1, self.total_steps),
        }
        self.curve.append({**self.logged, **{name: point[name] for name in POINT}})
        self.logged = {}
        self._apply(self.rate.decide(loss, weights))

    def _apply(self, decision: Decision) -> None:
        """Go on to the next epoch, and perhaps the next phase, as `LearningRate.decide` says."""
        phase = self.phases[self.phase]
        self.epoch += 1
        if decision == "halve":
            self.model.load_state_dict(self.rate.weights)
            self.optimiser = make_optimiser(self.model, self.config.train)
        elif decision == "stop":  # the rest of the phase's schedule is left out
            self.epoch = phase.end
            self.step = self._sums_from = self.epochs.ends[phase.end - 1]
        if self.epoch == phase.end < len(self.epochs.ends):
            self.model.load_state_dict(self.best["weights"])
            self._begin_phase()
            self.baseline.begin_phase(self, self.phase)


def make_optimiser(model: torch.nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return a fused Adam or SGD over all parameters; each step sets its learning rate."""
    kind = torch.optim.SGD if config.optimiser == "sgd" else torch.optim.Adam
    return kind(list(model.parameters()), lr=config.lr, fused=True)
