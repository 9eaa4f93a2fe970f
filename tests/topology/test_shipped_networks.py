"""The networks that come with netagents are the published ones."""

from pathlib import Path

import networkx
import pytest

from netagents.topology.graph_files import read_topology, shipped_topologies

FOLDER = Path(__file__).parents[2] / "topologies"

# Nodes, links, largest degree, smallest degree, diameter: counted from the sources by hand or known of the graph.
FACTS = {
    "abilene.graphml": (11, 14, 3, 2, 5),
    "baran_wu33.edges": (33, 32, 3, 1, 20),
    "ieee13.yaml": (13, 12, 4, 1, 5),
    "karate.edges": (34, 78, 17, 1, 5),
    "manhattan.yaml": (32, 52, 4, 2, 10),
    "midtown.net.xml": (32, 52, 4, 2, 10),
    "nsfnet.edges": (14, 21, 4, 2, 3),
    "petersen.edges": (10, 15, 3, 3, 2),
    "traffic_grid.net.xml": (9, 12, 4, 2, 4),
}


def test_every_shipped_file_is_listed_here():
    assert shipped_topologies() == tuple(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_counts_are_those_of_the_source(name):
    topology = read_topology(name)
    degrees = [len(topology.neighbours(i)) for i in range(topology.n)]
    assert (topology.n, len(topology.edges), max(degrees), min(degrees), topology.diameter) == FACTS[name]
    assert topology.is_connected


@pytest.mark.parametrize("name", FACTS)
def test_every_file_names_its_source(name):
    head = (FOLDER / name).read_text(encoding="utf-8")[:700]
    assert "Source: " in head


def test_karate_and_petersen_are_those_of_networkx():
    assert read_topology("karate").edges == tuple(sorted(networkx.karate_club_graph().edges))
    assert networkx.is_isomorphic(read_topology("petersen").to_networkx(), networkx.petersen_graph())


def test_manhattan_is_a_grid_numbered_row_by_row():
    topology = read_topology("manhattan")
    cells = networkx.grid_2d_graph(8, 4)
    assert topology.edges == tuple(sorted((4 * a + b, 4 * c + d) for (a, b), (c, d) in cells.edges))
    assert topology.labels[0] == "5 Av / E 57 St"


def test_feeders_are_trees_and_backbones_survive_any_one_link():
    for name in ("ieee13", "baran_wu33"):
        assert networkx.is_tree(read_topology(name).to_networkx())
    for name in ("abilene", "nsfnet"):
        assert not list(networkx.bridges(read_topology(name).to_networkx()))
