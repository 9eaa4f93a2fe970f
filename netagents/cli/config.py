"""``netagents config``: look at settings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from netagents.experiment import LoadedExperiment

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def config(ctx: typer.Context) -> None:
    """Look at the settings of an experiment."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command()
def show(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=2.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the values alone, as JSON that loads again.")] = False,
) -> None:
    """Print every setting, its value, and where it came from."""
    from netagents.cli.experiment_source import load_with_notes
    from netagents.experiment import resolved

    loaded = load_with_notes(file, overrides, trust=True)  # shows what would run, and runs nothing
    if as_json:
        import json

        typer.echo(json.dumps(resolved(loaded.experiment), indent=2))
        return
    rows = table(loaded)
    if sys.stdout.isatty():
        _print_rich(rows)
        return
    key_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        typer.echo(f"{key:<{key_width}}  {value:<{value_width}}  {origin}")


def table(loaded: LoadedExperiment) -> list[tuple[str, str, str]]:
    """Rows of key, value and origin, in the order of the settings classes."""
    from netagents.experiment import resolved
    from netagents.experiment.origins import leaves

    rows = []
    everything = dict(leaves(resolved(loaded.experiment)))
    for path, value in everything.items():
        key, origin = ".".join(str(part) for part in path), loaded.origins[path].text
        if path[0] == "agents" and value is None:
            # What a group of agents leaves out is what holds of all.
            below = [other for other in everything if other[: len(path) - 2] == path[2:]]
            if below == [path[2:]]:
                value, origin = everything[below[0]], f"as for all: {loaded.origins[below[0]].text}"
            elif below:
                rows.append((key, "as for all", ""))
                continue
        rows.append((key, _text(value), origin))
    return rows


def _text(value: Any) -> str:
    import json

    from netagents.errors import printable

    return printable(value) if isinstance(value, str) else json.dumps(value)


def _print_rich(rows: list[tuple[str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("setting", no_wrap=True)
    for title in ("value", "from"):
        grid.add_column(title, overflow="fold")
    for key, value, origin in rows:
        style = "dim" if origin == "default" else ("bold yellow" if origin.startswith("override") else "")
        grid.add_row(Text(key, style=style), Text(value, style=style), Text(origin, style=style))
    Console().print(grid)
