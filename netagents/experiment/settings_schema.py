"""Schema of the settings models: which keys a group has, and to which key a pydantic error location belongs."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from netagents.experiment.yaml_document import KeyPath

Model = type[BaseModel]


class SchemaNode(NamedTuple):
    """The place of an error.

    Attributes:
        path: keys from the root, without the labels that pydantic adds for members of unions.
        parent: the group that holds the last key, where it is one.
    """

    path: KeyPath
    parent: Model | None


def is_model(annotation: Any) -> bool:
    """Whether an annotation is a settings class itself."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def plain(annotation: Any) -> Any:
    """An annotation without ``Annotated``."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union (``Annotated`` kept on each), unions inside unions opened, or the annotation alone."""
    inner = plain(annotation)
    if get_origin(inner) in (Union, types.UnionType):
        return tuple(member for each in get_args(inner) for member in members(each))
    return (annotation,)


def kinds(annotation: Any) -> dict[str, Model]:
    """The settings classes of a union distinguished by ``kind``, by the tag that names each; empty for other annotations."""
    models: dict[str, Model] = {}
    alternatives = members(annotation)
    if len(alternatives) < 2:
        return models
    for member in alternatives:
        model = plain(member)
        if not is_model(model) or "kind" not in model.model_fields:
            continue
        tags = [extra.tag for extra in get_args(member)[1:] if isinstance(extra, Tag)] if get_origin(member) is Annotated else []
        literal = plain(model.model_fields["kind"].annotation)
        if not tags and get_origin(literal) is Literal:
            tags = [str(value) for value in get_args(literal)]
        models.update(dict.fromkeys(tags, model))
    return models


def kind_names(by_kind: Mapping[str, Model]) -> list[str]:
    """What a user may write for each of :func:`kinds`: its name, or the import path for a class of one's own."""
    return ["import:package.module:Class" if _any_kind(model) else tag for tag, model in by_kind.items()]


def _any_kind(model: Model) -> bool:
    return get_origin(plain(model.model_fields["kind"].annotation)) is not Literal


def group(annotation: Any, value: Any) -> Model | None:
    """The settings class that a mapping under this annotation is meant for, or None if it is not clear."""
    by_kind = kinds(annotation)
    if by_kind:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        own = next((model for model in by_kind.values() if _any_kind(model)), None)
        return by_kind.get(kind, own) if isinstance(kind, str) else None
    models = [plain(member) for member in members(annotation) if is_model(plain(member))]
    return models[0] if len(models) == 1 else None


def item(annotation: Any) -> Any:
    """The annotation of a list's items, or None."""
    for member in members(annotation):
        inner = plain(member)
        if get_origin(inner) in (tuple, list, Sequence) and get_args(inner):
            return get_args(inner)[0]
    return None


def locate(root: Model, location: Sequence[str | int]) -> SchemaNode:
    """Undoes pydantic's error location: labels of union members are left out, keys and indices stay."""
    path: list[str | int] = []
    parent: Model | None = None
    annotation: Any = root
    for word in location:
        by_kind = kinds(annotation)
        model = group(annotation, None)
        if word in by_kind:
            annotation = by_kind[str(word)]
        elif model is not None:
            field = model.model_fields.get(str(word))
            annotation = field.annotation if field else None
            parent = model
            path.append(word)
        elif isinstance(word, int):
            annotation = item(annotation)
            parent = None
            path.append(word)
        elif annotation is None or by_kind or _has_keys(annotation):
            annotation = None
            parent = None
            path.append(word)
        # A scalar or a list has no keys: any other word is pydantic's label of a union member.
    return SchemaNode(tuple(path), parent)


def _has_keys(annotation: Any) -> bool:
    return any(dict in (plain(member), get_origin(plain(member))) for member in members(annotation))


def leaves(root: Model, above: tuple[Model, ...] = ()) -> Iterator[KeyPath]:
    """Every key path that a file could set, over all kinds; lists count as one, a class inside itself is left out."""
    for name, field in root.model_fields.items():
        yield (name,)
        models = [*kinds(field.annotation).values()]
        single = group(field.annotation, None)
        for model in [*models, *([single] if single is not None else [])]:
            if model is not root and model not in above:
                for below in leaves(model, (*above, root)):
                    yield (name, *below)
