"""KL annealing: shapes, which are pure functions of the step, and the `Annealer`.

A shape maps ``(step, total)`` to a weight and keeps no state. So a schedule is known for every step
before training starts, and a resumed run needs the step alone. The `Annealer` counts steps.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeGuard, TypeVar, cast

Shape = Callable[[float, float], float]
T = TypeVar("T")

SIGMOID_STEEPNESS = 10.0  # of the normalised sigmoid, over its whole length


def linear(step: float, total: float) -> float:
    """Return a weight that rises in a straight line: step / total."""
    return step / total


def cosine(step: float, total: float) -> float:
    """Return a weight that rises along half a cosine: (1 + cos(pi (step / total - 1))) / 2."""
    return (math.cos(math.pi * (step / total - 1)) + 1) / 2


def logistic(step: float, total: float) -> float:
    """Return a weight that rises along the logistic curve 1 / (1 + exp(total / 2 - step)).

    This is the curve of the library vae-annealing. Its slope does not scale with ``total``: over
    thousands of steps it is a switch ten steps wide. To train, use `sigmoid`.
    """
    return _expit(step - total / 2)


def sigmoid(step: float, total: float) -> float:
    """Return a weight that rises along a scaled logistic curve, exactly 0 to exactly 1."""
    low, high = _expit(-SIGMOID_STEEPNESS / 2), _expit(SIGMOID_STEEPNESS / 2)
    return (_expit(SIGMOID_STEEPNESS * (step / total - 0.5)) - low) / (high - low)


def ramp(step: float, total: float, start: float = 0.0, length: float = 1.0) -> float:
    """Return a weight that rises in a straight line from 0, at ``start``, to 1.

    ``start`` and ``length``, how long the rise takes, are fractions of ``total``; with ``length`` 0
    the weight jumps from 0 to 1.

    >>> [ramp(s, 8, start=0.25, length=0.5) for s in range(9)]
    [0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    begin, width = start * total, length * total
    if width == 0:
        return 1.0 if step >= begin else 0.0
    return min(1.0, max(0.0, (step - begin) / width))


def cycle(step: float, total: float, cycles: float, ratio: float) -> float:
    """Return a weight that in each cycle rises to 1 in a straight line, then stays there.

    phase = (step * cycles mod total) / total; weight = min(1, phase / ratio): the rise takes the
    first ``ratio`` of each of ``cycles`` cycles.

    References:
        Fu et al., Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing,
        2019, arXiv 1903.10145.

    >>> [cycle(s, 8, cycles=2, ratio=0.5) for s in range(8)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0]
    """
    phase = math.fmod(step * cycles, total) / total
    return min(1.0, phase / ratio)


def lifted(weight: float, floor: float) -> float:
    """Return a weight in [0, 1], scaled linearly to [``floor``, 1]."""
    return weight * (1 - floor) + floor


SHAPES: dict[str, Shape] = {
    "linear": linear,
    "cosine": cosine,
    "logistic": logistic,
    "sigmoid": sigmoid,
}


def number(value: object) -> float:
    """Return a schedule's value as a float; a ValueError's message continues "... returned"."""
    if _is_number(value):
        return float(value)
    if type(value).__module__.partition(".")[0] == "torch":
        raise ValueError("a tensor; return float(...)")
    raise ValueError(f"{value!r}; return a number")


class Annealer:
    """Counts training steps and multiplies the KL term by the schedule's weight.

    The weight is ``shape(current_step, total) * (1 - baseline) + baseline``. The interface is that
    of the small library vae-annealing (MIT licence); CHANGELOG.md lists what was corrected.

    Args:
        total_steps: how many steps the rise takes (with ``ratio``: the rise and the hold), at
            least 1; the counter stops there.
        shape: a name of `SHAPES`, or any ``(step, total) -> weight``.
        baseline: the weight at which the rise starts, in [0, 1].
        cyclical: begin again on reaching ``total_steps``; so no step has the weight of
            ``total_steps``.
        disable: return the KL term unchanged (weight 1).
        ratio: R, the fraction of ``total_steps`` that the rise takes, 0 < R <= 1; for the rest the
            weight stays 1 (Fu et al. 2019, arXiv 1903.10145).
        delay: steps before the counter begins to move; once only, even when cyclical.

    Raises:
        ValueError: an argument is out of range or of the wrong type; or, when the weight is read,
            the shape function returned no number.
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
        """Return ``kld`` times the weight; ``kld`` is anything that a float can multiply."""
        product: Any = kld if self.disable else cast(Any, kld) * self.weight
        return cast(T, product)

    @property
    def weight(self) -> float:
        """Return the weight at the current step."""
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
        """Return the constructor's arguments and the current step, as text."""
        shape = getattr(self.shape, "__qualname__", repr(self.shape))
        names = ("baseline", "cyclical", "disable", "ratio", "delay")
        rest = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"Annealer({self.total_steps}, shape={shape}, {rest}) at step {self.current_step}"

    def step(self) -> None:
        """Advance by one step; call this once after each optimiser step."""
        if self._waited < self.delay:
            self._waited += 1
            return
        self.current_step = min(self.current_step + 1, self.total_steps)
        if self.cyclical and self.current_step == self.total_steps:
            self.current_step = 0

    def set_cyclical(self, value: bool) -> None:
        """Switch cycling on or off; training may be in progress."""
        _require(type(value) is bool, "cyclical", value, "True or False")
        self.cyclical = value

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a checkpoint must hold, without the constructor's arguments."""
        counters = {"current_step": self.current_step, "waited": self._waited}
        return {**counters, "cyclical": self.cyclical}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from `state_dict`; raise ValueError if it does not fit this annealer."""
        missing = self.state_dict().keys() - state.keys()
        if missing:
            raise ValueError(f"annealer state lacks {', '.join(sorted(missing))}")
        step = _integer("current_step", state["current_step"], 0, self.total_steps)
        waited = _integer("waited", state["waited"], 0, self.delay)
        self.set_cyclical(state["cyclical"])
        self.current_step, self._waited = step, waited


def _expit(x: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow."""
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
