"""What all graph files have in common: named nodes and edges, each with the line it stands on, become a topology."""

from __future__ import annotations

from itertools import chain, count
from math import isfinite

from netagents.errors import TopologyError
from netagents.topology.graph import LIMIT_EDGES, LIMIT_LABEL, LIMIT_NODES, Edge, Position, Topology


def quoted(name: str) -> str:
    """A name as messages show it: in quotes, short, and without characters that a terminal would obey."""
    return repr(name if len(name) <= 40 else f"{name[:37]}...")


class GraphAssembly:
    """Collects a graph while a file is read, and refuses at the line that is wrong.

    Args:
        display_name: how messages name the file.
        lenient: parallel edges count once, equal labels are told apart by the nodes' names, and positions that not all nodes have are
            left out, each with a note, as files of real networks need it; otherwise these are errors.
    """

    def __init__(self, display_name: str, *, lenient: bool = False) -> None:
        self._display_name = display_name
        self._lenient = lenient
        self._notes: list[str] = []
        self._parallel: list[int] = []
        self._first_of_label: dict[str, int] = {}
        self._same_labels: dict[str, list[int]] = {}
        self._nodes: dict[str, int] = {}
        self._labels: list[str] = []
        self._label_lines: dict[str, int] = {}
        self._positions: dict[int, Position] = {}
        self._edges: dict[Edge, int] = {}

    def error(self, line: int, what: str, fix: str | None = None) -> TopologyError:
        """An error at a line of the file."""
        return TopologyError(what, where=f"{self._display_name}:{line}", fix=fix)

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
            if not self._lenient:
                raise self.error(line, f"two nodes are labelled {quoted(label)}", f"the first is in line {self._label_lines[label]}")
            self._same_labels.setdefault(label, [self._first_of_label[label]]).append(len(self._labels))
        if len(self._nodes) == LIMIT_NODES:
            raise self.error(line, f"more than {LIMIT_NODES} nodes", "use a smaller graph")
        self._nodes[name] = len(self._nodes)
        self._labels.append(label)
        self._label_lines.setdefault(label, line)
        self._first_of_label.setdefault(label, len(self._nodes) - 1)

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
            if self._lenient:
                self._parallel.append(line)
                return
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
            raise TopologyError("holds no graph", where=f"{self._display_name}:1", fix="write at least one node or edge")
        positions = self._finished_positions()
        self._make_labels_distinct()
        if self._parallel:
            times = len(self._parallel)
            self._note(self._parallel[0], f"{times} parallel edge{'s are' if times > 1 else ' is'} left out: agents hear each other once")
        n, labels = len(self._nodes), tuple(self._labels)
        return Topology(n, tuple(self._edges), "file", labels=labels, positions=positions, notes=tuple(self._notes))

    def _finished_positions(self) -> tuple[Position, ...] | None:
        if not self._positions:
            return None
        without = [i for i in range(len(self._labels)) if i not in self._positions]
        if without:
            line = self._label_lines[self._labels[without[0]]]
            if not self._lenient:
                label = quoted(self._labels[without[0]])
                raise self.error(line, f"node {label} has no position but others do", "give every node a position, or none")
            have = "have" if len(without) > 1 else "has"
            self._note(line, f"{len(without)} of {len(self._labels)} nodes {have} no position, so the positions of the others are left out")
            return None
        return tuple(self._positions[i] for i in range(len(self._labels)))

    def _make_labels_distinct(self) -> None:
        """Equal labels get the names by which edges call their nodes."""
        if not self._same_labels:
            return
        names = list(self._nodes)
        taken = set(self._labels) - set(self._same_labels)
        for label, nodes in self._same_labels.items():
            for i in nodes:
                short = label[: LIMIT_LABEL // 2]
                choices = chain((f"{label} ({names[i]})",), (f"{short} (node {i}, {k})" for k in count()))
                new = next(each for each in choices if each not in taken and len(each) <= LIMIT_LABEL and each.isprintable())
                taken.add(new)
                self._labels[i] = new
        first, nodes = next(iter(self._same_labels.items()))
        total = sum(len(each) for each in self._same_labels.values())
        self._note(self._label_lines[first], f"{total} nodes share labels, such as {quoted(first)}; their ids stand behind them")

    def _note(self, line: int, what: str) -> None:
        self._notes.append(f"{self._display_name}:{line}: {what}")

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
