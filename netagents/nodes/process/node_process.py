"""What a process does around its role: signals, log, the lost parent, and an exit code that says how it ended."""

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

from netagents.errors import DeadlineError, ForeignExitError, InterruptedRunError, NodeFailedError, UsageError, exit_code_of
from netagents.foreign.containment import contained, end_children, exit_at_once, flush_output, lingering_threads, telling
from netagents.foreign.multiprocessing_internals import detach_inherited_forkserver
from netagents.foreign.part_faults import brief
from netagents.nodes.process.orphan_guard import LAUNCHER_MARKER
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.nodes.process.status_file import StatusLog
from netagents.randomness import BEFORE_TRAINING, ENVIRONMENT_OWNER, seed_globally
from netagents.records.process_log import Log, open_log

FOLLOWERS = (DeadlineError, NodeFailedError, InterruptedRunError, ConnectionError)
"""Errors of a process that only followed another one's failure; they never explain a run's end when something else does."""


@dataclass
class ProcessContext:
    """What a role gets from its process.

    A role includes :attr:`descriptors` in its one poller and, when one of them is readable, asks :meth:`stop_requested` and
    :meth:`parent_lost`; it leaves within a second when either is true.

    Attributes:
        role: such as ``agent_3``, ``environment``, ``monitor``.
        log: this process's log.
        parent_fd: readable once the launcher is gone; None when the role was started by hand.
        wake_fd: readable once the process was asked to end (SIGTERM).
        sockets: the run's private directory for sockets; None when the role was started by hand.
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
        """File descriptors that belong into the role's poller."""
        return (self.wake_fd,) if self.parent_fd is None else (self.wake_fd, self.parent_fd)

    def stop_requested(self) -> bool:
        """Whether SIGTERM has asked this process to end."""
        return self._stop.is_set()

    def parent_lost(self) -> bool:
        """Whether the launcher is gone."""
        if self.parent_fd is None:
            return False
        poller = select.poll()
        poller.register(self.parent_fd, select.POLLIN)
        return bool(poller.poll(0))

    def own(self, path: Path) -> Path:
        """Say that this process made the socket or file ``path``; it is unlinked when the process ends."""
        self._own.append(path)
        return path

    def leave(self) -> None:
        """Unlink own files and, on a lost parent, whatever dead processes left in the directory."""
        for path in self._own:
            with contextlib.suppress(OSError):
                path.unlink()
        if self.sockets is not None:
            self.sockets.leave(parent_lost=self.parent_lost())


Role = Callable[[ProcessContext, Mapping[str, Any]], None]
"""A role: it is given its process's context and its arguments, and returns when its work is done."""


def child_main(role: str, target: str, arguments: str, log_path: str, sockets: str, preload: Sequence[str]) -> None:
    """First function of a child of the forkserver.

    Args:
        role: the role's name.
        target: import path ``package.module:function`` of a :data:`Role`.
        arguments: the role's arguments as a JSON object.
        log_path: its log.
        sockets: the run's socket directory.
        preload: modules that the forkserver was to import; those missing are named in the log, because multiprocessing passes over them
            in silence.
    """
    # What other people's code prints is no output of the command that started the run.
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    # Ctrl-C and a lost terminal reach every process of the terminal; the launcher answers them for all.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
    # Forked processes share the state of the global generators; runs seed them for what is built and for each iteration, this is the rest.
    seed_globally(zlib.crc32(role.encode()), ENVIRONMENT_OWNER, BEFORE_TRAINING)
    missing = [name for name in preload if name not in sys.modules]
    _give_back_forkserver()
    _name_process(role)
    parent = multiprocessing.parent_process()
    parent_fd = parent.sentinel if parent is not None else None
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
    """Run a role in this process and give the exit code that tells how it ended.

    A failure is written once, with traceback, to the log.  SIGTERM asks the role to end; SIGUSR1 writes the stack of every thread into
    the log.

    Args:
        role: the role's name.
        find: gives the role's function; called when log and signals are in place, so that a failing import is logged too.
        arguments: handed to the role.
        log_path: the log; None writes to standard error.
        parent_fd: readable once the launcher is gone.
        sockets: the run's socket directory.
        greeting: first line of the log.
        status: file in which the node says how far it is, for ``netagents health``; None: it does not.

    Returns:
        0; 143 when SIGTERM ended it; the exit code of the NetagentsError that ended it; or 1 for any other exception.
    """
    log = open_log(log_path, role)
    if status is not None:
        log = StatusLog(log, status, role)
    with _stacks_into(log_path), _wake_on_terminate() as (wake_fd, stop):
        context = ProcessContext(role, log, parent_fd, wake_fd, sockets, _stop=stop)
        try:
            log.logger.info(greeting)
            with telling(log.failure), contained(output=False):
                find()(context, arguments)
            if context.parent_lost():
                log.logger.warning("the launcher is gone; left")
            elif stop.is_set():
                # The work is not done; a launcher that did not ask must not take this for a finished run.
                log.logger.info("asked to end by SIGTERM; ended")
                return 128 + signal.SIGTERM
            else:
                log.logger.info("ended")
            return 0
        except Exception as error:
            log.failure(error)
            return exit_code_of(error)
        except SystemExit as asked:
            ended = ForeignExitError(f"something asked the process to end with {brief(asked)}", where=role)
            log.failure(ended)
            return ended.exit_code
        finally:
            context.leave()
            log.close()


def resolve(target: str) -> Role:
    """The function behind an import path ``package.module:function``.

    Raises:
        UsageError: the path is not of that form, or the module has no such function.
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise UsageError(f"{target!r} is no import path of a role", fix="write package.module:function")
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise UsageError(f"module {module} has no function {name}", where=target)
    return function  # type: ignore[no-any-return]


@contextlib.contextmanager
def _wake_on_terminate() -> Iterator[tuple[int, threading.Event]]:
    """SIGTERM sets a flag and makes a descriptor readable; everything is as before afterwards."""
    stop = threading.Event()
    receiver, sender = os.pipe()
    os.set_blocking(receiver, False)
    os.set_blocking(sender, False)

    def terminate(_number: int, _frame: object) -> None:
        stop.set()
        with contextlib.suppress(BlockingIOError):
            os.write(sender, b"\0")

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield receiver, stop
    finally:
        signal.signal(signal.SIGTERM, previous)
        os.close(sender)
        os.close(receiver)


@contextlib.contextmanager
def _stacks_into(log_path: Path | None) -> Iterator[None]:
    """Fatal errors and SIGUSR1 write stacks into the log, as plain lines between its JSON lines."""
    with contextlib.ExitStack() as exits:
        file = sys.stderr if log_path is None else exits.enter_context(log_path.open("a", encoding="utf-8"))
        try:
            descriptor = file.fileno()
        except (OSError, ValueError):  # standard error of a notebook or of a test is no file
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


def _name_process(role: str) -> None:
    """Show the role instead of ``python`` in ``ps`` and ``top``, where the kernel allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(role[:15], encoding="utf-8")


def wait_for_end(context: ProcessContext, seconds: float) -> bool:
    """Sleep up to ``seconds``; true as soon as the process was asked to end or its launcher is gone."""
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
