"""Pauses of this process, and the clock of its waits, which does not run during them.

A whole run may be stopped and go on later: Ctrl-Z and ``fg``, ``scontrol suspend``, a frozen container, a paused virtual machine.  Then
nobody failed, and no deadline may have passed meanwhile.  A process cannot see that it is stopped, but it sees that it woke from a
short sleep much later than it had asked for.  So all waits sleep in slices of at most :data:`SLICE_SECONDS`, and what a slice took too
long is taken off the clock.  Who is stopped alone is still missed by all others, whose clocks run on.
"""

from __future__ import annotations

from time import perf_counter

SLICE_SECONDS = 0.5
"""Longest sleep without a look at the clock."""

LATE_SECONDS = 1.0
"""Lateness that a busy machine explains; more was a pause."""


class _Pauses:
    """All pauses of this process so far, in seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


_PAUSES = _Pauses()


def waiting_clock() -> float:
    """Seconds on a clock that runs while this process does; for the limits of waits."""
    return perf_counter() - _PAUSES.seconds


def paused_seconds() -> float:
    """By how much the waiting clock is behind ``perf_counter``."""
    return _PAUSES.seconds


def note_waking(due: float) -> None:
    """Take a pause off the waiting clock, if there was one.

    Args:
        due: when, on the waiting clock, the sleep that has just ended should have ended at the latest.
    """
    late = perf_counter() - _PAUSES.seconds - due
    if late > LATE_SECONDS:
        _PAUSES.seconds += late
