"""Guard inside the forkserver: when the launcher is gone, no child and no socket outlives it by more than a moment.

The forkserver imports this module before it forks anyone.  It ends when it reads end-of-file on a pipe that only the launcher holds (a
child gives its copy back, see :mod:`netagents.nodes.process.node_process`): at the end of a run, and the moment the launcher is
killed.  Then the function below runs.  Children see the loss by themselves and leave; whoever is stopped or stuck in a long
computation is killed here.  Children never run it: they leave through ``os._exit``.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import time
from pathlib import Path

from netagents.nodes.process.launcher_check import continue_tracker, in_forkserver, launcher_gone, leave_without_launcher, stop_checking
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.nodes.process.stray_processes import RUN_MARKER, end_members

GRACE_SECONDS = 0.9
_KILL_SECONDS = 0.5


def end_children() -> None:
    """Wait a moment for all children, kill those that remain, remove the socket directory."""
    if not _all_gone(GRACE_SECONDS):
        for pid in _children():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        _all_gone(_KILL_SECONDS)
    directory = os.environ.get(RUN_MARKER)
    if directory:
        # Whatever nodes started, such as the simulator of an environment that was killed.
        end_members(Path(directory))
        SocketDirectory(Path(directory)).remove()
    if launcher_gone():
        continue_tracker()


def _all_gone(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return True
    return False


def _children() -> list[int]:
    me = os.getpid()
    try:
        return [int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []


if in_forkserver():
    stop_checking()
    atexit.register(end_children)
    leave_without_launcher()
    # What was imported up to here is never garbage; a collection in a child would only copy its pages.
    gc.collect()
    gc.freeze()
