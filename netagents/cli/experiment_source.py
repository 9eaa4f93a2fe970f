"""What FILE means on the command line of roles that get their experiment in an environment variable: containers do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netagents.experiment.load import LoadedExperiment

PREFIX = "env:"


def load_with_notes(source: str | dict[str, Any], overrides: Sequence[str] | None, trust: bool = False) -> LoadedExperiment:
    """The experiment, and on standard error a line for each setting that was read by another name than it has."""
    import typer

    from netagents.experiment import load_experiment

    loaded = load_experiment(source, overrides or [], trust=trust)
    for note in loaded.notes:
        typer.echo(f"netagents: note: {note}", err=True)
    return loaded


def experiment_source(word: str) -> str | dict[str, Any]:
    """The file as it was named or, for ``env:NAME``, the settings that stand in that variable as YAML.

    Raises:
        ExperimentError: there is no such variable, or it holds something else.
    """
    if not word.startswith(PREFIX):
        return word
    from netagents.errors import ExperimentError
    from netagents.experiment.yaml_document import parse

    name = word.removeprefix(PREFIX)
    text = os.environ.get(name)
    if text is None:
        raise ExperimentError("the variable is not set", where=word, fix="write the experiment as YAML into it, or name a file")
    values = parse(text, word).values
    if not isinstance(values, dict):
        raise ExperimentError("not a mapping of settings", where=word, fix="write lines such as 'kappa: 2'")
    return values
