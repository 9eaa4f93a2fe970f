"""Messages that start and end a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Hello(NamedTuple):
    """First word on a link.  To the rendezvous it announces a node; between agents it proves that the link works.

    ``role`` such as ``agent``, ``monitor`` or ``environment``; ``endpoint`` where the sender receives; ``version`` of
    netagents; ``pid`` of the sender.
    """

    role: str
    endpoint: str
    version: str
    pid: int


class Welcome(NamedTuple):
    """Rendezvous to node: everything a node that only knew an address needs.

    ``experiment``, ``topology`` and ``spec`` are JSON texts; ``peers`` maps node index to the endpoint where it receives.
    """

    experiment: str
    topology: str
    spec: str
    peers: dict[int, str]


class Ready(NamedTuple):
    """Node to rendezvous: hello was heard on every link."""


class Start(NamedTuple):
    """Rendezvous to node: everyone is ready; begin with this ``iteration``."""

    iteration: int


class Stop(NamedTuple):
    """Server to node: end cleanly.  ``reason`` is ``finished`` or one line of explanation."""

    reason: str


class Failed(NamedTuple):
    """Node to server, best effort, before it exits: one ``line`` and the exit ``code``."""

    line: str
    code: int


class Heartbeat(NamedTuple):
    """Server to agent: give a sign of life (``ages`` (0, 0)).  Agent to server: the sign, and how stale what it used has been so far.

    ``ages`` (K, :data:`netagents.learning.protocol.age_counts.BINS`) int64, see :class:`netagents.learning.protocol.age_counts.AgeCounts`.
    """

    ages: NDArray[np.int64]


class DropCounts(NamedTuple):
    """Node to server, whenever it has grown: ``counts`` (reasons,) int64, how many messages and peers it refused for each reason.

    ``links`` (r, 2 + len(LINK_COSTS)) int64, where links have models: a row per directed link of sender, receiver and
    :data:`netagents.messages.link_cost_fields.LINK_COSTS`.
    """

    counts: NDArray[np.int64]
    links: NDArray[np.int64] | None = None
