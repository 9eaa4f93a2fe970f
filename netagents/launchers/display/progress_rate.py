"""Progress rate of a run: speed and remaining time, from the arrival times of views."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from netagents.nodes.monitor.progress_view import ProgressView

SILENT_SECONDS = 3.0
SILENT_FACTOR = 6.0
"""A run is silent after this many times the mean interval between views, and not before :data:`SILENT_SECONDS`."""


class ProgressRate:
    """Rates, time left and silence.

    Args:
        clock: seconds, monotonic.

    Attributes:
        seconds_left: estimated seconds until the end of the run; NaN before the second view.
        message_rate: messages per second; NaN before the second view.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._first: tuple[float, int] | None = None
        self._latest = self._start
        self._messages = 0
        self._interval = math.nan
        self.seconds_left = math.nan
        self.message_rate = math.nan

    def update(self, view: ProgressView) -> None:
        """Add a view."""
        now = self._clock()
        self._latest = now
        if self._first is None:
            self._first = (now, view.iteration)
            return
        self._messages += view.messages
        elapsed = now - self._first[0]
        iterations = view.iteration - self._first[1]
        if elapsed > 0.0 and iterations > 0:
            self._interval = elapsed / iterations
            self.seconds_left = self._interval * (view.total - view.iteration)
            self.message_rate = self._messages / elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the display was made."""
        return self._clock() - self._start

    def silence(self) -> float:
        """Seconds since the last view if that is unusually long, else 0; always 0 before the first view."""
        if self._first is None:
            return 0.0
        since = self._clock() - self._latest
        mean = 0.0 if math.isnan(self._interval) else self._interval
        return since if since > max(SILENT_SECONDS, SILENT_FACTOR * mean) else 0.0


def duration(seconds: float) -> str:
    """Seconds for people: 8 s, 2:05, 1:02:05."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
