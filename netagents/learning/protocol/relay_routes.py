"""Relay routing worked out for a setup: along which trees each kind of message travels, and which neighbours that joins."""

from __future__ import annotations

from collections.abc import Mapping

from netagents.learning.protocol.setup import Setup
from netagents.messages import NEIGHBOUR_KINDS, Kind
from netagents.topology import TreeNode, relay_tree


class Routes:
    """The relay trees of every origin and kind, each worked out when it is asked for and kept.

    Args:
        setup: graph and radii.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._widest = max(max(reach.radii) for reach in setup.reach.values())
        self._trees: dict[tuple[int, tuple[int, ...]], dict[int, TreeNode]] = {}

    def tree(self, kind: Kind, origin: int) -> Mapping[int, TreeNode]:
        """The tree along which ``kind`` messages of ``origin`` reach the out-neighbours: node -> its position."""
        out_neighbours = self._setup.out_neighbours(kind, origin)
        key = (origin, out_neighbours)
        tree = self._trees.get(key)
        if tree is None:
            tree = self._trees[key] = relay_tree(self._setup.topology, origin, out_neighbours)
        return tree

    def places(self, agent: int) -> dict[Kind, dict[int, TreeNode]]:
        """Kind -> origin -> where ``agent`` stands in that tree.

        Left out are trees that it is no part of, and its own where nobody hears it.
        """
        setup = self._setup
        near = setup.topology.hops.within(agent, self._widest)
        trees: dict[Kind, dict[int, TreeNode]] = {}
        for kind in NEIGHBOUR_KINDS:
            places = {origin: place for origin in near if (place := self.tree(kind, origin).get(agent)) is not None}
            trees[kind] = {origin: place for origin, place in places.items() if origin != agent or place.children}
        return trees

    def crossings(self, kind: Kind, origin: int) -> int:
        """Links that one ``kind`` message of ``origin`` crosses until everybody who needs it has it: the edges of its tree."""
        return len(self.tree(kind, origin)) - 1


def neighbours_used(places: Mapping[Kind, Mapping[int, TreeNode]], agent: int) -> tuple[frozenset[int], frozenset[int]]:
    """Of :meth:`Routes.places` of ``agent``: the neighbours that it sends to, and those that it hears."""
    each = [place for by_origin in places.values() for place in by_origin.values()]
    return frozenset(child for place in each for child in place.children), frozenset(place.parent for place in each) - {agent}
