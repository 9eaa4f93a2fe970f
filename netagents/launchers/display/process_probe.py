"""Probe of processes: what the operating system knows about a silent run, such as stopped or computing processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_STOPPED = "Tt"
_TICK = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
_BUSY = 0.2
"""Share of a core from which a process counts as computing."""


class Probe:
    """Reads the state of processes from ``/proc``, without disturbing them.

    Args:
        processes: role to process number.
    """

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = dict(processes)
        self._spent: dict[str, tuple[float, float]] = {}

    def poll(self, now: float) -> str:
        """Which processes are stopped and which compute, in words; empty if none stands out.

        Args:
            now: seconds, monotonic; computing is measured between two calls.
        """
        stopped, busy = [], []
        for role, pid in self._processes.items():
            state, seconds = _stat(pid)
            before = self._spent.get(role)
            self._spent[role] = (now, seconds)
            if state in _STOPPED and state:
                stopped.append(role)
            elif before is not None and now > before[0] and (seconds - before[1]) / (now - before[0]) > _BUSY:
                busy.append(role)
        parts = []
        if stopped:
            parts.append(f"{_names(stopped)} {'is' if len(stopped) == 1 else 'are'} stopped")
        if busy and len(busy) < len(self._processes):
            parts.append(f"{_names(busy)} {'computes' if len(busy) == 1 else 'compute'}")
        if parts:
            parts.append("the others wait")
        return ", ".join(parts)


def _stat(pid: int) -> tuple[str, float]:
    """State letter and seconds of processor time; empty and 0 when there is no such process or no ``/proc``."""
    try:
        # The second field is the command in brackets and may hold anything, spaces and brackets too.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], (int(fields[11]) + int(fields[12])) * _TICK
    except (OSError, IndexError, ValueError):
        return "", 0.0


def _names(roles: list[str]) -> str:
    names = [role.replace("_", " ") for role in roles[:3]]
    more = f" and {len(roles) - 3} more" if len(roles) > 3 else ""
    return f"{', '.join(names)}{more}"
