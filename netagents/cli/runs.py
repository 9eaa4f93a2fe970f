"""``netagents runs``: what runs there are and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from netagents.errors import NetagentsError
    from netagents.records.run_reader import Run

app = typer.Typer(add_completion=False)


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of run directories.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List runs, oldest first: state, iterations, result, duration and name."""
    import json
    import os

    from netagents.errors import NetagentsError, RunDirectoryError
    from netagents.records.checkpoint import TEMPORARY
    from netagents.records.manifest import created_time
    from netagents.records.run_directory import MANIFEST
    from netagents.records.run_reader import Run

    if not folder.is_dir():
        raise RunDirectoryError("no such folder", where=str(folder), fix="name a folder of run directories, or make a run first")
    # A run that is named itself is listed alone.
    paths = (
        [folder] if os.path.lexists(folder / MANIFEST) else sorted(path for path in folder.iterdir() if os.path.lexists(path / MANIFEST))
    )
    rows: list[dict[str, Any]] = []
    moments: dict[str, float] = {}
    for path in paths:
        if path.name.startswith(TEMPORARY):
            continue
        try:
            run = Run.open(path)
            moments[path.name] = created_time(run.manifest)
            rows.append(_facts(run))
        except NetagentsError as error:
            rows.append(
                {"name": path.name, "path": str(path), "state": "unreadable", "line": error.what, "created": "", **_place(path, error)}
            )
    rows.sort(key=lambda row: (moments.get(row["name"], 0.0), row["name"]))
    if as_json:
        typer.echo(json.dumps(rows, indent=2, allow_nan=False))  # in ASCII
    elif rows:
        _print(rows)
    else:
        typer.echo(f"no runs in {folder}/")


def _facts(run: Run) -> dict[str, Any]:
    recorded = len(run.iterations)
    averaged = max(1, recorded // 10)
    return {
        "name": run.path.name,
        "path": str(run.path),
        "created": str(run.manifest.get("created", "")),
        "state": run.state,
        "agents": run.n,
        "seed": run.manifest.get("seed"),
        "iterations": recorded,
        "planned": run.directory.experiment().learning.iterations,
        "first_return": float(run.returns[0]) if recorded else None,
        "last_return": float(run.returns[-averaged:].mean()) if recorded else None,
        "seconds": float(run.seconds[-1]) if recorded else 0.0,
        "line": str(run.ending.get("line", "")),
    }


def _place(path: Path, error: NetagentsError) -> dict[str, str]:
    """Where in the run directory something is wrong: the file, and the row of it."""
    return {"where": error.where.removeprefix(f"{path}/")} if error.where and error.where != str(path) else {}


_COLORS = {"finished": "green", "running": "cyan", "failed": "red", "killed": "red", "interrupted": "yellow", "unreadable": "red"}


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from netagents.errors import printable

    console = Console()
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2 if console.width >= 80 else 1, 0, 0))
    grid.add_column("state", no_wrap=True)
    grid.add_column("iterations", justify="right", no_wrap=True)
    grid.add_column("return", justify="right", no_wrap=True)
    grid.add_column("time", justify="right", no_wrap=True)
    grid.add_column("name", overflow="fold")
    for row in rows:
        name = Text(printable(row["name"]))
        if row.get("line"):
            line = f"{row['where']}: {row['line']}" if row.get("where") else row["line"]
            name.append(f"\n{printable(line)}", style="dim")
        known = "iterations" in row
        grid.add_row(
            Text(row["state"], style=_COLORS.get(row["state"], "")),
            f"{row['iterations']}/{row['planned']}" if known else "",
            f"{row['last_return']:.4g}" if known and row["last_return"] is not None else "-",
            _duration(row["seconds"]) if known else "",
            name,
        )
    console.print(grid)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{seconds:.1f}s"
