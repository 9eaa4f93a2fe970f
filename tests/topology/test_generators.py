"""Generated graphs are those of networkx, or those their definition asks for."""

import subprocess
import sys

import networkx
import pytest
from pydantic import TypeAdapter, ValidationError

from netagents.errors import TopologyError
from netagents.experiment.topology_settings import (
    AccessGridSettings,
    BalancedTreeSettings,
    CompleteSettings,
    EdgeFileSettings,
    EdgesSettings,
    ErdosRenyiSettings,
    GridSettings,
    KingGridSettings,
    LineSettings,
    RandomGeometricSettings,
    RingSettings,
    ScaleFreeSettings,
    SmallWorldSettings,
    StarSettings,
    TopologySettings,
    TorusSettings,
)
from netagents.topology import Topology, build_topology, stored_settings


def numbered(graph: networkx.Graph) -> tuple[tuple[int, int], ...]:
    """Edges of a grid of networkx, whose nodes are (row, column), with cells numbered row by row."""
    index = {cell: k for k, cell in enumerate(sorted(graph.nodes))}
    return tuple(sorted((min(index[a], index[b]), max(index[a], index[b])) for a, b in graph.edges))


def king_moves(rows: int, columns: int) -> networkx.Graph:
    cells = networkx.grid_2d_graph(rows, columns)
    cells.add_edges_from(((r, c), (r + 1, c + d)) for r, c in list(cells) for d in (-1, 1) if (r + 1, c + d) in cells)
    return cells


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        (LineSettings(n=1), networkx.path_graph(1)),
        (LineSettings(n=7), networkx.path_graph(7)),
        (RingSettings(n=3), networkx.cycle_graph(3)),
        (RingSettings(n=8), networkx.cycle_graph(8)),
        (GridSettings(rows=3, columns=4), networkx.grid_2d_graph(3, 4)),
        (GridSettings(rows=1, columns=1), networkx.grid_2d_graph(1, 1)),
        (KingGridSettings(rows=3, columns=5), king_moves(3, 5)),
        (KingGridSettings(rows=4, columns=1), king_moves(4, 1)),
        (TorusSettings(rows=3, columns=5), networkx.grid_2d_graph(3, 5, periodic=True)),
        (StarSettings(n=6), networkx.star_graph(5)),
        (CompleteSettings(n=6), networkx.complete_graph(6)),
        (BalancedTreeSettings(branching=3, height=3), networkx.balanced_tree(3, 3)),
        (BalancedTreeSettings(branching=1, height=4), networkx.balanced_tree(1, 4)),
        (AccessGridSettings(rows=3, columns=4, users=1), king_moves(3, 4)),
    ],
)
def test_regular_graphs_are_those_of_networkx_number_by_number(settings, reference):
    topology = build_topology(settings)
    assert topology.n == reference.number_of_nodes()
    assert topology.edges == numbered(reference)
    assert topology.kind == settings.kind
    assert len(set(topology.positions)) == topology.n
    assert topology.is_connected


def test_grids_know_their_shape():
    assert build_topology(GridSettings(rows=3, columns=4)).shape == (3, 4)
    assert build_topology(KingGridSettings(rows=2, columns=5)).shape == (2, 5)
    assert build_topology(TorusSettings(rows=3, columns=4)).shape == (3, 4)
    assert build_topology(AccessGridSettings(rows=3, columns=4, users=2)).shape == (3, 4, 2)
    assert build_topology(LineSettings(n=4)).shape is None


def test_users_of_one_access_point_are_neighbours():
    topology = build_topology(AccessGridSettings(rows=2, columns=3, users=2))
    assert topology.n == 12
    # Access points stand between columns 0 and 1, and between 1 and 2: only the outer columns do not meet.
    left, right = {0, 1, 6, 7}, {4, 5, 10, 11}
    expected = {(i, j) for i in range(12) for j in range(i + 1, 12) if not ((i in left and j in right) or (i in right and j in left))}
    assert set(topology.edges) == expected
    assert len(set(topology.positions)) == 12


RANDOM = [
    ErdosRenyiSettings(n=40, p=0.12),
    ErdosRenyiSettings(n=12, p=1.0),
    SmallWorldSettings(n=40, nearest=4, rewiring=0.2),
    ScaleFreeSettings(n=40, attachments=2),
    RandomGeometricSettings(n=40, radius=0.35),
]


@pytest.mark.parametrize("settings", RANDOM, ids=lambda each: each.kind)
def test_random_graphs_are_functions_of_the_seed(settings):
    first = build_topology(settings, seed=1)
    assert first == build_topology(settings, seed=1)
    assert first == build_topology(settings.model_copy(update={"seed": 1}), seed=7)
    assert first.is_connected
    assert first.kind == settings.kind
    if settings != RANDOM[1]:
        assert len({build_topology(settings, seed=seed).digest for seed in range(5)}) == 5


def test_random_graphs_have_the_sizes_their_models_promise():
    assert len(build_topology(RANDOM[1]).edges) == 66
    assert len(build_topology(RANDOM[2]).edges) == 80
    # networkx starts from a star of m + 1 nodes; every later node brings m edges.
    assert len(build_topology(RANDOM[3]).edges) == 2 + 37 * 2
    counts = [len(build_topology(ErdosRenyiSettings(n=60, p=0.2, seed=seed)).edges) for seed in range(40)]
    # 1770 pairs: mean 354, standard deviation of the mean of 40 graphs 2.7.
    assert abs(sum(counts) / 40 - 354) < 4 * 2.7


def test_random_geometric_graphs_join_exactly_what_is_near():
    settings = RandomGeometricSettings(n=30, radius=0.3, connected=False)
    topology = build_topology(settings)
    near = {
        (i, j)
        for i, (x, y) in enumerate(topology.positions)
        for j, (u, v) in enumerate(topology.positions)
        if i < j and (x - u) ** 2 + (y - v) ** 2 <= 0.3**2
    }
    assert set(topology.edges) == near


def test_a_graph_that_is_never_connected_says_what_to_raise_and_can_be_had_all_the_same():
    settings = ErdosRenyiSettings(n=50, p=0.01)
    with pytest.raises(TopologyError) as caught:
        build_topology(settings)
    assert str(caught.value) == (
        "none of 100 erdos_renyi graphs of 50 agents was connected; raise p above ln(n) / n = 0.0782, or set connected: false"
    )
    loose = build_topology(settings.model_copy(update={"connected": False}))
    assert not loose.is_connected
    assert build_topology(ErdosRenyiSettings(n=3, p=0.0, connected=False)).edges == ()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (GridSettings(rows=1000, columns=1000), "a grid of 1000 x 1000 cells; use 1 to 100000 agents in all"),
        (
            AccessGridSettings(rows=10, columns=10, users=1000),
            "a graph of 449950000 edges or more; use at most 2000000 edges",
        ),
        (
            BalancedTreeSettings(branching=10, height=9),
            "a tree with 10 children per agent and height 9 has more than 100000 agents; lower branching or height",
        ),
        (ErdosRenyiSettings(n=100_000, p=0.5), "a graph of 2499975000 edges or more; use at most 2000000 edges"),
        (RandomGeometricSettings(n=100_000, radius=1.5), "a graph of 4999950000 edges or more; use at most 2000000 edges"),
    ],
    ids=["grid", "access_grid", "tree", "erdos_renyi", "geometric"],
)
def test_graphs_too_large_are_refused_before_they_are_built(settings, line):
    with pytest.raises(TopologyError) as caught:
        build_topology(settings)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "ring", "n": 2},
        {"kind": "small_world", "n": 5, "nearest": 6},
        {"kind": "small_world", "n": 9, "nearest": 3},
        {"kind": "scale_free", "n": 3, "attachments": 3},
        {"kind": "torus", "rows": 2, "columns": 5},
        {"kind": "erdos_renyi", "n": 5, "p": 1.1},
        {"kind": "star", "n": 1},
        {"kind": "hypercube", "n": 8},
    ],
)
def test_settings_that_no_graph_fits_are_refused(values):
    with pytest.raises(ValidationError):
        TypeAdapter(TopologySettings).validate_python(values)


@pytest.mark.parametrize("settings", [*RANDOM, GridSettings(rows=2, columns=3)], ids=lambda each: each.kind)
def test_stored_settings_give_the_same_graph_without_drawing_again(settings):
    topology = build_topology(settings, seed=3)
    stored = stored_settings(settings, topology)
    assert stored.kind == ("edges" if settings in RANDOM else "grid")
    again = build_topology(TypeAdapter(TopologySettings).validate_json(TypeAdapter(TopologySettings).dump_json(stored)))
    assert (again.edges, again.positions, again.digest) == (topology.edges, topology.positions, topology.digest)


def test_stored_settings_keep_what_the_graph_was_made_from(tmp_path):
    file = tmp_path / "my $net\x1b.edges"
    file.write_text("0 1\n")
    settings = EdgeFileSettings(path=str(file))
    assert stored_settings(settings, build_topology(settings)).source == "my _net_.edges"
    assert stored_settings(RANDOM[0], build_topology(RANDOM[0], seed=3)).source == RANDOM[0].kind


def test_edges_from_settings_keep_their_names():
    settings = EdgesSettings(n=2, edges=((1, 0),), labels=("a", "b"))
    assert build_topology(settings) == Topology(2, ((0, 1),), labels=("a", "b"))


def test_regular_graphs_do_not_import_networkx_nor_scipy():
    code = """
import sys
from netagents.experiment.topology_settings import GridSettings
from netagents.topology import Reach, build_topology
from netagents.topology.topology_json import topology_to_json
grid = build_topology(GridSettings(rows=4, columns=4))
Reach(grid.hops, (1,) * 16).out_neighbours(3), grid.diameter, grid.hops.matrix(), topology_to_json(grid)
assert not {'networkx', 'scipy', 'torch'} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
