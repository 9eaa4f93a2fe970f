"""Hop distances on a graph: who stands within k hops of whom.

Distances are found by breadth-first search from one node at a time, only as far as somebody asks, and kept.  Ten thousand
agents that each look two hops far cost ten thousand small balls, not a table of a hundred million distances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError

UNREACHABLE = 2**31 - 1
"""The distance of two nodes without a path between them: larger than any radius, so that ``distance <= kappa`` stays right."""

LIMIT_MATRIX_NODES = 16_384
"""Largest n of :meth:`Neighbourhoods.matrix`, which then holds one GiB."""

_SMALL = 256
"""Up to here plain search beats the import of scipy."""


class Neighbourhoods:
    """Distances in hops between the nodes of an undirected graph, computed when asked for.

    Args:
        adjacency: for each node its neighbours, ascending.
    """

    def __init__(self, adjacency: Sequence[tuple[int, ...]]) -> None:
        self._adjacency = tuple(adjacency)
        self._n = len(self._adjacency)
        # Made when asked for: an agent looks around itself alone, in a graph that may have a thousand nodes.
        self._balls: dict[int, _Ball] = {}
        self._within: dict[tuple[int, int], tuple[int, ...]] = {}
        self._matrix: NDArray[np.int32] | None = None

    @property
    def n(self) -> int:
        """Number of nodes."""
        return self._n

    def distance(self, i: int, j: int) -> int:
        """Hops on a shortest path from i to j, 0 for i itself, :data:`UNREACHABLE` where there is no path."""
        self._check(i)
        self._check(j)
        if self._matrix is not None:
            return int(self._matrix[i, j])
        ball, other = self._ball(i), self._balls.get(j)
        # Distances are symmetric: search from the node that has looked further already.
        if other is not None and len(other.distances) > len(ball.distances):
            ball, j = other, i
        while j not in ball.distances and ball.grow(self._adjacency):
            pass
        return ball.distances.get(j, UNREACHABLE)

    def distances(self, i: int, nodes: Sequence[int]) -> list[int]:
        """Hops from i to each of ``nodes``, as :meth:`distance` gives them, found by a search from i alone."""
        self._check(i)
        ball = self._ball(i)
        while True:
            try:
                return [ball.distances[j] for j in nodes]
            except KeyError:
                if not ball.grow(self._adjacency):
                    return [ball.distances.get(j, UNREACHABLE) for j in nodes]

    def known_distances(self, i: int, k: int) -> Mapping[int, int]:
        """Node -> hops from i, of all nodes at most k hops away, and of those beyond that have been looked for already."""
        self._check(i)
        ball = self._ball(i)
        while len(ball.sizes) <= k and ball.grow(self._adjacency):
            pass
        return ball.distances

    def within(self, i: int, k: int) -> tuple[int, ...]:
        """The neighbourhood N_i^k: all nodes at most k hops from i, i included, ascending."""
        self._check(i)
        if k < 0:
            raise ValueError(f"a radius of {k} hops; radii start at 0")
        known = self._within.get((i, k))
        if known is not None:
            return known
        ball = self._ball(i)
        while len(ball.sizes) <= k and ball.grow(self._adjacency):
            pass
        # The search found nodes in order of distance, so a ball is a beginning of that order.
        size = ball.sizes[min(k, len(ball.sizes) - 1)]
        members = tuple(sorted(ball.order[:size]))
        self._within[i, k] = members
        return members

    def diameter(self) -> int:
        """The largest distance of two nodes; :data:`UNREACHABLE` if some have no path between them."""
        if self._matrix is not None:
            return int(self._matrix.max())
        return max(int(rows.max()) for _, rows in self._rows())

    def diameter_bounds(self, searches: int = 48) -> tuple[int, int]:
        """Bounds on the largest distance of two nodes of a connected graph; equal where a few searches find it, which is usual.

        Each search from a node of eccentricity e bounds the eccentricity of a node at distance d from it by max(d, e - d) and e + d
        (Takes and Kosters 2011, "Determining the diameter of small world networks").

        Args:
            searches: most breadth-first searches to make, each over all nodes.
        """
        from scipy.sparse.csgraph import dijkstra

        graph = self._sparse()
        low = np.zeros(self.n)
        high = np.full(self.n, np.inf)
        open_nodes = np.ones(self.n, dtype=bool)
        degrees = np.array([len(near) for near in self._adjacency])
        node = int(degrees.argmax())
        for search in range(max(1, searches)):
            distances = dijkstra(graph, directed=True, indices=np.array([node]), unweighted=True)[0]
            eccentricity = distances.max()
            if np.isinf(eccentricity):
                return UNREACHABLE, UNREACHABLE
            np.maximum(low, np.maximum(distances, eccentricity - distances), out=low)
            np.minimum(high, eccentricity + distances, out=high)
            low[node] = high[node] = eccentricity
            # Only nodes that may be farther from something than what is known matter.
            open_nodes &= (high > low.max()) & (low < high)
            if not open_nodes.any():
                break
            among = np.flatnonzero(open_nodes)
            node = int(among[high[among].argmax()] if search % 2 == 0 else among[low[among].argmin()])
        best = int(low.max())
        return best, max(best, int(high[open_nodes].max())) if open_nodes.any() else best

    def sampled_sizes(self, k: int, nodes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """How many nodes are at most k hops from each of ``nodes``, without keeping whom; for large graphs."""
        from scipy.sparse.csgraph import dijkstra

        graph = self._sparse()
        count = max(1, (1 << 21) // self.n)
        parts = [nodes[first : first + count] for first in range(0, len(nodes), count)]
        sizes = [np.isfinite(dijkstra(graph, directed=True, indices=part, unweighted=True, limit=k)).sum(axis=1) for part in parts]
        return np.concatenate(sizes)

    def matrix(self) -> NDArray[np.int32]:
        """All distances: ``(n, n)`` int32, read-only, symmetric, computed once.

        Raises:
            CapacityError: more than :data:`LIMIT_MATRIX_NODES` nodes.
        """
        if self._matrix is None:
            if self.n > LIMIT_MATRIX_NODES:
                raise CapacityError(
                    f"a table of all distances between {self.n} agents needs {self.n**2 * 4 / 2**30:.1f} GiB",
                    fix=f"ask for single distances or neighbourhoods, or use at most {LIMIT_MATRIX_NODES} agents",
                )
            result = np.empty((self.n, self.n), dtype=np.int32)
            for first, rows in self._rows():
                result[first : first + len(rows)] = rows
            result.flags.writeable = False
            self._matrix = result
        return self._matrix

    def _rows(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """The table of distances some rows at a time: the index of the first, and ``(rows, n)``."""
        if self.n <= _SMALL:
            for i in range(self.n):
                ball = self._ball(i)
                while ball.grow(self._adjacency):
                    pass
                row = np.full((1, self.n), UNREACHABLE, dtype=np.int32)
                row[0, ball.order] = list(ball.distances.values())
                yield i, row
            return
        from scipy.sparse.csgraph import dijkstra

        graph = self._sparse()
        # scipy gives float64; some rows at a time keep that small beside the table.
        count = max(1, (1 << 23) // self.n)
        for first in range(0, self.n, count):
            part = dijkstra(graph, directed=True, indices=np.arange(first, min(first + count, self.n)), unweighted=True)
            part[np.isinf(part)] = UNREACHABLE
            yield first, part.astype(np.int32)

    def _sparse(self) -> Any:
        """The adjacency as a scipy matrix of ones."""
        from scipy.sparse import csr_array

        starts = np.cumsum([0, *(len(near) for near in self._adjacency)])
        ends = np.array([j for near in self._adjacency for j in near], dtype=np.int32)
        return csr_array((np.ones(len(ends)), ends, starts), shape=(self.n, self.n))

    def _ball(self, i: int) -> _Ball:
        ball = self._balls.get(i)
        if ball is None:
            ball = self._balls[i] = _Ball(i)
        return ball

    def _check(self, i: int) -> None:
        # A negative index would silently count from the end.
        if not 0 <= i < self._n:
            raise IndexError(f"node {i} of a graph with nodes 0..{self.n - 1}")


class _Ball:
    """A breadth-first search from one node that can go on where it stopped.

    Attributes:
        order: the nodes found so far, by distance.
        distances: of these nodes.
        sizes: entry k is how many nodes are at most k hops away; none is added once a search finds nothing new.
    """

    __slots__ = ("complete", "distances", "order", "sizes")

    def __init__(self, node: int) -> None:
        self.order = [node]
        self.distances = {node: 0}
        self.sizes = [1]
        self.complete = False

    def grow(self, adjacency: Sequence[tuple[int, ...]]) -> bool:
        """Search one hop further; False when there is nothing left to find."""
        if self.complete:
            return False
        begin = self.sizes[-2] if len(self.sizes) > 1 else 0
        hop = len(self.sizes)
        reached, order = self.distances, self.order
        for node in order[begin:]:
            for near in adjacency[node]:
                if near not in reached:
                    reached[near] = hop
                    order.append(near)
        if len(order) == self.sizes[-1]:
            self.complete = True
            return False
        self.sizes.append(len(order))
        return True
