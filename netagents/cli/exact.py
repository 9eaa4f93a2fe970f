"""``netagents exact``: exact values of an experiment's model, printed and saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

if TYPE_CHECKING:
    from netagents.exact import ExactTables
    from netagents.exact.forecast import Forecast

app = typer.Typer(add_completion=False)

PIPED_WIDTH = 160
"""Columns of the tables when they do not go to a terminal."""


@app.command()
def exact(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as topology.n=6.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for exact.json and one CSV per table.")] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run directory whose trained policies to take; default: uniform policies.")
    ] = None,
    power_steps: Annotated[int, typer.Option("--power-steps", min=1, max=64, help="Longest deviation of k-step power.")] = 3,
    restarts: Annotated[int, typer.Option("--restarts", min=0, max=64, help="Starts of exact ascent; 0 skips it.")] = 0,
    memory: Annotated[float, typer.Option("--memory", min=0.01, max=1024.0, help="Largest memory to use, in GiB.")] = 4.0,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows of each table to print; the files hold them all.")] = 20,
    trust: TrustOption = False,
) -> None:
    """Compute values, gradients, truncation errors, decay and power of a small model exactly."""
    from netagents.launchers.signs_of_life import signs_of_life
    from netagents.records.atomic_files import check_folder, writing_into
    from netagents.studies.exact_of_run import exact_values

    loaded = load_trusted(file, overrides, trust)
    if out is not None:
        check_folder(out)

    def announce(forecast: Forecast) -> None:
        ascent = f", and {restarts} ascents" if restarts else ""
        typer.echo(f"exact: {forecast}{ascent}", err=True)
        stage(f"computing the tables of {forecast.states:,} joint states")

    with signs_of_life("exact", "building the model") as stage:
        tables = exact_values(loaded, run=run, power_steps=power_steps, restarts=restarts, memory=memory, trust=trust, before=announce)
    print_tables(tables, rows)
    if out is not None:
        with writing_into(out):
            written = tables.save(out)
        for path in written:
            typer.echo(str(path))


def print_tables(tables: ExactTables, most: int) -> None:
    """Every table with its caption; long ones are cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    for name in tables:
        table = tables[name]
        console.print(Text(f"{name}: ", style="bold") + Text(table.caption, style="none"))
        grid = Table(box=None, pad_edge=False, header_style="bold")
        for column in table.columns:
            grid.add_column(column, justify="right", overflow="fold")
        for row in table.rows[:most]:
            grid.add_row(*(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row))
        console.print(grid)
        remaining = len(table.rows) - most
        console.print(f"... and {remaining} more rows (--rows, --out)\n" if remaining > 0 else "")
