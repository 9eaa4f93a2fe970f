"""Origins of the values of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from netagents.experiment.yaml_document import KeyPath


class Origin(NamedTuple):
    """The source that set a value.

    Attributes:
        source: ``default``, ``file``, ``override``, or ``value`` for settings given as a mapping in Python.
        text: as it is shown: ``default``, ``launch/quickstart.yaml:12``, ``override kappa=2``.
        line: in the file, from 1; 0 for other sources.
    """

    source: Literal["default", "file", "override", "value"]
    text: str
    line: int = 0


DEFAULT = Origin("default", "default")


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value that is not a group, with its path.  Lists of plain values count as one value, lists of groups do not."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from leaves(below, (*path, str(key)))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for index, below in enumerate(value):
            yield from leaves(below, (*path, index))
    else:
        yield path, value


def trace(resolved: Mapping[str, Any], origins: Mapping[KeyPath, Origin], values: Any) -> dict[KeyPath, Origin]:
    """The origin of every leaf of a resolved experiment.

    Args:
        resolved: all values, defaults filled in.
        origins: where each setting comes from, of the paths that were set.
        values: the values as they were given, before defaults.
    """
    overrides = {path: origin for path, origin in origins.items() if origin.source == "override"}
    return {path: (closest(path, origins, overrides) if _has(values, path) else DEFAULT) for path, _ in leaves(resolved)}


def closest(path: KeyPath, origins: Mapping[KeyPath, Origin], overrides: Mapping[KeyPath, Origin] | None = None) -> Origin:
    """The origin of a path, or of the nearest group around it.

    Args:
        path: of a value.
        origins: of the paths that were set.
        overrides: those of them that are overrides, where many paths are looked up.
    """
    for length in range(len(path), -1, -1):
        origin = origins.get(path[:length])
        if origin is None:
            continue
        if length < len(path):
            # An override of the group's kind, or of something below, says more than the line on which a group begins.
            among = origins if overrides is None else overrides
            beneath = (other for at, other in among.items() if other.source == "override" and at[: len(path)] == path)
            by_kind = origins.get((*path[:-1], "kind"), origin)
            return next(beneath, by_kind if by_kind.source == "override" else origin)
        return origin
    return DEFAULT


def _has(values: Any, path: KeyPath) -> bool:
    for part in path:
        if isinstance(values, Mapping):
            if part not in values:
                return False
        elif not (isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)):
            return False
        values = values[part]
    return True
