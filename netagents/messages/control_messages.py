"""Control messages: they start, watch and end a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LINK_COSTS = (
    "messages",
    "transmissions",
    "resent",
    "acknowledgements",
    "lost",
    "doubled",
    "duplicates",
    "transmissions_bytes",
    "resent_bytes",
    "lost_bytes",
    "duplicates_bytes",
)
"""What is counted on a modelled link: messages given to it; all transmissions, of them those sent again and those that carry an
acknowledgement alone; transmissions that were lost, and those that arrived twice; duplicates that the receiver dropped; bytes."""


class Hello(NamedTuple):
    """First message on a link.  It announces a node to the rendezvous; between agents it proves that the link works.

    ``role`` such as ``agent``, ``monitor`` or ``environment``; ``endpoint`` where the sender receives; ``version`` of
    netagents; ``pid`` of the sender.
    """

    role: str
    endpoint: str
    version: str
    pid: int


class Welcome(NamedTuple):
    """Rendezvous to node: everything that a node needs which knew only an address.

    ``experiment``, ``topology`` and ``spec`` are JSON texts; ``peers`` maps node index to the endpoint where it receives.
    """

    experiment: str
    topology: str
    spec: str
    peers: dict[int, str]


class Ready(NamedTuple):
    """Node to rendezvous: a Hello has arrived on every link."""


class Start(NamedTuple):
    """Rendezvous to node: all nodes are ready; begin with this ``iteration``."""

    iteration: int


class Stop(NamedTuple):
    """Server to node: end normally.  ``reason`` is ``finished`` or one line of explanation."""

    reason: str


class Failed(NamedTuple):
    """Node to server, best effort, before it exits: one ``line`` and the exit ``code``."""

    line: str
    code: int


class Heartbeat(NamedTuple):
    """Server to agent: a request for an answer, with ``ages`` (0, 0).  Agent to server: the answer, with the ages of all messages it used.

    ``ages`` (K, :data:`netagents.learning.protocol.age_counts.BINS`) int64, see :class:`netagents.learning.protocol.age_counts.AgeCounts`.
    """

    ages: NDArray[np.int64]


class DropCounts(NamedTuple):
    """Node to server, whenever they have grown: ``counts`` (reasons,) int64, messages and peers refused for each reason.

    ``links`` (r, 2 + len(LINK_COSTS)) int64, where links have models: per directed link sender, receiver and :data:`LINK_COSTS`.
    """

    counts: NDArray[np.int64]
    links: NDArray[np.int64] | None = None
