"""Networks of the containers of a run.

With relay routing an agent has links to its neighbours on the graph and to the server, so each such pair gets its own network and the
engine enforces the graph: an agent has no route to any other node.  By default an engine has addresses for about thirty networks; a
larger graph, and every run with direct routing, gets one network, on which only the keys decide who may connect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netagents.learning.prepared_experiment import Prepared

MOST_NETWORKS = 28
"""The default address pools of an engine hold 31 networks, some of which are in use."""

_INTERNAL: Mapping[str, Any] = {"internal": True}


@dataclass(frozen=True)
class Networks:
    """The networks of a run; none of them leads out of the host.

    Attributes:
        declared: name -> settings, for the Compose file.
        members: service -> the networks it is on.
        note: why the engine does not enforce the graph of a run with relay routing; else empty.
    """

    declared: Mapping[str, Any]
    members: Mapping[str, tuple[str, ...]]
    note: str = ""

    def of(self, service: str) -> list[str]:
        """The networks of one service."""
        return list(self.members[service])


def networks_of(prepared: Prepared) -> Networks:
    """The networks that a run needs."""
    agents = [f"agent-{index}" for index in range(prepared.setup.n)]
    nodes = ["environment", *(["monitor"] if prepared.experiment.runtime.monitor else []), *agents]
    note = ""
    if prepared.experiment.routing == "relay":
        edges = [tuple(sorted(edge)) for edge in prepared.topology.edges]
        pairs = {f"edge-{i}-{j}": (agents[i], agents[j]) for i, j in sorted(edges)}
        pairs |= {f"link-{name}": ("environment", name) for name in nodes[1:]}
        if len(pairs) <= MOST_NETWORKS:
            members = {node: tuple(name for name, pair in pairs.items() if node in pair) for node in nodes}
            return Networks({name: dict(_INTERNAL) for name in pairs}, members)
        note = f"one network for all: one per edge and link would be {len(pairs)}, more than {MOST_NETWORKS}; keys keep agents apart"
    return Networks({"run": dict(_INTERNAL)}, dict.fromkeys(nodes, ("run",)), note)
