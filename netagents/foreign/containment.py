"""Containment of other people's code in this process: its working directory, its standard output, its calls of ``os._exit``.

An environment may change the directory to find its models, print what it does, from Python or from C, and end the process.  None of
this may move the records, spoil what a command prints, or make a failed run look finished.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TextIO, cast

from netagents.errors import ForeignExitError
from netagents.foreign.multiprocessing_internals import tracker_pid
from netagents.foreign.part_faults import ExitCall, foreign_faults

exit_at_once: Callable[[int], NoReturn] = os._exit
"""What ends this process without another word, whatever stands in its place for others."""

EXIT_CODE = ForeignExitError.exit_code

_END_SECONDS = 0.4


@contextlib.contextmanager
def contained(*, output: bool = True) -> Iterator[None]:
    """Run other people's code.

    Inside, standard output goes to standard error, and ``os._exit`` raises.  Afterwards, working directory and standard output are what
    they were.  Several threads may be inside at once, and one thread several times: the first to enter changes and the last to leave
    puts back.

    Args:
        output: also redirect standard output; not wanted by processes that have no output of their own.

    Raises:
        ForeignCodeError: an exception of their code, as one line that names file, line and function.
        ForeignExitError: their code asked the process to end.
    """
    with _own_children(), foreign_faults(), _working_directory(), _no_exit(), _output_to_errors() if output else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _own_children() -> Iterator[None]:
    """In a process that is a command and nothing else, end what the code inside has started and left."""
    before = children() if _COMMAND.running else []
    try:
        yield
    finally:
        if _COMMAND.running:
            end_children(before)


class _Command:
    """Whether this process is a command of netagents, rather than a program or notebook that uses it."""

    running = False
    listeners: ClassVar[list[Callable[[BaseException], None]]] = []
    """Who is told why the process ends, when a thread of other people ends it."""


_COMMAND = _Command()


@contextlib.contextmanager
def as_command() -> Iterator[None]:
    """This process belongs to a command: what other people's code leaves running in it is ended."""
    _COMMAND.running = True
    try:
        yield
    finally:
        _COMMAND.running = False


@contextlib.contextmanager
def exit_listener(listener: Callable[[BaseException], None]) -> Iterator[None]:
    """Have ``listener`` called with the reason when a thread of other people's code ends this process."""
    _COMMAND.listeners.append(listener)
    try:
        yield
    finally:
        _COMMAND.listeners.remove(listener)


class _Shared:
    """State of the whole process that the first caller changes and the last one puts back."""

    def __init__(self, begin: Callable[[], Callable[[], None]]) -> None:
        self._begin, self._lock, self._depth = begin, threading.RLock(), 0
        self._end: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._depth == 0:
                self._end = self._begin()
            self._depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    self._end()


def _keep_directory() -> Callable[[], None]:
    try:
        before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return lambda: None

    def put_back() -> None:
        try:
            os.fchdir(before)
        finally:
            os.close(before)

    return put_back


def _refuse_exit() -> Callable[[], None]:
    before, pid, main = os._exit, os.getpid(), threading.main_thread()

    def refuse(code: int = 0) -> NoReturn:
        if os.getpid() != pid:  # a child that they forked ends as it likes
            exit_at_once(code)
        if threading.current_thread() is not main:
            # Raised in a thread of theirs it would end that thread alone.
            ended = ForeignExitError(f"a thread of the environment asked the process to end with os._exit({code})")
            for listener in _COMMAND.listeners:
                listener(ended)
            _warn(f"netagents: error: {ended}")
            exit_at_once(EXIT_CODE)
        raise ExitCall(code)

    os._exit = refuse  # type: ignore[assignment]

    def put_back() -> None:
        if os._exit is refuse:
            os._exit = before

    return put_back


def _redirect() -> Callable[[], None]:
    """Standard output of Python and of C goes where errors go."""
    flush_output()
    stream = sys.stdout
    try:
        before = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        before = -1
    own_descriptor = before >= 0 and _descriptor(stream) == 1
    if not own_descriptor:
        # A notebook, a test or a program has put something else in its place.
        sys.stdout = sys.stderr

    def put_back() -> None:
        if not own_descriptor and sys.stdout is sys.stderr:
            sys.stdout = stream
        if before >= 0:
            flush_output()
            os.dup2(before, 1)
            os.close(before)

    return put_back


def flush_output() -> None:
    """Let go of everything printed so far, by Python and by C."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


def children() -> list[int]:
    """Numbers of this process's children, where the kernel tells; the resource tracker of multiprocessing is none."""
    own = tracker_pid()
    pids: list[int] = []
    for task in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):
            pids += map(int, (task / "children").read_text(encoding="ascii").split())
    return [pid for pid in pids if pid != own]


def end_children(spared: Collection[int] = ()) -> None:
    """End the children that other people's code has left behind, within :data:`_END_SECONDS`; only for processes that are ours alone."""
    remaining = [pid for pid in children() if pid not in spared]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in remaining:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        deadline = time.monotonic() + _END_SECONDS
        while remaining and time.monotonic() < deadline:
            remaining = [pid for pid in remaining if not _reaped(pid)]
            if remaining:
                time.sleep(0.01)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except OSError:
        return True


def lingering_threads() -> bool:
    """Whether threads of other people would hold up the end of this process; they get a moment to end by themselves."""
    deadline = time.monotonic() + _END_SECONDS
    while True:
        others = [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]
        if not others or time.monotonic() >= deadline:
            return bool(others)
        others[0].join(max(0.0, deadline - time.monotonic()))


def _descriptor(stream: Any) -> int:
    try:
        return int(cast("TextIO", stream).fileno())
    except (OSError, ValueError, AttributeError):
        return -1


def _warn(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode(errors="replace"))


_working_directory = _Shared(_keep_directory)
_no_exit = _Shared(_refuse_exit)
_output_to_errors = _Shared(_redirect)
