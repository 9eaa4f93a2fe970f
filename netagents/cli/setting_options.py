"""Settings written as options: ``--seed 3`` and ``--learning.iterations=50`` are read as ``seed=3`` and ``learning.iterations=50``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PLACE = "KEY=VALUE"
"""How commands name the argument that takes settings."""


def translate_settings(group: Any, context: Any, arguments: Sequence[str]) -> list[str]:
    """The words of a command line in which options that are settings stand as ``key=value``, behind all else.

    Args:
        group: the group of all commands.
        context: of the group.
        arguments: the words behind the program's name.

    Raises:
        UsageError: an option that is a setting has no value, or is the last word of a setting's longer name.
    """
    words = list(arguments)
    command, begin = group, 0
    while hasattr(command, "list_commands") and begin < len(words) and words[begin] in command.list_commands(context):
        command = command.get_command(context, words[begin])
        begin += 1
    if not any(parameter.metavar == PLACE for parameter in command.params):
        return words
    takes_value = {
        name: not parameter.is_flag for parameter in command.params if hasattr(parameter, "is_flag") for name in _names(parameter)
    }
    translation: list[str] = words[:begin]
    settings: list[str] = []
    rest = iter(range(begin, len(words)))
    for at in rest:
        word = words[at]
        name, equals, value = word.partition("=")
        if word == "--":
            return [*translation, *settings, *words[at:]]
        if word in ("-h", "--help") or not name.startswith("--") or name in takes_value:
            translation.append(word)
            if takes_value.get(name) and not equals and at + 1 < len(words):
                translation.append(words[next(rest)])
            continue
        key = _setting(name, value if equals else words[at + 1] if at + 1 < len(words) else "VALUE")
        if key is None:
            translation.append(word)  # the command says what it does not know
            continue
        if not equals:
            if at + 1 == len(words) or words[at + 1].startswith("--"):
                from netagents.errors import UsageError

                raise UsageError(f"{name} has no value", fix=f"write {key}=VALUE, or {name} VALUE")
            value = words[next(rest)]
        settings.append(f"{key}={value}")
    return [*translation, *settings]


def _names(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def _setting(option: str, value: str) -> str | None:
    """The key that an option stands for; None where it is no setting.

    Raises:
        UsageError: it is the last word of one or several settings inside groups.
    """
    from netagents.errors import UsageError
    from netagents.experiment import Experiment
    from netagents.experiment import settings_schema as schema
    from netagents.experiment.aliases import known_aliases

    key = option.removeprefix("--").replace("-", "_")
    if key.split(".")[0] in Experiment.model_fields:
        return key
    inside = [".".join(map(str, leaf)) for leaf in schema.leaves(Experiment) if leaf[-1] == key]
    inside = list(dict.fromkeys([*inside, *known_aliases(Experiment).get(key, [])]))
    if inside:
        # What agents learn by is meant most often.
        inside.sort(key=lambda path: not path.startswith("learning."))
        written = " or ".join(f"{path}={value}" for path in inside[:3])
        raise UsageError(f"no such option: {option}", fix=f"a setting in a group is written with its group: {written}")
    return None
