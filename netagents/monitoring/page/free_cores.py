"""Cores that nobody used lately: how much a server of low priority may take without taking it from a run.

The load average is no measure of this: it remembers a minute, and counts processes that each run for an instant.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

WINDOW_SECONDS = 1.0
"""How far back one looks."""

SHORTEST_SECONDS = 0.1
"""Below which nothing is known: the kernel counts in hundredths of a second."""


class FreeCores:
    """Idle time of the cores on which this process may run, over the last second.

    Args:
        cores: their numbers; default: those of this process.
        read: gives the text of ``/proc/stat`` (man 5 proc_stat).
    """

    def __init__(self, cores: set[int] | None = None, read: Callable[[], str] = Path("/proc/stat").read_text) -> None:
        self._names = {f"cpu{core}" for core in (os.sched_getaffinity(0) if cores is None else cores)}
        self._read = read
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")
        self._samples = deque([self._sample()])

    def count(self) -> float:
        """Cores that were idle on average, between 0 and their number; 0 while nothing is known."""
        newest = self._sample()
        self._samples.append(newest)
        while len(self._samples) > 2 and newest[0] - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()
        oldest = self._samples[0]
        elapsed = newest[0] - oldest[0]
        return 0.0 if elapsed < SHORTEST_SECONDS else (newest[1] - oldest[1]) / elapsed

    def _sample(self) -> tuple[float, float]:
        """Seconds that have passed, per core, and seconds that cores were idle, in all."""
        passed = idle = 0
        for line in self._read().splitlines():
            name, *fields = line.split()
            if name in self._names:
                ticks = [int(field) for field in fields[:8]]
                passed += sum(ticks)
                idle += ticks[3] + ticks[4]
        return passed / max(1, len(self._names)) / self._ticks_per_second, idle / self._ticks_per_second
