"""Status file of a node: its phase, for ``netagents health``.

The file is written when the node enters another phase, and only if it was requested.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from netagents.errors import NodeFailedError, RunDirectoryError
from netagents.records.process_log import Log
from netagents.records.regular_files import read_regular

_BEFORE_THE_START = ("", "joining", "linking", "gathering")
_UNFIT = {"T": "is stopped", "t": "is stopped by a debugger", "Z": "is dead", "X": "is dead"}


class StatusLog(Log):
    """A log that also writes the status file.

    Args:
        log: the log itself.
        path: the file; an existing one is replaced.
        role: of the node.
    """

    def __init__(self, log: Log, path: Path, role: str) -> None:
        super().__init__(log._handler, log._formatter)
        self._path, self._temporary = path, path.with_name(f"{path.name}.new")
        self._facts = {"role": role, "pid": os.getpid(), "began": _stat(os.getpid())[1]}
        self.phase("")

    def phase(self, phase: str) -> None:
        super().phase(phase)
        # Written atomically.  A full disk must not end a run.
        with contextlib.suppress(OSError):
            self._temporary.write_text(json.dumps({**self._facts, "phase": phase}), encoding="utf-8")
            self._temporary.rename(self._path)

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def check_health(path: Path) -> str:
    """One line about the node that writes this status file.

    Raises:
        NodeFailedError: there is no node, it has ended or is stopped, or it has not joined its run yet.
    """
    try:
        facts = json.loads(read_regular(path, 1 << 20))
        role, pid, start_time, phase = str(facts["role"]), int(facts["pid"]), str(facts["began"]), str(facts["phase"])
    except (RunDirectoryError, ValueError, KeyError, TypeError, RecursionError):
        raise NodeFailedError("no node runs here", where=str(path), fix="start one with `netagents node ROLE --status FILE`") from None
    state, started = _stat(pid)
    if started != start_time:
        raise NodeFailedError("has ended unexpectedly", where=role)
    if state in _UNFIT:
        raise NodeFailedError(_UNFIT[state], where=role)
    if phase in _BEFORE_THE_START:
        raise NodeFailedError(f"is not part of the run yet: {phase or 'starting'}", where=role)
    return f"{role}: {phase}"


def _stat(pid: int) -> tuple[str, str]:
    """State letter and start time of a process, in clock ticks since boot; empty when there is no such process."""
    try:
        # The second field is the command in brackets and may hold anything, spaces and brackets too.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
