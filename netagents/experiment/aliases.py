"""Aliases of settings: names of earlier versions and of other libraries, read as the present names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from netagents.errors import ExperimentError
from netagents.experiment import settings_schema as schema
from netagents.experiment.origins import Origin, closest
from netagents.experiment.yaml_document import KeyPath


class Renamed(NamedTuple):
    """A key that was read as another one: both paths, and where it was set."""

    old: KeyPath
    new: KeyPath
    origin: Origin

    def text(self) -> str:
        """In one line."""
        where = f"{self.origin.text}: " if self.origin.text and self.origin.source != "default" else ""
        return f"{where}{_dotted(self.old)} is read as {_dotted(self.new)}"


def rename_aliases(values: Any, root: schema.Model, origins: dict[KeyPath, Origin] | None = None) -> list[Renamed]:
    """Give every setting its present name, in place.

    Args:
        values: plain settings.
        root: the settings class.
        origins: where each setting comes from, by path; renamed with their keys.

    Raises:
        ExperimentError: a setting has two of its names at once.
    """
    renames: list[Renamed] = []
    _rename(values, root, (), {} if origins is None else origins, renames)
    return renames


def canonical_path(path: KeyPath, values: Any, root: schema.Model) -> KeyPath:
    """A path with the present names of its keys, in settings with these ``values``."""
    annotation: Any = root
    target = values
    words: list[str | int] = []
    for part in path:
        model = schema.group(annotation, target)
        word: str | int = part
        if model is not None:
            word = _aliases(model).get(str(part), part)
            field = model.model_fields.get(str(word))
            annotation = field.annotation if field is not None else None
        else:
            annotation = schema.item(annotation)
        words.append(word)
        target = _below(target, word)
    return tuple(words)


def known_aliases(root: schema.Model) -> dict[str, list[str]]:
    """Every other name of a setting, with the dotted paths of the settings that it may mean."""
    aliases: dict[str, list[str]] = {}

    def look(model: schema.Model, path: KeyPath, above: tuple[schema.Model, ...]) -> None:
        for alias, name in _aliases(model).items():
            paths = aliases.setdefault(alias, [])
            if _dotted((*path, name)) not in paths:
                paths.append(_dotted((*path, name)))
        for name, field in model.model_fields.items():
            single = schema.group(field.annotation, None)
            for below in [*schema.kinds(field.annotation).values(), *([single] if single is not None else [])]:
                if below not in (*above, model):
                    look(below, (*path, name), (*above, model))

    look(root, (), ())
    return aliases


def _rename(value: Any, annotation: Any, path: KeyPath, origins: dict[KeyPath, Origin], renames: list[Renamed]) -> None:
    if isinstance(value, list):
        # Numbers and texts have no names, and lists of them, such as the edges of a graph, may be long.
        containers = [(index, item) for index, item in enumerate(value) if isinstance(item, dict | list)]
        inner = schema.item(annotation) if containers else None
        for index, item in containers if inner is not None else ():
            _rename(item, inner, (*path, index), origins, renames)
        return
    model = schema.group(annotation, value) if isinstance(value, dict) else None
    if model is None:
        return
    aliases = _aliases(model)
    for old in [key for key in value if key in aliases and key not in model.model_fields]:
        new = aliases[old]
        renamed = Renamed((*path, old), (*path, new), closest((*path, old), origins))
        if new in value:
            raise ExperimentError(
                f"{_dotted(renamed.old)} and {_dotted(renamed.new)} are two names of one setting",
                where=renamed.origin.text or None,
                fix=f"keep {new}",
            )
        items = [(new if key == old else key, below) for key, below in value.items()]
        value.clear()
        value.update(items)
        for at in [at for at in origins if at[: len(renamed.old)] == renamed.old]:
            origins[(*renamed.new, *at[len(renamed.old) :])] = origins.pop(at)
        renames.append(renamed)
    for key, below in value.items():
        field = model.model_fields.get(key)
        if field is not None:
            _rename(below, field.annotation, (*path, key), origins, renames)


def _aliases(model: schema.Model) -> Mapping[str, str]:
    aliases: Mapping[str, str] = getattr(model, "aliases", {})
    # What several groups inherit may be a setting of some of them.
    return {alias: name for alias, name in aliases.items() if name in model.model_fields}


def _below(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(str(part))
    if isinstance(value, list) and str(part).isdecimal() and int(part) < len(value):
        return value[int(part)]
    return None


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)
