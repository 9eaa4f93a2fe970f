"""Good graph files are read whatever their format; bad ones get one line with file and line number."""

import json
import os
from pathlib import Path

import networkx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netagents.errors import TopologyError
from netagents.experiment.topology_settings import EdgeFileSettings
from netagents.topology import Topology, build_topology
from netagents.topology.graph_files import LIMIT_BYTES, read_topology, shipped_topologies


def read(folder: Path, name: str, content: str | bytes) -> Topology:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return build_topology(EdgeFileSettings(path=name), folder)


def refusal(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(TopologyError) as caught:
        read(folder, name, content)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    return line


def line_of(folder: Path, name: str, content: bytes) -> str:
    """The error's line, empty if there is none."""
    try:
        read(folder, name, content)
    except TopologyError as error:
        assert "\n" not in error.args[0]  # noqa: PT017 - most contents are no graph, some are
        return str(error)
    return ""


TRIANGLE = ((0, 1), (0, 2), (1, 2))


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("a.edges", "0 1\n1 2\n2 0\n", ("0", "1", "2")),
        ("a.txt", "# from 1 on\n3 2 # a comment\n\n1 2\n\t1   3\n", ("1", "2", "3")),
        ("a.csv", "0,1\r\n1, 2\r\n0 ,2\r\n", ("0", "1", "2")),
        ("a.tsv", "b\ta\nc\ta\nc\tb\n", ("a", "b", "c")),
        ("a.edgelist", "nodes: c b a\nc b\nb a\na c\n", ("c", "b", "a")),
        ("A.EDGES", "nodes: New York, Rio, Ulm\nNew York, Rio\nUlm, Rio\nUlm, New York", ("New York", "Rio", "Ulm")),
        ("bom.edges", b"\xef\xbb\xbf0 1\n1 2\n0 2\n", ("0", "1", "2")),
        ("a.yaml", "nodes: 3\nedges: [[0, 1], [2, 1], [0, 2]]\n", ("0", "1", "2")),
        (
            "a.yml",
            "nodes: [x, {id: y}, {id: 7, label: z}]\nlinks:\n- [x, y]\n- {source: y, target: 7, weight: 2}\n- [7, x]\n",
            ("x", "y", "z"),
        ),
        ("a.json", '{"nodes": [{"id": 1}, {"id": 2}, {"id": 3}], "edges": [[1, 2], [2, 3], [3, 1]]}', ("1", "2", "3")),
        (
            "a.graphml",
            '<graphml><graph edgedefault="undirected"><edge source="a" target="b"/><node id="a"/><node id="b"/><node id="c"/>'
            '<edge source="c" target="b"/><edge source="c" target="a"/></graph></graphml>',
            ("a", "b", "c"),
        ),
    ],
)
def test_every_format_gives_the_triangle(tmp_path, name, content, labels):
    topology = read(tmp_path, name, content)
    assert (topology.n, topology.edges, topology.kind) == (3, TRIANGLE, "file")
    assert topology.labels == labels


def test_declared_nodes_may_stand_alone(tmp_path):
    topology = read(tmp_path, "a.edges", "0 3\nnodes: 5\n")
    assert (topology.n, topology.edges, len(topology.components)) == (5, ((0, 3),), 4)
    assert read(tmp_path, "b.yaml", "nodes: [a]\n").n == 1


def test_positions_are_read_from_every_format(tmp_path):
    expected = ((-1.5, 2.0), (3.0, 4e2))
    assert read(tmp_path, "a.edges", "position: b 3 4e2\na b\nposition: a, -1.5, 2").positions == expected
    assert read(tmp_path, "a.yaml", "nodes: [{id: a, x: -1.5, y: 2}, {id: b, x: 3, y: 4e2}]\nedges: [[a, b]]").positions == expected
    graphml = (
        '<graphml><key id="d0" for="node" attr.name="Longitude"/><key id="d1" for="node" attr.name="Latitude"/>'
        '<key id="d2" for="edge" attr.name="label"/><graph edgedefault="undirected">'
        '<node id="a"><data key="d0">-1.5</data><data key="d1"> 2 </data></node><node id="b"><data key="d0">3</data>'
        '<data key="d1">4e2</data></node><edge source="a" target="b"><data key="d2">fibre</data></edge></graph></graphml>'
    )
    assert read(tmp_path, "a.graphml", graphml).positions == expected


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_what_networkx_writes_is_read_as_the_same_graph(tmp_path, n, seed):
    graph = networkx.gnp_random_graph(n, 0.4, seed=seed)
    expected = Topology(n, tuple(graph.edges), "file")
    networkx.write_graphml_xml(graph, tmp_path / "g.graphml")
    assert read_topology("g.graphml", tmp_path) == expected
    assert read(tmp_path, "g.yaml", yaml.safe_dump(networkx.node_link_data(graph, edges="edges"))) == expected
    lines = "\n".join(networkx.generate_edgelist(graph, data=False))
    assert read(tmp_path, "g.edges", f"nodes: {n}\n{lines}\n") == expected


@given(st.permutations(["a b", "b c", "c d", "a d", "b d"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_lines_does_not_change_who_is_who(tmp_path, lines):
    topology = read(tmp_path, "a.edges", "\n".join(lines))
    assert topology.labels == ("a", "b", "c", "d")
    assert topology.edges == ((0, 1), (0, 3), (1, 2), (1, 3), (2, 3))


XML = '<graphml>\n<graph edgedefault="undirected">\n<node id="a"/>\n<node id="b"/>\n{}\n</graph>\n</graphml>'

BAD = [
    ("e.edges", "", "e.edges:1: holds no graph"),
    ("e.edges", "# nothing\n\n", "e.edges:1: holds no graph"),
    ("loop.edges", "0 1\n1 1\n", "loop.edges:2: edge '1' - '1' joins a node to itself"),
    ("twice.edges", "0 1\n1 2\n1 0\n", "twice.edges:3: edge '1' - '0' stands twice; it is in line 1 already"),
    ("range.edges", "nodes: 3\n0 1\n2 3\n", "range.edges:3: there is no node '3'; nodes are 0..2"),
    ("range.edges", "nodes: a b\na b\na c\n", "range.edges:3: there is no node 'c'; nodes are 'a', 'b'"),
    ("gap.edges", "0 1\n1 3\n", "gap.edges:2: node 3, but no edge names node 2"),
    ("gap.edges", "5 6\n", "gap.edges:1: node 5, but no edge names node 1"),
    ("one.edges", "0 1\n2\n", "one.edges:2: 1 names where an edge has two; write 'NAME NAME'"),
    ("words.edges", "a b heavy\n", "words.edges:1: 3 names where an edge has two"),
    ("comma.edges", "a,\n", "comma.edges:1: 1 names where an edge has two"),
    ("prose.txt", "This is not a graph.\n", "prose.txt:1: 5 names where an edge has two"),
    ("nodes.edges", "nodes:\n", "nodes.edges:1: 'nodes:' without a number or names"),
    ("nodes.edges", "nodes: 2\n0 1\nnodes: 2\n", "nodes.edges:3: a second line 'nodes:'; the first is in line 1"),
    ("nodes.edges", "nodes: 0\n", "nodes.edges:1: a graph of 0 nodes; use 1 to 100000 nodes"),
    ("nodes.edges", "nodes: 999999999\n", "nodes.edges:1: a graph of 999999999 nodes; use 1 to 100000 nodes"),
    ("nodes.edges", "nodes: a b a\n", "nodes.edges:1: node 'a' stands twice"),
    ("place.edges", "a b\nposition: a 1\n", "place.edges:2: 'position:' without a name and two numbers"),
    ("place.edges", "a b\nposition: a one two\n", "place.edges:2: 'position:' without a name and two numbers"),
    ("place.edges", "a b\nposition: a 1 nan\n", "place.edges:2: the position of 'a' is not finite"),
    ("place.edges", "a b\nposition: c 1 2\n", "place.edges:2: there is no node 'c'"),
    ("place.edges", "a b\nposition: a 1 2\nposition: a 1 2\n", "place.edges:3: node 'a' has two positions"),
    ("place.edges", "a b\nposition: a 1 2\n", "place.edges:1: node 'b' has no position but others do"),
    ("long.edges", f"a {'b' * 121}\n", "long.edges:1: node name 'bbb"),
    ("colour.edges", "a \x1b[31mred\n", "colour.edges:1: node name '\\x1b[31mred'"),
    ("binary.edges", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary.edges:1: not UTF-8 text"),
    ("binary.edges", b"0 1\n1 2\n\xff\xfe", "binary.edges:3: not UTF-8 text"),
    ("binary.edges", b"0 1\n\x00\x00\x00", "binary.edges:2: not text (holds a null byte)"),
    ("binary.graphml", b"\x1f\x8b\x08\x00", "binary.graphml:1: not UTF-8 text"),
    ("large.edges", b"#" * (LIMIT_BYTES + 1), "large.edges: larger than 16 MiB"),
    ("picture.png", b"\x89PNG", "picture.png: not a graph file; the name must end in one of .edges"),
    ("noending", "0 1\n", "noending: not a graph file"),
    ("e.graphml", "", "e.graphml:1: not XML (no element found)"),
    ("text.graphml", "0 1\n", "text.graphml:1: not XML (syntax error)"),
    ("cut.graphml", XML.format("")[:-10], "cut.graphml:7: not XML"),
    ("html.xml", "<html><body/></html>", "html.xml:1: not GraphML but XML of 'html'"),
    ("no.graphml", "<graphml>\n</graphml>", "no.graphml:1: holds no <graph>"),
    ("void.graphml", "<graphml><graph/></graphml>", "void.graphml:1: holds no graph"),
    ("loop.graphml", XML.format('<edge source="a" target="a"/>'), "loop.graphml:5: edge 'a' - 'a' joins a node to itself"),
    ("range.graphml", XML.format('<edge source="a" target="c"/>'), "range.graphml:5: there is no node 'c'; nodes are 'a', 'b'"),
    ("half.graphml", XML.format('<edge source="a"/>'), "half.graphml:5: <edge> without target"),
    ("same.graphml", XML.format('<node id="a"/>'), "same.graphml:5: node 'a' stands twice"),
    (
        "dir.graphml",
        XML.replace("undirected", "directed").format('<edge source="a" target="b"/>'),
        "dir.graphml:5: edge 'a' - 'b' is directed",
    ),
    ("dir.graphml", XML.format('<edge source="a" target="b" directed="true"/>'), "dir.graphml:5: edge 'a' - 'b' is directed"),
    ("sub.graphml", XML.format('<node id="c"><graph/></node>'), "sub.graphml:5: a second graph; the first is in line 2"),
    ("hyper.graphml", XML.format("<hyperedge/>"), "hyper.graphml:5: <hyperedge> is not supported"),
    ("deep.graphml", "<graphml>" + "<x>" * 40, "deep.graphml:1: elements nested deeper than 32"),
    ("dtd.graphml", '<?xml version="1.0"?>\n<!DOCTYPE graphml>\n<graphml/>', "dtd.graphml:2: a document type (DTD) is not allowed"),
    ("e.yaml", "", "e.yaml:1: holds no graph"),
    ("list.yaml", "- [0, 1]\n", "list.yaml:1: not a node-link graph"),
    ("broken.yaml", "nodes: 3\nedges: [[0, 1\n", "broken.yaml:3: not YAML"),
    ("tag.yaml", "nodes: 3\nedges: !!python/object/apply:os.system [ls]\n", "tag.yaml:2: the tag"),
    ("key.yaml", "nodes: 3\nedegs: []\n", "key.yaml:2: unknown key 'edegs'; keys are adjacency, directed, edges"),
    ("key.yaml", "nodes: 3\nnodes: 4\n", "key.yaml:2: nodes: the key stands twice"),
    ("count.yaml", "nodes: 0\n", "count.yaml:1: a graph of 0 nodes"),
    ("count.yaml", "nodes: 1000000000\n", "count.yaml:1: a graph of 1000000000 nodes"),
    ("count.yaml", "nodes: true\n", "count.yaml:1: 'nodes' is neither a number nor a list"),
    ("none.yaml", "nodes: []\n", "none.yaml:1: holds no graph"),
    ("dir.yaml", "directed: true\nnodes: 2\n", "dir.yaml:1: directed graphs are not supported"),
    ("multi.yaml", "nodes: 2\nmultigraph: true\n", "multi.yaml:2: multigraph graphs are not supported"),
    ("both.yaml", "nodes: 2\nedges: []\nlinks: []\n", "both.yaml:3: both 'edges' and 'links'"),
    ("loop.yaml", "nodes: 2\nedges:\n- [1, 1]\n", "loop.yaml:3: edge '1' - '1' joins a node to itself"),
    ("twice.yaml", "nodes: 2\nedges:\n- [0, 1]\n- [1, 0]\n", "twice.yaml:4: edge '1' - '0' stands twice; it is in line 3 already"),
    ("range.yaml", "nodes: 2\nedges:\n- [0, 2]\n", "range.yaml:3: there is no node '2'; nodes are 0..1"),
    ("pair.yaml", "nodes: 3\nedges:\n- [0, 1, 2]\n", "pair.yaml:3: an edge that is no pair"),
    ("pair.yaml", "nodes: 3\nedges: 7\n", "pair.yaml:2: 'edges' is not a list"),
    ("id.yaml", "nodes:\n- {x: 1, y: 2}\n", "id.yaml:2: a node without 'id'"),
    ("name.yaml", "nodes:\n- a\n- 1.5\n", "name.yaml:3: a node name that is neither text nor a whole number"),
    ("half.yaml", "nodes:\n- {id: a, x: 1}\n", "half.yaml:2: node 'a' has one coordinate"),
    ("x.yaml", "nodes:\n- {id: a, x: one, y: 2}\n", "x.yaml:2: a coordinate that is no number"),
    (
        "label.yaml",
        "nodes:\n- {id: 1, label: a}\n- {id: 2, label: a}\n",
        "label.yaml:3: two nodes are labelled 'a'; the first is in line 2",
    ),
]


@pytest.mark.parametrize(("name", "content", "beginning"), BAD, ids=[f"{index}-{name}" for index, (name, _, _) in enumerate(BAD)])
def test_a_bad_file_gets_exactly_one_line_with_file_and_line(tmp_path, name, content, beginning):
    line = refusal(tmp_path, name, content)
    assert line.startswith(beginning)
    assert "; " in line


def test_what_networkx_reads_in_silence_is_refused_with_its_line(tmp_path):
    """Why the readers are our own: should networkx come to refuse these, it can read the files."""
    head = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph>\n'
    misspelt = f'{head}<node id="a"/><node id="b"/>\n<edge source="a" target="bb"/></graph></graphml>'
    assert set(networkx.parse_graphml(misspelt).nodes) == {"a", "b", "bb"}
    entity = '<!DOCTYPE g [<!ENTITY a "aa">]>\n' + head + '<node id="&a;"/></graph></graphml>'
    assert set(networkx.parse_graphml(entity).nodes) == {"aa"}
    short = "a b\nc\nb d\n"
    assert set(networkx.parse_edgelist(short.splitlines()).nodes) == {"a", "b", "d"}
    link = {"nodes": [{"id": 0}], "edges": [{"source": 0, "target": 7}]}
    assert set(networkx.node_link_graph(link, edges="edges").nodes) == {0, 7}
    texts = {"m.graphml": (misspelt, 3), "e.graphml": (entity, 1), "s.edges": (short, 2), "l.json": (json.dumps(link), 1)}
    for name, (text, line) in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(TopologyError) as raised:
            read_topology(name, tmp_path)
        assert str(raised.value).startswith(f"{name}:{line}: ")


def test_entities_neither_expand_nor_read_other_files(tmp_path):
    (tmp_path / "secret").write_text("secret")
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "x"}">\n' for i in range(9))
    assert refusal(tmp_path, "bomb.graphml", f"<!DOCTYPE g [\n{bomb}]>\n<graphml>&e8;</graphml>").startswith(
        "bomb.graphml:1: a document type"
    )
    outside = f'<!DOCTYPE g [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><graphml>&e;</graphml>'
    assert "secret" not in refusal(tmp_path, "outside.graphml", outside)


def test_aliases_do_not_multiply(tmp_path):
    rows = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10) if i else '0'}]\n" for i in range(9))
    assert "values" in refusal(tmp_path, "bomb.yaml", rows)


def test_pipes_and_folders_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.edges")
    (tmp_path / "folder.edges").mkdir()
    for name, expected in (("pipe.edges", "is not a regular file"), ("folder.edges", "is a directory, not a graph file")):
        with pytest.raises(TopologyError, match=f"^{name}: {expected}; "):
            read_topology(name, tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["g.edges", "g.graphml", "g.yaml"]),
    st.binary(max_size=80) | st.text("ab01 ,:#\n[]{}<>/=\"'&!", max_size=80).map(str.encode),
)
def test_no_content_raises_anything_but_one_line(tmp_path, name, content):
    line = line_of(tmp_path, name, content)
    assert line == "" or line.startswith(f"{name}:")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(shipped_topologies()), st.integers(0, 10**6), st.binary(max_size=3))
def test_no_damage_to_a_good_file_raises_anything_but_one_line(tmp_path, name, place, patch):
    raw = (Path(__file__).parents[2] / "topologies" / name).read_bytes()
    place %= len(raw)
    line = line_of(tmp_path, name, raw[:place] + patch + raw[place + 1 :])
    assert line == "" or line.startswith(f"{name}:")


def test_files_are_looked_up_beside_the_experiment_first(tmp_path):
    assert read_topology("abilene", tmp_path).n == 11
    assert read_topology("topologies/abilene.graphml", tmp_path).n == 11
    (tmp_path / "abilene.graphml").write_text(XML.format(""))
    assert read_topology("abilene.graphml", tmp_path).n == 2
    assert read_topology(str(tmp_path / "abilene.graphml")).n == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("abilen", "abilen: no such graph file; did you mean 'abilene'?"),
        ("mine.edge", "mine.edge: no such graph file; did you mean 'mine.edges'?"),
        ("nowhere/qqq.edges", "nowhere/qqq.edges: no such graph file; name a file relative to "),
        ("../../etc/passwd", "../../etc/passwd: no such graph file; "),
        ("a\0b", "'a\\x00b' is no path"),
    ],
)
def test_a_missing_file_says_what_there_is(tmp_path, path, expected):
    (tmp_path / "mine.edges").write_text("0 1\n")
    with pytest.raises(TopologyError) as caught:
        read_topology(path, tmp_path)
    assert str(caught.value).startswith(expected)


def test_a_file_without_permission_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "a.edges").write_text("0 1\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TopologyError, match=r"^a\.edges: cannot be read \(Permission denied\)$"):
        read_topology("a.edges", tmp_path)
