"""``netagents health``: whether the node beside this command is part of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def health(
    status: Annotated[Path, typer.Argument(metavar="FILE", envvar="NETAGENTS_STATUS", help="Status file of `netagents node --status`.")],
) -> None:
    """Say what the node does that keeps FILE; exit code 10 unless it runs and is part of its run.  Made for containers."""
    from netagents.nodes.process.status_file import check_health

    typer.echo(check_health(status))
