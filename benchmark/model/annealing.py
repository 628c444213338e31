"""KL annealing: pure shapes of the step, and the `Annealer` that counts steps.

A shape maps ``(step, total)`` to a weight; it keeps no state, so a schedule is known for every step
before training starts and a resumed run needs the step alone.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeGuard, TypeVar, cast

Shape = Callable[[float, float], float]
T = TypeVar("T")

SIGMOID_STEEPNESS = 10.0  # of the normalised sigmoid, over its whole length


def linear(step: float, total: float) -> float:
    """Rise in a straight line: step / total."""
    return step / total


def cosine(step: float, total: float) -> float:
    """Rise along half a cosine wave: (1 + cos(pi (step / total - 1))) / 2."""
    return (math.cos(math.pi * (step / total - 1)) + 1) / 2


def logistic(step: float, total: float) -> float:
    """Rise along the seed library's curve: 1 / (1 + exp(total / 2 - step)).

    Its slope does not scale with ``total``: over thousands of steps it is a switch ten steps wide.
    `sigmoid` is the curve to train with.
    """
    return _expit(step - total / 2)


def sigmoid(step: float, total: float) -> float:
    """Rise along a logistic curve scaled to its length: exactly 0 at the start, 1 at the end."""
    low, high = _expit(-SIGMOID_STEEPNESS / 2), _expit(SIGMOID_STEEPNESS / 2)
    return (_expit(SIGMOID_STEEPNESS * (step / total - 0.5)) - low) / (high - low)


def ramp(step: float, total: float, start: float = 0.0, length: float = 1.0) -> float:
    """Rise from 0 to 1 in a straight line, beginning at ``start``, lasting ``length``.

    Both are fractions of ``total``; ``length`` 0 is a switch.

    >>> [ramp(s, 8, start=0.25, length=0.5) for s in range(9)]
    [0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    begin, width = start * total, length * total
    if width == 0:
        return 1.0 if step >= begin else 0.0
    return min(1.0, max(0.0, (step - begin) / width))


def cycle(step: float, total: float, cycles: float, ratio: float) -> float:
    """Rise in a straight line over the first ``ratio`` of each of ``cycles`` cycles, then hold 1.

    phase = (step * cycles mod total) / total; weight = min(1, phase / ratio).

    References:
        Fu et al., Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing,
        2019, arXiv 1903.10145.

    >>> [cycle(s, 8, cycles=2, ratio=0.5) for s in range(8)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0]
    """
    phase = math.fmod(step * cycles, total) / total
    return min(1.0, phase / ratio)


def lifted(weight: float, floor: float) -> float:
    """Return a weight between 0 and 1 as one between ``floor`` and 1."""
    return weight * (1 - floor) + floor


SHAPES: dict[str, Shape] = {
    "linear": linear,
    "cosine": cosine,
    "logistic": logistic,
    "sigmoid": sigmoid,
}


def number(value: object) -> float:
    """Return a schedule's value as a float; the ValueError's message goes on after "returned"."""
    if _is_number(value):
        return float(value)
    if type(value).__module__.partition(".")[0] == "torch":
        raise ValueError("a tensor; return float(...)")
    raise ValueError(f"{value!r}; return a number")


class Annealer:
    """The schedule's weight as a factor of the KL term, and the counter of steps.

    The weight is ``shape(current_step, total) * (1 - baseline) + baseline``. The interface is that
    of the small library vae-annealing (MIT licence); CHANGELOG.md tells what was mended.

    Args:
        total_steps: steps of the rise (with ``ratio``: of rise and hold), at least 1; the counter
            stops there.
        shape: a name of `SHAPES`, or any ``(step, total) -> weight``.
        baseline: the weight at which the rise starts, in [0, 1].
        cyclical: begin again on reaching ``total_steps``, so that a cycle never shows the weight
            there.
        disable: hand the KL term back unchanged (weight 1).
        ratio: R, the part of ``total_steps`` that the rise takes, 0 < R <= 1; then the weight stays
            1 (Fu et al. 2019, arXiv 1903.10145).
        delay: steps before the counter begins to move, once, also when cyclical.

    Raises:
        ValueError: an argument is out of its range or of the wrong type; later, a shape function
            that returns no number.
    """

    def __init__(
        self,
        total_steps: int,
        shape: str | Shape = "linear",
        baseline: float = 0.0,
        cyclical: bool = False,
        disable: bool = False,
        ratio: float = 1.0,
        delay: int = 0,
    ) -> None:
        fits = callable(shape) or (isinstance(shape, str) and shape in SHAPES)
        _require(fits, "shape", shape, f"a function (step, total) or one of {', '.join(SHAPES)}")
        _require(_is_number(baseline) and 0 <= baseline <= 1, "baseline", baseline, "from 0 to 1")
        _require(_is_number(ratio) and 0 < ratio <= 1, "ratio", ratio, "above 0 and at most 1")
        _require(type(disable) is bool, "disable", disable, "True or False")
        self.total_steps = _integer("total_steps", total_steps, 1)
        self.shape = shape
        self.baseline = float(baseline)
        self.disable = disable
        self.ratio = float(ratio)
        self.delay = _integer("delay", delay, 0)
        self.current_step = self._waited = 0
        self.set_cyclical(cyclical)

    def __call__(self, kld: T) -> T:
        """Return ``kld`` times the weight; anything that a float can multiply."""
        product: Any = kld if self.disable else cast(Any, kld) * self.weight
        return cast(T, product)

    @property
    def weight(self) -> float:
        """The weight at the current step."""
        if self.disable:
            return 1.0
        shape = self.shape if callable(self.shape) else SHAPES[self.shape]
        rise = self.total_steps if self.ratio == 1 else self.ratio * self.total_steps
        if self.ratio < 1 and self.current_step >= rise:
            return lifted(1.0, self.baseline)
        value = shape(self.current_step, rise)
        try:
            return lifted(number(value), self.baseline)
        except ValueError as error:
            raise ValueError(f"shape at step {self.current_step} returned {error}") from None

    def __repr__(self) -> str:
        """The arguments of construction and where it stands."""
        shape = getattr(self.shape, "__qualname__", repr(self.shape))
        names = ("baseline", "cyclical", "disable", "ratio", "delay")
        rest = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"Annealer({self.total_steps}, shape={shape}, {rest}) at step {self.current_step}"

    def step(self) -> None:
        """Move on by one step; to be called once after each optimiser step."""
        if self._waited < self.delay:
            self._waited += 1
            return
        self.current_step = min(self.current_step + 1, self.total_steps)
        if self.cyclical and self.current_step == self.total_steps:
            self.current_step = 0

    def set_cyclical(self, value: bool) -> None:
        """Switch cycling on or off, also in the middle of training."""
        _require(type(value) is bool, "cyclical", value, "True or False")
        self.cyclical = value

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold; the arguments of construction are not part of it."""
        counters = {"current_step": self.current_step, "waited": self._waited}
        return {**counters, "cyclical": self.cyclical}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state from `state_dict`; ValueError if it is none of this annealer."""
        missing = self.state_dict().keys() - state.keys()
        if missing:
            raise ValueError(f"annealer state lacks {', '.join(sorted(missing))}")
        step = _integer("current_step", state["current_step"], 0, self.total_steps)
        waited = _integer("waited", state["waited"], 0, self.delay)
        self.set_cyclical(state["cyclical"])
        self.current_step, self._waited = step, waited


def _expit(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _require(fits: bool, name: str, value: object, wanted: str) -> None:
    if not fits:
        raise ValueError(f"{name} must be {wanted}, not {value!r}")


def _integer(name: str, value: object, least: int, most: float = math.inf) -> int:
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or not least <= int(cast(int, value)) <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, not {value!r}")
    return int(cast(int, value))
