"""Stray processes of a run, which foreign code started and left behind, such as a simulator whose environment was killed."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

RUN_MARKER = "NETAGENTS_RUN"
"""Environment variable of every process of a run: the path of its socket directory."""


def end_members(sockets: Path) -> list[int]:
    """Kill every process that has the run's marker in its environment, and return their numbers.

    All nodes of a run have it, and so have the processes that they start.  Called when all nodes have ended; without ``/proc`` it does
    nothing.

    Args:
        sockets: the run's socket directory, which the marker names.
    """
    marker = f"{RUN_MARKER}={sockets}".encode()
    ended: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid() or not _carries(folder, marker):
            continue
        with contextlib.suppress(OSError):
            _kill(pid, folder, marker)
            ended.append(pid)
    for pid in ended:
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
    return ended


def running_members() -> set[str]:
    """The socket directories of all runs that have a running process of this user; empty without ``/proc``."""
    name = f"{RUN_MARKER}=".encode()
    members: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (folder / "environ").read_bytes().split(b"\0")
            members.update(os.fsdecode(each[len(name) :]) for each in variables if each.startswith(name))
    return members


def _kill(pid: int, folder: Path, marker: bytes) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        # Checked again, now that the number cannot be reused for another process.
        if _carries(folder, marker):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)


def _carries(folder: Path, marker: bytes) -> bool:
    try:
        return marker in (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
