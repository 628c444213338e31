"""The one exception a user may cause."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and how to mend it.

    The command line prints it as ``pcbench: <message>`` and exits with status 2, no traceback.
    """


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, 1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(options)}"
