"""Node-link graphs, in YAML or JSON: a list of nodes and a list of edges.

::

    nodes: [Seattle, Denver, {id: Chicago, x: -87.6, y: 41.8}]     # or a count: nodes: 3
    edges:                                                         # or links, as networkx has it
      - [Seattle, Denver]
      - {source: Denver, target: Chicago}

Other keys of nodes and edges (weights) and a group ``graph`` with facts about the file are ignored.  Instead of edges there may be
``adjacency``: for each node the list of its neighbours ``{id: NAME}``, as ``networkx.adjacency_data`` gives it.  A name may be a list,
which is what JSON makes of a tuple: ``[0, 1]`` is the node ``(0, 1)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netagents.errors import ExperimentError, TopologyError
from netagents.experiment.yaml_document import KeyPath, parse
from netagents.topology.assembly import GraphAssembly, quoted
from netagents.topology.graph import LIMIT_NODES, Topology

_KEYS = frozenset({"directed", "multigraph", "graph", "nodes", "edges", "links", "adjacency"})
_LIMIT_VALUES = 4_000_000
_DEEPEST_NAME = 4


def parse_node_link(text: str, display_name: str) -> Topology:
    """The graph of a node-link text; ``display_name`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    try:
        # The same reader as for experiments: plain values only, no duplicate keys, bounded aliases.
        document = parse(text, display_name, limit=_LIMIT_VALUES, fast=True)
    except ExperimentError as error:
        fix = "a graph file holds plain lists and mappings" if error.fix is None else error.fix
        raise TopologyError(error.what, where=error.where, fix=fix) from None
    return NodeLinkReader(document.values, lambda path: document.lines.get(path, 1), display_name).topology()


class NodeLinkReader:
    """Makes a topology from the values of a node-link or adjacency document.

    Args:
        values: the document.
        line_of: gives the line of a value; asked when something is wrong with it.
        display_name: how messages name the file.
    """

    def __init__(self, values: Any, line_of: Callable[[KeyPath], int], display_name: str) -> None:
        self._values = values
        self._line = line_of
        self._display_name = display_name
        self._assembly = GraphAssembly(display_name)

    def topology(self) -> Topology:
        values = self._values
        if values is None:
            raise self._error((), "holds no graph", "write 'nodes:' and 'edges:'")
        if not isinstance(values, dict) or "nodes" not in values:
            fix = "write 'nodes:' and 'edges:', as networkx.node_link_data and adjacency_data do"
            raise self._error((), "not a node-link graph", fix)
        for key in values:
            if key not in _KEYS:
                raise self._error((key,), f"unknown key {quoted(key)}", f"keys are {', '.join(sorted(_KEYS))}")
        for key in ("directed", "multigraph"):
            if values.get(key) not in (None, False):
                raise self._error((key,), f"{key} graphs are not supported", f"agents hear each other both ways, once: write {key}: false")
        present = [key for key in ("edges", "links", "adjacency") if key in values]
        if len(present) > 1:
            raise self._error((present[1],), f"both '{present[0]}' and '{present[1]}'", "use one of them")
        names = self._nodes(values["nodes"])
        key = present[0] if present else "edges"
        edges = values.get(key)
        if key == "adjacency":
            self._adjacency(names, edges)
            return self._assembly.finish()
        if not isinstance(edges, list | None):
            raise self._error((key,), f"'{key}' is not a list", "write a list of pairs [NAME, NAME]")
        for index, edge in enumerate(edges or []):
            self._edge(edge, (key, index))
        return self._assembly.finish()

    def _adjacency(self, names: list[str], rows: Any) -> None:
        if not isinstance(rows, list) or len(rows) != len(names):
            raise self._error(
                ("adjacency",), "'adjacency' is not a list with one entry per node", "write a list of neighbours for each node"
            )
        joined: set[tuple[str, str]] = set()
        for index, row in enumerate(rows):
            path: KeyPath = ("adjacency", index)
            if not isinstance(row, list):
                raise self._error(path, "neighbours that are no list", "write a list such as [{id: NAME}, {id: NAME}]")
            first, line = names[index], self._line(path)
            for entry in row:
                second = self._name(entry.get("id") if isinstance(entry, dict) else entry, path)
                # An undirected edge stands in the rows of both its ends.
                if (second, first) not in joined:
                    self._assembly.edge(first, second, line)
                    joined.add((first, second))

    def _nodes(self, nodes: Any) -> list[str]:
        """The names by which edges call the nodes, in order."""
        path: KeyPath = ("nodes",)
        if isinstance(nodes, int) and not isinstance(nodes, bool):
            if not 1 <= nodes <= LIMIT_NODES:
                raise self._error(path, f"a graph of {nodes} nodes", f"use 1 to {LIMIT_NODES} nodes")
            nodes = list(range(nodes))
        if not isinstance(nodes, list):
            raise self._error(path, "'nodes' is neither a number nor a list", "write 'nodes: 14' or a list of names")
        names: list[str] = []
        for index, node in enumerate(nodes):
            at = (*path, index)
            place = self._line(at)
            if not isinstance(node, dict):
                names.append(self._name(node, at))
                self._assembly.node(names[-1], place)
                continue
            if "id" not in node:
                raise self._error(at, "a node without 'id'", "write {id: NAME, x: X, y: Y}")
            name = self._name(node["id"], at)
            names.append(name)
            label = node.get("label")
            self._assembly.node(name, place, None if label is None else self._name(label, at))
            if ("x" in node) != ("y" in node):
                raise self._error(at, f"node {quoted(name)} has one coordinate", "give x and y, or neither")
            if "x" in node:
                self._assembly.place(name, self._number(node["x"], at), self._number(node["y"], at), place)
        return names

    def _edge(self, edge: Any, path: KeyPath) -> None:
        if isinstance(edge, dict) and {"source", "target"} <= edge.keys():
            ends = [edge["source"], edge["target"]]
        elif isinstance(edge, list) and len(edge) == 2:
            ends = edge
        else:
            raise self._error(path, "an edge that is no pair", "write [NAME, NAME] or {source: NAME, target: NAME}")
        self._assembly.edge(self._name(ends[0], path), self._name(ends[1], path), self._line(path))

    def _name(self, value: Any, path: KeyPath, depth: int = 0) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, list) and value and depth < _DEEPEST_NAME:
            # JSON has no tuples; networkx gives nodes such as (0, 1) as lists.
            parts = ", ".join(repr(each) if isinstance(each, str) else self._name(each, path, depth + 1) for each in value)
            return f"({parts},)" if len(value) == 1 else f"({parts})"
        raise self._error(path, "a node name that is neither text nor a whole number", "put the name in quotes")

    def _number(self, value: Any, path: KeyPath) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
            raise self._error(path, "a coordinate that is no number", "x and y are numbers")
        return float(value)

    def _error(self, path: KeyPath, what: str, fix: str) -> TopologyError:
        return self._assembly.error(self._line(path), what, fix)
