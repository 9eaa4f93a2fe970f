"""The graph that agents live on: undirected, simple, in one canonical order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

from netagents.errors import TopologyError
from netagents.topology.neighbourhoods import UNREACHABLE, Neighbourhoods

if TYPE_CHECKING:
    import networkx

Edge = tuple[int, int]
Position = tuple[float, float]

LIMIT_NODES = 100_000
"""Largest number of agents."""

LIMIT_EDGES = 2_000_000
"""Largest number of edges."""

LIMIT_LABEL = 120
"""Longest node name, in characters."""


@dataclass(frozen=True)
class Topology:
    """A graph of n agents, numbered 0..n-1.

    Edges may be given in any order and either direction; they are kept as pairs (i, j), i < j, ascending.  The graph need
    not be connected.  A graph that changes during a run is a sequence of topologies with ascending ``version``.

    Attributes:
        n: number of agents, from 1 to :data:`LIMIT_NODES`.
        edges: undirected edges, canonical, at most :data:`LIMIT_EDGES`.
        kind: how it was made: the generator's name, ``file`` or ``edges``.
        shape: rows and columns of grids, else None.
        labels: a different name for each node; "0", "1", ... where none are given.
        positions: (x, y) of each node, x to the right, y upwards, or None; for pictures, and for agents that move.
        version: 0 for the graph at the start of a run.
        notes: what was left out or changed when the graph was read from a file, a line each; does not count in comparisons.

    Raises:
        TopologyError: no nodes, too many, a self-loop, an edge twice, an edge to a node that does not exist, a wrong number of
            labels or positions.
    """

    n: int
    edges: tuple[Edge, ...]
    kind: str = "edges"
    shape: tuple[int, ...] | None = None
    labels: tuple[str, ...] = ()
    positions: tuple[Position, ...] | None = None
    version: int = 0
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.n <= LIMIT_NODES:
            raise TopologyError(f"a graph of {self.n} nodes", fix=f"use 1 to {LIMIT_NODES} nodes")
        object.__setattr__(self, "edges", canonical_edges(self.n, self.edges))
        object.__setattr__(self, "labels", _checked_labels(self.n, self.labels))
        if self.shape is not None:
            object.__setattr__(self, "shape", tuple(int(side) for side in self.shape))
        if self.positions is not None:
            object.__setattr__(self, "positions", _checked_positions(self.n, self.positions))

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of n and the canonical edges; names, positions, kind and version do not enter."""
        text = f"netagents graph 1\n{self.n}\n" + "".join(f"{i} {j}\n" for i, j in self.edges)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @cached_property
    def adjacency(self) -> tuple[tuple[int, ...], ...]:
        """For each node its neighbours, ascending."""
        near: list[list[int]] = [[] for _ in range(self.n)]
        for i, j in self.edges:
            near[i].append(j)
            near[j].append(i)
        return tuple(tuple(sorted(each)) for each in near)

    def neighbours(self, i: int) -> tuple[int, ...]:
        """The nodes that share an edge with i, ascending."""
        if not 0 <= i < self.n:
            raise IndexError(f"node {i} of a graph with nodes 0..{self.n - 1}")
        return self.adjacency[i]

    @cached_property
    def hops(self) -> Neighbourhoods:
        """Distances and kappa-hop neighbourhoods; one object, so that what it has computed is kept."""
        return Neighbourhoods(self.adjacency)

    @cached_property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """The connected parts, each ascending, in the order of their first nodes."""
        visited = [False] * self.n
        parts: list[tuple[int, ...]] = []
        for start in range(self.n):
            if visited[start]:
                continue
            visited[start] = True
            part = [start]
            for node in part:
                for near in self.adjacency[node]:
                    if not visited[near]:
                        visited[near] = True
                        part.append(near)
            parts.append(tuple(sorted(part)))
        return tuple(parts)

    @property
    def is_connected(self) -> bool:
        """Whether there is a path between any two nodes."""
        return len(self.components) == 1

    @cached_property
    def diameter(self) -> int:
        """The largest distance between two nodes; :data:`~netagents.topology.UNREACHABLE` if the graph is not connected."""
        return self.hops.diameter() if self.is_connected else UNREACHABLE

    def evolved(self, edges: Iterable[Edge], positions: Iterable[Position] | None = None) -> Topology:
        """The same agents with other edges, as the next version of a graph that changes."""
        moved = self.positions if positions is None else tuple(positions)
        return replace(self, edges=tuple(edges), positions=moved, version=self.version + 1)

    def to_networkx(self) -> networkx.Graph[int]:
        """A ``networkx.Graph`` with nodes 0..n-1; names are the node attribute ``label``, positions ``pos``."""
        import networkx

        graph: networkx.Graph[int] = networkx.Graph()
        for i, label in enumerate(self.labels):
            graph.add_node(i, label=label)
            if self.positions is not None:
                graph.nodes[i]["pos"] = self.positions[i]
        graph.add_edges_from(self.edges)
        return graph


def canonical_edges(n: int, edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Edges as pairs (i, j), i < j, ascending.

    Raises:
        TopologyError: a self-loop, an edge twice, a node outside 0..n-1, or more than :data:`LIMIT_EDGES` edges.
    """
    known_edges: set[Edge] = set()
    for i, j in edges:
        i, j = int(i), int(j)
        if i == j:
            raise TopologyError(f"edge ({i}, {j}) joins a node to itself", fix="leave self-loops out: an agent always knows itself")
        edge = (i, j) if i < j else (j, i)
        if edge[0] < 0 or edge[1] >= n:
            raise TopologyError(f"edge ({i}, {j}) in a graph of {n} nodes", fix=f"nodes are 0..{n - 1}")
        if edge in known_edges:
            raise TopologyError(f"edge ({i}, {j}) stands twice", fix="edges have no direction: write each once")
        known_edges.add(edge)
        if len(known_edges) > LIMIT_EDGES:
            raise too_many_edges(len(known_edges))
    return tuple(sorted(known_edges))


def too_many_edges(count: float) -> TopologyError:
    """The error for graphs that are too dense to be held."""
    return TopologyError(f"a graph of {count:.0f} edges or more", fix=f"use at most {LIMIT_EDGES} edges")


def _checked_labels(n: int, labels: tuple[str, ...]) -> tuple[str, ...]:
    if not labels:
        return tuple(str(i) for i in range(n))
    labels = tuple(labels)
    if len(labels) != n:
        raise TopologyError(f"{len(labels)} names for {n} nodes", fix="give each node one name, or none at all")
    names: set[str] = set()
    for name in labels:
        # Names end up in tables, in pictures and on terminals.
        if not name.isprintable() or not 0 < len(name) <= LIMIT_LABEL:
            raise TopologyError(f"node name {name[:40]!r}", fix=f"names are 1 to {LIMIT_LABEL} printable characters")
        if name in names:
            raise TopologyError(f"two nodes are named '{name}'", fix="give each node a name of its own")
        names.add(name)
    return labels


def _checked_positions(n: int, positions: tuple[Position, ...]) -> tuple[Position, ...]:
    result = tuple((float(x), float(y)) for x, y in positions)
    if len(result) != n:
        raise TopologyError(f"{len(result)} positions for {n} nodes", fix="give each node one position (x, y), or none at all")
    if not all(isfinite(x) and isfinite(y) for x, y in result):
        raise TopologyError("a position is not finite", fix="positions are pairs of numbers (x, y)")
    return result
