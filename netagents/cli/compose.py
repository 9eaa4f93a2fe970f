"""``netagents compose``: the Compose file of an experiment."""

from __future__ import annotations

from typing import Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

app = typer.Typer(add_completion=False)


@app.command()
def compose(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=2.")] = None,
    trust: TrustOption = False,
) -> None:
    """Print a Compose file that runs an experiment with one container per agent: netagents compose FILE > docker-compose.yml."""
    from netagents.launchers.compose.compose_file import standalone_file
    from netagents.learning.prepared_experiment import prepare

    loaded = load_trusted(file, overrides, trust)
    typer.echo(standalone_file(loaded, prepare(loaded.experiment, loaded.base)), nl=False)
