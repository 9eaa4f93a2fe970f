"""What a supervisor starts, and what it tells while it watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq

Source = int | zmq.Socket[Any]
"""What a launcher may add to the poller: a file descriptor or a ZeroMQ socket."""


@dataclass(frozen=True)
class NodeSpec:
    """What to start.

    Attributes:
        role: its name, such as ``environment``, ``agent_3``, ``monitor``; also the name of its log.
        target: import path ``package.module:function`` of a :data:`netagents.nodes.process.node_process.Role`.
        arguments: the role's arguments, anything that JSON can say.
        essential: the run ends when it fails; otherwise its end is only an event.
    """

    role: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    essential: bool = True


@dataclass(frozen=True)
class Exited:
    """A process has ended.

    ``exit_code`` is negative for a signal, whose name is ``signal``, and None when nobody could tell; ``early``: it left with exit code 0
    although its work was not done.
    """

    role: str
    pid: int
    exit_code: int | None
    signal: str | None
    essential: bool
    early: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended in another way than by finishing its work."""
        return self.exit_code != 0 or self.early


@dataclass(frozen=True)
class Signalled:
    """The launcher got SIGINT or SIGTERM."""

    number: int


@dataclass(frozen=True)
class NodeReady:
    """Something that the launcher added with :meth:`Supervisor.watch` can be read."""

    source: Source


@dataclass(frozen=True)
class Restarted:
    """A role that had failed was started again; ``attempt`` such as ``restart 1 of 3``."""

    role: str
    pid: int
    attempt: str


@dataclass(frozen=True)
class Paused:
    """Somebody froze a role's container, or let it go on again."""

    role: str
    paused: bool


NodeEvent = Exited | Signalled | NodeReady | Restarted | Paused
