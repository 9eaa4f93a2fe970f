"""Root cause of a failed run: the process that failed first, and not those that failed because of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from netagents.errors import EnvironmentMismatchError, ForeignCodeError, NodeFailedError, NumericalError, SimulatorError
from netagents.launchers.supervision.processes import signal_name
from netagents.nodes.process.node_process import SECONDARY_ERRORS
from netagents.records.process_log import plain, read_log

_LAST_LINES = 20
_ENTRIES = 200


@dataclass(frozen=True)
class Exit:
    """How one process ended.

    Attributes:
        role: its role.
        pid: its number.
        exit_code: as the operating system tells it, negative for a signal; None when nobody could tell.
        time: when the launcher noticed, in seconds since the epoch.
        started: when it was started, likewise.
        signal_time: when the launcher sent it a signal, likewise; None if it did not.
        log: its log, if it has one.
        early: it left with exit code 0 although its work was not done.
        note: what else the launcher knows about it, such as why it was killed.
    """

    role: str
    pid: int
    exit_code: int | None
    time: float
    started: float
    signal_time: float | None
    log: Path | None
    early: bool = False
    note: str = ""


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
        error_name: class of the error that it wrote down; empty when it wrote none.
    """

    role: str
    pid: int
    exit_code: int | None
    signal: str | None
    line: str
    traceback: str
    last_lines: tuple[str, ...]
    time: float
    error_name: str = ""

    @property
    def cause(self) -> str:
        """``killed by SIGKILL``, ``exit code 9``, or that it ended in a way nobody could tell."""
        if self.signal is not None:
            return f"killed by {self.signal}"
        return "ended, its exit code is lost" if self.exit_code is None else f"exit code {self.exit_code}"

    @property
    def details(self) -> str:
        """Traceback and last log lines, for below the one line; empty when there are none, or when the line says all."""
        if self.error_name == SimulatorError.__name__:
            return ""
        parts = [self.traceback.rstrip()] if self.traceback else []
        if self.last_lines:
            parts.append("\n".join([f"last lines of the log of {self.role}:", *(f"  {line}" for line in self.last_lines)]))
        return "\n\n".join(parts)

    def error(self) -> NodeFailedError:
        """The exception that ends the run; its attribute ``failure`` is this one, ``details`` are its details."""
        what = f"{self.cause} (process {self.pid})"
        error = NodeFailedError(f"{what}: {self.line}" if self.line else what, where=self.role)
        if self.error_name in _OWN_CODES:
            # What an environment, a utility or a policy does wrong has one exit code under every launcher.
            error.exit_code = _OWN_CODES[self.error_name]  # type: ignore[misc]
        error.failure = self  # type: ignore[attr-defined]
        error.details = self.details  # type: ignore[attr-defined]
        return error


def first_failure(exits: Iterable[Exit]) -> Failure | None:
    """The failure that explains the others; None if nobody failed.

    In this order: processes that a signal killed which was not ours (detected at once, and nobody dies of another's death that way);
    errors of a process's own; errors that only tell of a lost or late peer; errors that pass on another's; processes that we ended.
    Within a kind the earliest counts, by the time at which it was written down.

    When nobody can be blamed but for waiting in vain, the line goes on with who waited for what came earliest in the run.
    """
    ended = list(exits)
    failures = [_classified(exit_) for exit_ in ended if exit_.exit_code != 0 or exit_.early]
    if not failures:
        return None
    rank, failure = min(failures, key=lambda entry: (entry[0], entry[1].time))
    if rank in (_FOLLOWED, _RELAYED) and (root := _earliest_wait(ended)) is not None and root[0] != failure.role:
        return replace(failure, line=f"{failure.line}; it began with {root[0]}, waiting for {root[1]}")
    return failure


def _earliest_wait(exits: Iterable[Exit]) -> tuple[str, str] | None:
    """Who waited, when the run stood still, for what comes first in a run; and for what."""
    waits = []
    for exit_ in exits:
        for entry in [] if exit_.log is None else read_log(exit_.log, last=_ENTRIES):
            wait = entry.get("wait")
            if isinstance(wait, list) and len(wait) == 2 and entry.get("time", 0.0) >= exit_.started:
                waits.append((tuple(wait[0]), exit_.role, str(wait[1])))
    return min(waits)[1:] if waits else None


def _classified(exit_: Exit) -> tuple[int, Failure]:
    entries = [] if exit_.log is None else read_log(exit_.log, last=_ENTRIES)
    written = next((entry for entry in entries if isinstance(entry.get("failure"), dict) and entry.get("time", 0.0) >= exit_.started), None)
    lines = tuple([line for entry in entries[-_LAST_LINES:] for line in plain(entry)][-_LAST_LINES:])
    code = exit_.exit_code
    killer = signal_name(code)
    known = exit_.note or _NO_WORD.get("early" if exit_.early else killer or str(exit_.exit_code), "")
    time, line, traceback, name = exit_.time, known, "", ""
    if written is not None and (killer is None or exit_.signal_time is not None):
        # It had failed by itself; if we then ended it, it was only slow to leave.
        code, killer = None if killer else code, None
        time = float(written["time"])
        name = str(written["failure"].get("error", ""))
        line = str(written["failure"].get("line", ""))
        traceback = str(written.get("traceback", ""))
        # Where the operating system could not tell the code in time, the process itself has.
        code = written["failure"].get("exit_code") if code is None else code
    requested = exit_.signal_time is not None and time >= exit_.signal_time
    rank = _OURS if requested else _KILLED if killer else _FOLLOWED if code is None or name in _follower_names() else _FAILED
    if rank == _FOLLOWED and name == NodeFailedError.__name__:
        # It only passes on what another node told it; that node's own words say more.
        rank = _RELAYED
    return rank, Failure(exit_.role, exit_.pid, code, killer, line, traceback, lines, time, name)


_KILLED, _FAILED, _FOLLOWED, _RELAYED, _OURS = range(5)

_OWN_CODES = {kind.__name__: kind.exit_code for kind in (EnvironmentMismatchError, ForeignCodeError, SimulatorError, NumericalError)}
"""Errors whose exit code a run ends with; others of a process end it with that of :class:`NodeFailedError`."""

_NO_WORD = {
    "early": "it left before the last iteration; something in the environment or in a library of it ended the process",
    "SIGKILL": "from outside: by hand, or by the kernel when memory ran out",
    "SIGSEGV": "it touched memory that is not its own; the stack is in its log",
    "SIGABRT": "it gave up on an inner contradiction; the stack is in its log",
    "143": "it got a SIGTERM that was not the launcher's",
    "SIGTERM": "somebody asked it to end before it could hear that",
}


def _follower_names() -> frozenset[str]:
    names: set[str] = set()
    classes: list[type[BaseException]] = list(SECONDARY_ERRORS)
    while classes:
        kind = classes.pop()
        names.add(kind.__name__)
        classes.extend(kind.__subclasses__())
    return frozenset(names)
