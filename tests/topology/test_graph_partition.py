"""Partitions of graphs: parts of the sizes asked for, and cuts compared with exact ones and with random ones."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.topology.graph_partition import Weights, cut_weight, part_sizes, partition


def grid(rows: int, columns: int) -> dict[tuple[int, int], float]:
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, columns))
    return {(min(i, j), max(i, j)): 1.0 for i, j in graph.edges}


def least_cut(n: int, weights: Weights, first: int) -> float:
    """By trying every half that there is."""
    halves = (set(half) for half in combinations(range(n), first))
    return min(sum(weight for (i, j), weight in weights.items() if (i in half) != (j in half)) for half in halves)


@given(st.integers(2, 9), st.data())
def test_parts_have_their_sizes_and_no_exact_cut_is_missed_by_much(n: int, data: st.DataObject) -> None:
    pairs = list(combinations(range(n), 2))
    weights = {pair: float(data.draw(st.integers(0, 9))) for pair in pairs}
    first = data.draw(st.integers(1, n - 1))
    parts = partition(n, weights, [first, n - first])
    assert [len(part) for part in parts] == [first, n - first]
    assert sorted(node for part in parts for node in part) == list(range(n))
    assert parts == partition(n, dict(reversed(weights.items())), [first, n - first])
    least = least_cut(n, weights, first)
    assert least <= cut_weight(weights, parts) <= 1.5 * least + 9.0


def test_a_grid_is_cut_straight() -> None:
    weights = grid(10, 10)
    assert cut_weight(weights, partition(100, weights, [50, 50])) == 10.0
    assert cut_weight(weights, partition(100, weights, [25, 25, 25, 25])) == 20.0


def test_halves_of_a_grid_cost_far_less_than_random_ones() -> None:
    weights, draws = grid(10, 10), np.random.default_rng(0)
    result = cut_weight(weights, partition(100, weights, [50, 50]))
    random = [cut_weight(weights, [order[:50], order[50:]]) for order in (draws.permutation(100).tolist() for _ in range(200))]
    assert result < 0.7 * min(random)


def test_two_rings_with_one_heavy_bridge_stay_whole() -> None:
    weights = {(i, (i + 1) % 6 if i < 5 else 0): 1.0 for i in range(5)} | {(6 + i, 7 + i): 1.0 for i in range(5)} | {(0, 6): 0.5}
    assert partition(12, weights, [6, 6]) == [(0, 1, 2, 3, 4, 5), (6, 7, 8, 9, 10, 11)]


@pytest.mark.parametrize(
    ("n", "slots", "sizes"), [(6, [5, 5], [3, 3]), (7, [4, 4], [4, 3]), (9, [8, 4], [6, 3]), (5, [1, 9], [1, 4]), (3, [1, 1, 1], [1, 1, 1])]
)
def test_sizes_follow_slots(n: int, slots: list[int], sizes: list[int]) -> None:
    assert part_sizes(n, slots) == sizes


def test_too_few_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="7 nodes and 6 slots"):
        part_sizes(7, [3, 3])
