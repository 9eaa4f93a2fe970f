"""Relay trees are shortest paths with the lowest index first, reach all out-neighbours and no other leaves, and cross each edge once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.topology import UNREACHABLE, Topology, TreeNode, relay_tree


@st.composite
def questions(draw: st.DrawFn) -> tuple[Topology, int, set[int]]:
    n = draw(st.integers(1, 12))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    settings = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3 * n)) if pairs else []
    graph = Topology(n, tuple(settings))
    origin = draw(st.integers(0, n - 1))
    reachable = [j for j in range(n) if graph.hops.distance(origin, j) != UNREACHABLE]
    return graph, origin, draw(st.sets(st.sampled_from(reachable)))


@given(questions())
def test_everybody_in_the_audience_hears_the_origin_over_as_few_hops_as_there_are(question):
    graph, origin, out_neighbours = question
    tree = relay_tree(graph, origin, out_neighbours)
    assert tree[origin].parent == origin
    assert {node for node, place in tree.items() if place.is_receiver} == out_neighbours - {origin}
    for node, place in tree.items():
        hops, at = 0, node
        while at != origin:
            assert tree[at].parent in graph.neighbours(at)
            at, hops = tree[at].parent, hops + 1
        assert hops == graph.hops.distance(origin, node)
        # Children and parents are each other's mirror, and nobody but the origin stands there for nothing.
        assert place.children == tuple(sorted(j for j, other in tree.items() if other.parent == node and j != origin))
        assert node == origin or place.is_receiver or place.children


@given(questions())
def test_a_node_hears_its_neighbour_of_lowest_index_one_hop_nearer(question):
    graph, origin, out_neighbours = question
    for node, place in relay_tree(graph, origin, out_neighbours).items():
        nearer = [j for j in graph.neighbours(node) if graph.hops.distance(origin, j) == graph.hops.distance(origin, node) - 1]
        assert place.parent == (min(nearer) if node != origin else origin)


@given(questions(), st.data())
def test_the_tree_of_a_part_of_the_audience_is_a_part_of_the_tree(question, data):
    graph, origin, out_neighbours = question
    part = data.draw(st.sets(st.sampled_from(sorted(out_neighbours)))) if out_neighbours else set()
    whole, smaller = relay_tree(graph, origin, out_neighbours), relay_tree(graph, origin, part)
    assert all(whole[node].parent == place.parent for node, place in smaller.items())


def test_a_square_with_a_tail():
    # 0-1, 0-2, 1-3, 2-3, 3-4: both ways round the square are shortest, the one over 1 is taken.
    graph = Topology(5, ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4)))
    assert relay_tree(graph, 0, {4}) == {
        0: TreeNode(0, (1,), False),
        1: TreeNode(0, (3,), False),
        3: TreeNode(1, (4,), False),
        4: TreeNode(3, (), True),
    }
    assert relay_tree(graph, 0, {2, 3})[2] == TreeNode(0, (), True)
    assert relay_tree(graph, 4, ()) == {4: TreeNode(4, (), False)}


def test_nobody_is_reached_without_a_path():
    with pytest.raises(ValueError, match="no path leads from node 0 to node 2"):
        relay_tree(Topology(3, ((0, 1),)), 0, {2})
