"""Time for readers: the local time before each line of a log, and durations."""

import time


class Clock:
    """Puts the time before lines; before the first of a day the date too."""

    def __init__(self) -> None:
        self._day = ""

    def __call__(self, line: str) -> str:
        """``line`` after "12:34:56 ", or after "2026-01-31 12:34:56 "."""
        day, now = time.strftime("%Y-%m-%d %H:%M:%S").split()
        start = now if day == self._day else f"{day} {now}"
        self._day = day
        return f"{start} {line}"


def duration(seconds: float) -> str:
    """Return seconds as people say them: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
