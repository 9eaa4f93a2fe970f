"""Watch over processes of this machine: exit codes come from the forkserver, the ends of processes from their descriptors."""

from __future__ import annotations

import select
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from netagents.launchers.supervision.forkserver import ChildLink, ForkServer, renew_tracker, tracker_process
from netagents.launchers.supervision.node_watch import FORKSERVER, Node, Watch
from netagents.launchers.supervision.processes import WatchedProcess, is_stopped, signal_name
from netagents.launchers.supervision.root_cause import Exit
from netagents.launchers.supervision.supervisor_events import Exited, Source

TRACKER = "resource_tracker"

_CODE_SECONDS = 1.0
_LOOK_SECONDS = 0.02


@dataclass
class ProcessNode(Node):
    """A node that is a process of this machine, with the link to it."""

    link: ChildLink = field(kw_only=True)
    process: WatchedProcess | None = None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0


class ProcessWatch(Watch):
    """The nodes of a run on this machine.

    Attributes:
        processes: those whose processes have not ended, by role.
        forkserver: parent of all nodes; None before the start and once it is gone.
        tracker: multiprocessing's resource tracker.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: dict[str, ProcessNode] = {}
        self.forkserver: ForkServer | None = None
        self.tracker: WatchedProcess | None = None
        self._owners: dict[int, str] = {}
        self._forkserver_is_mute = False

    @property
    def nodes(self) -> dict[str, Node]:
        return self.processes  # type: ignore[return-value]  # nobody but this class adds to it

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
        unseen = [node for node in self.processes.values() if not self._is_watched(node)]
        ready = self.poll(min(timeout, _LOOK_SECONDS) if unseen else timeout, self._owners, sources)
        roles = [self._owners[item] for item in ready if isinstance(item, int)]
        ended = [self.processes[role] for role in roles if role in self.processes]
        ended += [node for node in unseen if node.process is not None and not node.process.alive()]
        if FORKSERVER in roles:
            self.note_forkserver()
        if TRACKER in roles:
            self._note_tracker()
        self._note_ended(ended)

    def _is_watched(self, node: ProcessNode) -> bool:
        descriptor = node.process.descriptor if node.process is not None else None
        return (descriptor if descriptor is not None else node.link.status) in self._owners

    def _note_ended(self, ended: list[ProcessNode]) -> None:
        """Learn the exit codes of processes that have ended.

        The forkserver tells them; when it is dead or stuck, the operating system may.
        """
        deadline = time.monotonic() + (0.0 if self._forkserver_is_mute else _CODE_SECONDS)
        for node in ended:
            if node.spec.role not in self.processes or node.process is None:
                continue
            code, reason = self._code_from_forkserver(node, deadline)
            if not reason and node.process.alive():
                # Without process descriptors a broken status pipe looks like an end, but only the forkserver ended: look at the process
                # itself from now on.
                self._owners.pop(node.link.status, None)
                self.note_forkserver()
                continue
            while code is None and not reason and (code := node.process.reap()) is None and time.monotonic() < deadline:
                time.sleep(0.002)
            # One wait for a forkserver that does not answer is enough: the end must not take so long for each node.
            self._forkserver_is_mute = self._forkserver_is_mute or (code is None and not reason)
            self.note_exit(node, code)

    def _code_from_forkserver(self, node: ProcessNode, deadline: float) -> tuple[int | None, bool]:
        poller = select.poll()
        poller.register(node.link.status, select.POLLIN)
        if not poller.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
            return None, False
        try:
            return node.link.read(), True
        except EOFError:
            return None, False

    def note_exit(self, node: Node, code: int | None) -> None:
        server = None if self.forkserver is None else self.forkserver.process
        if not node.note and code is None and server is not None and is_stopped(server.pid):
            node.note = "the forkserver, which knows it, is stopped"
        super().note_exit(node, code)
        if isinstance(node, ProcessNode):
            self.forget(node)

    def forget(self, node: ProcessNode) -> None:
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
