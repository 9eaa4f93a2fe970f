"""Headers of edge lists: first lines that name columns or give counts, and are no edge.

A header that is known (``source,target``, ``from to weight``, ``Source;Target;Type``), or that stands in words above nothing but whole
numbers, is passed over.  A first line that may be a header or an edge is refused: taken for an edge it would add agents.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from netagents.topology.assembly import GraphAssembly, quoted

_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_BEGINNINGS = (("source", "target"), ("src", "dst"), ("src", "tgt"), ("source", "dest"), ("from", "to"), ("start", "end"))
_PAIRS = frozenset(
    {
        *_BEGINNINGS,
        ("src", "dest"),
        ("source", "sink"),
        ("source", "destination"),
        ("src", "trg"),
        ("origin", "destination"),
        ("tail", "head"),
        ("head", "tail"),
        ("parent", "child"),
        ("u", "v"),
        ("i", "j"),
        ("left", "right"),
        ("first", "second"),
        ("node", "neighbor"),
        ("node", "neighbour"),
        ("fbus", "tbus"),
        ("nodea", "nodeb"),
        *((f"{word}1", f"{word}2") for word in ("node", "n", "id", "v", "vertex", "bus", "name", "agent", "end", "city", "station")),
        *((f"{word}i", f"{word}j") for word in ("node", "id", "vertex", "agent")),
    }
)


class Row(NamedTuple):
    """The fields of one line."""

    line: int
    fields: list[str]


def find_header(rows: list[Row]) -> tuple[int, int] | None:
    """The columns of the two names if the first row is a header that is known; None if it is not."""
    if not rows:
        return None
    names = rows[0].fields
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    pair = next(
        ((i, j) for i in range(len(names)) for j in range(len(names)) if i != j and _is_pair(plain[i], plain[j])),
        None,
    )
    if pair is not None:
        # Two nodes may well be called u and v: then they stand in other edges too.
        own = {names[column] for column in pair}
        if not any(own.intersection(row.fields) for row in rows[1:]):
            return pair
        return None
    if len(rows) > 1 and len(names) > 1 and not any(_NUMBER.search(name[:1]) or not name for name in names[:2]):
        others = (field for row in rows[1:] for field in row.fields[:2])
        if all(_NUMBER.fullmatch(field) for field in others):
            return 0, 1
    return None


def refuse_doubtful_first_line(assembly: GraphAssembly, edges: list[tuple[str, str, int]]) -> None:
    """Refuse a first line of which nobody can say whether it is an edge.

    Args:
        assembly: makes the error.
        edges: names and line of each, in the order of the file, which does not list its nodes.

    Raises:
        TopologyError: two words that stand nowhere else, above two edges or more; or the numbers of nodes and edges.
    """
    if len(edges) < 2:
        return
    first, second, line = edges[0]
    rest = {name for edge in edges[1:] for name in edge[:2]}
    if not _NUMBER.fullmatch(first) and not _NUMBER.fullmatch(second):
        if len(edges) > 2 and first not in rest and second not in rest:
            raise assembly.error(
                line,
                f"{quoted(first)} and {quoted(second)} stand in no other line: a header, or two agents that only hear each other",
                "put a number sign before a header, or list the agents in a line 'nodes: NAME, NAME, ...'",
            )
    elif _NUMBER.fullmatch(first) and second == str(len(edges) - 1):
        count = int(first)
        # Numbered from 1, the same line adds no agent, and there is nothing that tells counts from an edge.
        if count == len(rest) and rest == {str(i) for i in range(count)}:
            raise assembly.error(
                line,
                f"'{first} {second}' may be an edge or the numbers of nodes and edges",
                f"remove counts, or write 'nodes: COUNT' above if it is an edge; without this line there are {count} nodes",
            )


def _is_pair(first: str, second: str) -> bool:
    if (first, second) in _PAIRS:
        return True
    return any(
        first.startswith(a) and second.startswith(b) and first[len(a) :] == second[len(b) :] and first[len(a) :] for a, b in _BEGINNINGS
    )
