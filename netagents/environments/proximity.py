"""Graphs that move: hop distances in each copy, and what an agent is told of them.

Where the graph is computed from the state, the server tells each agent how many hops away those agents are now that it may ever
talk to, and no positions.  What they observe it hears from themselves, and only while they are within the radius: a message carries
B copies at once, and its sender leaves out, as zeros, the copies (of a trace: the steps and copies) in which the receiver is further
away than the receiver's radius of that kind.  Both ends know which ones these are, since both were told the same distance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.topology import Topology

BoolArray = NDArray[np.bool_]
HopArray = NDArray[np.uint8]

FAR = 255
"""A distance beyond every radius of the two agents, or no path at all."""


class Contacts(NamedTuple):
    """Whom an agent may ever talk to.

    Attributes:
        agents: ascending, itself left out.
        limits: (m,) uint8, for each of them the largest radius of any kind between the two; the agent is told no larger distances.
    """

    agents: tuple[int, ...]
    limits: HopArray


def linked_pairs(topology: Topology) -> BoolArray:
    """(n, n): who has a link at all; nobody without one can ever be a neighbour."""
    linked = np.zeros((topology.n, topology.n), dtype=np.bool_)
    for i in range(topology.n):
        linked[i, list(topology.neighbours(i))] = True
    return linked


def hop_distances(adjacency: BoolArray, farthest: int) -> HopArray:
    """Hops between all agents of each copy.

    Args:
        adjacency: (B, n, n) bool, symmetric.
        farthest: distances beyond it are not looked for.

    Returns:
        (B, n, n) uint8, 0 on the diagonal and :data:`FAR` beyond ``farthest``.
    """
    n = adjacency.shape[-1]
    distances = np.where(adjacency, np.uint8(1), np.uint8(FAR)) if farthest >= 1 else np.full(adjacency.shape, FAR, dtype=np.uint8)
    distances[:, np.arange(n), np.arange(n)] = 0
    if farthest < 2:
        return distances
    links = adjacency.astype(np.float32)  # small counts are exact, and the product is BLAS
    frontier = adjacency
    for hops in range(2, min(farthest, n - 1, FAR - 1) + 1):
        frontier = (np.matmul(frontier.astype(np.float32), links) > 0.0) & (distances == FAR)
        if not frontier.any():
            break
        distances[frontier] = hops
    return distances


def contacts_within(distances: HopArray, agent: int, contacts: Contacts) -> HopArray:
    """(B, m) hops from ``agent`` to its contacts; :data:`FAR` for those beyond every radius between the two."""
    hops: NDArray[Any] = distances[:, agent, list(contacts.agents)]
    return np.ascontiguousarray(np.where(hops <= contacts.limits, hops, np.uint8(FAR)))
