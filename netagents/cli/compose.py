"""``netagents compose``: the Compose file of an experiment."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def compose(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=2.")] = None,
) -> None:
    """Print a Compose file that runs an experiment with one container per agent: netagents compose FILE > docker-compose.yml."""
    from netagents.cli.experiment_source import load_with_notes
    from netagents.launchers.compose_file import standalone_file
    from netagents.learning.prepare import prepare

    loaded = load_with_notes(file, overrides)
    typer.echo(standalone_file(loaded, prepare(loaded.experiment, loaded.base)), nl=False)
