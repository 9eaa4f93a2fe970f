"""Edge lists: one edge per line, two names separated by blanks, tabs, a comma or a semicolon.

::

    # the source of the graph
    nodes: Seattle Denver Chicago     # optional: fixes numbering, allows agents without edges; or just a count, nodes: 3
    position: Seattle -122.3 47.6     # optional: for pictures
    Seattle Denver
    Denver Chicago 1.5                # a weight, or {'weight': 1.5}, is passed over

Without ``nodes:`` the names are collected from the edges: whole numbers must run from 0 or 1 without gaps and keep their
order, other names are sorted.  Names with blanks need commas or quotes: ``New York, Chicago``.  A first line such as
``source,target`` is a header (see :mod:`netagents.topology.edge_header`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from netagents.topology.assembly import GraphAssembly
from netagents.topology.edge_fields import content_lines, is_data, split_fields
from netagents.topology.edge_header import Row, find_header, refuse_doubtful_first_line
from netagents.topology.graph import LIMIT_NODES, Topology

_KEY = re.compile(r"(nodes|position)\s*:(.*)", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_TUPLE = re.compile(r"\((?:-?[0-9]{1,9}\s*,\s*)+(?:-?[0-9]{1,9})?\)", re.ASCII)


def parse_edge_list(text: str, display_name: str) -> Topology:
    """The graph of an edge list; ``display_name`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    assembly = GraphAssembly(display_name)
    declared: int | None = None
    places: list[tuple[list[str], int]] = []
    rows: list[Row] = []
    lines = list(content_lines(text))
    semicolons = _has_semicolons(lines)
    for line, content in lines:
        key = _KEY.match(content) if ":" in content else None
        if key is None:
            fields = split_fields(content, semicolons)
            if fields:
                rows.append(Row(line, fields))
            continue
        words = split_fields(key[2].strip(), semicolons)
        if key[1] == "position":
            places.append((words, line))
        else:
            if declared is not None:
                raise assembly.error(line, "a second line 'nodes:'", f"the first is in line {declared}")
            declared = line
            _declare(assembly, words, line)
    edges = _edges(assembly, rows, declared is not None)
    if declared is None:
        add_nodes(assembly, ((name, line) for first, second, line in edges for name in (first, second)))
    for words, line in places:
        _place(assembly, words, line)
    for first, second, line in edges:
        assembly.edge(first, second, line)
    return assembly.finish()


def add_nodes(assembly: GraphAssembly, names: Iterable[tuple[str, int]]) -> None:
    """Number the nodes of a file that does not list them: whole numbers and pairs of them by their value, other names sorted.

    Args:
        assembly: gets the nodes.
        names: each name, as often as it stands in the file, and its line.

    Raises:
        TopologyError: whole numbers with a gap.
    """
    line_of: dict[str, int] = {}
    for name, line in names:
        line_of.setdefault(name, line)
    if all(_TUPLE.fullmatch(name) for name in line_of):
        for name in sorted(line_of, key=lambda name: ([int(part) for part in re.findall(r"-?\d+", name)], name)):
            assembly.node(name, line_of[name])
        return
    if not all(_NUMBER.fullmatch(name) for name in line_of):
        for name in sorted(line_of):
            assembly.node(name, line_of[name])
        return
    numbers = sorted(int(name) for name in line_of)
    start = numbers[0] if numbers else 0
    for expected, number in enumerate(numbers, start=min(start, 1)):
        if number != expected:
            # Left in silence, a gap would either shift the numbers or add an agent that nobody asked for.
            raise assembly.error(
                line_of[str(number)],
                f"node {number}, but no edge names node {expected}",
                "number nodes from 0 or 1 without gaps, or say 'nodes: COUNT' if some have no edges",
            )
        assembly.node(str(number), line_of[str(number)])


def _has_semicolons(lines: list[tuple[int, str]]) -> bool:
    rows = [content for _, content in lines if _KEY.match(content) is None]
    return bool(rows) and all(";" in content for content in rows)


def _edges(assembly: GraphAssembly, rows: list[Row], declared: bool) -> list[tuple[str, str, int]]:
    header = find_header(rows)
    first, second = (0, 1) if header is None else header
    edges: list[tuple[str, str, int]] = []
    for row in rows if header is None else rows[1:]:
        fields = row.fields
        # The common case, and the fast one.
        if len(fields) == 2 and header is None and fields[0] and fields[1]:
            edges.append((fields[0], fields[1], row.line))
            continue
        if header is None:
            _check_columns(assembly, row)
        elif max(first, second) >= len(fields) or not fields[first] or not fields[second]:
            raise assembly.error(row.line, "a name is missing", f"line {rows[0].line} says in which columns the two names stand")
        edges.append((fields[first], fields[second], row.line))
    if not declared:
        refuse_doubtful_first_line(assembly, edges)
    return edges


def _check_columns(assembly: GraphAssembly, row: Row) -> None:
    """Two names, then perhaps weights or attributes; anything else could be a list of neighbours, a matrix, or prose."""
    names = len([field for field in row.fields if field])
    if len(row.fields) < 2 or not all(row.fields[:2]) or not all(is_data(field) for field in row.fields[2:]):
        fix = "write 'NAME NAME'"
        if names == 1:
            fix += "; a list of neighbours has a name that ends with .adjlist"
        elif names > 2:
            fix += ", with commas or quotes if names hold blanks"
        raise assembly.error(row.line, f"{names} names where an edge has two", fix)
    if len(row.fields) > 3 and all(_NUMBER.fullmatch(field) for field in row.fields):
        raise assembly.error(
            row.line,
            f"{len(row.fields)} whole numbers where an edge has two names and at most a weight",
            "begin with a header such as 'source target weight time', or let the name of a list of neighbours end with .adjlist",
        )


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


def _place(assembly: GraphAssembly, words: list[str], line: int) -> None:
    try:
        name, x, y = words[0], float(words[1]), float(words[2])
    except (ValueError, IndexError):
        words = []
        name, x, y = "", 0.0, 0.0
    if len(words) != 3:
        raise assembly.error(line, "'position:' without a name and two numbers", "write 'position: NAME X Y'")
    assembly.place(name, x, y, line)
