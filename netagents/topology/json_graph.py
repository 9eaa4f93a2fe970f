"""Graph files in JSON, node-link or adjacency: read at the speed of the standard library, with the line of each node and edge.

The outermost object and its lists are followed here, item by item, and each item is decoded by :mod:`json`; that keeps the place of
every item, which one call for the whole text would lose.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any

from netagents.errors import TopologyError
from netagents.experiment.yaml_document import LIMIT_DEPTH, KeyPath
from netagents.topology.graph import Topology
from netagents.topology.node_link import NodeLinkReader

_BLANK = re.compile(r"[ \t\n\r]*")


class _DuplicateKeyError(Exception):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for index, key in enumerate(keys) if key in keys[:index]))
    return values


class _Document:
    """The values of a JSON text, and the line of each value of the outermost object and of each item of its lists."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[KeyPath, int] = {}
        self.place = 0
        self._counted = (0, 1)
        self._decoder = JSONDecoder(object_pairs_hook=_without_duplicates)

    def line(self) -> int:
        """The line of the place up to which the text has been read."""
        place, line = self._counted
        if self.place >= place:
            line += self.text.count("\n", place, self.place)
        else:
            line = 1 + self.text.count("\n", 0, self.place)
        self._counted = (self.place, line)
        return line

    def read(self) -> Any:
        """All values; None for an empty text."""
        if not self._next():
            return None
        values = self._object() if self._next() == "{" else self._value()
        if self._next():
            raise JSONDecodeError("Extra data", self.text, self.place)
        return values

    def _next(self) -> str:
        """The next character that is no blank; empty at the end."""
        match = _BLANK.match(self.text, self.place)
        self.place = match.end() if match is not None else self.place
        return self.text[self.place : self.place + 1]

    def _expect(self, characters: str, what: str) -> str:
        token = self._next()
        if not token or token not in characters:
            raise JSONDecodeError(f"Expecting {what}", self.text, self.place)
        self.place += 1
        return token

    def _value(self) -> Any:
        value, self.place = self._decoder.raw_decode(self.text, self.place)
        return value

    def _object(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        self.place += 1
        if self._next() == "}":
            self.place += 1
            return values
        while True:
            if self._next() != '"':
                raise JSONDecodeError("Expecting property name enclosed in double quotes", self.text, self.place)
            line = self.line()
            key = str(self._value())
            if key in values:
                raise _DuplicateKeyError(key)
            self.lines[key,] = line
            self._expect(":", "':' delimiter")
            values[key] = self._list(key) if self._next() == "[" else self._value()
            if self._expect(",}", "',' delimiter") == "}":
                return values

    def _list(self, key: str) -> list[Any]:
        items: list[Any] = []
        self.place += 1
        if self._next() == "]":
            self.place += 1
            return items
        while True:
            self._next()
            self.lines[key, len(items)] = self.line()
            items.append(self._value())
            if self._expect(",]", "',' delimiter") == "]":
                return items


def parse_json_graph(text: str, display_name: str) -> Topology:
    """The graph of a JSON text; ``display_name`` is how messages name the file.

    Raises:
        TopologyError: one line with file and line number.
    """
    document = _Document(text)
    try:
        values = document.read()
    except JSONDecodeError as error:
        fix = 'write {"nodes": [...], "edges": [...]}, as json.dump(networkx.node_link_data(graph), file) does'
        raise TopologyError(f"not JSON ({error.msg})", where=f"{display_name}:{error.lineno}", fix=fix) from None
    except _DuplicateKeyError as error:
        where = f"{display_name}:{document.line()}"
        raise TopologyError(f"{str(error)[:40]!r}: the key stands twice", where=where, fix="remove one of the two") from None
    except (RecursionError, ValueError) as error:
        what = f"nested deeper than {LIMIT_DEPTH} levels" if isinstance(error, RecursionError) else "a number of too many digits"
        raise TopologyError(what, where=f"{display_name}:{document.line()}", fix="a graph file holds plain lists and mappings") from None
    return NodeLinkReader(values, lambda path: _line(document.lines, path), display_name).topology()


def _line(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of a value, or of the smallest thing around it whose line is known."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
