"""Dotted overrides: ``kappa=2 learning.iterations=50 utility.kind=entropy``.

A key names a setting by its groups, list items by their index; the value is YAML, so ``topology={kind: ring, n: 8}`` and
``kappa_policy=[1, 1, 2]`` work too.  Setting a ``kind`` to another one drops those settings of the group that the new kind
does not have, so that switching does not fail on what the file sets for the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from netagents.errors import ExperimentError, UsageError
from netagents.experiment import settings_schema as schema
from netagents.experiment.origins import Origin
from netagents.experiment.validation_errors import dotted, show
from netagents.experiment.yaml_document import KeyPath, parse


class Override(NamedTuple):
    """One setting to change: its path, its value, and its name in messages."""

    path: KeyPath
    value: Any
    text: str

    @property
    def origin(self) -> Origin:
        return Origin("override", f"override {self.text}")


def read(overrides: Sequence[str] | Mapping[str, Any]) -> list[Override]:
    """Overrides from words ``key=value`` or from a mapping of dotted keys to values.

    In a mapping, a group (``learning={"iterations": 5}``) changes the named settings and leaves its others alone.

    Raises:
        UsageError: a word is not ``key=value``, or its value is not YAML.
    """
    if isinstance(overrides, Mapping):
        return [
            Override((*_path(key, key), *below), value, f"{dotted((*_path(key, key), *below))}={show(value)}")
            for key, override in overrides.items()
            for below, value in _spread(override)
        ]
    if isinstance(overrides, str):
        raise UsageError(f"overrides must be a list of words, not the text {overrides!r}", fix="write ['kappa=2', ...]")
    return [_word(word) for word in overrides]


def apply(override: Override, values: Any, origins: dict[KeyPath, Origin], root: schema.Model) -> None:
    """Changes ``values`` and ``given`` in place.

    Raises:
        ExperimentError: the path leads through a value that has no settings below it, or to a list item that is not there.
    """
    where = f"override '{override.text}'"
    if override.path[-1] == "kind":
        _drop_strangers(override, values, origins, root)
    target = values
    path: KeyPath = ()
    for part in override.path[:-1]:
        target, path = _below(target, part, path, where)
    last = override.path[-1]
    if isinstance(target, list):
        last = _index(target, last, path, where)
        target[last] = override.value
    elif isinstance(target, dict):
        target[str(last)] = override.value
    else:
        raise ExperimentError(f"{dotted(path)} is {show(target)}, not a group of settings", where=where)
    _forget((*path, last), origins)
    origins[(*path, last)] = override.origin


def _word(word: str) -> Override:
    key, equals, text = word.partition("=")
    display_name = f"override '{word}'"
    if not equals or key.startswith("-"):
        raise UsageError("not an override", where=display_name, fix="write key=value, such as kappa=2 or learning.iterations=50")
    path = _path(key, word)
    if not text.strip():
        raise UsageError("has no value", where=display_name, fix=f"write {key}=VALUE, or {key}=null to unset it")
    try:
        value = parse(text, display_name).values
    except ExperimentError as error:
        raise UsageError(
            f"the value {'is' if error.what.startswith('not ') else 'cannot be used:'} {error.what}",
            where=display_name,
            fix="quote it for the shell and for YAML",
        ) from None
    return Override(path, value, word)


def _path(key: str, word: str) -> KeyPath:
    parts = key.strip().split(".")
    if not all(parts):
        raise UsageError(f"'{key}' is not a key", where=f"override '{word}'", fix="write words joined by dots, such as learning.iterations")
    return tuple(parts)


def _spread(value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            for path, leaf in _spread(below):
                yield (str(key), *path), leaf
    else:
        yield (), value


def _forget(prefix: KeyPath, origins: dict[KeyPath, Origin]) -> None:
    for path in [path for path in origins if path[: len(prefix)] == prefix]:
        del origins[path]


def _below(target: Any, part: str | int, path: KeyPath, where: str) -> tuple[Any, KeyPath]:
    """The value under ``part``, made if it is missing, and its path."""
    if isinstance(target, list):
        index = _index(target, part, path, where)
        return target[index], (*path, index)
    if isinstance(target, dict):
        if target.get(str(part)) is None:
            target[str(part)] = {}
        return target[str(part)], (*path, part)
    raise ExperimentError(f"{dotted(path)} is {show(target)}, not a group of settings", where=where)


def _index(target: list[Any], part: str | int, path: KeyPath, where: str) -> int:
    if not str(part).isdecimal() or int(part) >= len(target):
        raise ExperimentError(f"{dotted(path)} is a list of {len(target)}, it has no item '{part}'", where=where, fix="items count from 0")
    return int(part)


def _drop_strangers(override: Override, values: Any, origins: dict[KeyPath, Origin], root: schema.Model) -> None:
    annotation: Any = root
    target = values
    for part in override.path[:-1]:
        model = schema.group(annotation, target)
        field = model.model_fields.get(str(part)) if model is not None else None
        annotation = field.annotation if field is not None else schema.item(annotation)
        try:
            target = target[int(part)] if isinstance(target, list) else target.get(str(part))
        except (IndexError, ValueError, AttributeError):
            return
    new = schema.group(annotation, {"kind": override.value})
    if new is None or not isinstance(target, dict) or target.get("kind") == override.value:
        return
    for key in [key for key in target if key not in new.model_fields]:
        del target[key]
        _forget((*override.path[:-1], key), origins)
