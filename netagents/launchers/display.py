"""Progress while a run goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import Protocol, TextIO

from netagents.nodes.view import View

PLAIN_INTERVAL = 2.0
"""Seconds between plain lines."""


class Display(Protocol):
    """Shows views and notices."""

    def show(self, view: View) -> None:
        """The run after an iteration."""

    def note(self, line: str) -> None:
        """Something worth a line of its own."""

    def close(self) -> None:
        """Nothing more will come."""


class SilentDisplay:
    """Shows nothing."""

    def show(self, view: View) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class PlainDisplay:
    """One line every few seconds, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._pace = Pace()
        self._last = -math.inf

    def show(self, view: View) -> None:
        """A line, unless the last one was just before."""
        self._pace.update(view)
        now = time.monotonic()
        if now - self._last >= PLAIN_INTERVAL or view.iteration == view.total:
            self._last = now
            print(describe(view, self._pace), file=self._stream, flush=True)

    def note(self, line: str) -> None:
        """The line as it is."""
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is open."""


class Pace:
    """Rates and time left, from when views arrive."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._messages = 0
        self.left = math.nan
        self.message_rate = math.nan

    def update(self, view: View) -> None:
        """Take in one view."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, view.iteration)
            return
        self._messages += view.messages
        elapsed = now - self._first[0]
        done = view.iteration - self._first[1]
        if elapsed > 0.0 and done > 0:
            self.left = elapsed / done * (view.total - view.iteration)
            self.message_rate = self._messages / elapsed


def describe(view: View, pace: Pace) -> str:
    """A view as one line."""
    parts = [f"iteration {view.iteration}/{view.total}", f"return {view.team_return:.2f}"]
    if view.utility != 0.0:
        parts.append(f"utility {view.utility:.3f}")
    parts.append(power_text(view))
    if math.isfinite(pace.message_rate):
        parts.append(f"{pace.message_rate:,.0f} messages/s")
    if math.isfinite(pace.left) and view.iteration < view.total:
        parts.append(f"{pace.left:.0f} s left")
    if view.dropped:
        parts.append(f"{view.dropped} views dropped")
    return " | ".join(parts)


def power_text(view: View) -> str:
    """Who holds most power, in words."""
    if view.top_holder < 0:
        return "no reliable power"
    return f"top power: agent {view.top_holder} with {view.top_share:.0%}"


class RichDisplay:
    """A live progress bar on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._pace = Pace()
        self._progress = Progress(
            TextColumn("[bold]training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("training", total=None, state="starting")
        self._progress.start()

    def show(self, view: View) -> None:
        """Move the bar."""
        self._pace.update(view)
        state = f"return {view.team_return:.2f} | {power_text(view)}"
        if math.isfinite(self._pace.message_rate):
            state += f" | {self._pace.message_rate:,.0f} msg/s"
        self._progress.update(self._task, total=view.total, completed=view.iteration, state=state)

    def note(self, line: str) -> None:
        """The line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


def make_display(wanted: bool) -> Display:
    """The display that fits standard error."""
    if not wanted:
        return SilentDisplay()
    return RichDisplay() if sys.stderr.isatty() else PlainDisplay()
