"""One look at everything that a supervisor waits for: which node ended and how, which signal came, which source can be read."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import zmq

from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.processes import signal_name
from netagents.launchers.supervision.root_cause import Exit
from netagents.launchers.supervision.supervisor_events import Exited, NodeEvent, NodeReady, NodeSpec, Signalled, Source

FORKSERVER = "forkserver"


@dataclass
class Node:
    """A started node: what it is, when it was started and asked to end (seconds since the epoch), and why it was killed."""

    spec: NodeSpec
    started: float
    log: Path | None
    signal_time: float | None = None
    note: str = ""

    @property
    def pid(self) -> int:
        """Number of its process; 0 while nobody knows it."""
        return 0


AnyNode = TypeVar("AnyNode", bound=Node)


class Watch(ABC):
    """What a supervisor waits for, behind one poller.

    Attributes:
        exits: how nodes ended, in the order in which it was noticed.
        events: what happened and was not yet told.
        interruptions: the launcher's signals.
        completed: asked about a role that ended with exit code 0, whether its work was done; None: it always was.
    """

    def __init__(self) -> None:
        self.exits: list[Exit] = []
        self.events: list[NodeEvent] = []
        self.interruptions: Interruptions | None = None
        self.completed: Callable[[str], bool] | None = None

    @property
    @abstractmethod
    def nodes(self) -> dict[str, Node]:
        """Those that have not ended, by role."""

    @abstractmethod
    def look(self, timeout: float, sources: Collection[Source]) -> None:
        """One look at everything, of at most ``timeout`` seconds; what happened is appended to the events."""

    def poll(self, timeout: float, own: Collection[Source], sources: Collection[Source]) -> list[Source]:
        """Wait for descriptors of nodes (``own``), for signals and for other ``sources``; gives those of ``own`` that can be read."""
        poller = zmq.Poller()
        interruptions = self.interruptions
        signals = [interruptions.descriptor] if interruptions is not None and interruptions.descriptor >= 0 else []
        for source in (*own, *sources, *signals):
            poller.register(source, zmq.POLLIN)
        ready = [source for source, _ in poller.poll(max(0, round(1000 * timeout)))]
        if interruptions is not None and interruptions.descriptor in ready:
            self.events.extend(Signalled(number) for number in interruptions.take())
        self.events.extend(NodeReady(source) for source in sources if source in ready)
        return [source for source in ready if source in own]

    def note_exit(self, node: Node, code: int | None) -> None:
        """A node has ended; its exit code is negative for a signal, and None when nobody can tell."""
        role = node.spec.role
        del self.nodes[role]
        early = code == 0 and node.signal_time is None and self.completed is not None and not self.completed(role)
        self.exits.append(Exit(role, node.pid, code, time.time(), node.started, node.signal_time, node.log, early, node.note))
        self.events.append(Exited(role, node.pid, code, signal_name(code), node.spec.essential, early))

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Give back what is held besides the nodes."""
