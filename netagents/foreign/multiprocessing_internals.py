"""Private names of CPython's ``multiprocessing``: every one that the project uses is used here and nowhere else.

Of the forkserver and the resource tracker the standard library tells neither the process number nor the descriptor that keeps them alive,
and a run must watch and end all of its processes.  These names may change with any version of Python;
``tests/foreign/test_multiprocessing_internals.py`` checks them with real processes and fails on a version that is not among
:data:`CHECKED_VERSIONS`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

CHECKED_VERSIONS = ((3, 11), (3, 12), (3, 13))
"""Versions of Python with which these names have been checked."""

_SPAWNING = threading.Lock()


def forkserver_pid(server: Any) -> int:
    """The process number of a ``multiprocessing.forkserver.ForkServer`` that runs."""
    return int(server._forkserver_pid)


def detach_forkserver(server: Any) -> int | None:
    """Make a ``ForkServer`` forget its process, which somebody else ends.

    Returns:
        The descriptor that keeps the process alive, now the caller's to close; None if there is none.
    """
    descriptor: int | None = server._forkserver_alive_fd
    server._forkserver_alive_fd = server._forkserver_pid = None
    return descriptor


def detach_inherited_forkserver() -> int | None:
    """In a child of a forkserver: the child's copy of the descriptor that keeps the forkserver alive, now the caller's to close."""
    from multiprocessing import forkserver

    server: Any = forkserver._forkserver
    descriptor: int | None = getattr(server, "_forkserver_alive_fd", None)
    if descriptor is not None:
        server._forkserver_alive_fd = None
    return descriptor


def tracker_pid() -> int | None:
    """The process number of this process's resource tracker, if it has one; imports nothing."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    pid = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    return None if pid is None else int(pid)


@contextlib.contextmanager
def sockets_in(directory: str) -> Iterator[None]:
    """Have multiprocessing make the sockets of its processes in ``directory``, not in a folder that a killed process leaves behind."""
    from multiprocessing import process

    config = process.current_process()._config  # type: ignore[attr-defined]
    before = config.get("tempdir")
    config["tempdir"] = directory
    try:
        yield
    finally:
        config["tempdir"] = before


@contextlib.contextmanager
def own_process_groups() -> Iterator[None]:
    """Have multiprocessing start the forkserver and the resource tracker of this thread as process groups of their own.

    When the parent of such a group ends and a member of the group is stopped, the kernel continues it (with SIGHUP, which both have
    blocked, and SIGCONT).  So a process that was stopped before its first line of Python, where nothing of it can react, does not stay
    when its launcher is killed.
    """
    import multiprocessing.util

    util: Any = multiprocessing.util
    thread = threading.get_ident()
    with _SPAWNING:
        original = util.spawnv_passfds

        def spawn(path: str | bytes, words: Sequence[str | bytes], descriptors: Sequence[int]) -> int:
            if threading.get_ident() != thread:
                return int(original(path, words, descriptors))
            process = subprocess.Popen(words, executable=path, pass_fds=descriptors, restore_signals=False, process_group=0)
            # Whoever starts it waits for it; the object must not.
            process.returncode = 0
            return process.pid

        util.spawnv_passfds = spawn
        try:
            yield
        finally:
            util.spawnv_passfds = original
