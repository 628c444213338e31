"""The one exception that a user may cause."""

import difflib
import importlib
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """Bad input. The message has a line for each mistake: where, what is wrong, what to do.

    The command line prints each as ``pcbench: <line>`` and exits with status 2, no traceback.
    """


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or all of them."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, 1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(options) or 'none'}"


def library(name: str, otherwise: str) -> Any:
    """Import a library that only some work needs; ``otherwise`` is what to do without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{name}: cannot be imported ({reason}); pip install {name}, or {otherwise}"
        ) from error
