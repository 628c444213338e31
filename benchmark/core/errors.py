"""`UserError`, the exception for mistakes that a user can correct."""

import difflib
import importlib
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """An error in the input. Its message has one line for each mistake: place, cause and remedy.

    The command line prints each line as ``pcbench: <line>``, without a traceback, and exits with
    status 2.
    """


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown name: the nearest known name, or a list of all of them."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"choose one of {', '.join(options)}" if options else "there are none"


def library(name: str, otherwise: str) -> Any:
    """Import and return an optional library; ``otherwise`` says what to do without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{name}: cannot be imported ({reason}); run `pip install {name}`, or {otherwise}"
        ) from error
