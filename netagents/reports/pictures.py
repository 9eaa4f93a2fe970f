"""The pictures that every run ends with, written into its directory."""

from __future__ import annotations

from pathlib import Path

from netagents.records import Run, write_atomically
from netagents.reports.learning_curve import learning_curve
from netagents.reports.power_picture import power_picture


def write_pictures(run: Run) -> list[Path]:
    """Draw the learning curve and the power picture and write them into the run directory.

    Returns:
        The paths, in the order in which to look at them.

    Raises:
        RunDirectoryError: nothing is recorded yet, or the files cannot be written.
    """
    drawn = {"learning-curve.png": learning_curve(run), "power.png": power_picture(run)}
    return [write_atomically(run.path / name, data) for name, data in drawn.items()]
