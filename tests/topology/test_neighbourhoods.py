"""Distances and neighbourhoods are those of networkx, and hearing and being needed are each other's mirror."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import CapacityError, ExperimentError
from netagents.topology import UNREACHABLE, Neighbourhoods, Reach, Topology, spread_radius


@st.composite
def graphs(draw: st.DrawFn, largest: int = 12) -> Topology:
    n = draw(st.integers(1, largest))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    selection = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3 * n)) if pairs else []
    return Topology(n, tuple(selection))


@st.composite
def reaches(draw: st.DrawFn) -> tuple[Topology, Reach]:
    graph = draw(graphs())
    radii = draw(st.lists(st.integers(0, 5), min_size=graph.n, max_size=graph.n))
    return graph, Reach(graph.hops, radii)


def reference(graph: Topology) -> list[list[int]]:
    known = dict(networkx.all_pairs_shortest_path_length(graph.to_networkx()))
    return [[known[i].get(j, UNREACHABLE) for j in range(graph.n)] for i in range(graph.n)]


@given(graphs(), st.randoms(use_true_random=False))
def test_distances_equal_those_of_networkx_in_whatever_order_they_are_asked(graph, order):
    expected = reference(graph)
    pairs = [(i, j) for i in range(graph.n) for j in range(graph.n)]
    order.shuffle(pairs)
    assert all(graph.hops.distance(i, j) == expected[i][j] for i, j in pairs)
    assert graph.hops.matrix().tolist() == expected
    assert [[graph.hops.distance(i, j) for j in range(graph.n)] for i in range(graph.n)] == expected


@given(graphs(), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 14)), max_size=20))
def test_within_gives_all_nodes_at_most_k_hops_away_ascending(graph, questions):
    expected = reference(graph)
    for i, k in questions:
        i %= graph.n
        assert graph.hops.within(i, k) == tuple(j for j in range(graph.n) if expected[i][j] <= k)


@given(reaches())
def test_i_hears_j_exactly_when_i_is_in_the_audience_of_j(pair):
    graph, reach = pair
    for i in range(graph.n):
        for j in range(graph.n):
            assert (j in reach.in_neighbours(i)) == (i in reach.out_neighbours(j))


@given(reaches())
def test_sets_are_what_their_definitions_say(pair):
    graph, reach = pair
    distance = reference(graph)
    everyone = range(graph.n)
    for i in everyone:
        assert reach.window(i) == tuple(j for j in everyone if distance[i][j] <= reach.radii[i])
        assert reach.in_neighbours(i) == tuple(j for j in everyone if j != i and distance[i][j] <= reach.radii[i])
        assert reach.out_neighbours(i) == tuple(j for j in everyone if j != i and distance[i][j] <= reach.radii[j])
        assert i in reach.window(i)
        assert i not in reach.in_neighbours(i)
        assert i not in reach.out_neighbours(i)


@given(reaches(), st.integers(0, 11))
def test_a_larger_radius_never_loses_anyone(pair, agent):
    graph, reach = pair
    agent %= graph.n
    wider = Reach(graph.hops, [radius + (i == agent) for i, radius in enumerate(reach.radii)])
    assert set(reach.window(agent)) <= set(wider.window(agent))
    assert all(set(reach.out_neighbours(i)) <= set(wider.out_neighbours(i)) for i in range(graph.n))


@given(graphs())
def test_radius_zero_is_silence_and_a_radius_of_n_is_the_component(graph):
    nothing_near, all_nodes = Reach(graph.hops, [0] * graph.n), Reach(graph.hops, [graph.n] * graph.n)
    for part in graph.components:
        for i in part:
            assert nothing_near.window(i) == (i,)
            assert nothing_near.in_neighbours(i) == nothing_near.out_neighbours(i) == ()
            assert all_nodes.window(i) == part


def test_radii_of_ones_own_make_hearing_and_being_needed_two_sets():
    line = Topology(4, ((0, 1), (1, 2), (2, 3)))
    reach = Reach(line.hops, (3, 0, 1, 0))
    assert reach.in_neighbours(0) == (1, 2, 3)
    assert reach.out_neighbours(0) == ()
    assert reach.in_neighbours(3) == ()
    assert reach.out_neighbours(3) == (0, 2)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_scipy_and_plain_search_give_the_same_table(seed):
    graph = networkx.fast_gnp_random_graph(300, 0.008, seed=seed)
    topology = Topology(300, tuple(graph.edges))
    table = topology.hops.matrix()
    assert table.dtype == np.int32
    assert not table.flags.writeable
    assert table.tolist() == reference(topology)
    assert Neighbourhoods(topology.adjacency).diameter() == table.max()


def test_ten_thousand_agents_look_two_hops_far_without_a_table_of_all_distances():
    side = 100
    cells = [(r, c) for r in range(side) for c in range(side)]
    edges = [(r * side + c, r * side + c + 1) for r, c in cells if c + 1 < side]
    edges += [(r * side + c, (r + 1) * side + c) for r, c in cells if r + 1 < side]
    grid = Topology(side * side, tuple(edges))
    reach = Reach(grid.hops, spread_radius(2, grid.n, "kappa"))
    sizes = [len(reach.window(i)) for i in range(grid.n)]
    # 13 cells lie within two hops; the sides cut some off.
    assert max(sizes) == 13
    assert sizes.count(13) == (side - 4) ** 2
    assert reach.out_neighbours(5050) == reach.in_neighbours(5050)
    assert grid.hops._matrix is None
    assert sum(len(ball.distances) for ball in grid.hops._balls.values()) < 50 * grid.n


def test_a_table_that_would_not_fit_is_refused_with_its_size():
    with pytest.raises(CapacityError, match=r"all distances between 20000 agents needs 1\.5 GiB; ask for single distances"):
        Topology(20_000, ()).hops.matrix()


@pytest.mark.parametrize("node", [-1, 3])
def test_a_node_that_does_not_exist_is_not_counted_from_the_end(node):
    line = Topology(3, ((0, 1), (1, 2)))
    for ask in (line.neighbours, lambda i: line.hops.within(i, 1), lambda i: line.hops.distance(0, i), lambda i: line.hops.distance(i, 0)):
        with pytest.raises(IndexError, match=r"nodes 0\.\.2"):
            ask(node)
    with pytest.raises(ValueError, match="radii start at 0"):
        line.hops.within(0, -1)


def test_radii_are_spread_or_refused_in_one_line():
    assert spread_radius(2, 3, "kappa_policy") == (2, 2, 2)
    assert spread_radius((0, 1, 2), 3, "kappa_policy") == (0, 1, 2)
    for radius, line in (
        ((1, 2), "kappa_policy: 2 radii for 3 agents; give one number for all, or 3 numbers"),
        (-1, "kappa_policy: -1 hops for agent 0; radii are whole numbers from 0 on"),
        ((0, 1, -4), "kappa_policy: -4 hops for agent 2; radii are whole numbers from 0 on"),
    ):
        with pytest.raises(ExperimentError) as caught:
            spread_radius(radius, 3, "kappa_policy")
        assert str(caught.value) == line
