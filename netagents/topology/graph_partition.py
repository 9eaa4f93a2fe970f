"""Partition of a weighted graph into parts of given sizes that cuts little weight: spectral halves, refined by exchanges.

Sources: Fiedler (1973), Algebraic connectivity of graphs; Kernighan and Lin (1970), An efficient heuristic procedure for partitioning
graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import networkx

Weights = Mapping[tuple[int, int], float]
"""Pair of nodes (i, j), i < j -> what it costs to separate them."""

LARGEST_SPECTRAL = 3_000
"""Nodes up to which halves begin with the Fiedler vector; beyond, with the order of a breadth-first search."""

LARGEST_EXCHANGED = 60_000
"""Pairs up to which halves are refined by exchanges."""


def part_sizes(n: int, slots: Sequence[int]) -> list[int]:
    """How many of ``n`` nodes go into each part, in proportion to its slots and never more than these.

    Raises:
        ValueError: there are fewer slots than nodes.
    """
    total = sum(slots)
    if total < n:
        raise ValueError(f"{n} nodes and {total} slots")
    sizes = [n * each // total for each in slots]
    # What rounding leaves goes to whoever is farthest below its share.
    for _ in range(n - sum(sizes)):
        open_parts = [part for part in range(len(slots)) if sizes[part] < slots[part]]
        sizes[max(open_parts, key=lambda part: n * slots[part] / total - sizes[part])] += 1
    return sizes


def partition(n: int, weights: Weights, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Nodes 0..n-1 in parts of exactly these sizes, each ascending; pairs of much weight stay together where they can.

    The same arguments give the same parts.
    """
    import networkx as nx

    graph: networkx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from((i, j, weight) for (i, j), weight in sorted(weights.items()) if weight > 0)
    parts: list[tuple[int, ...]] = [()] * len(sizes)
    _divide(graph, list(range(n)), list(enumerate(sizes)), parts)
    return parts


def cut_weight(weights: Weights, parts: Sequence[Sequence[int]]) -> float:
    """The weight between different parts."""
    owner = {node: part for part, nodes in enumerate(parts) for node in nodes}
    return sum(weight for (i, j), weight in weights.items() if owner[i] != owner[j])


def _divide(graph: networkx.Graph[int], nodes: list[int], sizes: list[tuple[int, int]], parts: list[tuple[int, ...]]) -> None:
    """Give ``nodes`` to the numbered parts by halving these again and again."""
    if len(sizes) == 1:
        parts[sizes[0][0]] = tuple(sorted(nodes))
        return
    middle = len(sizes) // 2
    first = sum(size for _, size in sizes[:middle])
    left, right = _halves(graph.subgraph(nodes), nodes, first)
    _divide(graph, left, sizes[:middle], parts)
    _divide(graph, right, sizes[middle:], parts)


def _halves(graph: networkx.Graph[int], nodes: list[int], first: int) -> tuple[list[int], list[int]]:
    """Two parts, the one of ``first`` nodes; the best of several beginnings, refined."""
    if not 0 < first < len(nodes):
        return nodes[:first], nodes[first:]
    orders = [sorted(nodes), _search_order(graph, nodes)]
    if 2 < len(nodes) <= LARGEST_SPECTRAL:
        orders.append(_spectral_order(graph, nodes))
    halves = [(set(order[:first]), set(order[first:])) for order in orders]
    if graph.number_of_edges() <= LARGEST_EXCHANGED:
        halves += [_exchanged(graph, *half) for half in halves]
    left, right = min(halves, key=lambda half: _cut(graph, half[0]))
    return sorted(left), sorted(right)


def _exchanged(graph: networkx.Graph[int], left: set[int], right: set[int]) -> tuple[set[int], set[int]]:
    from networkx.algorithms.community import kernighan_lin_bisection

    # Exchanges of pairs keep the sizes.
    plain = graph.copy()
    one, other = kernighan_lin_bisection(plain, partition=(left, right), max_iter=10, weight="weight", seed=0)
    return (set(one), set(other)) if len(one) == len(left) else (set(other), set(one))


def _cut(graph: networkx.Graph[int], left: set[int]) -> float:
    edges: Iterable[tuple[int, int, float]] = graph.edges(data="weight")
    return sum(weight for i, j, weight in edges if (i in left) != (j in left))


def _search_order(graph: networkx.Graph[int], nodes: list[int]) -> list[int]:
    """A breadth-first order that begins at the far end of another one, component by component."""
    import networkx as nx

    order: list[int] = []
    visited: set[int] = set()
    for node in sorted(nodes):
        if node in visited:
            continue
        far = [node, *(j for _, j in nx.bfs_edges(graph, node, sort_neighbors=sorted))][-1]
        part = [far, *(j for _, j in nx.bfs_edges(graph, far, sort_neighbors=sorted))]
        visited.update(part)
        order += part
    return order


def _spectral_order(graph: networkx.Graph[int], nodes: list[int]) -> list[int]:
    """Nodes by their entry of the Fiedler vector, the eigenvector of the Laplacian's second smallest eigenvalue."""
    import networkx as nx

    index = sorted(nodes)
    laplacian = nx.laplacian_matrix(graph, nodelist=index).astype(np.float64).toarray()
    _, vectors = np.linalg.eigh(laplacian)
    vector = np.round(vectors[:, 1], 9)
    if vector[np.argmax(np.abs(vector))] < 0:
        vector = -vector
    return [index[place] for place in np.argsort(vector, kind="stable")]
