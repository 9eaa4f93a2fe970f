"""Shortest-path trees along which a message travels hop by hop to everybody who needs it, crossing each edge once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from netagents.topology.graph import Topology


class TreeNode(NamedTuple):
    """Where a node stands in the tree of one origin.

    Attributes:
        parent: the neighbour from which the origin's messages come; the origin is its own parent.
        children: the neighbours that they go on to, ascending; none at a leaf.
        is_receiver: whether the node needs the messages itself, or only hands them on.
    """

    parent: int
    children: tuple[int, ...]
    is_receiver: bool


def relay_tree(topology: Topology, origin: int, out_neighbours: Iterable[int]) -> dict[int, TreeNode]:
    """The tree that joins ``origin`` to its out-neighbours along shortest paths.

    Among the neighbours that are one hop nearer to the origin, a node hears the one of lowest index.  So the tree is the same
    on every node, and the tree of some out-neighbours is part of the tree of all.  Nodes that lead to nobody are left out.

    Args:
        topology: the graph.
        origin: where the messages come from.
        out_neighbours: who needs them; the origin itself does not count.

    Returns:
        The place of every node of the tree; only the origin's own, without children, if nobody needs its messages.

    Raises:
        ValueError: there is no path to one of the out-neighbours.
    """
    parents = relay_parents(topology, origin, out_neighbours)
    children: dict[int, list[int]] = {node: [] for node in parents}
    for node, parent in parents.items():
        if node != origin:
            children[parent].append(node)
    receivers = set(out_neighbours) - {origin}
    return {node: TreeNode(parents[node], tuple(sorted(children[node])), node in receivers) for node in sorted(parents)}


def relay_parents(topology: Topology, origin: int, out_neighbours: Iterable[int]) -> dict[int, int]:
    """Node -> the neighbour from which it hears, for all nodes of :func:`relay_tree`; the origin hears from itself.

    Raises:
        ValueError: there is no path to one of the out-neighbours.
    """
    receivers = sorted({*out_neighbours} - {origin})
    far = topology.hops.distances(origin, receivers)
    # Whoever is nearer than these has been found on the way.
    distances = topology.hops.known_distances(origin, 0)
    parents = {origin: origin}
    for member, hops in zip(receivers, far, strict=True):
        node = member
        while node not in parents:
            hops -= 1
            parent = next((near for near in topology.adjacency[node] if distances.get(near) == hops), None) if hops else origin
            if parent is None:
                raise ValueError(f"no path leads from node {origin} to node {member}")
            parents[node] = parent
            node = parent
    return parents
