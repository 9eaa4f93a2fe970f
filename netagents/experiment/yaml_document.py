"""YAML documents as plain values, with the line of every key.

The YAML is that of version 1.2's core schema: ``yes``, ``on``, ``010`` and dates are texts, ``1e-3`` is a number.  Only
plain values exist; a tag that asks for anything else is an error, as are duplicate keys, self-reference and documents
that grow beyond :data:`LIMIT_VALUES` values by their aliases.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from netagents.errors import ExperimentError

LIMIT_BYTES = 1 << 20
"""Largest experiment file."""

LIMIT_VALUES = 200_000
"""Largest number of values in one document, aliases expanded."""

LIMIT_DEPTH = 32
"""Deepest nesting."""

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys and list indices from the root."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))


class Document(NamedTuple):
    """Plain values, and the line (from 1) on which each path stands; for the value itself, its column (from 1)."""

    values: Any
    lines: dict[KeyPath, int]
    columns: dict[KeyPath, int]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own attribute


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same by libyaml where PyYAML has it: about ten times as fast, with different error texts."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


_FLOAT = (
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)

for _name, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_file(path: Path, display_name: str) -> Document:
    """The document in a file.

    Args:
        path: the file.
        display_name: how messages name it.

    Raises:
        ExperimentError: missing, a directory, unreadable, larger than :data:`LIMIT_BYTES`, not UTF-8, or as :func:`parse`.
    """
    try:
        if path.is_dir():
            raise ExperimentError("is a directory, not an experiment file", where=display_name, fix="name a YAML file inside it")
        with path.open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise ExperimentError("no such experiment file", where=display_name, fix=_nearby(path)) from None
    except OSError as error:
        raise ExperimentError(f"cannot be read ({error.strerror or error})", where=display_name) from None
    if len(raw) > LIMIT_BYTES:
        raise ExperimentError(
            f"larger than {LIMIT_BYTES >> 20} MiB", where=display_name, fix="an experiment file is a page of YAML settings"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ExperimentError(
            "not UTF-8 text", where=f"{display_name}:{line}", fix="an experiment file is a page of YAML settings"
        ) from None
    return parse(text, display_name)


def parse(text: str, display_name: str, *, limit: int = LIMIT_VALUES, fast: bool = False) -> Document:
    """The document in a text.

    Args:
        text: the document.
        display_name: how messages name it.
        limit: largest number of values, aliases expanded.
        fast: for long documents.

    Raises:
        ExperimentError: not one YAML document of plain values; names the line.
    """
    loader: Any = None
    try:
        loader = (_FastLoader if fast else _Loader)(text)
        node = loader.get_single_node()
        return _Builder(loader, display_name, limit).document(node, aliases="*" in text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{display_name}:{mark.line + 1}" if mark else display_name
        raise ExperimentError(f"not YAML ({error.problem or error.context})", where=where) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ExperimentError("not YAML (holds control characters)", where=f"{display_name}:{line}") from None
    except RecursionError:
        raise ExperimentError(f"nested deeper than {LIMIT_DEPTH} levels", where=display_name) from None
    finally:
        if loader is not None:
            loader.dispose()


class _Builder:
    """Turns composed nodes into plain values; PyYAML's own constructor forgets lines and keeps the last of duplicate keys."""

    def __init__(self, loader: Any, display_name: str, limit: int) -> None:
        self._loader = loader
        self._display_name = display_name
        self._limit = limit
        self._lines: dict[KeyPath, int] = {}
        self._columns: dict[KeyPath, int] = {}
        self._count = 0

    def document(self, node: yaml.Node | None, *, aliases: bool) -> Document:
        if node is not None and aliases:
            self._refuse_multiplied(node)
        values = None if node is None else self._value(node, ())
        return Document(values, self._lines, self._columns)

    def _refuse_multiplied(self, root: yaml.Node) -> None:
        """Refuse a document whose aliases multiply beyond the limit, before a single value is made."""
        sizes: dict[int, int] = {}

        def size(node: yaml.Node) -> int:
            if id(node) not in sizes:
                sizes[id(node)] = 0  # of a node inside itself, which is refused as too deep
                sizes[id(node)] = 1 + sum(map(size, _children(node)))
            return sizes[id(node)]

        remaining, node = self._limit, root
        if size(root) <= remaining:
            return
        # Down to the value at which the limit is passed.
        while True:
            remaining -= 1
            if remaining < 0:
                raise self._too_many(node)
            for child in _children(node):
                if sizes[id(child)] > remaining:
                    node = child
                    break
                remaining -= sizes[id(child)]

    def _too_many(self, node: yaml.Node) -> ExperimentError:
        return self._error(node, f"more than {self._limit} values", "aliases multiply: write the values out, or use fewer")

    def _error(self, node: yaml.Node, what: str, fix: str | None = None) -> ExperimentError:
        return ExperimentError(what, where=f"{self._display_name}:{node.start_mark.line + 1}", fix=fix)

    def _value(self, node: yaml.Node, path: KeyPath, line: int | None = None) -> Any:
        self._count += 1
        if self._count > self._limit:
            raise self._too_many(node)
        if len(path) > LIMIT_DEPTH:
            raise self._error(node, f"nested deeper than {LIMIT_DEPTH} levels")
        self._lines[path] = line or node.start_mark.line + 1
        self._columns[path] = node.start_mark.column + 1
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            try:
                return self._loader.construct_object(node)
            except ValueError:
                raise self._error(node, f"'{node.value[:40]}' cannot be read as a value") from None
        if isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "merge":
            return node.value
        raise self._error(node, f"the tag '{node.tag.removeprefix(_TAG)}' is not allowed", "settings are plain values")

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a word", "write 'key: value'")
            key, line = key_node.value, key_node.start_mark.line + 1
            if key in first:
                dotted = ".".join(str(part) for part in (*path, key))
                raise self._error(key_node, f"{dotted}: the key stands twice", f"remove this one or the one in line {first[key]}")
            first[key] = line
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                bases = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for base in reversed(bases):
                    result.update(self._inherited(base, path))
        for key_node, value_node in node.value:
            if key_node.tag != _TAG + "merge":
                key = key_node.value
                result[key] = self._value(value_node, (*path, key), first[key])
        return result

    def _inherited(self, base: yaml.Node, path: KeyPath) -> dict[str, Any]:
        line = self._lines[path]
        values = self._value(base, path, line)
        if not isinstance(values, dict):
            raise self._error(base, "'<<' needs a mapping", "write '<<: *name' with the anchor of a mapping")
        return values


def _children(node: yaml.Node) -> list[yaml.Node]:
    """The nodes of the values inside a node; keys are none."""
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _nearby(path: Path) -> str | None:
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return f"the directory {path.parent} does not exist"
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in {".yaml", ".yml"})
    close = get_close_matches(path.name, names, n=1)
    return f"did you mean '{path.parent / close[0]}'?" if close else None
