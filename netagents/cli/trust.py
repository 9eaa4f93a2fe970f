"""The ``--trust`` option: what a run directory names may run, and is said aloud."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from netagents.experiment import Experiment, LoadedExperiment

TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run code that the settings of a run directory name (import:..., environment.make); says which.")
]


def load_trusted(source: str, overrides: list[str] | None, trust: bool) -> LoadedExperiment:
    """The experiment that a word on the command line names; with ``--trust`` also one of a run directory that names code.

    Raises:
        SecurityError: it belongs to a run directory and names code, without ``--trust``.
        NetagentsError: as :func:`netagents.experiment.load_experiment`.
    """
    from netagents.cli.experiment_source import load_with_notes
    from netagents.experiment.named_code import of_a_run

    loaded = load_with_notes(source, overrides, trust)
    if trust and loaded.path is not None and of_a_run(loaded.path):
        announce(loaded.experiment, loaded.path)
    return loaded


def announce_run(path: Path, trust: bool) -> None:
    """Say on standard error what ``--trust`` lets a run directory run."""
    if not trust:
        return
    from netagents.records.run_directory import RunDirectory

    announce(RunDirectory.open(path).experiment(), path)


def announce(experiment: Experiment, path: Path) -> None:
    """One line on standard error for each thing that the settings name."""
    from netagents.errors import printable
    from netagents.experiment.named_code import named_code

    for key, name in named_code(experiment, running=True):
        typer.echo(f"netagents: trusted: {printable(str(path))} names {key} {printable(name)}", err=True)
