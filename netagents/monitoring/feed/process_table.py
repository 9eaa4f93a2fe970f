"""Process table of a run: number, memory and processor time of each of its processes on this host, from ``/proc`` alone.

A process belongs to a run where it holds the run's log, or its events, open; so agents that were started again, by any launcher or by hand,
are found without a word from them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from netagents.records.run_creation import EVENTS, LOGS

SEARCH_SECONDS = 5.0
"""Between two searches through all processes; known ones are read at each call."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


class ProcessTable:
    """Finds and reads the processes of a run.

    Args:
        run: its directory.
    """

    def __init__(self, run: Path) -> None:
        self._run = os.path.realpath(run)
        self._pids: dict[int, str] = {}
        self._spent: dict[int, tuple[float, float]] = {}
        self._searched = -SEARCH_SECONDS

    def poll(self) -> list[dict[str, Any]]:
        """Role, pid, memory in bytes, share of a core since the last call (None at the first) and seconds of processor time of each."""
        now = time.monotonic()
        if now - self._searched >= SEARCH_SECONDS:
            self._searched = now
            self._pids = self._search()
        rows = []
        for pid, role in list(self._pids.items()):
            read = _stat(pid)
            if read is None:
                del self._pids[pid]
                self._spent.pop(pid, None)
                self._searched = -SEARCH_SECONDS  # another one may have taken its place
                continue
            state, seconds, memory = read
            before = self._spent.get(pid)
            self._spent[pid] = (now, seconds)
            share = None if before is None or now <= before[0] else (seconds - before[1]) / (now - before[0])
            rows.append({"role": role, "pid": pid, "memory": memory, "cpu": share, "seconds": seconds, "state": state})
        return sorted(rows, key=lambda row: natural(row["role"]))

    def _search(self) -> dict[int, str]:
        logs, events = f"{self._run}/{LOGS}/", f"{self._run}/{EVENTS}"
        by_place: dict[int, str] = {}
        with os.scandir("/proc") as entries:
            pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
        for pid in pids:
            if pid == os.getpid():
                continue
            try:
                for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - and this
                    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115 - thousands of them
                    if target.startswith(logs) and target.endswith(".jsonl"):
                        by_place[pid] = target[len(logs) : -len(".jsonl")][:40]
                        break
                    if target == events and pid not in by_place:
                        by_place[pid] = "all agents"
            except OSError:
                continue  # it has ended, or belongs to somebody else
        return by_place


def _stat(pid: int) -> tuple[str, float, int] | None:
    """State letter, seconds of processor time and resident bytes; None where there is no such process."""
    try:
        # The second field is the command in brackets and may hold anything, spaces and brackets too.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        if fields[0] in "ZX":
            return None
        return fields[0], (int(fields[11]) + int(fields[12])) * _TICK, int(fields[21]) * _PAGE
    except (OSError, IndexError, ValueError):
        return None


def natural(name: str) -> tuple[str, int]:
    """A key that sorts agent_2 before agent_10."""
    head, _, number = name.rpartition("_")
    return (head, int(number)) if number.isdecimal() else (name, -1)
