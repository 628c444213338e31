"""Decide from numbers and their errors whether a model's latent is alive, in three states.

A latent has two halves. MI says what the encoder writes into z, z_use what the decoder reads from
it; a method can force the first while the second stays 0.
"""

from collections.abc import Mapping
from typing import Any

from benchmark.core.measures import COLLAPSED

STATES = ("alive", "undecided", "collapsed")
HALVES = ("mi", "z_use")
THRESHOLD = COLLAPSED
OTHER_THRESHOLDS = (0.03, 0.3)  # at which states are counted too: does the answer hang on 0.1?
ERRORS = 1.96  # standard errors over sentences by which a number must clear the threshold


def state(test: Mapping[str, Any], threshold: float = THRESHOLD) -> str | None:
    """Return "alive" if a half is, "collapsed" if both are, otherwise "undecided".

    None where MI or z_use of the test split is not known.
    """
    halves = {half(test, name, threshold) for name in HALVES}
    if None in halves:
        return None
    if "alive" in halves:
        return "alive"
    return "collapsed" if halves == {"collapsed"} else "undecided"


def half(test: Mapping[str, Any], name: str, threshold: float = THRESHOLD) -> str | None:
    """Return the state of one half: the side of the threshold on which its 95 % interval lies.

    Records made before evaluation 2 hold no errors; theirs are taken as 0.
    """
    value, error = test.get(name), test.get(f"{name}_se", 0.0)
    if value is None:
        return None
    if error is None:  # of a single sentence
        return "undecided"
    if value - ERRORS * error > threshold:
        return "alive"
    return "collapsed" if value + ERRORS * error < threshold else "undecided"
