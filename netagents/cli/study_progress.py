"""Progress of studies on standard error, and what commands that train many runs share."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from netagents.studies.study_directory import StudyDirectory
    from netagents.studies.study_runs import StudyProgress
    from netagents.studies.study_specification import Study


def train_all(study: Study, directory: StudyDirectory, jobs: int | None) -> None:
    """Carry out the runs of a study without evaluating them, with progress on standard error."""
    from netagents.studies.study_runs import carry_out

    for note in study.notes:
        typer.echo(f"note: {note}", err=True)
    show = ProgressLine()
    try:
        carry_out(study, directory, jobs=jobs, copies=0, show=show, report=show.print_line)
    finally:
        show.close()


def show_report(path: Path) -> None:
    """Write the page of a study from its tables; print the sentences that answer its question, and where the page is."""
    from netagents.errors import printable
    from netagents.reports.study_data import load_study
    from netagents.reports.study_report import write_study_report
    from netagents.reports.study_sentences import study_sentences

    page = write_study_report(path)
    for sentence in study_sentences(load_study(path)):
        typer.echo(printable(sentence))
    typer.echo(printable(str(page)))


def csv_rows(rows: list[dict[str, Any]]) -> bytes:
    """Rows with the same keys as a CSV file, its head first; numbers have six significant digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows)
    return text.getvalue().encode()


class ProgressLine:
    """Progress on standard error: one line that is written over on a terminal, one line per finished run elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = ""
        self._finished = -1

    def __call__(self, progress: StudyProgress) -> None:
        line = progress.line()
        if self._terminal and line != self._last:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif not self._terminal and progress.finished != self._finished:
            sys.stderr.write(f"{line}\n")
        self._last, self._finished = line, progress.finished

    def print_line(self, line: str) -> None:
        from netagents.errors import printable

        line = printable(line)
        sys.stderr.write(f"\r\x1b[K{line}\n" if self._terminal else f"{line}\n")

    def close(self) -> None:
        if self._terminal and self._last:
            sys.stderr.write("\n")


def first_seed(file: str, overrides: list[str] | None) -> int:
    """The seed of an experiment file, with its notes on standard error."""
    from netagents.cli.experiment_source import load_with_notes

    return load_with_notes(file, overrides).experiment.seed
