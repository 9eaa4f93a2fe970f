"""The page of commands, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from netagents.cli.commands import COMMANDS
from netagents.cli.main import app

Row = tuple[str, ...]

_TYPES: dict[Any, str] = {int: "number", float: "number", Path: "path"}


def commands_lines() -> Iterator[str]:
    """The lines of the page below its title: one section per command, one table of its words."""
    group: Any = typer.main.get_command(app)
    with typer.Context(group, info_name="netagents") as context:
        for name in COMMANDS:
            yield from _command(group.get_command(context, name), f"netagents {name}", context)


def _command(command: Any, path: str, parent: Any) -> Iterator[str]:
    with typer.Context(command, info_name=path.rpartition(" ")[2], parent=parent) as context:
        yield from (f"## `{path}`", "", _sentence(command.help), "")
        subcommands = command.list_commands(context) if hasattr(command, "list_commands") else []
        if not subcommands:
            words = [_place(parameter) for parameter in command.params if parameter.param_type_name == "argument"]
            yield from ("```text", " ".join([path, *words, "[OPTIONS]"]), "```", "")
            rows = [row for row in (_row(parameter) for parameter in command.params) if row is not None]
            if rows:
                yield from ("| word | default | what it does |", "|---|---|---|")
                yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
                yield ""
        for name in subcommands:
            yield from _command(command.get_command(context, name), f"{path} {name}", context)


def _row(parameter: Any) -> Row | None:
    if parameter.name == "help":
        return None
    option = parameter.param_type_name == "option"
    word = ", ".join(f"`{name}`" for name in (parameter.opts if option else [_name(parameter)]))
    if option and not parameter.is_flag:
        word += f" {_TYPES.get(parameter.type_descriptor.annotation, 'text')}"
    default = parameter.default
    default_text = "" if default is None or default is False or callable(default) or parameter.required else f"`{default}`"
    return word, default_text, _sentence(getattr(parameter, "help", None))


def _place(argument: Any) -> str:
    """An argument as a usage line has it."""
    name = _name(argument)
    return name if argument.required else f"[{name}]{'...' if argument.multiple or argument.nargs == -1 else ''}"


def _name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()).removesuffix("...").strip("[]")


def _sentence(words: str | None) -> str:
    return " ".join((words or "").split())
