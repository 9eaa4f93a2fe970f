"""What the monitor costs, and what it costs to lose it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Mapping

import numpy as np

from benchmarks.pairs import alternate
from benchmarks.table import Section
from benchmarks.workloads import line_msg, train
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.display import SilentDisplay
from netagents.launchers.launch import launch
from netagents.nodes.monitor.progress_view import ProgressView

ITERATIONS = 8
LONG = 16
"""Iterations of the runs that lose their monitor: long enough to tell what comes after."""


class _Disturber(SilentDisplay):
    """Sends the monitor a signal as soon as it has shown something."""

    def __init__(self, number: int | None) -> None:
        self.number, self.monitor = number, 0

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        del title
        self.monitor = processes["monitor"]

    def show(self, view: ProgressView) -> None:
        del view
        if self.number is not None:
            os.kill(self.monitor, self.number)
            self.number = None


def measure(rounds: int) -> Section:
    """Training with and without a monitor, and after the monitor was killed or stopped in mid-run."""
    section = Section(
        "The monitor",
        "LineMsg, n = 10, B = 64: training time with the monitor and its views divided by the time without one, and seconds per iteration "
        "of a run after its monitor was killed or stopped divided by those of a run whose monitor lives; the aim is within 5 %.",
        ("what", "first s", "second s", "first / second"),
    )
    watched = line_msg(10, 64, ITERATIONS)
    alone = watched.model_copy(update={"runtime": watched.runtime.model_copy(update={"monitor": False})})
    result = alternate(lambda: train(watched, "local").training, lambda: train(alone, "local").training, rounds)
    section.add("with / without", f"{result.first:.2f}", f"{result.second:.2f}", result.text())
    long = line_msg(10, 64, LONG, timeouts={"stop": 1.0, "linger": 0.5})
    for what, number in (("killed / alive", signal.SIGKILL), ("stopped / alive", signal.SIGSTOP)):
        result = alternate(lambda number=number: _pace(long, number), lambda: _pace(long, None), rounds)  # type: ignore[misc]
        section.add(what, f"{result.first:.3f}", f"{result.second:.3f}", result.text())
    return section


def _pace(experiment: Experiment, number: int | None) -> float:
    """Median seconds per iteration of the second half of a run, whose monitor gets a signal in the first half."""
    with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
        runtime = experiment.runtime.model_copy(update={"launcher": "local", "directory": folder})
        disturber = _Disturber(number)
        run = launch(load_experiment(experiment.model_copy(update={"runtime": runtime})), disturber)
        assert disturber.number is None, "the monitor showed nothing"
        return float(np.median(np.diff(run.seconds[LONG // 2 :])))
