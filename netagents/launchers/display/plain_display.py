"""Plain display: progress as lines, for logs, pipes and dumb terminals."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from netagents.errors import printable
from netagents.launchers.display.progress_rate import ProgressRate, duration
from netagents.nodes.monitor.progress_view import ProgressView

PLAIN_INTERVAL = 2.0
"""Seconds between plain lines."""


class PlainDisplay:
    """One line every few seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._rate = ProgressRate()
        self._last = -math.inf
        self._open = True

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """Print what was started."""
        self.note(f"{title}: {len(processes)} processes started" if processes else title)

    def show(self, view: ProgressView) -> None:
        """Print a line, unless the last one was just before."""
        self._rate.update(view)
        now = time.monotonic()
        if now - self._last >= PLAIN_INTERVAL or view.iteration == view.total:
            self._last = now
            self.note(describe(view, self._rate))
        for line in view.notices:
            self.note(line)

    def note(self, line: str) -> None:
        """Print the line, without control characters."""
        if not self._open:
            return
        try:
            print(printable(line), file=self._stream, flush=True)
        except (OSError, ValueError):
            # The reader has closed its end; the run continues.
            self._open = False

    def close(self) -> None:
        """Nothing is open."""


def describe(view: ProgressView, rate: ProgressRate) -> str:
    """A view as one line."""
    parts = [f"iteration {view.iteration}/{view.total}", f"return {view.team_return:.2f}"]
    if view.utility != 0.0:
        parts.append(f"utility {view.utility:.3f}")
    parts.append(power_text(view))
    if math.isfinite(rate.message_rate):
        parts.append(f"{rate.message_rate:,.0f} messages/s")
    if math.isfinite(rate.seconds_left) and view.iteration < view.total:
        parts.append(f"{duration(rate.seconds_left)} left")
    if view.dropped:
        parts.append(f"{view.dropped} views dropped")
    return " | ".join(parts)


def power_text(view: ProgressView) -> str:
    """The agent with most power, in words."""
    if view.top_holder < 0:
        return "top power not known"
    alike = "" if view.leaders == 1 else f" (one of {view.leaders} alike)"
    return f"top power: agent {view.top_holder} with {view.top_share:.0%}{alike}"
