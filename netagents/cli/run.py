"""``netagents run``: train, show progress, end with a table and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

if TYPE_CHECKING:
    from netagents.errors import NetagentsError
    from netagents.records.reader import Run

app = typer.Typer(add_completion=False)


@app.command()
def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=2.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run directory to make; must not exist. Default: a fresh one in runs/.")] = None,
    launcher: Annotated[
        str | None, typer.Option("--launcher", help="local, in_process or compose: short for runtime.launcher=LAUNCHER.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    trust: TrustOption = False,
) -> None:
    """Train the agents of an experiment, one process each, and show the result."""
    from netagents.errors import InterruptedRunError, NodeFailedError
    from netagents.launchers.display import make_display
    from netagents.launchers.launch import launch

    words = [*(overrides or []), *([f"runtime.launcher={launcher}"] if launcher is not None else [])]
    loaded = load_trusted(file, words, trust)
    try:
        finished = launch(loaded, make_display(not quiet), out)
    except (NodeFailedError, InterruptedRunError) as error:
        tell(error)
        raise
    show_result(finished)


def show_result(run: Run) -> None:
    """The table and the pictures of a run that has ended."""
    from rich.console import Console

    from netagents.cli.output_streams import printing_results
    from netagents.errors import printable
    from netagents.reports.pictures import write_pictures
    from netagents.reports.report import write_report
    from netagents.reports.summary import summary_table

    pictures = [*write_pictures(run), write_report(run)]
    with printing_results():
        Console().print(summary_table(run))
        typer.echo("")
        for name, path in [("run directory", run.path), *((picture.stem.replace("_", " "), picture) for picture in pictures)]:
            typer.echo(f"{name:<16}{printable(str(path))}")


def tell(error: NetagentsError) -> None:
    """What is known about a failure, above the one line that ends the command."""
    details = getattr(error, "details", "")
    if details:
        from netagents.errors import printable

        typer.echo(printable(details, keep="\n\t"), err=True)
