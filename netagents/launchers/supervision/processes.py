"""Processes that are watched and ended by what they are, never by a number that may have passed to another."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from netagents.errors import CapacityError

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_DESCRIPTORS_PER_NODE = 3
_SPARE_DESCRIPTORS = 128


class WatchedProcess:
    """One process, known by a process descriptor where the kernel has them, else by its number and the time at which it started.

    Attributes:
        pid: its number.
        descriptor: readable once the process has ended, zombie or not; None where there are no process descriptors.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor: int | None = None
        with contextlib.suppress(AttributeError, OSError):
            self.descriptor = os.pidfd_open(pid)
        self._started = start_time(pid)

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        if self.descriptor is not None:
            poller = select.poll()
            poller.register(self.descriptor, select.POLLIN)
            return not poller.poll(0)
        if self._started is not None:
            return start_time(self.pid) == self._started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def send(self, number: int) -> bool:
        """Send a signal; false when the process is gone."""
        try:
            if self.descriptor is not None:
                signal.pidfd_send_signal(self.descriptor, number)
            elif self.alive():
                os.kill(self.pid, number)
            else:
                return False
        except ProcessLookupError:
            return False
        return True

    def reap(self) -> int | None:
        """Its exit code (negative: the signal that ended it) if it is a dead child of this process; None otherwise."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status) if pid else None

    def close(self) -> None:
        """Give back the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def start_time(pid: int) -> int | None:
    """When a running process started, in clock ticks since boot; None for a zombie, for no process, and without ``/proc``."""
    fields = _stat(pid)
    return None if not fields or fields[0] in "ZX" else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped (SIGSTOP, or a debugger); false where nobody can tell."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in "Tt"


def processor_ticks(pid: int) -> int | None:
    """Clock ticks of processor time that a process has used; None where nobody can tell."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else None


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` behind the command; empty for no process and without ``/proc``."""
    try:
        # The second field is the command in brackets and may hold anything, spaces and brackets too.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def signal_name(exit_code: int | None) -> str | None:
    """Name of the signal behind a negative exit code, such as ``SIGKILL``."""
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


class _Shared:
    """What belongs to the whole process: runs in several threads share it, and the last one puts it back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.adopting = 0
        self.adopted_before: int | None = None
        self.descriptors: list[int] = []
        self.descriptors_before = 0


_SHARED = _Shared()


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Become the parent of orphaned descendants while inside, where the kernel can (Linux): the children of a killed forkserver leave no
    zombies."""
    if sys.platform != "linux":
        yield
        return
    library = ctypes.CDLL(None)
    with _SHARED.lock:
        if _SHARED.adopting == 0:
            before = ctypes.c_int(0)
            known = library.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0) == 0
            _SHARED.adopted_before = before.value if known else None
            if known:
                library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _SHARED.adopting += 1
    try:
        yield
    finally:
        with _SHARED.lock:
            _SHARED.adopting -= 1
            if _SHARED.adopting == 0 and _SHARED.adopted_before is not None:
                library.prctl(_PR_SET_CHILD_SUBREAPER, _SHARED.adopted_before, 0, 0, 0)


def allow_descriptors(nodes: int) -> Callable[[], None]:
    """Raise this process's soft limit of open files if so many nodes need it; gives what puts it back.

    Raises:
        CapacityError: the hard limit is too low.
    """
    needed = _DESCRIPTORS_PER_NODE * nodes + _SPARE_DESCRIPTORS
    with _SHARED.lock:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return lambda: None
        if hard != resource.RLIM_INFINITY and needed > hard:
            most = max(0, (hard - _SPARE_DESCRIPTORS) // _DESCRIPTORS_PER_NODE)
            raise CapacityError(
                f"{nodes} processes need {needed} open files, {hard} are allowed",
                where="local launcher",
                fix=f"use at most {most} nodes or raise ulimit -n",
            )
        if not _SHARED.descriptors:
            _SHARED.descriptors_before = soft
        _SHARED.descriptors.append(needed)
        _set_descriptors()

    def give_back() -> None:
        with _SHARED.lock:
            _SHARED.descriptors.remove(needed)
            _set_descriptors()

    return give_back


def _set_descriptors() -> None:
    limit = max([_SHARED.descriptors_before, *_SHARED.descriptors])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
