"""A forkserver of its own for every run.

multiprocessing keeps one forkserver per process; a run uses a private instance of the same class, so that it neither disturbs nor
inherits what else the user's program does with multiprocessing, and so that it can be watched and ended as one of the run's processes.
Children are told everything but what the user's
``__main__`` was: it is never imported a second time, and scripts need no guard.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import context, forkserver, get_context, reduction, resource_tracker, spawn
from typing import Any

from netagents.errors import NodeFailedError
from netagents.foreign.multiprocessing_internals import detach_forkserver, forkserver_pid, own_process_groups, sockets_in, tracker_pid
from netagents.launchers.supervision.processes import WatchedProcess
from netagents.nodes.process.launcher_check import LAUNCHER_MARKER, TRACKER_MARKER
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.nodes.process.stray_processes import RUN_MARKER

PRELOAD = (
    "netagents.nodes.process.launcher_check",
    "numpy",
    "zmq",
    "msgpack",
    "netagents.nodes.process.node_process",
    "netagents.nodes.process.orphan_guard",
)
"""What tabular runs import once, before the first child.  The check of the launcher stands first because it watches over the others; the
guard stands last because it closes the books on memory."""

_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

ONE_THREAD: Mapping[str, str] = dict.fromkeys(_THREAD_COUNTS, "1")
"""Environment of every node: one thread per process, set before anything is imported."""

_ENVIRONMENT_LOCK = threading.Lock()


@dataclass(frozen=True)
class ChildLink:
    """What the launcher holds of one child.

    Attributes:
        status: readable descriptor; gives the child's number, and once it has ended, its exit code.
        parent: as long as it is open, the child knows that its launcher lives.
    """

    status: int
    parent: int

    def read(self) -> int:
        """The next number from the forkserver; blocks.

        Raises:
            EOFError: the forkserver is gone.
        """
        return int(forkserver.read_signed(self.status))

    def close(self) -> None:
        os.close(self.status)
        os.close(self.parent)


class ForkServer:
    """The process that imports once and forks every node.

    Args:
        sockets: the run's socket directory; the forkserver's own socket lies there too.
        preload: modules to import before the first fork.
        environment: variables for all nodes, on top of :data:`ONE_THREAD`.
    """

    def __init__(self, sockets: SocketDirectory, preload: tuple[str, ...] = PRELOAD, environment: Mapping[str, str] | None = None) -> None:
        self._sockets = sockets
        self._environment = {
            **ONE_THREAD,
            **(environment or {}),
            RUN_MARKER: str(sockets.path),
            LAUNCHER_MARKER: str(os.getpid()),
        }
        self._server: Any = forkserver.ForkServer()
        self._server.set_forkserver_preload(list(preload))
        self.process: WatchedProcess | None = None

    def start(self) -> None:
        """Start it; returns before its imports are done."""
        # The tracker is shared by the whole program, so it starts outside of the run's environment.
        with _without_interrupts(), own_process_groups():
            resource_tracker.ensure_running()
        tracker = {TRACKER_MARKER: str(tracker_pid() or "")}
        with (
            _ENVIRONMENT_LOCK,
            _variables({**self._environment, **tracker}),
            sockets_in(str(self._sockets.path)),
            _without_interrupts(),
            own_process_groups(),
        ):
            self._server.ensure_running()
        self.process = WatchedProcess(forkserver_pid(self._server))

    def fork(self, name: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> ChildLink:
        """Ask for a child that calls ``target(*arguments)``; returns before it exists.

        Raises:
            NodeFailedError: the forkserver is gone.
        """
        # multiprocessing's own start does the same three things, and adds the user's main module to the first.
        preparation = spawn.get_preparation_data(name)
        for key in ("init_main_from_path", "init_main_from_name"):
            preparation.pop(key, None)
        child = get_context("forkserver").Process(target=target, args=arguments, name=name)
        buffer = io.BytesIO()
        context.set_spawning_popen(self)  # type: ignore[arg-type]  # allows the authentication key to travel to our own child
        try:
            reduction.dump(preparation, buffer)
            reduction.dump(child, buffer)
        finally:
            context.set_spawning_popen(None)
        watched = self.process
        if watched is None or not watched.alive():
            raise NodeFailedError("ended while nodes were started", where="forkserver")
        try:
            status, writer = self._server.connect_to_new_process([])
        except OSError as error:
            raise NodeFailedError(f"does not answer while nodes are started ({error.strerror})", where="forkserver") from error
        link = ChildLink(status, os.dup(writer))
        with contextlib.suppress(BrokenPipeError), open(writer, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(buffer.getbuffer())
        if forkserver_pid(self._server) != watched.pid:
            # The class starts a new server in place of a dead one; a run does not go on with half of its nodes.
            link.close()
            watched.close()
            self.process = WatchedProcess(forkserver_pid(self._server))
            raise NodeFailedError("ended while nodes were started", where="forkserver")
        return link

    def stop(self, seconds: float) -> int | None:
        """End it within ``seconds`` and give its exit code; kill it when it does not leave by itself."""
        watched = self.process
        if watched is None:
            return None
        descriptor = detach_forkserver(self._server)
        if descriptor is not None:
            os.close(descriptor)
        code = _reap_within(watched, seconds)
        if code is None and watched.alive():
            watched.send(signal.SIGKILL)
            code = _reap_within(watched, 1.0)
        watched.close()
        self.process = None
        return code


def tracker_process() -> WatchedProcess | None:
    """multiprocessing's resource tracker, if it runs as a child of this process."""
    pid = tracker_pid()
    return WatchedProcess(pid) if pid is not None else None


def renew_tracker() -> None:
    """Start the resource tracker again after somebody killed it; nodes register nothing there, so nothing was lost."""
    with warnings.catch_warnings(), _without_interrupts(), own_process_groups():
        warnings.simplefilter("ignore", UserWarning)
        resource_tracker.ensure_running()


def _reap_within(watched: WatchedProcess, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while (code := watched.reap()) is None and watched.alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    return watched.reap() if code is None else code


@contextlib.contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """The forkserver inherits blocked SIGINT, SIGHUP and SIGTERM: what reaches all processes of a terminal or of a batch job must not end
    it, because the launcher answers for all.  Its children unblock each of them once they handle it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
