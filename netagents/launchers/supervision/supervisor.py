"""Supervisor of a run: it watches all nodes at once, starts again those that may be, and ends all of them under one deadline.

Nobody is waited for in turn: one poller holds every node, the launcher's signals and whatever the launcher adds.  What a node is, a
process here or a container, and how it is started and ended, is the business of the two kinds of supervisor.
"""

from __future__ import annotations

import contextlib
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from netagents.errors import DeadlineError, InterruptedRunError, NodeFailedError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.end_of_run import EndOfRun
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.node_watch import FORKSERVER, Node, Watch
from netagents.launchers.supervision.processes import processor_ticks
from netagents.launchers.supervision.restarts import Recovery, Restarts
from netagents.launchers.supervision.root_cause import Exit, Failure, first_failure
from netagents.launchers.supervision.supervisor_events import Exited, NodeEvent, NodeSpec, Restarted, Signalled, Source
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.wire.pauses import note_waking, waiting_clock

_SETTLE_SECONDS = 0.05
_AFTERMATH_SECONDS = 0.5


class Supervisor(ABC):
    """The nodes of one run.  Use it as a context manager: leaving it ends every node and puts back whatever the start has changed.

    Args:
        specs: the nodes, in any order.
        timeouts: ``join`` bounds the start, ``stop`` the end.
        log_directory: where ``ROLE.jsonl`` is written.
        sockets: the run's socket directory.
        interruptions: where signals have been caught so far, and stay caught when all has ended; its own if None.
    """

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        *,
        timeouts: Timeouts | None = None,
        log_directory: Path | None = None,
        sockets: SocketDirectory | None = None,
        interruptions: Interruptions | None = None,
    ) -> None:
        roles = [spec.role for spec in specs]
        if len(set(roles)) < len(roles):
            raise ValueError("each role may be started once")
        self.specs = tuple(specs)
        self.timeouts = timeouts if timeouts is not None else Timeouts()
        self._exit_stack = contextlib.ExitStack()
        self.log_directory = log_directory
        self.sockets = sockets
        self._sources: list[Source] = []
        self._failure: Failure | None = None
        self.recovery: Recovery | None = None
        """What is done about failures that the run may survive; None: it survives none."""
        self.settling_seconds = 0.0
        """That inessential nodes get to leave by themselves after the others, such as a monitor with sinks."""
        self._interruptions = interruptions
        self._forgiven: set[tuple[str, int]] = set()

    # ------------------------------------------------------------------ start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    @abstractmethod
    def _watch(self) -> Watch:
        """What it waits for."""

    @abstractmethod
    def start(self, first: Sequence[str] = ()) -> None:
        """Start all nodes; returns when every one exists, not when its role is ready.

        Args:
            first: start these roles alone, where that can be done; :meth:`start_others` starts the rest.
        """

    def start_others(self) -> None:  # noqa: B027 - who starts all at once has nothing left
        """Start those that :meth:`start` has not."""

    @property
    def completed(self) -> Callable[[str], bool] | None:
        """Asked about a role that ended with exit code 0: whether its work was done; None: it always was."""
        return self._watch.completed

    @completed.setter
    def completed(self, ask: Callable[[str], bool]) -> None:
        self._watch.completed = ask

    @abstractmethod
    def _start_one(self, spec: NodeSpec) -> Node:
        """Start a node again; returns when it exists."""

    def _catch_signals(self) -> None:
        self._watch.interruptions = self._interruptions
        if self._watch.interruptions is None:
            self._watch.interruptions = Interruptions()
            self._exit_stack.callback(self._watch.interruptions.close)

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
        """The first of SIGINT, SIGTERM and SIGHUP that the launcher got."""
        return self._watch.interruptions.first if self._watch.interruptions is not None else None

    @abstractmethod
    def pids(self) -> dict[str, int]:
        """Process numbers, on this host, of all that run."""

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
        host: str | None = None,
    ) -> list[str]:
        """Watch until every essential node has finished, then end the others.

        Args:
            handle: given every event.
            tick: called about every ``interval`` seconds, and after every event.
            interval: in seconds.
            ask: roles to ask first when the run has to end early.
            host: the role after whose end the others have ``timeouts.stop`` seconds to leave, and which itself may do nothing for
                ``timeouts.exchange`` seconds when all others have left; None: everybody is waited for without a bound.

        Returns:
            The essential roles that did not leave by themselves although the work was done.

        Raises:
            NodeFailedError: an essential node, or the forkserver, failed; all others have been ended.
            InterruptedRunError: SIGINT, SIGTERM or SIGHUP came; all nodes have been ended.
        """
        stop, exchange = self.timeouts.seconds("stop"), self.timeouts.seconds("exchange")
        end = None if host is None else EndOfRun(host, stop, exchange, lambda: processor_ticks(self.pids().get(host, 0)))
        while True:
            timeout, start = self._start_again(interval), waiting_clock()
            events = self.poll(timeout)
            note_waking(start + timeout)
            for event in events:
                if handle is not None:
                    handle(event)
            if tick is not None:
                tick()
            self.check(events, ask)
            ended = self.recovery is not None and self.recovery.is_over(self.running)
            essential = [role for role, node in self._watch.nodes.items() if node.spec.essential]
            if ended or not essential:
                self._settle()
                self.stop("finished")
                return []
            if end is not None and end.overdue(waiting_clock(), essential, self._running_roles()):
                self.stop("finished")
                if end.host in essential and self.completed is not None and not self.completed(end.host):
                    raise NodeFailedError(f"did nothing for {end.idle:g} s after all agents had left, and was ended", where=end.host)
                return essential

    def _settle(self) -> None:
        """Wait for who may leave by itself, unless somebody asks for the end."""
        until = time.monotonic() + self.settling_seconds
        while self._watch.nodes and time.monotonic() < until:
            if self._watch.interruptions is not None and self._watch.interruptions.first is not None:
                return
            self._watch.look(0.1, ())

    def _running_roles(self) -> list[str]:
        """Roles whose process ended with its work done, or is done without: a host that stands still may have no agent left."""
        return [exit_.role for exit_ in self.exits if exit_.exit_code == 0 or (exit_.role, exit_.pid) in self._forgiven]

    def check(self, events: Iterable[NodeEvent], ask: Sequence[str] = ()) -> None:
        """End the run if one of the events demands it, and raise what :meth:`wait` raises."""
        for event in events:
            if isinstance(event, Signalled):
                name = signal.Signals(event.number).name + (" (the terminal is gone)" if event.number == signal.SIGHUP else "")
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
        self._forgiven.add((event.role, event.pid))
        return True

    def _start_again(self, interval: float) -> float:
        """Start what is due; gives the seconds until the next look, at most ``interval``."""
        recovery = self.recovery
        if not isinstance(recovery, Restarts):
            return interval
        for role in recovery.take(time.monotonic()):
            node = self._start_one(recovery.next_incarnation(next(spec for spec in self.specs if spec.role == role)))
            self._watch.events.append(Restarted(role, node.pid, recovery.attempt(role)))
        return recovery.wait(time.monotonic(), interval)

    def failure(self) -> Failure | None:
        """Who failed first among the essential processes that have ended; None if nobody did."""
        if self._failure is not None:
            return self._failure
        essential = {spec.role for spec in self.specs if spec.essential} | {FORKSERVER}
        return first_failure(
            exit_ for exit_ in self._watch.exits if exit_.role in essential and (exit_.role, exit_.pid) not in self._forgiven
        )

    # ------------------------------------------------------------------ stop

    @abstractmethod
    def end(self, role: str) -> None:
        """Kill one node that does not answer; what follows is what follows its failure."""

    def end_silent(self, role: str, reason: str) -> None:
        """Kill one node because of ``reason``, which its failure goes on to say."""
        node = self._watch.nodes.get(role)
        if node is not None:
            node.note = f"it {reason}, so the launcher killed it"
            self.end(role)

    @abstractmethod
    def _send(self, number: int, roles: Sequence[str]) -> None:
        """Send a signal to nodes, and note when each was first asked to end."""

    @abstractmethod
    def _end_rest(self, seconds: float) -> None:
        """End what was there for the nodes' sake, within ``seconds``."""

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
        addressed = [role for role in ask if role in self._watch.nodes]
        self._send(signal.SIGTERM, addressed)
        terminate_at = begin + 0.4 * seconds if addressed else begin
        kill_at = begin + 0.7 * seconds
        killed: list[str] = []
        while self._watch.nodes and (now := time.monotonic()) < begin + seconds:
            urgent = self._watch.interruptions is not None and self._watch.interruptions.urgent
            if (now >= kill_at or urgent) and not killed:
                killed = self.running
                self._send(signal.SIGKILL, killed)
            elif now >= terminate_at:
                self._send(signal.SIGTERM, [role for role, node in self._watch.nodes.items() if node.signal_time is None])
            following = [moment for moment in (terminate_at, kill_at, begin + seconds) if moment > now]
            self._watch.look(max(0.001, min(following) - now), ())
        stuck = self.running
        for role in stuck:
            self._watch.note_exit(self._watch.nodes[role], None)
        # Told now, because logs that nobody keeps go with what is ended next.
        self._failure = self.failure()
        self._end_rest(min(_AFTERMATH_SECONDS, max(0.2, begin + seconds - time.monotonic())))
        if stuck:
            raise DeadlineError(f"{', '.join(stuck)} could not be ended within {seconds:g} s", where=f"stop ({reason})")
        return killed

    def _holds(self) -> bool:
        """Whether something is there for the nodes' sake that :meth:`_end_rest` ends."""
        return False

    def close(self) -> None:
        """End what still runs and put everything back; may be called again."""
        try:
            if self._watch.nodes or self._holds():
                self.stop("closed")
        finally:
            self._watch.close()
            self._exit_stack.close()
