"""One look at everything: which process ended and how, which signal came, which source can be read."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import zmq

from netagents.launchers.supervision.forkserver import ChildLink, ForkServer, renew_tracker, tracker_process
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.processes import WatchedProcess, is_stopped, signal_name
from netagents.launchers.supervision.root_cause import Exit
from netagents.launchers.supervision.supervisor_events import Exited, NodeEvent, NodeReady, NodeSpec, Signalled, Source

FORKSERVER = "forkserver"
TRACKER = "resource_tracker"

_CODE_SECONDS = 1.0
_LOOK_SECONDS = 0.02


@dataclass
class Node:
    """A started node: what it is, the link to it, when it was started and asked to end (seconds since the epoch), and why it was killed."""

    spec: NodeSpec
    link: ChildLink
    started: float
    log: Path | None
    process: WatchedProcess | None = None
    asked: float | None = None
    note: str = ""

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0


class Watch:
    """Everything that a supervisor waits for, behind one poller.

    Attributes:
        nodes: those whose processes have not ended, by role.
        exits: how the others ended, in the order in which it was noticed.
        events: what happened and was not yet told.
        forkserver: parent of all nodes; None before the start and once it is gone.
        tracker: multiprocessing's resource tracker.
        interruptions: the launcher's signals.
        completed: asked about a role that ended with exit code 0, whether its work was done; None: it always was.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.exits: list[Exit] = []
        self.events: list[NodeEvent] = []
        self.forkserver: ForkServer | None = None
        self.tracker: WatchedProcess | None = None
        self.interruptions: Interruptions | None = None
        self.completed: Callable[[str], bool] | None = None
        self._owners: dict[int, str] = {}
        self._forkserver_is_mute = False

    def follow(self, process: WatchedProcess | None, role: str, fallback: int | None = None) -> None:
        """Wait for the end of a process; by ``fallback``, a descriptor, where there are no process descriptors."""
        descriptor = process.descriptor if process is not None and process.descriptor is not None else fallback
        if descriptor is not None:
            self._owners[descriptor] = role

    def follow_tracker(self) -> None:
        """Wait for the end of multiprocessing's resource tracker."""
        self.tracker = tracker_process()
        self.follow(self.tracker, TRACKER)

    def look(self, timeout: float, sources: Collection[Source]) -> None:
        """One look at everything; what happened is appended to the events."""
        poller = zmq.Poller()
        for descriptor in self._owners:
            poller.register(descriptor, zmq.POLLIN)
        for source in sources:
            poller.register(source, zmq.POLLIN)
        interruptions = self.interruptions
        if interruptions is not None and interruptions.descriptor >= 0:
            poller.register(interruptions.descriptor, zmq.POLLIN)
        unseen = [node for node in self.nodes.values() if not self._is_watched(node)]
        if unseen:
            timeout = min(timeout, _LOOK_SECONDS)
        ready = [source for source, _ in poller.poll(max(0, round(1000 * timeout)))]
        ended = [self.nodes[self._owners[item]] for item in ready if isinstance(item, int) and self._owners.get(item) in self.nodes]
        ended += [node for node in unseen if node.process is not None and not node.process.alive()]
        roles = [self._owners[item] for item in ready if isinstance(item, int) and item in self._owners]
        if FORKSERVER in roles:
            self.note_forkserver()
        if TRACKER in roles:
            self._note_tracker()
        self._note_ended(ended)
        if interruptions is not None and interruptions.descriptor in ready:
            self.events.extend(Signalled(number) for number in interruptions.take())
        self.events.extend(NodeReady(source) for source in sources if source in ready)

    def _is_watched(self, node: Node) -> bool:
        descriptor = node.process.descriptor if node.process is not None else None
        return (descriptor if descriptor is not None else node.link.status) in self._owners

    def _note_ended(self, ended: list[Node]) -> None:
        """Learn the exit codes of processes that have ended.

        The forkserver tells them; when it is dead or stuck, the operating system may.
        """
        deadline = time.monotonic() + (0.0 if self._forkserver_is_mute else _CODE_SECONDS)
        for node in ended:
            if node.spec.role not in self.nodes or node.process is None:
                continue
            code, told = self._code_from_forkserver(node, deadline)
            if not told and node.process.alive():
                # Without process descriptors a broken status pipe looks like an end, but only the forkserver ended: look at the process
                # itself from now on.
                self._owners.pop(node.link.status, None)
                self.note_forkserver()
                continue
            while code is None and not told and (code := node.process.reap()) is None and time.monotonic() < deadline:
                time.sleep(0.002)
            # One wait for a forkserver that does not answer is enough: the end must not take so long for each node.
            self._forkserver_is_mute = self._forkserver_is_mute or (code is None and not told)
            self.note_exit(node, code)

    def _code_from_forkserver(self, node: Node, deadline: float) -> tuple[int | None, bool]:
        poller = select.poll()
        poller.register(node.link.status, select.POLLIN)
        if not poller.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
            return None, False
        try:
            return node.link.read(), True
        except EOFError:
            return None, False

    def note_exit(self, node: Node, code: int | None) -> None:
        role = node.spec.role
        server = None if self.forkserver is None else self.forkserver.process
        note = node.note
        if not note and code is None and server is not None and is_stopped(server.pid):
            note = "the forkserver, which knows it, is stopped"
        del self.nodes[role]
        self.forget(node)
        early = code == 0 and node.asked is None and self.completed is not None and not self.completed(role)
        self.exits.append(Exit(role, node.pid, code, time.time(), node.started, node.asked, node.log, early, note))
        self.events.append(Exited(role, node.pid, code, signal_name(code), node.spec.essential, early))

    def forget(self, node: Node) -> None:
        self._owners.pop(node.link.status, None)
        if node.process is not None:
            if node.process.descriptor is not None:
                self._owners.pop(node.process.descriptor, None)
            node.process.close()
        node.link.close()

    def note_forkserver(self) -> None:
        """The forkserver is gone, although nobody ended it: the run's failure, even though its children still run."""
        server = self.forkserver
        if server is None or server.process is None:
            return
        pid = server.process.pid
        if server.process.descriptor is not None:
            self._owners.pop(server.process.descriptor, None)
        code = server.stop(_CODE_SECONDS)
        self.forkserver = None
        self.exits.append(Exit(FORKSERVER, pid, code, time.time(), 0.0, None, None))
        self.events.append(Exited(FORKSERVER, pid, code, signal_name(code), True))

    def _note_tracker(self) -> None:
        """Nodes keep nothing with the resource tracker, so its end is an event only; a new one takes its place for the user's own
        program."""
        tracker = self.tracker
        if tracker is None:
            return
        if tracker.descriptor is not None:
            self._owners.pop(tracker.descriptor, None)
        code = tracker.reap()
        self.events.append(Exited(TRACKER, tracker.pid, code, signal_name(code), False))
        tracker.close()
        renew_tracker()
        self.follow_tracker()

    def leave_forkserver(self) -> ForkServer | None:
        """Watch the forkserver no longer, because it is about to be ended; gives it."""
        server, self.forkserver = self.forkserver, None
        if server is not None and server.process is not None and server.process.descriptor is not None:
            self._owners.pop(server.process.descriptor, None)
        return server

    def close(self) -> None:
        """Give back what is held besides the nodes."""
        if self.tracker is not None:
            self.tracker.close()
            self.tracker = None
        self._owners.clear()
