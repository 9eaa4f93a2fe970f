"""Which run a command means: the one named, or the newest below ``runs/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netagents.records.run_reader import Run

DEFAULT_FOLDER = Path("runs")


def find_run(path: Path | None, trust: bool = False) -> Run:
    """The run that ``path`` names; without one, the newest below ``runs/``.  ``trust`` as :meth:`Run.open` takes it.

    Raises:
        RunDirectoryError: there is no such run, or another format version wrote it.
    """
    from netagents.errors import RunDirectoryError
    from netagents.records.run_directory import run_directories
    from netagents.records.run_reader import Run

    if path is not None:
        return Run.open(path, trust)
    directories = run_directories(DEFAULT_FOLDER)
    if not directories:
        raise RunDirectoryError(
            "no run is here", where=f"{DEFAULT_FOLDER}/", fix="name a run directory, or make one with `netagents run FILE`"
        )
    return Run.open(directories[-1].path, trust)
