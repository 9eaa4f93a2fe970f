"""Graph files that other tools write are read as the graph they mean, or refused at the line that is in doubt."""

import csv
import io
import json

import networkx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netagents.errors import TopologyError
from netagents.experiment.topology_settings import RandomGeometricSettings
from netagents.topology import build_topology
from netagents.topology.graph import LIMIT_NODES
from netagents.topology.graph_files import read_topology
from netagents.topology.topology_json import topology_from_json, topology_to_json

FIXTURE = [HealthCheck.function_scoped_fixture]


def read(folder, name, content):
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_topology(name, folder)


def by_names(topology):
    return {frozenset((topology.labels[i], topology.labels[j])) for i, j in topology.edges}


def refusal(folder, name, content):
    with pytest.raises(TopologyError) as caught:
        read(folder, name, content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


CHAIN = [
    ("a.csv", "source,target\nx,y\ny,z\n"),
    ("a.csv", "Source;Target;Type;Weight\nx;y;Undirected;0,5\ny;z;Undirected;1,5\n"),
    ("a.csv", '"from","to"\n"x","y"\n"y","z"\n'),
    ("a.csv", "id,weight,From,To\n17,0.5,x,y\n18,0.25,y,z\n"),
    ("a.csv", ",source,target\n0,x,y\n1,y,z\n"),
    ("a.tsv", "FromNodeId\tToNodeId\nx\ty\ny\tz\n"),
    ("a.tsv", "from_bus\tto_bus\tr_ohm\nx\ty\t0.1\ny\tz\t0.2\n"),
    ("a.csv", "source_name,target_name,capacity\nx,y,10G\ny,z,40G\n"),
    ("a.txt", "% sym unweighted\n% 2 3 3\nx y\ny z\n"),
    ("a.txt", "// made by hand\nx y\n// more\ny z\n"),
    ("a.txt", "; a comment\nx y\ny z # and another\n"),
    ("a.edgelist", "x y {}\ny z {'weight': 1.5, 'name': 'a, b # c'}\n"),
    ("a.edgelist", "x y 1.5\ny z nan\n"),
    ("a.edgelist", "x y 3\ny z 4\n"),
    ("a.txt", "u v\nx y\ny z\n"),
    ("a.csv", b"\xef\xbb\xbfsource,target\r\nx,y\r\ny,z\r\n"),
    ("a.csv", "source,target\rx,y\ry,z\r"),
    ("a.adjlist", "#written.py\n# GMT\n#\nx y\ny z\nz\n"),
    ("a.adjlist", "x y\ny x z\nz y\n"),
]


@pytest.mark.parametrize(("name", "content"), CHAIN, ids=range(len(CHAIN)))
def test_headers_comments_and_weights_add_no_agents(tmp_path, name, content):
    topology = read(tmp_path, name, content)
    assert (topology.n, topology.labels, topology.edges) == (3, ("x", "y", "z"), ((0, 1), (1, 2)))


def test_words_above_nothing_but_numbers_are_a_header(tmp_path):
    assert read(tmp_path, "a.csv", "plant,consumer\n0,1\n1,2\n").labels == ("0", "1", "2")


def test_nodes_that_are_called_like_columns_are_nodes(tmp_path):
    assert read(tmp_path, "a.txt", "u v\nv w\n").labels == ("u", "v", "w")
    assert read(tmp_path, "b.txt", "nodes: source target\nsource target\n").labels == ("source", "target")


@pytest.mark.parametrize(
    ("name", "content", "beginning"),
    [
        ("a.csv", "plant,consumer\nx,y\ny,z\n", "a.csv:1: 'plant' and 'consumer' stand in no other line"),
        ("a.txt", "# counts\n4 3\n0 1\n1 2\n2 3\n", "a.txt:2: '4 3' may be an edge or the numbers of nodes and edges"),
        ("a.txt", "0 1 2 3\n1 2 3\n2 3\n3\n", "a.txt:1: 4 whole numbers where an edge has two names and at most a weight"),
        ("a.txt", "0 1 2\n1 2\n2\n", "a.txt:3: 1 names where an edge has two; write 'NAME NAME'; a list of neighbours"),
        ("a.csv", "source,target\nx,y\ny\n", "a.csv:3: a name is missing; line 1 says"),
        ("a.csv", "source,target\n", "a.csv:1: "),
        ("a.adjlist", "x y\nx z\n", "a.adjlist:2: node 'x' stands twice"),
        ("a.adjlist", "x y y\n", "a.adjlist:1: 'y' stands twice in one line"),
        ("a.json", '{"nodes": 2,\n "edges": [[0, 1],\n  [1, 2]]}', "a.json:3: there is no node '2'"),
        ("a.json", '{"nodes": 2,\n "edges": [[0, 1],\n  [1, 0]]}', "a.json:3: edge '1' - '0' stands twice; it is in line 2"),
        ("a.json", '{"nodes": [{"id": 1,\n "id": 2}]}', "a.json:1: 'id': the key stands twice"),
        ("a.json", '{"nodes": 2,\n "nodes": 3}', "a.json:2: 'nodes': the key stands twice"),
        ("a.json", '{"nodes": 2,\n "edges": [[0, 1]\n', "a.json:3: not JSON (Expecting ',' delimiter)"),
        ("a.json", '{"nodes": 2} {}', "a.json:1: not JSON (Extra data)"),
        ("a.json", "", "a.json:1: holds no graph"),
        ("a.json", "[]", "a.json:1: not a node-link graph"),
        ("a.json", '{"nodes": ' + "[" * 100_000, "a.json:1: "),
        ("a.json", '{"nodes": ' + "1" * 5000 + "}", "a.json:1: a number of too many digits"),
        ("a.json", '{"nodes": [1.5]}', "a.json:1: a node name that is neither text nor a whole number"),
        ("a.json", '{"nodes": [[[[[[0]]]]]]}', "a.json:1: a node name that is neither"),
        ("a.json", '{"nodes": 2, "edges": [], "adjacency": []}', "a.json:1: both 'edges' and 'adjacency'"),
        ("a.json", '{"nodes": 2, "adjacency": [[]]}', "a.json:1: 'adjacency' is not a list with one entry per node"),
        ("a.json", '{"nodes": 2,\n"adjacency": [[],\n 7]}', "a.json:3: neighbours that are no list"),
        ("a.json", '{"nodes": ["\\ud83d"]}', "a.json:1: node name '\\ud83d'"),
    ],
)
def test_what_is_in_doubt_is_refused_at_its_line(tmp_path, name, content, beginning):
    assert refusal(tmp_path, name, content).startswith(beginning)


GRAPHS = {
    "chain": networkx.path_graph(5),
    "weighted": networkx.Graph([(0, 1, {"weight": 2}), (1, 2, {"weight": 0.5})]),
    "club": networkx.karate_club_graph(),
    "grid": networkx.grid_2d_graph(3, 11),
    "mixed": networkx.Graph([(("a", 1), ("b, c", 2)), (("b, c", 2), ("d", 3))]),
    "words": networkx.relabel_nodes(networkx.path_graph(3), {0: "😀a", 1: "Zürich", 2: "𠮷野"}),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_whatever_networkx_writes_is_the_same_graph(tmp_path, kind):
    graph = GRAPHS[kind]
    expected = {frozenset((str(a), str(b))) for a, b in graph.edges}
    networkx.write_edgelist(graph, tmp_path / "a.edgelist")
    networkx.write_edgelist(graph, tmp_path / "b.csv", delimiter=",")
    networkx.write_edgelist(graph, tmp_path / "c.tsv", delimiter="\t")
    networkx.write_weighted_edgelist(graph, tmp_path / "d.edgelist")
    networkx.write_edgelist(graph, tmp_path / "e.edgelist", data=False)
    networkx.write_adjlist(graph, tmp_path / "f.adjlist")
    networkx.write_graphml_xml(networkx.Graph(graph.edges), tmp_path / "g.graphml")
    for key in ("edges", "links"):
        for indent in (None, "\t", 2):
            text = json.dumps(networkx.node_link_data(graph, edges=key), indent=indent)
            (tmp_path / f"{key}{indent!r:.3}.json".replace("'", "").replace("\\", "")).write_text(text)
    (tmp_path / "adjacency.json").write_text(json.dumps(networkx.adjacency_data(graph)), encoding="utf-8")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 14
    for name in names:
        topology = read_topology(name, tmp_path)
        assert (name, topology.n, by_names(topology)) == (name, graph.number_of_nodes(), expected)


def test_pairs_of_numbers_are_ordered_by_number(tmp_path):
    networkx.write_edgelist(networkx.grid_2d_graph(1, 12), tmp_path / "a.edgelist")
    assert read_topology("a.edgelist", tmp_path).labels == tuple(f"(0, {i})" for i in range(12))


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=8).map(str.strip)


@given(st.lists(NAMES.filter(lambda name: name and name.isprintable()), min_size=2, max_size=6, unique=True), st.sampled_from(",;\t"))
@settings(suppress_health_check=FIXTURE, max_examples=200)
def test_names_in_quotes_may_hold_anything_printable(tmp_path, names, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["source", "target"])
    writer.writerows([["\u20ac", name] for name in names])
    text.seek(0)
    if "\u20ac" in names or {"source", "target"} & set(names):
        return
    topology = read(tmp_path, "a.csv", text.read())
    assert by_names(topology) == {frozenset(("\u20ac", name)) for name in names}


ZOO = """<?xml version="1.0" encoding="utf-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key attr.name="Longitude" attr.type="double" for="node" id="d1" /><key attr.name="Latitude" attr.type="double" for="node" id="d2" />
<key attr.name="label" attr.type="string" for="node" id="d3" /><key attr.name="LinkLabel" attr.type="string" for="edge" id="d4" />
<graph edgedefault="undirected">
<node id="0"><data key="d1">4.9</data><data key="d2">52.3</data><data key="d3">Amsterdam</data></node>
<node id="1"><data key="d3">None</data></node>
<node id="2"><data key="d1">13.4</data><data key="d2">52.5</data><data key="d3">None</data></node>
<node id="3"><data key="d1">2.3</data><data key="d2">48.8</data><data key="d3">None (2)</data></node>
<edge source="0" target="1"><data key="d4">10 Gbps</data></edge><edge source="1" target="2" />
<edge source="2" target="1" />
<edge source="1" target="0" id="e3" /><edge source="2" target="3" />
</graph></graphml>"""


def test_a_measured_network_is_read_with_notes(tmp_path):
    topology = read(tmp_path, "zoo.graphml", ZOO)
    assert (topology.n, topology.edges, topology.positions) == (4, ((0, 1), (1, 2), (2, 3)), None)
    assert topology.labels == ("Amsterdam", "None (1)", "None (node 2, 0)", "None (2)")
    assert topology.notes == (
        "zoo.graphml:6: 1 of 4 nodes has no position, so the positions of the others are left out",
        "zoo.graphml:6: 2 nodes share labels, such as 'None'; their ids stand behind them",
        "zoo.graphml:10: 2 parallel edges are left out: agents hear each other once",
    )
    assert topology_from_json(topology_to_json(topology)) == topology


@pytest.mark.parametrize("indent", [None, 1])
def test_the_largest_graphs_are_read(tmp_path, indent):
    graph = networkx.path_graph(LIMIT_NODES)
    (tmp_path / "a.json").write_text(json.dumps(networkx.node_link_data(graph, edges="edges"), indent=indent))
    assert read_topology("a.json", tmp_path).n == LIMIT_NODES
    networkx.write_edgelist(graph, tmp_path / "a.edgelist")
    assert read_topology("a.edgelist", tmp_path).edges[-1] == (LIMIT_NODES - 2, LIMIT_NODES - 1)


def test_long_yaml_files_are_not_taken_for_multiplying_aliases(tmp_path):
    edges = "".join(f"- [{i}, {i + 1}]\n" for i in range(70_000))
    assert read(tmp_path, "a.yaml", f"nodes: 70001\nedges:\n{edges}").n == 70_001


@given(st.integers(2, 60), st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=60)
def test_bounds_on_the_diameter_hold_and_meet(n, seed, searches):
    topology = build_topology(RandomGeometricSettings(n=n, radius=0.9, seed=seed))
    low, high = topology.hops.diameter_bounds(searches)
    assert low <= topology.diameter <= high
    assert topology.hops.diameter_bounds(n + 1) == (topology.diameter, topology.diameter)
    sizes = topology.hops.sampled_sizes(2, np.arange(n))
    assert sizes.tolist() == [len(topology.hops.within(i, 2)) for i in range(n)]
