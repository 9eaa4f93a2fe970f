"""Road networks: their signals, lanes and links, the graph of their signals, and what is wrong with a file, by line."""

from __future__ import annotations

import pytest

from netagents.errors import TopologyError
from netagents.experiment.load import packaged_directory
from netagents.topology.generators import grid
from netagents.topology.graph_files import read_topology
from netagents.topology.road_network import parse_road_network, read_road_network

NETWORK = """<?xml version="1.0"?>
<net version="1.20">
  <edge id=":b_0" function="internal"><lane id=":b_0_0" index="0" speed="5" length="4" shape="0,0 1,0"/></edge>
  <edge id="in" from="west" to="a"><lane id="in_0" index="0" speed="14" length="90" shape="0,0 90,0"/></edge>
  <edge id="ab" from="a" to="b">
    <lane id="ab_0" index="0" speed="14" length="50" shape="100,0 150,0"/>
    <lane id="ab_1" index="1" speed="14" length="50" shape="100,3 150,3"/>
  </edge>
  <edge id="bc" from="b" to="c"><lane id="bc_0" index="0" speed="14" length="50" shape="150,0 200,0"/></edge>
  <edge id="cd" from="c" to="d"><lane id="cd_0" index="0" speed="14" length="50" shape="200,0 250,0"/></edge>
  <edge id="out" from="d" to="east"><lane id="out_0" index="0" speed="14" length="50" shape="250,0 300,0"/></edge>
  <tlLogic id="A" type="static" programID="0" offset="0">
    <phase duration="30" state="GG"/><phase duration="3" state="yy"/><phase duration="9" state="rr"/>
  </tlLogic>
  <tlLogic id="B" type="static" programID="0" offset="0">
    <phase duration="30" state="Gr"/><phase duration="3" state="yr"/><phase duration="8" state="rg"/><phase duration="5" state="Gr"/>
  </tlLogic>
  <tlLogic id="B" type="static" programID="1" offset="0"><phase duration="99" state="GG"/></tlLogic>
  <tlLogic id="D" type="static" programID="0" offset="0"><phase duration="30" state="G"/></tlLogic>
  <junction id="a" x="100" y="0"/>
  <connection from="in" to="ab" fromLane="0" toLane="0" tl="A" linkIndex="0"/>
  <connection from="in" to="ab" fromLane="0" toLane="1" tl="A" linkIndex="1"/>
  <connection from="ab" to="bc" fromLane="1" toLane="0" tl="B" linkIndex="0"/>
  <connection from="ab" to="bc" fromLane="0" toLane="0" tl="B" linkIndex="1"/>
  <connection from="bc" to="cd" fromLane="0" toLane="0"/>
  <connection from="cd" to="out" fromLane="0" toLane="0" tl="D" linkIndex="0"/>
</net>
"""


def test_signals_have_the_lanes_and_green_phases_of_the_file():
    network = read_road_network(NETWORK, "n")
    assert [signal.name for signal in network.signals] == ["A", "B", "D"]
    assert network.signals[0].lanes == ("in_0",)
    assert network.signals[1].lanes == ("ab_1", "ab_0")  # in the order of the links
    # Yellow and all-red phases are no greens, a state that comes twice counts once, and so does a second program.
    assert network.signals[0].greens == ((30.0, "GG"),)
    assert network.signals[1].greens == ((30.0, "Gr"), (8.0, "rg"))
    assert ":b_0_0" not in network.lanes
    assert network.entries == ("in",)
    assert network.exits == ("out",)


def test_signals_are_neighbours_along_roads_past_junctions_without_signals():
    graph = parse_road_network(NETWORK, "n")
    assert graph.labels == ("A", "B", "D")
    assert graph.edges == ((0, 1), (1, 2))  # c has no signal; A and D are joined past B only
    assert graph.positions == ((90.0, 0.0), (150.0, 1.5), (250.0, 0.0))


def test_the_grid_that_comes_along_is_a_grid_of_signals():
    packaged = read_topology("traffic_grid")
    assert packaged.edges == grid(3, 3).edges
    network = read_road_network((packaged_directory("topologies") / "traffic_grid.net.xml").read_text(), "grid")
    assert all(len(signal.lanes) == 8 and len(signal.greens) == 4 for signal in network.signals)
    assert len(network.entries) == len(network.exits) == 12


def test_midtown_is_the_part_of_manhattan_that_is_a_graph_already():
    roads, graph = read_topology("midtown"), read_topology("manhattan")

    def named(topology, name):
        return {frozenset(name(topology.labels[i]) for i in edge) for edge in topology.edges}

    assert named(roads, lambda label: label.replace("_Av_", " Av / E ") + " St") == named(graph, str)
    assert len(roads.labels) == 32
    network = read_road_network((packaged_directory("topologies") / "midtown.net.xml").read_text(), "midtown")
    south = network.roads["5_Av_57--5_Av_56"]
    assert south == ("5_Av_57", "5_Av_56")
    assert "5_Av_56--5_Av_57" not in network.roads  # one way
    assert "Park_Av_56--Park_Av_57" in network.roads


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<net version="1.20">', "<graph>", "n:2: not a road network but XML of 'graph'"),
        ('<?xml version="1.0"?>', "<!DOCTYPE net>", "n:1: a document type (DTD) is not allowed"),
        ('length="90"', 'length="far"', "n:4: a number of <lane> is none"),
        ('linkIndex="1"/>\n  <connection from="ab"', '/>\n  <connection from="ab"', "n:22: <connection> without linkIndex"),
        ('tl="D" linkIndex="0"', 'tl="E" linkIndex="0"', "n:26: there is no signal 'E'"),
        ('state="Gr"/><phase duration="3" state="yr"', 'state="G"/><phase duration="3" state="yr"', "n:15: signal 'B' has no green phase"),
        ("</net>", "", "not XML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old, new, message):
    assert old in NETWORK
    with pytest.raises(TopologyError) as error:
        parse_road_network(NETWORK.replace(old, new, 1), "n")
    assert message in str(error.value)


def test_a_network_without_signals_is_refused():
    text = "\n".join(line.partition(' tl="')[0] + "/>" if " tl=" in line else line for line in NETWORK.splitlines())
    with pytest.raises(TopologyError, match="no traffic signal controls a road"):
        parse_road_network(text, "n")
