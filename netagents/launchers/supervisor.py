"""Starts a run's nodes as processes, watches all of them at once, and ends them under one deadline.

Nobody is waited for in turn: one poller holds every node, the forkserver, the resource tracker, the launcher's signals and whatever the
launcher adds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from netagents.errors import DeadlineError, InterruptedRunError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.culprit import Exit, Failure, first_failure
from netagents.launchers.events import Exited, NodeEvent, NodeSpec, Restarted, Signalled, Source
from netagents.launchers.forkserver import PRELOAD, ForkServer
from netagents.launchers.interruptions import Interruptions
from netagents.launchers.processes import WatchedProcess, adopting_orphans, allow_descriptors
from netagents.launchers.restart import Recovery, Restarts
from netagents.launchers.watch import FORKSERVER, Node, Watch
from netagents.nodes.process import child_main
from netagents.nodes.socket_directory import SocketDirectory

_STARTING_AT_ONCE = 64
_SETTLE_SECONDS = 0.05
_FORKSERVER_SECONDS = 0.5


class Supervisor:
    """The processes of one run.

    Use it as a context manager: leaving it ends every process, removes the socket directory, and puts signal handlers and limits back.

    Args:
        specs: the nodes, in any order.
        timeouts: ``join`` bounds the start, ``stop`` the end.
        log_directory: where ``ROLE.jsonl`` is written; None keeps logs only as long as the run.
        sockets: the run's socket directory; a fresh one if None.
        preload: modules that the forkserver imports before the first node.
        environment: variables for all nodes, on top of one thread each.
        interruptions: where signals have been caught so far, and stay caught when all has ended; its own if None.

    Raises:
        CapacityError: the machine's limits do not allow so many processes, or no socket directory can be made.
    """

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        *,
        timeouts: Timeouts | None = None,
        log_directory: Path | None = None,
        sockets: SocketDirectory | None = None,
        preload: tuple[str, ...] = PRELOAD,
        environment: Mapping[str, str] | None = None,
        interruptions: Interruptions | None = None,
    ) -> None:
        roles = [spec.role for spec in specs]
        if len(set(roles)) < len(roles):
            raise ValueError("each role may be started once")
        self.specs = tuple(specs)
        self.timeouts = timeouts if timeouts is not None else Timeouts()
        self._preload = preload
        self._environment = environment
        self._exit_stack = contextlib.ExitStack()
        self.log_directory = log_directory
        self.sockets = sockets
        self._watch = Watch()
        self._sources: list[Source] = []
        self._failure: Failure | None = None
        self.recovery: Recovery | None = None
        """What is done about failures that the run may survive; None: it survives none."""
        self._interruptions = interruptions
        self._forgiven: set[int] = set()

    # ------------------------------------------------------------------ start

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start all nodes; returns when every process exists, not when its role is ready.

        Raises:
            NodeFailedError: the forkserver ended meanwhile.
            DeadlineError: the processes did not exist in time.
        """
        exits = self._exit_stack
        exits.callback(allow_descriptors(len(self.specs)))
        exits.enter_context(adopting_orphans())
        self._watch.interruptions = self._interruptions
        if self._watch.interruptions is None:
            self._watch.interruptions = Interruptions()
            exits.callback(self._watch.interruptions.close)
        if self.sockets is None:
            self.sockets = SocketDirectory.create()
        exits.callback(self.sockets.remove)
        if self.log_directory is None:
            # Logs that nobody asked to keep go where everything is removed, whoever is killed.
            self.log_directory = self.sockets.path / "logs"
            self.log_directory.mkdir()
        self._watch.forkserver = ForkServer(self.sockets, self._preload, self._environment)
        try:
            self._watch.forkserver.start()
            self._watch.follow(self._watch.forkserver.process, FORKSERVER)
            self._watch.follow_tracker()
            self._fork_all(time.monotonic() + self.timeouts.seconds("join"))
        except BaseException:
            self.close()
            raise

    def _fork_all(self, deadline: float) -> None:
        unborn: dict[int, Node] = {}
        try:
            for spec in self.specs:
                node = self._fork(spec)
                unborn[node.link.status] = node
                if len(unborn) >= _STARTING_AT_ONCE:
                    self._await_births(unborn, deadline, _STARTING_AT_ONCE // 2)
            self._await_births(unborn, deadline, 0)
        finally:
            for node in [node for node in self._watch.nodes.values() if node.process is None]:
                # Should one of them come to life after all, it finds its launcher's end of the pipe closed and leaves.
                del self._watch.nodes[node.spec.role]
                self._watch.forget(node)

    def _fork(self, spec: NodeSpec) -> Node:
        assert self._watch.forkserver is not None
        assert self.sockets is not None
        assert self.log_directory is not None
        log = self.log_directory / f"{spec.role}.jsonl"
        arguments = (spec.role, spec.target, json.dumps(dict(spec.arguments)), str(log), str(self.sockets.path), self._preload)
        started = time.time()
        node = Node(spec, self._watch.forkserver.fork(spec.role, child_main, arguments), started, log)
        self._watch.nodes[spec.role] = node
        return node

    def _await_births(self, unborn: dict[int, Node], deadline: float, enough: int) -> None:
        """Read the process numbers that the forkserver gives, until at most ``enough`` are missing."""
        poller = select.poll()
        for descriptor in unborn:
            poller.register(descriptor, select.POLLIN)
        while len(unborn) > enough:
            ready = poller.poll(max(0.0, 1000 * (deadline - time.monotonic())))
            if not ready:
                names = ", ".join(node.spec.role for node in unborn.values())
                raise DeadlineError(
                    f"no process within {self.timeouts.seconds('join'):g} s for {names}", where="start", fix="raise timeouts.join"
                )
            for descriptor, _ in ready:
                poller.unregister(descriptor)
                node = unborn.pop(descriptor)
                try:
                    node.process = WatchedProcess(node.link.read())
                except EOFError:
                    raise self._forkserver_failure().error() from None
                self._watch.follow(node.process, node.spec.role, node.link.status)

    # ------------------------------------------------------------------ watch

    @property
    def running(self) -> list[str]:
        """Roles whose processes have not ended."""
        return list(self._watch.nodes)

    @property
    def exits(self) -> list[Exit]:
        """How processes ended, in the order in which it was noticed."""
        return self._watch.exits

    @property
    def interrupted(self) -> int | None:
        """The first of SIGINT and SIGTERM that the launcher got."""
        return self._watch.interruptions.first if self._watch.interruptions is not None else None

    def pids(self) -> dict[str, int]:
        """Process numbers of all that run, the forkserver included."""
        pids = {role: node.pid for role, node in self._watch.nodes.items()}
        if self._watch.forkserver is not None and self._watch.forkserver.process is not None:
            pids[FORKSERVER] = self._watch.forkserver.process.pid
        return pids

    def watch(self, source: Source) -> None:
        """Add a descriptor or socket to the poller; :class:`Ready` tells when it can be read."""
        self._sources.append(source)

    def unwatch(self, source: Source) -> None:
        """Take it out again."""
        self._sources.remove(source)

    def poll(self, timeout: float) -> list[NodeEvent]:
        """Wait up to ``timeout`` seconds for anything to happen: a process ended, a signal came, a watched source can be read."""
        self._watch.look(0.0 if self._watch.events else timeout, self._sources)
        events, self._watch.events = self._watch.events, []
        return events

    def wait(
        self,
        handle: Callable[[NodeEvent], None] | None = None,
        tick: Callable[[], None] | None = None,
        interval: float = 0.5,
        ask: Sequence[str] = (),
    ) -> None:
        """Watch until every essential node has finished, then end the others.

        Args:
            handle: given every event.
            tick: called about every ``interval`` seconds, and after every event.
            interval: in seconds.
            ask: roles to ask first when the run has to end early.

        Raises:
            NodeFailedError: an essential node, or the forkserver, failed; all others have been ended.
            InterruptedRunError: SIGINT or SIGTERM came; all nodes have been ended.
        """
        while True:
            events = self.poll(self._start_again(interval))
            for event in events:
                if handle is not None:
                    handle(event)
            if tick is not None:
                tick()
            self.check(events, ask)
            ended = self.recovery is not None and self.recovery.is_over(self.running)
            if ended or not any(node.spec.essential for node in self._watch.nodes.values()):
                self.stop("finished")
                return

    def check(self, events: Iterable[NodeEvent], ask: Sequence[str] = ()) -> None:
        """End the run if one of the events demands it, and raise what :meth:`wait` raises."""
        for event in events:
            if isinstance(event, Signalled):
                name = signal.Signals(event.number).name
                self.stop(f"got {name}", ask=ask)
                raise InterruptedRunError(f"the run was interrupted by {name}", signal_number=event.number)
        if any(isinstance(event, Exited) and event.essential and event.failed and not self._forgive(event) for event in events):
            self.stop("a process failed", ask=ask)
            failure = self.failure()
            assert failure is not None
            raise failure.error()

    def _forgive(self, event: Exited) -> bool:
        """Whether the run goes on although a process failed."""
        if self.recovery is None or not self.recovery.plan(event, self.running, time.monotonic()):
            return False
        self._forgiven.add(event.pid)
        return True

    def _start_again(self, interval: float) -> float:
        """Start what is due; gives the seconds until the next look, at most ``interval``."""
        recovery = self.recovery
        if not isinstance(recovery, Restarts):
            return interval
        for role in recovery.take(time.monotonic()):
            node = self._fork(recovery.next_incarnation(next(spec for spec in self.specs if spec.role == role)))
            self._await_births({node.link.status: node}, time.monotonic() + self.timeouts.seconds("join"), 0)
            self._watch.events.append(Restarted(role, node.pid, recovery.attempt(role)))
        return recovery.wait(time.monotonic(), interval)

    def failure(self) -> Failure | None:
        """Who failed first among the essential processes that have ended; None if nobody did."""
        if self._failure is not None:
            return self._failure
        essential = {spec.role for spec in self.specs if spec.essential} | {FORKSERVER}
        return first_failure(exit_ for exit_ in self._watch.exits if exit_.role in essential and exit_.pid not in self._forgiven)

    def _forkserver_failure(self) -> Failure:
        self._watch.note_forkserver()
        failure = self.failure()
        assert failure is not None
        return failure

    # ------------------------------------------------------------------ stop

    def end(self, role: str) -> None:
        """Kill one process that does not answer; what follows is what follows its failure."""
        node = self._watch.nodes.get(role)
        if node is not None and node.process is not None:
            node.process.send(signal.SIGKILL)

    def stop(self, reason: str, deadline: float | None = None, ask: Sequence[str] = ()) -> list[str]:
        """End every process within ``deadline`` seconds (``timeouts.stop`` if None), all in parallel.

        First the roles in ``ask`` get SIGTERM and the others may follow them; after two fifths of the time all that remain get SIGTERM,
        after seven tenths SIGKILL.  With an empty ``ask`` all get SIGTERM at once.  A second Ctrl-C kills at once.

        Args:
            reason: why, for the error message of a process that cannot be ended.
            deadline: in seconds.
            ask: roles to ask first.

        Returns:
            The roles that had to be killed.
        """
        seconds = self.timeouts.seconds("stop") if deadline is None else deadline
        begin = time.monotonic()
        settled = begin + min(_SETTLE_SECONDS, seconds / 10)
        while self._watch.nodes and any(exit_.exit_code for exit_ in self._watch.exits) and time.monotonic() < settled:
            # Who failed together with the first one is not to look like somebody that we ended.
            self._watch.look(settled - time.monotonic(), ())
        asked = [role for role in ask if role in self._watch.nodes]
        self._send(signal.SIGTERM, asked)
        terminate_at = begin + 0.4 * seconds if asked else begin
        kill_at = begin + 0.7 * seconds
        killed: list[str] = []
        while self._watch.nodes and (now := time.monotonic()) < begin + seconds:
            urgent = self._watch.interruptions is not None and self._watch.interruptions.urgent
            if (now >= kill_at or urgent) and not killed:
                killed = self.running
                self._send(signal.SIGKILL, killed)
            elif now >= terminate_at:
                self._send(signal.SIGTERM, [role for role, node in self._watch.nodes.items() if node.asked is None])
            following = [moment for moment in (terminate_at, kill_at, begin + seconds) if moment > now]
            self._watch.look(max(0.001, min(following) - now), ())
        stuck = self.running
        for role in stuck:
            self._watch.note_exit(self._watch.nodes[role], None)
        # Told now, because logs that nobody keeps go with the forkserver.
        self._failure = self.failure()
        # It has nobody left and leaves in a few milliseconds, unless it is stuck.
        self._end_forkserver(min(_FORKSERVER_SECONDS, max(0.2, begin + seconds - time.monotonic())))
        if stuck:
            raise DeadlineError(f"{', '.join(stuck)} could not be ended within {seconds:g} s", where=f"stop ({reason})")
        return killed

    def _send(self, number: int, roles: Sequence[str]) -> None:
        for role in roles:
            node = self._watch.nodes[role]
            node.asked = node.asked or time.time()
            if node.process is not None:
                node.process.send(number)

    def _end_forkserver(self, seconds: float) -> None:
        server = self._watch.leave_forkserver()
        if server is not None:
            server.stop(seconds)
        for exit_ in self._watch.exits:
            # A stuck forkserver leaves us its zombies.
            with contextlib.suppress(OSError):
                os.waitpid(exit_.pid, os.WNOHANG)

    def close(self) -> None:
        """End what still runs and put everything back; may be called again."""
        try:
            if self._watch.nodes or self._watch.forkserver is not None:
                self.stop("closed")
        finally:
            self._watch.close()
            self._exit_stack.close()
