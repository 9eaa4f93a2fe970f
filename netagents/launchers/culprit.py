"""Who failed first: the process whose story the user reads, not those that fell over it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netagents import errors
from netagents.errors import InterruptedRunError, NodeFailedError
from netagents.launchers.processes import signal_name
from netagents.nodes.process import FOLLOWERS
from netagents.records.logging import plain, read_log

_LAST_LINES = 20
_ENTRIES = 400


@dataclass(frozen=True)
class Exit:
    """How one process ended.

    Attributes:
        role: its role.
        pid: its number.
        exit_code: as the operating system tells it, negative for a signal; None when nobody could tell.
        time: when the launcher noticed, in seconds since the epoch.
        started: when it was started, likewise.
        asked: the launcher had already sent it a signal.
        log: its log, if it has one.
    """

    role: str
    pid: int
    exit_code: int | None
    time: float
    started: float
    asked: bool
    log: Path | None


@dataclass(frozen=True)
class Failure:
    """The end of one process, with what it wrote about it.

    Attributes:
        role: who failed.
        pid: number of the process.
        exit_code: its exit code; negative for a signal, None when nobody could tell.
        signal: name of the signal that killed it, such as ``SIGKILL``.
        line: what was wrong, in one line.
        traceback: the traceback it wrote; empty when a signal killed it.
        last_lines: the last lines of its log.
        time: when it failed, in seconds since the epoch.
    """

    role: str
    pid: int
    exit_code: int | None
    signal: str | None
    line: str
    traceback: str
    last_lines: tuple[str, ...]
    time: float

    @property
    def how(self) -> str:
        """``killed by SIGKILL``, ``exit code 9``, or that it ended in a way nobody could tell."""
        if self.signal is not None:
            return f"killed by {self.signal}"
        return "ended, its exit code is lost" if self.exit_code is None else f"exit code {self.exit_code}"

    @property
    def details(self) -> str:
        """Traceback and last log lines, for below the one line; empty when there are none."""
        parts = [self.traceback.rstrip()] if self.traceback else []
        if self.last_lines:
            parts.append("\n".join([f"last lines of the log of {self.role}:", *(f"  {line}" for line in self.last_lines)]))
        return "\n\n".join(parts)

    def error(self) -> NodeFailedError:
        """The exception that ends the run; its attribute ``failure`` is this one, ``details`` are its details."""
        what = f"{self.how} (process {self.pid})"
        error = NodeFailedError(f"{what}: {self.line}" if self.line else what, where=self.role)
        error.failure = self  # type: ignore[attr-defined]
        error.details = self.details  # type: ignore[attr-defined]
        return error


def first_failure(exits: Iterable[Exit]) -> Failure | None:
    """The failure that explains the others; None if nobody failed.

    In this order: processes that a signal killed which was not ours (detected at once, and nobody dies of another's death that way); errors of a process's own;
    errors that only tell of a lost or late peer; processes that we ended.  Within a kind the earliest counts, by the time at which it was written down.
    """
    ranked = [(_rank(exit_, failure), failure.time, failure) for exit_ in exits if (failure := _failure(exit_)) is not None]
    return min(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def _rank(exit_: Exit, failure: Failure) -> int:
    if failure.signal is not None:
        return 3 if exit_.asked else 0
    if exit_.exit_code is None:
        return 2
    if failure.line.partition("|")[0] in _FOLLOWER_NAMES:
        return 2
    return 1


def _failure(exit_: Exit) -> Failure | None:
    if exit_.exit_code == 0:
        return None
    raise AssertionError


_FOLLOWER_NAMES: frozenset[str] = frozenset()
