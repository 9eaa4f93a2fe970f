"""The settings of a run as rows, with those that differ from the defaults told apart; and what differs between runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from netagents.experiment import Experiment, resolved
from netagents.experiment.origins import leaves

_LONGEST = 120


class SettingRow(NamedTuple):
    """One setting: dotted key, value as text, the default as text (None where there is none), and whether they differ."""

    key: str
    value: str
    default: str | None
    changed: bool


def settings_rows(experiment: Experiment) -> list[SettingRow]:
    """Every setting, in the order of the settings classes.  What has no default was chosen, so it counts as changed."""
    defaults = {".".join(str(part) for part in path): value for path, value in _defaults(experiment, ())}
    rows = []
    for path, value in leaves(resolved(experiment)):
        key = ".".join(str(part) for part in path)
        known = key in defaults
        default = defaults.get(key)
        kind_alone = path[-1] == "kind"
        rows.append(
            SettingRow(key, words(value), words(default) if known else None, value != default if known else not kind_alone or len(path) < 3)
        )
    return rows


def differing(experiments: Sequence[Experiment], ignored: Sequence[str] = ()) -> list[tuple[str, list[str]]]:
    """Settings whose values are not the same in all experiments: key, and the value in each (``-`` where it has no such key).

    Args:
        experiments: at least one.
        ignored: keys, or beginnings of keys, that do not count.
    """
    flat = [{".".join(str(part) for part in path): value for path, value in leaves(resolved(one))} for one in experiments]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    names = []
    for key in keys:
        values = [words(each[key]) if key in each else "-" for each in flat]
        if len(set(values)) > 1 and not any(key == one or key.startswith(f"{one}.") for one in ignored):
            names.append((key, values))
    return names


def words(value: Any) -> str:
    """A value as people write it, cut to a readable length."""
    line = value if isinstance(value, str) else json.dumps(value)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _defaults(
    model: BaseModel, path: tuple[str | int, ...], standard: BaseModel | None = None
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The default of every leaf below the groups as they are; a group of another kind than the default's keeps its own defaults.

    Args:
        model: the group as it is.
        path: of the group.
        standard: the group by default, where it is of the same class; its values need not be the defaults of its class.
    """
    plain = {} if standard is None else standard.model_dump(mode="json")
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        here = (*path, name)
        if standard is not None:
            usual = getattr(standard, name)
        else:
            usual = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        if isinstance(value, BaseModel):
            if isinstance(usual, type(value)):
                yield from _defaults(value, here, usual)
            else:
                for below, leaf in _defaults(value, here):
                    if below != (*here, "kind"):
                        yield below, leaf
                usual_kind = getattr(usual, "kind", None)
                if usual_kind is not None:
                    yield (*here, "kind"), usual_kind
        elif standard is not None:
            for below, leaf in leaves({name: plain[name]}):
                yield (*path, *below), leaf
        elif not field.is_required() and not (isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value)):
            yield here, list(usual) if isinstance(usual, tuple) else usual
