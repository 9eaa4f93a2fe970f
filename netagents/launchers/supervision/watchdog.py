"""Watchdog of a run that stands still: the state and the stack of every process, long before a deadline ends the run.

It looks from outside, at the records and at ``/proc``, so that it costs the nodes nothing and also tells of those that cannot speak.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from netagents.monitoring.sinks.sink_host import Sinks
from netagents.wire.session.receiver import Receiver
from netagents.wire.wait_marker import find_wait

WAITING_CLASSES = (Receiver, Sinks)
"""What holds the waits of all roles: loaded here, so that their marks are known to the launcher."""

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>\S+)')
_STACK_SECONDS = 0.3
_PAUSE_SECONDS = 5.0
# No divisor of the tenth of a second at which those who wait look about.
_LOOKS = 7
_STATES = {"R": "running", "S": "waiting", "D": "waiting for the disk", "T": "stopped", "t": "stopped by a debugger", "Z": "dead"}


class Frame(NamedTuple):
    """One frame of a stack: file, line and function, and what is waited for there (:func:`netagents.wire.wait_marker.waits`)."""

    file: str
    line: int
    function: str

    @property
    def wait(self) -> str | None:
        """What is waited for; None where the function is no wait."""
        marked = find_wait(self.file, self.line, self.function)
        return None if marked is None else marked.what

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line} {self.function}"


class ProcessStatus(NamedTuple):
    """What one process does: its role, its state in words, and where, if it could tell: the wait it is in, or else the innermost frame."""

    role: str
    state: str
    frame: Frame | None

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for somebody else."""
        return self.state == "waiting" and self.frame is not None and self.frame.wait is not None

    def __str__(self) -> str:
        what = f" {self.frame.wait}" if self.is_waiting and self.frame is not None else ""
        return f"{self.role} is {self.state}{what}" + (f" in {self.frame}" if self.frame is not None else "")


class Watchdog:
    """Watches one file grow.

    Args:
        progress: grows with every iteration of the run.
        logs: folder of the nodes' logs, into which they write their stacks.
        seconds: without growth after which it speaks; twice as long before it speaks again about the same standstill.
    """

    def __init__(self, progress: Path, logs: Path, seconds: float) -> None:
        self._progress, self._logs, self._seconds = progress, logs, seconds
        self._size = _size(progress)
        self._moved = self._looked = time.monotonic()
        self._next = seconds

    def look(self, pids: Mapping[str, int]) -> list[str]:
        """Lines about a run that stands still; empty while it moves, or was told about.

        Args:
            pids: process of every role.
        """
        size, now = _size(self._progress), time.monotonic()
        if now - self._looked > _PAUSE_SECONDS:
            # Nobody looked either: the whole run was stopped meanwhile.
            self._moved += now - self._looked
        self._looked = now
        if size != self._size:
            self._size, self._moved, self._next = size, now, self._seconds
        elapsed = now - self._moved
        # Before the first iteration nodes may still be on their way; the handshake has deadlines and words of its own.
        if self._size == 0 or elapsed < self._next:
            return []
        self._next *= 2.0
        statuses = process_statuses(pids, self._logs)
        suspects = [each for each in statuses if not each.is_waiting]
        blamed = "; ".join(map(str, suspects)) if suspects else "every process waits for another: a message was lost"
        return [
            f"no iteration has ended for {elapsed:.0f} s: {blamed}",
            *(f"  {each}" for each in statuses if each.is_waiting),
            f"  whole stacks are in {self._logs}",
        ]


def process_statuses(pids: Mapping[str, int], logs: Path) -> list[ProcessStatus]:
    """What every process does, in the order of the roles; each is asked to write its stack into its log."""
    log_sizes = {role: _size(logs / f"{role}.jsonl") for role in pids}
    looks = {role: [_state(pid)] for role, pid in pids.items()}
    for role, pid in pids.items():
        if looks[role][0] not in ("", "stopped", "dead") and _answers(pid):
            os.kill(pid, signal.SIGUSR1)
    for _ in range(_LOOKS):
        time.sleep(_STACK_SECONDS / _LOOKS)
        for role, pid in pids.items():
            looks[role].append(_state(pid))
    return [_status_of(role, looks[role], _stack(logs / f"{role}.jsonl", log_sizes[role])) for role in sorted(pids)]


def _status_of(role: str, looks: list[str], stack: list[Frame]) -> ProcessStatus:
    """One process after several looks: who waits wakes now and then to look about, and who computes may sleep for a moment."""
    waits = [frame for frame in stack if frame.wait is not None]
    if "waiting" in looks and waits:
        return ProcessStatus(role, "waiting", waits[0])
    # A tie goes to the newest: a process found dead at last is dead.
    commonest = max(reversed(looks), key=looks.count)
    return ProcessStatus(role, commonest or "gone", stack[0] if stack else None)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _status(pid: int, key: str) -> str:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{key}:")), "")


def _state(pid: int) -> str:
    letter = _status(pid, "State")[:1]
    return _STATES.get(letter, letter)


def _answers(pid: int) -> bool:
    """Whether the process has said what SIGUSR1 is to do; any other would be ended by it."""
    caught = _status(pid, "SigCgt")
    return bool(caught) and bool(int(caught, 16) >> (signal.SIGUSR1 - 1) & 1)


def _stack(log: Path, begin: int) -> list[Frame]:
    """The frames of the newest stack in a log, the innermost first."""
    try:
        with log.open("rb") as file:
            file.seek(begin)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    # Those of other threads follow behind an empty line.
    frames = _FRAME.finditer(text.partition("\n\n")[0])
    return [Frame(frame["file"], int(frame["line"]), frame["function"]) for frame in frames]
