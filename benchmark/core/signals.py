"""Note signals that ask to stop, so that work ends where it can be resumed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
INTERRUPTED = 75  # exit status (EX_TEMPFAIL): the same command resumes from the checkpoint
CTRL_C = 130  # exit status of a process that Ctrl-C ended before it could note signals


@contextmanager
def noted(asked: list[int]) -> Iterator[None]:
    """Append the signals that arrive during the block to ``asked``; do nothing else with them."""
    # Under nohup a hangup is ignored already, and must stay so.
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {
        number: signal.signal(number, lambda received, frame: asked.append(received))
        for number in set(ASKING) - ignored
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
