"""Pauses of this process, and the clock of its waits, which stands still during them.

A whole run may be stopped and continued: Ctrl-Z and ``fg``, ``scontrol suspend``, a frozen container, a paused virtual machine.  Then no
node has failed, and no deadline may pass meanwhile.  A process does not notice that it is stopped, but it notices that it woke from a
short sleep much later than requested.  So all waits sleep in slices of at most :data:`SLICE_SECONDS`, and the excess of a slice is
subtracted from the clock.  If one process alone is stopped, the clocks of the others run on, and they miss it.
"""

from __future__ import annotations

from time import perf_counter

SLICE_SECONDS = 0.5
"""Longest sleep without reading the clock."""

LATE_SECONDS = 1.0
"""Lateness that a busy machine explains; more is a pause."""


class _Pauses:
    """All pauses of this process so far, in seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


_PAUSES = _Pauses()


def waiting_clock() -> float:
    """Seconds on a clock that stands still while this process is stopped; for deadlines."""
    return perf_counter() - _PAUSES.seconds


def paused_seconds() -> float:
    """Seconds by which the waiting clock is behind ``perf_counter``."""
    return _PAUSES.seconds


def note_waking(due: float) -> None:
    """Subtract a pause from the waiting clock, if there was one.

    Args:
        due: latest planned end, on the waiting clock, of the sleep that has just ended.
    """
    late = perf_counter() - _PAUSES.seconds - due
    if late > LATE_SECONDS:
        _PAUSES.seconds += late
