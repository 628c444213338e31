"""What a hook does beside returning: state it keeps outside ``run.memory``, global random numbers.

No checkpoint holds either, so that a run which was killed and resumed would be another run.
"""

import dataclasses
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch

from benchmark.core.errors import UserError
from benchmark.model.baseline import Baseline

SOURCES = {  # where a hook's random numbers come from; of others run.noise
    "inputs": "its argument `generator`",
    "build": "torch's generator, which is seeded around it",
    "forward": "the `noise` of TextVAE.forward",
}


@contextmanager
def watched(where: str, method: Baseline, hook: str, device: torch.device) -> Iterator[None]:
    """Look at what a hook does inside the block; ``"forward"`` is the model of `build` at work.

    Raises:
        UserError: it changes the method or its class, or a global generator.
    """
    state, drawn = _state(method), _drawn(device)
    yield
    name = "the model that build returns" if hook == "forward" else hook
    for key, value in _state(method).items():
        if state.get(key) != value:
            raise UserError(
                f"{where}: {name} changes {key} of the method, which no checkpoint holds; what "
                "must survive a step lives in run.memory"
            )
    for key, states in _drawn(device).items():
        if drawn[key] != states and (hook, key) != ("build", "torch"):
            raise UserError(
                f"{where}: {name} uses the global generator of {key}, which no seed of the run "
                f"sets and no checkpoint holds; draw from {SOURCES.get(hook, 'run.noise')}"
            )


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Put all global generators back afterwards."""
    python, arrays = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)


def _state(method: Baseline) -> dict[str, str]:
    """What a method and its class hold, but for what is computed from it once."""
    cls = type(method)
    held = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
    held |= {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    held |= getattr(method, "__dict__", {})
    cached = {name for name, value in vars(cls).items() if isinstance(value, cached_property)}
    return {name: repr(value) for name, value in held.items() if name not in cached}


def _drawn(device: torch.device) -> dict[str, bytes]:
    """The states of all global generators, by library."""
    states = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "random": pickle.dumps(random.getstate()),
        "numpy": pickle.dumps(np.random.get_state()),
    }
    if device.type == "cuda":
        states["torch"] += torch.cuda.get_rng_state(device).numpy().tobytes()
    return states
