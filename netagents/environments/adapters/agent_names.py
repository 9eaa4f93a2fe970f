"""Names of agents: which of somebody else's agents stands on which node of the graph."""

from __future__ import annotations

from collections.abc import Sequence

from netagents.errors import EnvironmentMismatchError
from netagents.topology import Topology


def matched_agents(possible: tuple[str, ...], names: Sequence[str], topology: Topology, where: str) -> tuple[str, ...]:
    """The environment's agents in the order of the graph's nodes.

    By the names in ``names``, else by the graph's own labels where it has some, else in the environment's order.

    Raises:
        EnvironmentMismatchError: numbers or names do not match.
    """
    n, labels = topology.n, topology.labels
    listed = ", ".join(possible[:6]) + (", ..." if len(possible) > 6 else "")
    if len(set(possible)) != len(possible):
        raise EnvironmentMismatchError(f"two of its agents have one name ({listed})", where=where, fix="give every agent a name of its own")
    if len(possible) != n:
        actual = f"it has {len(possible)} agents ({listed}), the topology {n}"
        raise EnvironmentMismatchError(actual, where=where, fix=f"use a topology of {len(possible)} agents")
    numbered = labels == tuple(str(i) for i in range(n))
    order = tuple(names) or (possible if numbered else labels)
    strangers = [name for name in order if name not in possible]
    if strangers or len(set(order)) != n:
        actual = f"it has no agent '{strangers[0]}'" if strangers else "environment.agents does not name every agent once"
        raise EnvironmentMismatchError(actual, where=where, fix=f"its agents are {listed}; list them in environment.agents, one per node")
    return order
