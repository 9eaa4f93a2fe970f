"""Node-link files in YAML or JSON: a list of nodes and a list of edges.

::

    nodes: [Seattle, Denver, {id: Chicago, x: -87.6, y: 41.8}]     # or a count: nodes: 3
    edges:                                                         # or links, as networkx has it
      - [Seattle, Denver]
      - {source: Denver, target: Chicago}

Other keys of nodes and edges (weights) and a group ``graph`` with facts about the file are ignored.
"""

from __future__ import annotations

from typing import Any

from netagents.errors import ExperimentError, TopologyError
from netagents.experiment.source import Document, KeyPath, parse
from netagents.topology.assembly import GraphAssembly, quoted
from netagents.topology.graph import LIMIT_NODES, Topology

_KEYS = frozenset({"directed", "multigraph", "graph", "nodes", "edges", "links"})


def parse_node_link(text: str, shown: str) -> Topology:
    """The graph of a node-link text; ``shown`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    try:
        document = parse(text, shown)
    except ExperimentError as error:
        # The same reader as for experiments: plain values only, no duplicate keys, bounded aliases.
        fix = "a graph file holds plain lists and mappings" if error.fix is None else error.fix
        raise TopologyError(error.what, where=error.where, fix=fix) from None
    return _Reader(document, shown).topology()


class _Reader:
    def __init__(self, document: Document, shown: str) -> None:
        self._values = document.values
        self._lines = document.lines
        self._assembly = GraphAssembly(shown)

    def topology(self) -> Topology:
        values = self._values
        if values is None:
            raise self._error((), "holds no graph", "write 'nodes:' and 'edges:'")
        if not isinstance(values, dict) or "nodes" not in values:
            raise self._error((), "not a node-link graph", "write 'nodes:' and 'edges:'")
        for key in values:
            if key not in _KEYS:
                raise self._error((key,), f"unknown key {quoted(key)}", f"keys are {', '.join(sorted(_KEYS))}")
        for key in ("directed", "multigraph"):
            if values.get(key) not in (None, False):
                raise self._error((key,), f"{key} graphs are not supported", f"agents hear each other both ways, once: write {key}: false")
        if "edges" in values and "links" in values:
            raise self._error(("links",), "both 'edges' and 'links'", "use one of them")
        self._nodes(values["nodes"])
        key = "links" if "links" in values else "edges"
        edges = values.get(key)
        if not isinstance(edges, list | None):
            raise self._error((key,), f"'{key}' is not a list", "write a list of pairs [NAME, NAME]")
        for index, edge in enumerate(edges or []):
            self._edge(edge, (key, index))
        return self._assembly.finish()

    def _nodes(self, nodes: Any) -> None:
        path: KeyPath = ("nodes",)
        if isinstance(nodes, int) and not isinstance(nodes, bool):
            if not 1 <= nodes <= LIMIT_NODES:
                raise self._error(path, f"a graph of {nodes} nodes", f"use 1 to {LIMIT_NODES} nodes")
            nodes = list(range(nodes))
        if not isinstance(nodes, list):
            raise self._error(path, "'nodes' is neither a number nor a list", "write 'nodes: 14' or a list of names")
        for index, node in enumerate(nodes):
            at = (*path, index)
            place = self._lines.get(at, self._lines[path])
            if not isinstance(node, dict):
                self._assembly.node(self._name(node, at), place)
                continue
            if "id" not in node:
                raise self._error(at, "a node without 'id'", "write {id: NAME, x: X, y: Y}")
            name = self._name(node["id"], at)
            label = node.get("label")
            self._assembly.node(name, place, None if label is None else self._name(label, at))
            if ("x" in node) != ("y" in node):
                raise self._error(at, f"node {quoted(name)} has one coordinate", "give x and y, or neither")
            if "x" in node:
                self._assembly.place(name, self._number(node["x"], at), self._number(node["y"], at), place)

    def _edge(self, edge: Any, path: KeyPath) -> None:
        if isinstance(edge, dict) and {"source", "target"} <= edge.keys():
            ends = [edge["source"], edge["target"]]
        elif isinstance(edge, list) and len(edge) == 2:
            ends = edge
        else:
            raise self._error(path, "an edge that is no pair", "write [NAME, NAME] or {source: NAME, target: NAME}")
        self._assembly.edge(self._name(ends[0], path), self._name(ends[1], path), self._line(path))

    def _name(self, value: Any, path: KeyPath) -> str:
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
        raise self._error(path, "a node name that is neither text nor a whole number", "put the name in quotes")

    def _number(self, value: Any, path: KeyPath) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
            raise self._error(path, "a coordinate that is no number", "x and y are numbers")
        return float(value)

    def _line(self, path: KeyPath) -> int:
        return self._lines.get(path, 1)

    def _error(self, path: KeyPath, what: str, fix: str) -> TopologyError:
        return self._assembly.error(self._line(path), what, fix)
