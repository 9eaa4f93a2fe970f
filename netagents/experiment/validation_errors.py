"""Validation errors: what pydantic found, as one line that says what, where, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netagents.errors import ExperimentError
from netagents.experiment import settings_schema as schema
from netagents.experiment.aliases import known_aliases
from netagents.experiment.yaml_document import KeyPath

Where = Callable[[KeyPath], tuple[str, float]]
"""Gives, for a path, the place to name and a number to sort by."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a group of settings",
    "model_attributes_type": "a group of settings",
    "dict_type": "a group of settings",
    "none_required": "null",
}

_BOUND = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}


class _Finding(NamedTuple):
    place: schema.SchemaNode
    details: ErrorDetails


def explain(error: ValidationError, root: schema.Model, values: Any, where: Where) -> ExperimentError:
    """The first of the errors as one line; the others are counted.

    Unknown keys come first, because a misspelt key often makes another one seem missing; then the order of the file.

    Args:
        error: what pydantic raised for ``root``.
        root: the settings class.
        values: the plain values that were checked.
        where: names the place of a path.
    """
    findings = [_Finding(schema.locate(root, details["loc"]), details) for details in error.errors(include_url=False)]
    groups: dict[KeyPath, list[_Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.place.path, []).append(finding)
    # A long list may have as many errors as entries.
    around = {path[:length] for path in groups for length in range(len(path))}
    for path in list(groups):
        # Of a union of a number or a word and a list, only the member that the value has the shape of has something to say.
        if path in around and all(finding.details["type"] in (*_EXPECTED, "literal_error") for finding in groups[path]):
            del groups[path]
    ordered = sorted(groups, key=lambda path: (groups[path][0].details["type"] != "extra_forbidden", where(path)[1]))
    path = ordered[0]
    what, fix = _words(path, groups[path], root, values)
    if len(ordered) > 1:
        fix = f"{fix} (and {len(ordered) - 1} more)" if fix else f"and {len(ordered) - 1} more"
    wrong_kind = any(finding.details["type"] == "union_tag_invalid" for finding in groups[path])
    return ExperimentError(what, where=where((*path, "kind") if wrong_kind else path)[0] or None, fix=fix)


def dotted(path: Sequence[str | int]) -> str:
    """A path as overrides write it: ``learning.critic.sweeps``."""
    return ".".join(str(part) for part in path)


def show(value: Any) -> str:
    """A value as YAML would write it, cut to a readable length."""
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, str):
        text = repr(value)
    elif isinstance(value, Mapping):
        text = "a group of settings"
    elif isinstance(value, list | tuple):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _words(path: KeyPath, findings: list[_Finding], root: schema.Model, values: Any) -> tuple[str, str | None]:
    name = f"{dotted(path)}: " if path else ""
    specific = [finding for finding in findings if finding.details["type"] not in _EXPECTED]
    if not specific:
        expected = list(dict.fromkeys(_EXPECTED[finding.details["type"]] for finding in findings))
        return f"{name}must be {' or '.join(expected)}, not {show(_value_at(values, path))}", None
    place, details = specific[0]
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{name}unknown key", _suggest_key(path, place.parent, root)
    if kind == "missing":
        return f"{name}is missing", _describe(path, place.parent)
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        known = (
            [word.strip(" '") for word in str(context.get("expected_tags", "")).split(",")]
            if kind == "union_tag_invalid"
            else _kinds(path, root)
        )
        choice = f"choose one of {', '.join(known)}" if known else None
        if kind == "union_tag_not_found":
            group = _value_at(values, path)
            if not isinstance(group, Mapping):
                return f"{name}must be a group of settings with a 'kind', not {show(group)}", choice
            return f"{dotted((*path, 'kind'))}: is missing", choice
        tag = str(context.get("tag", ""))
        return f"{dotted((*path, 'kind'))}: unknown kind '{tag}'", _did_you_mean(tag, known) or choice
    if kind in _BOUND:
        word, key = _BOUND[kind]
        return f"{name}must be {word} {context.get(key)}, not {show(_value_at(values, path))}", None
    if kind in ("too_short", "too_long"):
        word, key = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        number = int(context.get(key, 0))
        return f"{name}must have {word} {number} entr{'y' if number == 1 else 'ies'}, not {context.get('actual_length')}", None
    if kind == "literal_error":
        value = _value_at(values, path)
        allowed = [part.strip(" '") for part in str(context.get("expected", "")).replace(" or ", ", ").split(",")]
        near = _did_you_mean(str(value), allowed)
        types = [each.details["type"] for each in findings]
        if near is None and any(each.startswith(("int_", "float_")) for each in types):
            # A number or a word.
            numeric = next(_EXPECTED[each] for each in types if each.startswith(("int_", "float_")))
            return f"{name}must be {numeric} or {' or '.join(allowed)}, not {show(value)}", None
        return f"{name}unknown choice {show(value)}", near or f"choose one of {', '.join(allowed)}"
    message = str(details["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if path and message.startswith(dotted(path)):
        return message, None
    return f"{name}{message[:1].lower()}{message[1:]}", None


def _value_at(values: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _did_you_mean(word: str, known: Sequence[str]) -> str | None:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'? (known: {', '.join(known)})" if close else None


def _suggest_key(path: KeyPath, parent: schema.Model | None, root: schema.Model) -> str | None:
    word = str(path[-1])
    siblings = list(parent.model_fields) if parent is not None else []
    by_name: dict[str, str] = {}
    for leaf in sorted(schema.leaves(root), key=lambda leaf: leaf[0] != "learning"):
        by_name.setdefault(str(leaf[-1]), dotted(leaf))
    for alias, paths in known_aliases(root).items():
        by_name.setdefault(alias, paths[0])
    # A slip of the pen, or the right word in the wrong group; a word that is right somewhere is no slip of the pen.
    close = [] if word in by_name else get_close_matches(word, siblings, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    close = get_close_matches(word, by_name, n=1, cutoff=0.75)
    # A key of another kind of the same group has the very name that was written.
    if close and by_name[close[0]] != dotted(path):
        return f"did you mean '{by_name[close[0]]}'?"
    return f"known here: {', '.join(siblings)}" if siblings else None


def _describe(path: KeyPath, parent: schema.Model | None) -> str | None:
    field = parent.model_fields.get(str(path[-1])) if parent is not None else None
    if field is None:
        return None
    known = schema.kind_names(schema.kinds(field.annotation))
    if known:
        return f"write '{path[-1]}: {{kind: ...}}' with one of {', '.join(known)}"
    return f"write '{path[-1]}: ...'" + (f" ({field.description})" if field.description else "")


def _kinds(path: KeyPath, root: schema.Model) -> list[str]:
    annotation: Any = root
    for part in path:
        model = schema.group(annotation, None)
        field = model.model_fields.get(str(part)) if model is not None else None
        annotation = field.annotation if field is not None else schema.item(annotation)
    return schema.kind_names(schema.kinds(annotation))
