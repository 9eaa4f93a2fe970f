"""What all graph files have in common: named nodes and edges, each with the line it stands on, become a topology."""

from __future__ import annotations

from math import isfinite

from netagents.errors import TopologyError
from netagents.topology.graph import LIMIT_EDGES, LIMIT_LABEL, LIMIT_NODES, Edge, Position, Topology


def quoted(name: str) -> str:
    """A name as messages show it: in quotes, short, and without characters that a terminal would obey."""
    return repr(name if len(name) <= 40 else f"{name[:37]}...")


class GraphAssembly:
    """Collects a graph while a file is read, and refuses at the line that is wrong.

    Args:
        shown: how messages name the file.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._nodes: dict[str, int] = {}
        self._labels: list[str] = []
        self._label_lines: dict[str, int] = {}
        self._positions: dict[int, Position] = {}
        self._edges: dict[Edge, int] = {}

    def error(self, line: int, what: str, fix: str | None = None) -> TopologyError:
        """An error at a line of the file."""
        return TopologyError(what, where=f"{self._shown}:{line}", fix=fix)

    def node(self, name: str, line: int, label: str | None = None) -> None:
        """Add a node under the name by which edges call it; nodes are numbered in the order they are added.

        Raises:
            TopologyError: the name or the label is taken, unprintable or too long, or there are too many nodes.
        """
        if name in self._nodes:
            raise self.error(line, f"node {quoted(name)} stands twice", "name each node once")
        label = name if label is None else label
        if not label.isprintable() or not 0 < len(label) <= LIMIT_LABEL:
            raise self.error(line, f"node name {quoted(label)}", f"names are 1 to {LIMIT_LABEL} printable characters")
        if label in self._label_lines:
            raise self.error(line, f"two nodes are labelled {quoted(label)}", f"the first is in line {self._label_lines[label]}")
        if len(self._nodes) == LIMIT_NODES:
            raise self.error(line, f"more than {LIMIT_NODES} nodes", "use a smaller graph")
        self._nodes[name] = len(self._nodes)
        self._labels.append(label)
        self._label_lines[label] = line

    def place(self, name: str, x: float, y: float, line: int) -> None:
        """Say where a node stands.

        Raises:
            TopologyError: no such node, or not finite.
        """
        if not (isfinite(x) and isfinite(y)):
            raise self.error(line, f"the position of {quoted(name)} is not finite", "positions are two numbers")
        index = self._index(name, line)
        if index in self._positions:
            raise self.error(line, f"node {quoted(name)} has two positions", "give one")
        self._positions[index] = (x, y)

    def edge(self, first: str, second: str, line: int) -> None:
        """Join two nodes that have been added.

        Raises:
            TopologyError: a node out of range, a self-loop, an edge twice, or too many edges.
        """
        i, j = self._index(first, line), self._index(second, line)
        if i == j:
            raise self.error(
                line, f"edge {quoted(first)} - {quoted(second)} joins a node to itself", "leave it out: an agent always knows itself"
            )
        edge = (i, j) if i < j else (j, i)
        if edge in self._edges:
            raise self.error(line, f"edge {quoted(first)} - {quoted(second)} stands twice", f"it is in line {self._edges[edge]} already")
        if len(self._edges) == LIMIT_EDGES:
            raise self.error(line, f"more than {LIMIT_EDGES} edges", "use a smaller graph")
        self._edges[edge] = line

    def finish(self) -> Topology:
        """The topology of kind ``file``.

        Raises:
            TopologyError: there is no node, or some nodes have positions and others do not.
        """
        if not self._nodes:
            raise TopologyError("holds no graph", where=f"{self._shown}:1", fix="write at least one node or edge")
        n = len(self._nodes)
        positions: tuple[Position, ...] | None = None
        if self._positions:
            missing = next((label for i, label in enumerate(self._labels) if i not in self._positions), None)
            if missing is not None:
                line = self._label_lines[missing]
                raise self.error(line, f"node {quoted(missing)} has no position but others do", "give every node a position, or none")
            positions = tuple(self._positions[i] for i in range(n))
        return Topology(n, tuple(self._edges), "file", labels=tuple(self._labels), positions=positions)

    def _index(self, name: str, line: int) -> int:
        index = self._nodes.get(name)
        if index is None:
            raise self.error(line, f"there is no node {quoted(name)}", self._known())
        return index

    def _known(self) -> str:
        names = list(self._nodes)
        if names == [str(i) for i in range(len(names))]:
            return f"nodes are 0..{len(names) - 1}"
        if len(names) > 8:
            return f"nodes are {', '.join(quoted(name) for name in names[:6])} and {len(names) - 6} more"
        return f"nodes are {', '.join(quoted(name) for name in names) or 'not listed'}"
