"""What ``netagents study budget`` does with its runs, writes and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from netagents.cli.study_progress import ProgressLine
    from netagents.studies.byte_budget_study import BudgetRow
    from netagents.studies.study_specification import Study


def carry_out_budget(study: Study, folder: Path, jobs: int | None, episodes: int, progress: ProgressLine) -> None:
    """Train what is missing, play everything, write ``budget.json``, ``budget.csv`` and the page, and print the table."""
    from netagents.cli.study_progress import csv_rows
    from netagents.errors import printable
    from netagents.records import write_atomically
    from netagents.records.record_files import read_record
    from netagents.reports.budget_page import budget_answers, write_budget_page
    from netagents.studies.byte_budget_study import budget_json, budget_table, evaluate_budget
    from netagents.studies.study_directory import StudyDirectory
    from netagents.studies.study_runs import carry_out

    directory = StudyDirectory.open_for(folder, study)
    try:
        carry_out(study, directory, jobs=jobs, copies=0, show=progress, report=progress.print_line)
        rows = evaluate_budget(study, directory, episodes=episodes, show=progress.print_line)
    finally:
        progress.close()
    write_atomically(folder / "budget.json", budget_json(study, rows).encode())
    write_atomically(folder / "budget.csv", csv_rows(budget_table(rows)))
    for note in study.notes:
        typer.echo(note)
    _print(rows)
    page = write_budget_page(folder)
    for sentence in ("", *budget_answers(read_record(folder / "budget.json", "budget.json")["rows"])):
        typer.echo(printable(sentence))
    typer.echo(f"\n{printable(str(folder))}: budget.json, budget.csv\nreport  {printable(str(page))}")


def _print(rows: list[BudgetRow]) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.studies.byte_budget_study import INFLUENCE, KEPT

    grid = Table(box=None, pad_edge=False, header_style="bold")
    titles = (
        "radii",
        "bytes",
        "return",
        "kept",
        f"keeps {KEPT:.0%}",
        "of what is learned",
        "influence less it",
        "policy, critic, gradient",
    )
    for title in titles:
        grid.add_column(title, justify="left" if title == "radii" else "right", no_wrap=True)
    for row in rows:
        radii = ", ".join(f"{each:.2f}" for each in row.mean_radii)
        behind = "" if row.radii == INFLUENCE else row.behind.text(count=False)
        cells = (row.value.text(), row.kept.text(count=False), row.keeps, row.learned.text(count=False), behind)
        grid.add_row(row.radii, f"{row.share:.0%}", *cells, radii)
    # Where nobody sees a terminal, no column need be cut.
    Console(markup=False, width=None if sys.stdout.isatty() else 180).print(grid)
