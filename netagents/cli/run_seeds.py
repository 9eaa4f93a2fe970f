"""What ``netagents run FILE --seeds N`` does: the same experiment with many seeds, one table, one interval."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from netagents.experiment.load import LoadedExperiment


def run_seeds(loaded: LoadedExperiment, seeds: int, out: Path | None, quiet: bool) -> None:
    """Make the runs that are not finished yet, write tables and page, and print the table and where it ends.

    Args:
        loaded: the experiment; its own seed is the first.
        seeds: how many runs.
        out: the study's directory; the same one again goes on (default: ``studies/seeds-NAME``).
        quiet: no progress on standard error.

    Raises:
        NodeFailedError: some runs failed; the table is of the others.
    """
    from netagents.cli.study_progress import ProgressLine, show_report
    from netagents.errors import NodeFailedError
    from netagents.studies.finished_study import open_study, write_tables_of
    from netagents.studies.seeds_study import seeds_study
    from netagents.studies.study_runs import carry_out

    first = loaded.experiment.seed
    study = seeds_study(loaded, range(first, first + seeds))
    directory = open_study(study, out)
    if not quiet:
        for note in study.notes:
            typer.echo(f"note: {note}", err=True)
    show = ProgressLine()
    failed = None
    try:
        carry_out(study, directory, copies=0, show=None if quiet else show, report=show.print_line)
    except NodeFailedError as error:
        failed = error
    finally:
        show.close()
    write_tables_of(study, directory, exact=False, times=0)
    _print_table(directory.path)
    show_report(directory.path)
    if failed is not None:
        raise failed


def _print_table(path: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.reports.seeds_table import seed_heads, seed_rows
    from netagents.reports.study_data import load_study

    data = load_study(path)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for head in seed_heads(data):
        grid.add_column(head, justify="right", no_wrap=True)
    *rows, last = seed_rows(data)
    for row in rows:
        grid.add_row(*row)
    grid.add_row(*last, style="bold")
    # Where nobody sees a terminal, no column need be cut.
    Console(markup=False, width=None if sys.stdout.isatty() else 160).print(grid, "")
