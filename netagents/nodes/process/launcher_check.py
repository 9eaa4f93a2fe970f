"""Check of a forkserver that imports: with its launcher gone it leaves at once, and no node is born.

The forkserver imports for a second or more before it looks at anything.  Requests to fork that its launcher left behind keep open the
very pipe whose end would tell that the launcher is gone.  So this module, which the forkserver imports first, looks before every further
import whether its parent is still the launcher; :mod:`netagents.nodes.process.orphan_guard`, imported last, looks once more and takes over.

A stopped process cannot look.  So the kernel continues it when the launcher ends: up to here because it was started as a process group of
its own (:func:`netagents.foreign.multiprocessing_internals.own_process_groups`), from here on because it asks for that.  It then goes back
to the launcher's group, whose signals from the terminal are for all processes of a run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

LAUNCHER_MARKER = "NETAGENTS_LAUNCHER"
"""Environment variable that tells the forkserver, and nobody else, who its launcher is."""

SOCKETS_MARKER = "NETAGENTS_RUN"
"""Environment variable with the path of the run's socket directory (:data:`netagents.nodes.process.stray_processes.RUN_MARKER`)."""

TRACKER_MARKER = "NETAGENTS_TRACKER"
"""Environment variable that tells the forkserver the number of its launcher's resource tracker."""

_PR_SET_PDEATHSIG = 1


class LauncherCheck(MetaPathFinder):
    """Finds no module, and looks for the launcher whenever one is looked for."""

    def find_spec(
        self,
        fullname: str,  # noqa: ARG002 - the interface of finders
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        leave_without_launcher()
        return None


def in_forkserver() -> bool:
    """Whether this process is a run's forkserver."""
    return LAUNCHER_MARKER in os.environ


def leave_without_launcher() -> None:
    """End this process if it is a forkserver whose launcher is gone; nothing but its socket directory is there yet."""
    if not in_forkserver() or not launcher_gone():
        return
    stop_checking()
    continue_tracker()
    from pathlib import Path

    from netagents.nodes.process.socket_directory import SocketDirectory

    SocketDirectory(Path(os.environ.get(SOCKETS_MARKER, ""))).remove()
    os._exit(0)


def launcher_gone() -> bool:
    """Whether the launcher of this forkserver has ended."""
    return os.environ.get(LAUNCHER_MARKER) != str(os.getppid())


def continue_tracker() -> None:
    """Continue the resource tracker of a launcher that is gone: it leaves by itself, unless it is stopped."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(os.environ.get(TRACKER_MARKER, "")), signal.SIGCONT)


def ask_to_be_continued() -> None:
    """Have the kernel continue this process, if it is stopped, when the thread that started it ends, which the launcher survives without
    harm; then join the launcher's process group."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGCONT), 0, 0, 0)
    with contextlib.suppress(OSError):
        os.setpgid(0, os.getpgid(int(os.environ[LAUNCHER_MARKER])))


def stop_checking() -> None:
    """Look before imports no longer."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, LauncherCheck)]


if in_forkserver():
    ask_to_be_continued()
    leave_without_launcher()
    sys.meta_path.insert(0, LauncherCheck())
