"""Check what each hook of a method returns, before a run's first step and in the tests.

A method that breaks the contract trains all the same, on something else: a penalty of (B, Z) is
averaged over dimensions, which looks like a cure of collapse. A method that keeps state outside
``run.memory``, or draws from a global generator, is another run after a kill: no checkpoint holds
either. The check has a method, a model, sentences and random numbers of its own, and leaves nothing
behind.
"""

import copy
import dataclasses
import inspect
import math
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise, product
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.errors import UserError, suggest
from benchmark.core.seeds import generator
from benchmark.data.corpus import Corpus, Split
from benchmark.model.annealing import number
from benchmark.model.baseline import Baseline
from benchmark.model.vae import Output, TextVAE, build
from benchmark.run.config import RunConfig
from benchmark.run.failures import blamed, check_loss, reason, where
from benchmark.run.training import Training

PUBLIC = {name: value for name, value in vars(Baseline).items() if not name.startswith("_")}
HOOKS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
SOURCES = {  # where a hook takes its random numbers from; the others take them from run.noise
    "inputs": "its argument `generator`",
    "build": "torch's generator, which is seeded around it",
    "forward": "the `noise` of TextVAE.forward",
}


def check(config: RunConfig, corpus: Corpus, device: torch.device) -> None:
    """Raise UserError, naming file and hook, unless the run's method keeps the contract."""
    contract = Contract(copy.deepcopy(config), device)
    sizes = np.unique(corpus.splits["train"].lengths, return_counts=True)[1]
    steps = config.train.epochs * int(np.ceil(sizes / config.train.batch_size).sum())
    python, arrays = random.getstate(), np.random.get_state()
    cards = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cards), blamed(contract.config):
            contract.check_names()
            contract.check_weight(steps)
            contract.check_selection()
            contract.check_penalty()
            contract.check_step(corpus)
    finally:
        random.setstate(python)
        np.random.set_state(arrays)


class Contract:
    """The checks of one method; each raises UserError."""

    def __init__(self, config: RunConfig, device: torch.device) -> None:
        self.config, self.method, self.device = config, config.method(), device
        self.latent = config.model.latent if self.method.latent else 0
        self.sentences = 4 if self.latent == 3 else 3  # so that no shape is right by coincidence

    def check_names(self) -> None:
        """Check that each public name is a hook, a hyper-parameter or a constant of the suite."""
        cls = type(self.method)
        fields = {field.name for field in dataclasses.fields(cls)}
        for name, value in vars(cls).items():
            if name in HOOKS:
                wanted = list(inspect.signature(HOOKS[name]).parameters)
                call = f"{name}({', '.join(wanted)})"
                if name in fields or not callable(getattr(cls, name)):
                    self._refuse(f"{name} is not a method; expected {call}")
                signature = inspect.signature(getattr(self.method, name))
                try:
                    signature.bind(*wanted[1:])
                except TypeError as error:
                    self._refuse(f"{name}{signature}: {error}; expected {call}")
            elif name in PUBLIC and inspect.isfunction(value):
                self._refuse(f"{name} is a property; write @property above it")
            elif name in ("version", "latent") and name in fields:
                line = f"{name}: ClassVar[{type(PUBLIC[name]).__name__}] = ..."
                self._refuse(f"{name} is not a hyper-parameter; write {line}")
            elif not name.startswith("_") and name not in {*fields, *PUBLIC}:
                hint = f"a hyper-parameter has a type, {name}: float = ..., a constant is _{name}"
                hint = f"a helper is _{name}" if callable(value) else hint
                self._refuse(f"{name} is not a hook; {suggest(name, PUBLIC)} ({hint})")

    def check_weight(self, total: int) -> None:
        """Check that the weight is at least 0 at some steps, and the same when asked again."""
        steps = [*range(0, total, max(1, total // 100)), total // 2, total - 1, total]
        steps += reversed(steps)
        with self._watched("weight"):
            values = [self.method.weight(step, total) for step in steps]
        weights: dict[int, float] = {}
        for step, value in zip(steps, values, strict=True):
            call = f"weight({step}, {total})"
            weight = self._number(value, call)
            if weights.setdefault(step, weight) != weight:
                self._refuse(
                    f"{call} returned {weights[step]}, then {weight}; it must depend on the step "
                    "alone; keep other state in run.memory"
                )

    def check_selection(self) -> None:
        """Check that phases are ascending fractions, and that the last has `selection_weight`."""
        phases: Any = self.method.phases
        numbers = isinstance(phases, tuple) and [self._number(p, "phases") for p in phases]
        if numbers is False or not all(a < b for a, b in pairwise([0, *numbers, 1])):
            self._refuse(f"phases is {phases!r}; expected ascending fractions such as (0.5,)")
        last = self._number(self.method.selection_weight, "selection_weight")
        if self._number(self.method.selection_in(len(phases)), "selection_in") != last:
            self._refuse("selection_in of the last phase must be selection_weight")

    def check_penalty(self) -> None:
        """Check that a penalty maps (B, Z) nats to (B,), one cost for each sentence's own KL."""
        size, shape = self.sentences, (self.sentences, self.latent)
        kl = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        counts = torch.full((size,), self.latent == 0)
        # What is free costs nothing, and a maximum hides what is below: various KLs.
        for scale, shift in product((0.01, 1.0, 100.0, 1e4), range(size)):
            given = (kl * scale).roll(shift, 0).requires_grad_()
            with self._watched("penalty"):
                paid: object = self.method.penalty(given * 1)
            shown = f"penalty returned {_described(paid)}"
            if not isinstance(paid, Tensor) or paid.shape != (size,):
                wanted = f"expected ({size},), one number for each sentence, from the KL {shape}"
                self._refuse(f"{shown}; {wanted}")
            if not paid.is_floating_point() or (scale == 1 and not bool(paid.isfinite().all())):
                self._refuse(f"{shown} of {paid.dtype}; expected finite floating numbers")
            for row in range(size if paid.requires_grad else 0):
                (slope,) = torch.autograd.grad(paid[row], given, retain_graph=True)
                counts[row] |= bool((slope[row] != 0).any())
        if not bool(counts.all()):
            self._refuse(
                f"penalty returned a cost of sentence {int(counts.int().argmin())} that does not "
                "depend on its KL, or is detached; to leave the KL out, let weight return 0"
            )
        once, twice = (float(self.method.penalty(kl.repeat(n, 1)).mean()) for n in (1, 2))
        if twice > 1.5 * once > 0:
            self._refuse(
                f"penalty returned {once:.4g} a sentence for a batch and {twice:.4g} for the same "
                "batch repeated; sum over dimensions, not over sentences"
            )

    def check_step(self, corpus: Corpus) -> None:
        """Check the model, its decoder's input and its loss on a few sentences."""
        vocabulary, init = len(corpus.vocabulary), generator(self.config.seed, "init")
        with self._watched("build"):
            model: object = build(self.config.model, self.method, vocabulary, init)
        if not isinstance(model, TextVAE):
            self._refuse(f"build returned {_described(model)}; it must return a TextVAE")
        for part in ("encoder", "posterior", "decoder") if self.latent else ("decoder",):
            if not isinstance(getattr(model, part, None), nn.Module):
                self._refuse(f"build returned a model without {part}; restore or replace it")
        words = np.arange(4 * self.sentences).reshape(self.sentences, 4)
        split = Split.of((words % max(1, vocabulary - 3) + 3).tolist())
        splits = dict.fromkeys(corpus.splits, split)
        small = dataclasses.replace(corpus, splits=splits, language=None)
        run = Training(self.config, small, self.device)
        batch = torch.from_numpy(split.tokens.reshape(self.sentences, -1)).long().to(self.device)
        once, twice = self._loss(run, batch), self._loss(run, batch.repeat(2, 1))
        self._loss(run, batch[:1])  # the last batch of a length may be a single sentence
        if once and twice and once > 0 and 1.8 < twice / once < 2.2:
            self._refuse(
                f"objective returned {once:.4g} for a batch and {twice:.4g} for the same batch "
                "repeated; take the mean over sentences"
            )

    def _loss(self, run: Training, batch: Tensor) -> float | None:
        """Return the checked loss of a batch, or None if it may depend on ``before_step``."""
        run.batch = batch
        with run.autocast():
            out = self._output(run, self._inputs(run))
            try:
                with self._watched("objective"):
                    loss: object = self.method.objective(run, out)
            except Exception as error:
                if isinstance(error, UserError) or "before_step" not in vars(type(self.method)):
                    raise
                return None
        shown = f"objective returned {_described(loss)}"
        if not isinstance(loss, Tensor) or loss.shape != () or not loss.is_floating_point():
            self._refuse(f"{shown}; expected a scalar tensor, (): the mean over sentences")
        check_loss(self.config, run, out, loss)
        trained = [value for value in run.model.parameters() if value.requires_grad]
        if not loss.requires_grad or not any(
            slope is not None for slope in torch.autograd.grad(loss, trained, allow_unused=True)
        ):
            parts = ", ".join(name for name, _ in run.model.named_children())
            self._refuse(f"objective returned a loss without a gradient for any of {parts}")
        return float(loss.detach())

    def _inputs(self, run: Training) -> Tensor:
        """Return the checked words that the decoder reads."""
        given, before = run.batch[:, :-1], run.batch.clone()
        with self._watched("inputs"):
            words: object = self.method.inputs(given, run.noise)
        shown = f"inputs returned {_described(words)}"
        if not isinstance(words, Tensor) or words.shape != given.shape:
            self._refuse(f"{shown}; expected word ids, {tuple(given.shape)} as given")
        if words.dtype not in (torch.int64, torch.int32):
            self._refuse(f"{shown} of {words.dtype}; expected word ids, {given.dtype}")
        first, last, most = int(words.min()), int(words.max()), len(run.corpus.vocabulary) - 1
        if first < 0 or last > most:
            ids = f"the word ids {first} to {last}"
            self._refuse(f"inputs returned {ids}; the vocabulary has the ids 0 to {most}")
        if not torch.equal(run.batch, before):
            self._refuse("inputs changes its tokens in place; change a copy, tokens.clone()")
        return words

    def _output(self, run: Training, words: Tensor) -> Output:
        """Return the output of the model, checked in training and in measurement."""
        model, batch = run.model, run.batch
        try:
            with self._watched("forward"):
                out: Output = model(batch, run.noise, words)
                model.eval()
                with torch.no_grad():
                    z, _ = model.encode(batch)
                    model.nll(batch, z[:, None])
                    model.generate(z, 2)
                model.train()
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
            if "build" not in vars(type(self.method)) or isinstance(error, torch.OutOfMemoryError):
                raise
            self._refuse(f"build returned a model that fails: {reason(error)}")
        shape = (len(batch), model.latent)
        for name, value in (("mu", out.mu), ("logvar", out.logvar)):
            if value.shape != shape or not bool(value.isfinite().all()):
                wanted = f"{name} {_described(value)}; expected {shape}, finite"
                self._refuse(f"build returned a model with {wanted}")
        return out

    @contextmanager
    def _watched(self, hook: str) -> Iterator[None]:
        """Refuse a hook that changes the method, its class or a global generator."""
        state, drawn = self._state(), self._drawn()
        yield
        name = "the model that build returns" if hook == "forward" else hook
        for key, value in self._state().items():
            if state.get(key) != value:
                self._refuse(
                    f"{name} changes {key} of the method, which no checkpoint holds; keep state "
                    "in run.memory"
                )
        for key, states in self._drawn().items():
            if drawn[key] != states and (hook, key) != ("build", "torch"):
                self._refuse(
                    f"{name} uses the global generator of {key}, which no seed of the run sets and "
                    f"no checkpoint holds; draw from {SOURCES.get(hook, 'run.noise')}"
                )

    def _state(self) -> dict[str, str]:
        """Return the attributes of the method and its class, without cached properties."""
        cls = type(self.method)
        values = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        values |= {f.name: getattr(self.method, f.name) for f in dataclasses.fields(self.method)}
        values |= getattr(self.method, "__dict__", {})
        cached = {name for name, value in vars(cls).items() if isinstance(value, cached_property)}
        return {name: repr(value) for name, value in values.items() if name not in cached}

    def _drawn(self) -> dict[str, bytes]:
        """Return the state of each library's global random generator."""
        states = {
            "torch": torch.get_rng_state().numpy().tobytes(),
            "random": pickle.dumps(random.getstate()),
            "numpy": pickle.dumps(np.random.get_state()),
        }
        if self.device.type == "cuda":
            states["torch"] += torch.cuda.get_rng_state(self.device).numpy().tobytes()
        return states

    def _number(self, value: object, call: str) -> float:
        try:
            weight = number(value)
        except ValueError as error:
            self._refuse(f"{call} returned {error}")
        if not 0 <= weight < math.inf:
            self._refuse(f"{call} returned {value}; expected a finite number of at least 0")
        return weight

    def _refuse(self, text: str) -> NoReturn:
        raise UserError(f"{where(self.config)}: {text}") from None


def _described(value: object) -> str:
    """Return a short text for a value; for a tensor, its shape."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    return " ".join(repr(value).split())[:60]
