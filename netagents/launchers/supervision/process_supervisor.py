"""Supervisor of nodes that are processes of this machine, all children of one forkserver."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from netagents.errors import DeadlineError, NodeFailedError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.forkserver import PRELOAD, ForkServer
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.node_watch import FORKSERVER
from netagents.launchers.supervision.process_watch import ProcessNode, ProcessWatch
from netagents.launchers.supervision.processes import WatchedProcess, adopting_orphans, allow_descriptors, is_stopped
from netagents.launchers.supervision.root_cause import Failure
from netagents.launchers.supervision.supervisor import Supervisor
from netagents.launchers.supervision.supervisor_events import NodeSpec
from netagents.nodes.process.node_process import child_main
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.nodes.process.stray_processes import end_members
from netagents.wire.pauses import SLICE_SECONDS, note_waking, waiting_clock

_STARTING_AT_ONCE = 64


class ProcessSupervisor(Supervisor):
    """The processes of one run.

    Leaving it ends every process, removes the socket directory, and puts signal handlers and limits back.

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
        super().__init__(specs, timeouts=timeouts, log_directory=log_directory, sockets=sockets, interruptions=interruptions)
        self._processes = ProcessWatch()
        self._preload = preload
        self._environment = environment

    @property
    def _watch(self) -> ProcessWatch:
        return self._processes

    def _holds(self) -> bool:
        return self._processes.forkserver is not None

    def start(self, first: Sequence[str] = ()) -> None:
        """Start all nodes, or the roles in ``first``; returns when every process exists, not when its role is ready.

        Raises:
            NodeFailedError: the forkserver ended meanwhile.
            DeadlineError: the processes did not exist in time.
        """
        exits = self._exit_stack
        exits.callback(allow_descriptors(len(self.specs)))
        exits.enter_context(adopting_orphans())
        self._catch_signals()
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
            self._fork_all([spec for spec in self.specs if not first or spec.role in first])
        except BaseException:
            self.close()
            raise

    def start_others(self) -> None:
        """Start those that :meth:`start` has not.

        Raises:
            NodeFailedError, DeadlineError: as :meth:`start`.
        """
        started = {*self.running, *(exit_.role for exit_ in self.exits)}
        self._fork_all([spec for spec in self.specs if spec.role not in started])

    def add(self, specs: Sequence[NodeSpec]) -> dict[str, int]:
        """Start further nodes, or roles that have ended once more; gives the process number of each.

        Raises:
            NodeFailedError, DeadlineError: as :meth:`start`.
        """
        self._fork_all(specs)
        return {spec.role: self._watch.processes[spec.role].pid for spec in specs if spec.role in self._watch.processes}

    def signal(self, number: int, roles: Sequence[str]) -> None:
        """Send a signal to those of the roles that run."""
        self._send(number, [role for role in roles if role in self._watch.processes])

    def _fork_all(self, specs: Sequence[NodeSpec]) -> None:
        deadline = waiting_clock() + self.timeouts.seconds("join")
        unborn: dict[int, ProcessNode] = {}
        try:
            for spec in specs:
                node = self._fork(spec)
                unborn[node.link.status] = node
                if len(unborn) >= _STARTING_AT_ONCE:
                    self._await_births(unborn, deadline, _STARTING_AT_ONCE // 2)
            self._await_births(unborn, deadline, 0)
        finally:
            self._forget_unborn()

    def _forget_unborn(self) -> None:
        for node in [node for node in self._watch.processes.values() if node.process is None]:
            # Should one of them come to life after all, it finds its launcher's end of the pipe closed and leaves.
            del self._watch.processes[node.spec.role]
            self._watch.forget(node)

    def _fork(self, spec: NodeSpec) -> ProcessNode:
        assert self._watch.forkserver is not None
        assert self.sockets is not None
        assert self.log_directory is not None
        log = self.log_directory / f"{spec.role}.jsonl"
        arguments = (spec.role, spec.target, json.dumps(dict(spec.arguments)), str(log), str(self.sockets.path), self._preload)
        started = time.time()
        node = ProcessNode(spec, started, log, link=self._watch.forkserver.fork(spec.role, child_main, arguments))
        self._watch.processes[spec.role] = node
        return node

    def _start_one(self, spec: NodeSpec) -> ProcessNode:
        try:
            node = self._fork(spec)
            self._await_births({node.link.status: node}, waiting_clock() + self.timeouts.seconds("join"), 0)
        finally:
            self._forget_unborn()
        return node

    def _await_births(self, unborn: dict[int, ProcessNode], deadline: float, enough: int) -> None:
        """Read the process numbers that the forkserver gives, until at most ``enough`` are missing."""
        poller = select.poll()
        for descriptor in unborn:
            poller.register(descriptor, select.POLLIN)
        stopped_since: float | None = None
        while len(unborn) > enough:
            start = waiting_clock()
            asleep = min(SLICE_SECONDS, max(0.0, deadline - start))
            ready = poller.poll(1000 * asleep)
            note_waking(start + asleep)
            now = waiting_clock()
            stopped_since = (now if stopped_since is None else stopped_since) if self._forkserver_is_stopped() else None
            if not ready and stopped_since is not None and now - stopped_since >= min(self.timeouts.seconds("answer"), deadline - start):
                names = ", ".join(node.spec.role for node in unborn.values())
                raise NodeFailedError(f"is stopped, and does not start {names}", where=FORKSERVER, fix="let it go on (SIGCONT)")
            if not ready and now < deadline:
                continue
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

    def _forkserver_is_stopped(self) -> bool:
        server = self._watch.forkserver
        return server is not None and server.process is not None and is_stopped(server.process.pid)

    def _forkserver_failure(self) -> Failure:
        self._watch.note_forkserver()
        failure = self.failure()
        assert failure is not None
        return failure

    def pids(self) -> dict[str, int]:
        """Process numbers of all that run, the forkserver included."""
        pids = {role: node.pid for role, node in self._watch.processes.items()}
        if self._watch.forkserver is not None and self._watch.forkserver.process is not None:
            pids[FORKSERVER] = self._watch.forkserver.process.pid
        return pids

    def end(self, role: str) -> None:
        node = self._watch.processes.get(role)
        if node is not None and node.process is not None:
            node.process.send(signal.SIGKILL)

    def _send(self, number: int, roles: Sequence[str]) -> None:
        for role in roles:
            node = self._watch.processes[role]
            node.signal_time = node.signal_time or time.time()
            if node.process is not None:
                node.process.send(number)

    def _end_rest(self, seconds: float) -> None:
        # The forkserver has nobody left and leaves in a few milliseconds, unless it is stuck.
        server = self._watch.leave_forkserver()
        if server is not None:
            server.stop(seconds)
        if self.sockets is not None:
            end_members(self.sockets.path)
        for exit_ in self._watch.exits:
            # A stuck forkserver leaves us its zombies.
            with contextlib.suppress(OSError):
                os.waitpid(exit_.pid, os.WNOHANG)
