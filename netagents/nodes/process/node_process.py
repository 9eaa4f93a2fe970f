"""Process of a node around its role: signals, log, the loss of its parent, and its exit code."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netagents.errors import DeadlineError, ForeignExitError, InterruptedRunError, NetagentsError, NodeFailedError, UsageError, exit_code_of
from netagents.foreign.containment import contained, end_children, exit_at_once, exit_listener, flush_output, lingering_threads
from netagents.foreign.multiprocessing_internals import detach_inherited_forkserver
from netagents.foreign.part_faults import brief
from netagents.nodes.process.freed_memory import keep_freed_memory
from netagents.nodes.process.launcher_check import LAUNCHER_MARKER
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.nodes.process.status_file import StatusLog
from netagents.randomness import BEFORE_TRAINING, ENVIRONMENT_OWNER, seed_globally
from netagents.records.process_log import Log, open_log

SECONDARY_ERRORS = (DeadlineError, NodeFailedError, InterruptedRunError, ConnectionError)
"""Errors of a process that only followed another one's failure; they never explain a run's end when something else does."""


class ParentLostError(NetagentsError):
    """The launcher has ended; the node leaves."""


class EndRequestedError(NetagentsError):
    """SIGTERM asked this process to end."""


@dataclass
class ProcessContext:
    """What a process provides to its role.

    A role includes :attr:`descriptors` in its one poller and, when one is readable, calls :meth:`stop_requested` and
    :meth:`parent_lost`; if either is true, it leaves within a second.

    Attributes:
        role: such as ``agent_3``, ``environment``, ``monitor``.
        log: this process's log.
        parent_fd: readable once the launcher has ended; None if the role was started by hand.
        wake_fd: readable once the process was asked to end (SIGTERM).
        sockets: the run's private directory for sockets; None if the role was started by hand.
    """

    role: str
    log: Log
    parent_fd: int | None
    wake_fd: int
    sockets: SocketDirectory | None = None
    _own: list[Path] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors for the role's poller."""
        return (self.wake_fd,) if self.parent_fd is None else (self.wake_fd, self.parent_fd)

    def stop_requested(self) -> bool:
        """Whether SIGTERM has asked this process to end."""
        return self._stop.is_set()

    def parent_lost(self) -> bool:
        """Whether the launcher has ended."""
        return self.parent_fd is not None and _is_readable(self.parent_fd)

    def own(self, path: Path) -> Path:
        """Register a socket or file of this process; it is unlinked when the process ends."""
        self._own.append(path)
        return path

    def leave(self) -> None:
        """Unlink own files and, if the launcher has ended, those of dead processes in the directory."""
        for path in self._own:
            with contextlib.suppress(OSError):
                path.unlink()
        if self.sockets is not None:
            self.sockets.leave(parent_lost=self.parent_lost())


def watched_descriptors(context: ProcessContext) -> dict[int, Callable[[], None]]:
    """Descriptors for the poller of a node, each with a callback that raises when the node must end."""

    def check() -> None:
        if context.parent_lost():
            raise ParentLostError("the launcher is gone")
        if context.stop_requested():
            raise EndRequestedError("asked to end by SIGTERM")

    return dict.fromkeys(context.descriptors, check)


Role = Callable[[ProcessContext, Mapping[str, Any]], None]
"""A role: called with its process's context and its arguments; it returns when its work is done."""


def child_main(role: str, target: str, arguments: str, log_path: str, sockets: str, preload: Sequence[str]) -> None:
    """First function of a child of the forkserver.

    Args:
        role: the role's name.
        target: import path ``package.module:function`` of a :data:`Role`.
        arguments: the role's arguments as a JSON object.
        log_path: its log.
        sockets: the run's socket directory.
        preload: modules that the forkserver should have imported; missing ones are logged, because multiprocessing ignores import errors.
    """
    # What foreign code prints is not output of the command that started the run.
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    # Ctrl-C and a closed terminal reach every process of the terminal; the launcher handles them for all.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
    # SIGTERM stays blocked until somebody handles it, so that it is answered like any other.
    # Forked processes share the state of the global generators.  Runs seed them for builders and iterations; this seeds everything else.
    seed_globally(zlib.crc32(role.encode()), ENVIRONMENT_OWNER, BEFORE_TRAINING)
    missing = [name for name in preload if name not in sys.modules]
    _give_back_forkserver()
    _name_process(role)
    parent = multiprocessing.parent_process()
    parent_fd = parent.sentinel if parent is not None else None
    if parent_fd is not None and _is_readable(parent_fd):
        # The launcher was killed after it had asked for this process: there is no run any more.
        raise SystemExit(0)
    code = run_role(
        role,
        lambda: resolve(target),
        json.loads(arguments),
        log_path=Path(log_path),
        parent_fd=parent_fd,
        sockets=SocketDirectory(Path(sockets)),
        greeting=f"started, process {os.getpid()}" + (f"; not preloaded: {', '.join(missing)}" if missing else ""),
    )
    end_children()
    if lingering_threads():
        flush_output()
        exit_at_once(code)
    raise SystemExit(code)


def run_role(
    role: str,
    find: Callable[[], Role],
    arguments: Mapping[str, Any],
    *,
    log_path: Path | None,
    parent_fd: int | None = None,
    sockets: SocketDirectory | None = None,
    greeting: str = "started",
    status: Path | None = None,
) -> int:
    """Run a role in this process and return its exit code.

    A failure is written once, with traceback, to the log.  SIGTERM asks the role to end; SIGUSR1 writes the stack of every thread into
    the log.

    Args:
        role: the role's name.
        find: returns the role's function; called after log and signals are set up, so that a failing import is logged too.
        arguments: of the role.
        log_path: the log; None writes to standard error.
        parent_fd: readable once the launcher is gone.
        sockets: the run's socket directory.
        greeting: first line of the log.
        status: file with the node's phase, for ``netagents health``; None: no file.

    Returns:
        0; 143 if SIGTERM ended it; the exit code of the NetagentsError that ended it; or 1 for any other exception.
    """
    keep_freed_memory()
    log = open_log(log_path, role)
    if status is not None:
        log = StatusLog(log, status, role)
    with _stacks_into(log_path), _wake_on_terminate() as (wake_fd, stop):
        context = ProcessContext(role, log, parent_fd, wake_fd, sockets, _stop=stop)
        try:
            log.logger.info(greeting)
            if stop.is_set():
                log.logger.info("asked to end by SIGTERM before it began; ended")
                return 128 + signal.SIGTERM
            with exit_listener(log.failure), contained(output=False):
                find()(context, arguments)
            if context.parent_lost():
                log.logger.warning("the launcher is gone; left")
            elif stop.is_set():
                # The work is incomplete, and must not look like a finished run.
                log.logger.info("asked to end by SIGTERM; ended")
                return 128 + signal.SIGTERM
            else:
                log.logger.info("ended")
            return 0
        except Exception as error:
            log.failure(error)
            return exit_code_of(error)
        except SystemExit as request:
            ended = ForeignExitError(f"something asked the process to end with {brief(request)}", where=role)
            log.failure(ended)
            return ended.exit_code
        finally:
            context.leave()
            log.close()


def resolve(target: str) -> Role:
    """The function of an import path ``package.module:function``.

    Raises:
        UsageError: the path is not of that form, or the module has no such function.
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise UsageError(f"{target!r} is not the import path of a role", fix="write package.module:function")
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise UsageError(f"module {module} has no function {name}", where=target)
    return function  # type: ignore[no-any-return]


@contextlib.contextmanager
def _wake_on_terminate() -> Iterator[tuple[int, threading.Event]]:
    """Within the context SIGTERM sets a flag and makes a descriptor readable."""
    stop = threading.Event()
    receiver, sender = os.pipe()
    os.set_blocking(receiver, False)
    os.set_blocking(sender, False)

    def terminate(_number: int, _frame: object) -> None:
        stop.set()
        with contextlib.suppress(BlockingIOError):
            os.write(sender, b"\0")

    previous = signal.signal(signal.SIGTERM, terminate)
    # A child of the forkserver has it blocked up to here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        yield receiver, stop
    finally:
        signal.signal(signal.SIGTERM, previous)
        os.close(sender)
        os.close(receiver)


@contextlib.contextmanager
def _stacks_into(log_path: Path | None) -> Iterator[None]:
    """Within the context fatal errors and SIGUSR1 write stacks into the log, as plain lines between its JSON lines."""
    with contextlib.ExitStack() as exits:
        file = sys.stderr if log_path is None else exits.enter_context(log_path.open("a", encoding="utf-8"))
        try:
            descriptor = file.fileno()
        except (OSError, ValueError):  # standard error of a notebook or a test is not a file
            yield
            return
        fatal = faulthandler.is_enabled()
        faulthandler.enable(descriptor)
        faulthandler.register(signal.SIGUSR1, descriptor, all_threads=True, chain=False)
        try:
            yield
        finally:
            faulthandler.unregister(signal.SIGUSR1)
            faulthandler.disable()
            if fatal and sys.__stderr__ is not None:
                with contextlib.suppress(OSError, ValueError):
                    faulthandler.enable(sys.__stderr__)


def _give_back_forkserver() -> None:
    """Close this child's copy of the pipe that keeps the forkserver alive, so that only the launcher holds it (see
    :mod:`netagents.nodes.process.orphan_guard`)."""
    os.environ.pop(LAUNCHER_MARKER, None)
    descriptor = detach_inherited_forkserver()
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _is_readable(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def _name_process(role: str) -> None:
    """Show the role instead of ``python`` in ``ps`` and ``top``, where the kernel allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(role[:15], encoding="utf-8")


def wait_for_end(context: ProcessContext, seconds: float) -> bool:
    """Sleep up to ``seconds``; returns True as soon as SIGTERM has arrived or the launcher has ended."""
    poller = select.poll()
    for descriptor in context.descriptors:
        poller.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + seconds
    while not (context.stop_requested() or context.parent_lost()):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        poller.poll(1000 * remaining)
    return True
