"""Signals that ask to stop: noted, so that the work ends where it can be resumed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

RESUMABLE = 75  # exit status of a command that, called again, goes on where it was stopped
ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


@contextmanager
def noted(asked: list[int]) -> Iterator[None]:
    """While the block runs, append the signals that come to a list; a handler does nothing else.

    A hangup that is ignored, as under nohup, stays ignored.
    """

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    kept = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, note) for number in set(ASKING) - kept}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
