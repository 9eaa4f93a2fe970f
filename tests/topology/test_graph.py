"""A topology is canonical, hashed by its graph alone, and survives JSON; texts that are none are refused."""

import json

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import TopologyError
from netagents.topology import UNREACHABLE, Topology
from netagents.topology.topology_json import topology_from_json, topology_to_json

EDGES = ((0, 1), (1, 2), (0, 3))


@given(st.permutations(EDGES), st.lists(st.booleans(), min_size=3, max_size=3))
def test_the_order_and_direction_of_edges_do_not_matter(edges, flips):
    given_edges = tuple((j, i) if flip else (i, j) for (i, j), flip in zip(edges, flips, strict=True))
    topology = Topology(4, given_edges)
    assert topology == Topology(4, EDGES)
    assert topology.edges == ((0, 1), (0, 3), (1, 2))
    assert topology.digest == Topology(4, EDGES).digest


def test_the_digest_names_the_graph_and_nothing_else():
    # Written down once: records of earlier runs rely on it.
    assert Topology(4, EDGES).digest == "beb6d6532f3d5a916bff414851680c1a62c9c23adcf03a5b3164c50f7cafe44f"
    named = Topology(4, EDGES, "file", labels=("a", "b", "c", "d"), positions=((0.0, 0.0),) * 4, version=3)
    assert named.digest == Topology(4, EDGES).digest
    assert Topology(5, EDGES).digest != Topology(4, EDGES).digest
    assert Topology(4, EDGES[:2]).digest != Topology(4, EDGES).digest


def test_neighbours_components_and_diameter():
    topology = Topology(6, (*EDGES, (4, 5)))
    assert [topology.neighbours(i) for i in range(6)] == [(1, 3), (0, 2), (1,), (0,), (5,), (4,)]
    assert topology.components == ((0, 1, 2, 3), (4, 5))
    assert not topology.is_connected
    assert topology.diameter == UNREACHABLE
    assert Topology(4, EDGES).is_connected
    assert Topology(4, EDGES).diameter == 3
    assert Topology(1, ()).diameter == 0


def test_networkx_gets_the_same_graph_with_names_and_positions():
    topology = Topology(3, ((0, 1),), labels=("a", "b", "c"), positions=((0.0, 1.0), (2.0, 3.0), (4.0, 5.0)))
    graph = topology.to_networkx()
    assert isinstance(graph, networkx.Graph)
    assert sorted(graph.edges) == [(0, 1)]
    assert dict(graph.nodes(data="label")) == {0: "a", 1: "b", 2: "c"}
    assert graph.nodes[1]["pos"] == (2.0, 3.0)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    n = draw(st.integers(1, 8))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    names = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=8).filter(str.isprintable)
    coordinate = st.floats(allow_nan=False, allow_infinity=False)
    return Topology(
        n,
        tuple(edges),
        draw(st.sampled_from(["line", "edges", "file"])),
        draw(st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9))),
        tuple(draw(st.just([]) | st.lists(names, min_size=n, max_size=n, unique=True))),
        draw(st.none() | st.tuples(*[st.tuples(coordinate, coordinate)] * n)),
        draw(st.integers(0, 2**40)),
    )


@given(topologies())
def test_json_there_and_back_is_the_same_topology(topology):
    text = topology_to_json(topology)
    assert "\n" not in text
    assert topology_from_json(text) == topology


GOOD = {"n": 3, "edges": [[0, 1], [1, 2]], "kind": "line"}


def test_the_least_text_is_a_topology():
    assert topology_from_json(json.dumps(GOOD)) == Topology(3, ((0, 1), (1, 2)), "line")


@pytest.mark.parametrize(
    "change",
    [
        {"n": 0},
        {"n": 3.0},
        {"n": "3"},
        {"n": True},
        {"n": 10**9},
        {"n": 2},
        {"edges": [[1, 0], [1, 2]]},
        {"edges": [[1, 2], [0, 1]]},
        {"edges": [[0, 1], [0, 1]]},
        {"edges": [[0, 0]]},
        {"edges": [[0, 3]]},
        {"edges": [[-1, 1]]},
        {"edges": [[0, 1, 2]]},
        {"edges": {"0": 1}},
        {"edges": None},
        {"kind": ""},
        {"kind": 3},
        {"kind": "\x1b[31m"},
        {"shape": [0, 3]},
        {"shape": "3"},
        {"labels": ["a", "b"]},
        {"labels": ["a", "b", "b"]},
        {"labels": ["a", "b", "\x1b[31m"]},
        {"positions": [[0, 0], [0, 0]]},
        {"positions": [[0, 0], [0, 0], [0, "x"]]},
        {"version": -1},
        {"other": 1},
        {"\x1b[31m": 1},
    ],
)
def test_a_text_that_is_no_topology_is_refused_in_one_line(change):
    with pytest.raises(TopologyError) as caught:
        topology_from_json(json.dumps(GOOD | change))
    line = str(caught.value)
    assert "\n" not in line
    assert "\x1b" not in line
    assert ";" in line


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", "\x00", '{"n": NaN}', '{"n": 3, "edges": [], "kind": "x", "positions": [[1e999, 0]]}']
)
def test_a_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(TopologyError):
        topology_from_json(text)


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists, max_leaves=8).map(json.dumps))
def test_no_text_raises_anything_else(text):
    with pytest.raises(TopologyError):
        topology_from_json(text)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((0, ()), "a graph of 0 nodes; use 1 to 100000 nodes"),
        ((100_001, ()), "a graph of 100001 nodes; use 1 to 100000 nodes"),
        ((3, ((1, 1),)), "edge (1, 1) joins a node to itself; leave self-loops out: an agent always knows itself"),
        ((3, ((0, 3),)), "edge (0, 3) in a graph of 3 nodes; nodes are 0..2"),
        ((3, ((-1, 0),)), "edge (-1, 0) in a graph of 3 nodes; nodes are 0..2"),
        ((3, ((0, 1), (1, 0))), "edge (1, 0) stands twice; edges have no direction: write each once"),
    ],
)
def test_a_graph_that_agents_cannot_live_on_is_refused(arguments, line):
    with pytest.raises(TopologyError) as caught:
        Topology(*arguments)
    assert str(caught.value) == line


def test_a_graph_that_changes_gets_a_new_version_and_keeps_its_agents():
    before = Topology(3, ((0, 1),), labels=("a", "b", "c"), positions=((0.0, 0.0),) * 3)
    after = before.evolved([(2, 1)], positions=[(1.0, 1.0)] * 3)
    assert (after.version, after.edges, after.labels) == (1, ((1, 2),), ("a", "b", "c"))
    assert after.evolved([]).positions == ((1.0, 1.0),) * 3
    assert before.hops.distance(0, 1) == 1
    assert after.hops.distance(0, 1) == UNREACHABLE
