"""Adjacency lists: each line a name and the names of its neighbours, as ``networkx.write_adjlist`` writes them.

::

    # a triangle with a tail
    a b c
    b c
    c d
    d

Every name at the beginning of a line is a node, so agents without edges are possible.  An edge may stand once or in both of its lines.
"""

from __future__ import annotations

from netagents.topology.assembly import GraphAssembly, quoted
from netagents.topology.edge_fields import content_lines, split_fields
from netagents.topology.edge_list import add_nodes
from netagents.topology.graph import Topology


def parse_adjacency_list(text: str, display_name: str) -> Topology:
    """The graph of an adjacency list; ``display_name`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    assembly = GraphAssembly(display_name)
    rows: dict[str, tuple[list[str], int]] = {}
    for line, content in content_lines(text):
        fields = split_fields(content)
        if not fields:
            continue
        while len(fields) > 1 and not fields[-1]:
            fields.pop()
        if not all(fields):
            raise assembly.error(line, "an empty name", "write 'NAME NEIGHBOUR NEIGHBOUR ...'")
        name = fields[0]
        if name in rows:
            raise assembly.error(line, f"node {quoted(name)} stands twice", f"its neighbours are in line {rows[name][1]} already")
        if len(set(fields)) < len(fields):
            twice = next(field for index, field in enumerate(fields) if field in fields[:index])
            raise assembly.error(line, f"{quoted(twice)} stands twice in one line", "name a node, then each of its neighbours once")
        rows[name] = (fields[1:], line)
    add_nodes(assembly, ((each, line) for name, (near, line) in rows.items() for each in (name, *near)))
    joined: set[tuple[str, str]] = set()
    for name, (near, line) in rows.items():
        for other in near:
            if (other, name) not in joined:
                assembly.edge(name, other, line)
                joined.add((name, other))
    return assembly.finish()
