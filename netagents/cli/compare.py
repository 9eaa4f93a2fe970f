"""``netagents compare``: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Run directories; those that differ by seed alone are one group.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Also write a page (.html) or a picture (.png).")] = None,
) -> None:
    """Compare runs: returns with intervals, power, bytes, and what differs in the settings."""
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from netagents.errors import printable
    from netagents.reports.comparison import HEADS, comparison_rows, notes, verdict
    from netagents.reports.comparison_page import compare as side_by_side

    comparison = side_by_side(*runs, out=out)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if console.width >= 100:
        grid = Table(box=None, pad_edge=False, header_style="bold")
        for head in HEADS:
            grid.add_column(head, justify="left" if head == "group" else "right", overflow="fold")
        for row in comparison_rows(comparison):
            grid.add_row(*(Text(printable(cell)) for cell in row))
        console.print(grid)
    else:
        # A narrow terminal gets one block per group instead of columns that fold into each other.
        for row in comparison_rows(comparison):
            console.print(Text(printable(row[0]), style="bold"))
            for head, cell in zip(HEADS[1:], row[1:], strict=True):
                console.print(Text(f"  {head:<16}{cell}"))
    if len(comparison.groups) > 1:
        console.print(Text(f"\n{verdict(comparison)}"))
    for note in notes(comparison):
        console.print(Text(printable(note), style="dim"))
    if comparison.differences:
        console.print(Text("\nwhat differs", style="bold"))
        for key, values in comparison.differences:
            cells = "  ".join(f"{group.label}: {value}" for group, value in zip(comparison.groups, values, strict=True))
            console.print(Text(printable(f"  {key}  {cells}" if len(comparison.groups) > 1 else f"  {key}")))
    else:
        console.print(Text("the runs differ by their seed alone", style="dim"))
    if out is not None:
        typer.echo(f"\n{out}")
