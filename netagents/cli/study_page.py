"""``netagents study report``: the page of a study, from what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netagents.cli.study_progress import show_report


def report(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A study directory.")]) -> None:
    """Write the report of a study again from its tables."""
    from netagents.errors import printable
    from netagents.studies.study_directory import StudyDirectory

    question = StudyDirectory.open(directory).facts["question"]
    page = _write(directory, question)
    if page is None:
        show_report(directory)
    else:
        typer.echo(printable(str(page)))


def _write(directory: Path, question: str) -> Path | None:
    """The page of a study with a page of its own kind; None where its tables are those of runs."""
    if question == "attack":
        from netagents.reports.attack_page import write_attack_page

        return write_attack_page(directory)
    if question == "robustness":
        from netagents.reports.robustness_page import write_robustness_page

        return write_robustness_page(directory)
    # The runs of these two are those of a sweep; their results are their own.
    if (directory / "budget.json").exists():
        from netagents.reports.budget_page import write_budget_page

        return write_budget_page(directory)
    if (directory / "allocation.json").exists():
        from netagents.reports.allocation_page import write_allocation_page

        return write_allocation_page(directory)
    return None
