"""Edge lists: one edge per line, two names separated by blanks or a comma.

::

    # the source of the graph
    nodes: Seattle Denver Chicago     # optional: fixes numbering, allows agents without edges; or just a count, nodes: 3
    position: Seattle -122.3 47.6     # optional: for pictures
    Seattle Denver
    Denver Chicago

Without ``nodes:`` the names are collected from the edges: whole numbers must run from 0 or 1 without gaps and keep their
order, other names are sorted.  Names with blanks need commas: ``New York, Chicago``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netagents.topology.assembly import GraphAssembly
from netagents.topology.graph import LIMIT_NODES, Topology

_KEY = re.compile(r"(nodes|position)\s*:(.*)", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def parse_edge_list(text: str, shown: str) -> Topology:
    """The graph of an edge list; ``shown`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    assembly = GraphAssembly(shown)
    declared: int | None = None
    places: list[tuple[list[str], int]] = []
    edges: list[tuple[str, str, int]] = []
    for line, content in _lines(text):
        key = _KEY.fullmatch(content)
        if key and key[1] == "nodes":
            if declared is not None:
                raise assembly.error(line, "a second line 'nodes:'", f"the first is in line {declared}")
            declared = line
            _declare(assembly, _words(key[2]), line)
        elif key:
            places.append((_words(key[2]), line))
        else:
            words = _words(content)
            if len(words) != 2 or not all(words):
                raise assembly.error(line, f"{len([word for word in words if word])} names where an edge has two", "write 'NAME NAME'")
            edges.append((words[0], words[1], line))
    if declared is None:
        _collect(assembly, edges)
    for words, line in places:
        _place(assembly, words, line)
    for first, second, line in edges:
        assembly.edge(first, second, line)
    return assembly.finish()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines, which also breaks at characters that editors do not count as line ends.
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content


def _words(content: str) -> list[str]:
    return [word.strip() for word in content.split(",")] if "," in content else content.split()


def _declare(assembly: GraphAssembly, words: list[str], line: int) -> None:
    if len(words) == 1 and _NUMBER.fullmatch(words[0]):
        count = int(words[0])
        if not 1 <= count <= LIMIT_NODES:
            raise assembly.error(line, f"a graph of {count} nodes", f"use 1 to {LIMIT_NODES} nodes")
        words = [str(i) for i in range(count)]
    if not words or not all(words):
        raise assembly.error(line, "'nodes:' without a number or names", "write 'nodes: 14' or 'nodes: NAME NAME ...'")
    for word in words:
        assembly.node(word, line)


def _collect(assembly: GraphAssembly, edges: list[tuple[str, str, int]]) -> None:
    seen: dict[str, int] = {}
    for first, second, line in edges:
        seen.setdefault(first, line)
        seen.setdefault(second, line)
    if not all(_NUMBER.fullmatch(name) for name in seen):
        for name in sorted(seen):
            assembly.node(name, seen[name])
        return
    numbers = sorted(int(name) for name in seen)
    start = numbers[0] if numbers else 0
    for expected, number in enumerate(numbers, start=min(start, 1)):
        if number != expected:
            # Left in silence, a gap would either shift the numbers or add an agent that nobody asked for.
            raise assembly.error(
                seen[str(number)],
                f"node {number}, but no edge names node {expected}",
                "number nodes from 0 or 1 without gaps, or say 'nodes: COUNT' if some have no edges",
            )
        assembly.node(str(number), seen[str(number)])


def _place(assembly: GraphAssembly, words: list[str], line: int) -> None:
    try:
        name, x, y = words[0], float(words[1]), float(words[2])
    except (ValueError, IndexError):
        words = []
        name, x, y = "", 0.0, 0.0
    if len(words) != 3:
        raise assembly.error(line, "'position:' without a name and two numbers", "write 'position: NAME X Y'")
    assembly.place(name, x, y, line)
