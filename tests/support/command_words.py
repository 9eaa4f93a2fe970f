"""Words of a command line, parsed as the command line parses them, without doing what they say."""

from __future__ import annotations

from typing import Any

import typer

from netagents.cli.main import app
from netagents.cli.setting_options import translate_settings
from netagents.experiment import load_experiment

SHORT_FOR = {
    "launcher": "runtime.launcher",
    "hosts": "runtime.hosts.file",
    "partition": "runtime.slurm.partition",
    "nodes": "runtime.slurm.nodes",
}
"""Options of `netagents run` that stand for settings."""


def parsed(words: list[str]) -> dict[str, Any]:
    """What a command line means: the path of the command, and its parameters.

    Raises:
        typer.TyperException: the command line refuses the words.
        UsageError: there is no such command or option.
    """
    command: Any = typer.main.get_command(app)
    translated = translate_settings(command, typer.Context(command, info_name="netagents"), list(words))
    context: Any = command.make_context("netagents", translated)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return {"command": context.command_path, **context.params}


def validate_settings(meaning: dict[str, Any]) -> bool:
    """Load the experiment that a command names, with its settings, as the command would; whether there is one."""
    file = meaning.get("file")
    if not isinstance(file, str) or file.startswith("env:"):
        return False
    settings = [*(meaning.get("overrides") or ())]
    if meaning["command"] == "netagents run":
        settings += [f"{key}={meaning[name]}" for name, key in SHORT_FOR.items() if meaning[name] is not None]
    load_experiment(file, settings, trust=True)
    return True


def unknown_words(words: list[str]) -> list[str]:
    """Names of commands and options that do not exist; arguments and values may be missing, as within a sentence."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="netagents")
    rest = list(words)
    while rest and hasattr(command, "list_commands"):
        if rest[0] not in command.list_commands(context):
            return rest[:1]
        command = command.get_command(context, rest.pop(0))
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}
    return [word for word in rest if word.startswith("-") and word.partition("=")[0] not in options]
