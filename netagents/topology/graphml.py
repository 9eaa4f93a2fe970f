"""GraphML (http://graphml.graphdrawing.org): one undirected graph, with names and positions where the file has them.

The XML may not have a document type: entities are how small files become large ones, or read other files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from netagents.topology.assembly import GraphAssembly, quoted
from netagents.topology.graph import Topology

LIMIT_DEPTH = 32
"""Deepest nesting of XML elements."""

_LABELS = ("label", "name")
_X = ("x", "longitude", "lon")
_Y = ("y", "latitude", "lat")


@dataclass
class _Node:
    name: str
    line: int
    data: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Follows the elements; anything it does not know is skipped, anything that would change the graph is refused."""

    def __init__(self, display_name: str) -> None:
        self.assembly = GraphAssembly(display_name, lenient=True)
        self.parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.path: list[str] = []
        self.keys: dict[str, str] = {}
        self.graph_directed = False
        self.graph_line = 0
        self.nodes: list[_Node] = []
        self.edges: list[tuple[str, str, int]] = []
        self.data_key: str | None = None
        self.data_text: list[str] = []

    @property
    def line(self) -> int:
        return self.parser.CurrentLineNumber

    def _doctype(self, *_: object) -> None:
        raise self.assembly.error(self.line, "a document type (DTD) is not allowed", "remove the <!DOCTYPE ...> declaration")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = name.rpartition(" ")[2]
        if not self.path and element != "graphml":
            raise self.assembly.error(self.line, f"not GraphML but XML of {quoted(element)}", "the outermost element must be <graphml>")
        if len(self.path) >= LIMIT_DEPTH:
            raise self.assembly.error(self.line, f"elements nested deeper than {LIMIT_DEPTH}", "use one graph without subgraphs")
        self.path.append(element)
        match element:
            case "key":
                if attributes.get("for", "all") in ("node", "all"):
                    self.keys[attributes.get("id", "")] = attributes.get("attr.name", attributes.get("id", "")).lower()
            case "graph":
                self._graph(attributes)
            case "node":
                self.nodes.append(_Node(self._required(attributes, "node", "id"), self.line))
            case "edge":
                self._edge(attributes)
            case "hyperedge" | "port":
                raise self.assembly.error(self.line, f"<{element}> is not supported", "use plain nodes and edges")
            case "data" if len(self.path) >= 2 and self.path[-2] == "node":
                self.data_key = self.keys.get(attributes.get("key", ""))
                self.data_text = []

    def _graph(self, attributes: dict[str, str]) -> None:
        if self.graph_line:
            raise self.assembly.error(
                self.line, "a second graph", f"the first is in line {self.graph_line}; use one graph without subgraphs"
            )
        self.graph_line = self.line
        self.graph_directed = attributes.get("edgedefault") == "directed"

    def _edge(self, attributes: dict[str, str]) -> None:
        source = self._required(attributes, "edge", "source")
        target = self._required(attributes, "edge", "target")
        directed = {"true": True, "1": True, "false": False, "0": False}.get(attributes.get("directed", ""), self.graph_directed)
        if directed:
            raise self.assembly.error(
                self.line,
                f"edge {quoted(source)} - {quoted(target)} is directed",
                'agents hear each other both ways: use edgedefault="undirected"',
            )
        self.edges.append((source, target, self.line))

    def _required(self, attributes: dict[str, str], element: str, name: str) -> str:
        value = attributes.get(name)
        if not value:
            raise self.assembly.error(self.line, f"<{element}> without {name}", f"write {name}=...")
        return value

    def _characters(self, text: str) -> None:
        if self.data_key is not None:
            self.data_text.append(text)

    def _end(self, _: str) -> None:
        if self.path.pop() == "data" and self.data_key is not None:
            self.nodes[-1].data.setdefault(self.data_key, "".join(self.data_text).strip())
            self.data_key = None

    def finish(self) -> Topology:
        """The graph, once the whole file is read: edges may stand before their nodes."""
        for node in self.nodes:
            label = next((node.data[key] for key in _LABELS if node.data.get(key)), None)
            self.assembly.node(node.name, node.line, label)
        for node in self.nodes:
            x = next((node.data[key] for key in _X if node.data.get(key)), None)
            y = next((node.data[key] for key in _Y if node.data.get(key)), None)
            if x is not None and y is not None:
                try:
                    self.assembly.place(node.name, float(x), float(y), node.line)
                except ValueError:
                    raise self.assembly.error(
                        node.line, f"the position of {quoted(node.name)} is no number", "x and y are numbers"
                    ) from None
        for source, target, line in self.edges:
            self.assembly.edge(source, target, line)
        return self.assembly.finish()


def parse_graphml(text: str, display_name: str) -> Topology:
    """The graph of a GraphML text; ``display_name`` is how messages name the file.

    Node data called ``label`` or ``name`` gives the names (the ids otherwise), ``x`` and ``y`` or ``longitude`` and ``latitude``
    the positions; other data, weights included, is ignored.  Files of real networks, such as those of the Internet Topology Zoo,
    have parallel links, equal labels and nodes without a position: these are read, with a note in :attr:`Topology.notes`.

    Raises:
        TopologyError: one line with file and line number; a document type, directed edges, several or nested graphs, hyperedges
            and ports are refused.
    """
    reader = _Reader(display_name)
    try:
        # The text is decoded already, so the parser is told its encoding whatever the declaration says.
        reader.parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise reader.assembly.error(
            error.lineno, f"not XML ({expat.ErrorString(error.code)})", "GraphML is XML with <graphml> outermost"
        ) from None
    if not reader.graph_line:
        raise reader.assembly.error(1, "holds no <graph>", "write one <graph> inside <graphml>")
    return reader.finish()
