"""Callback of a run: a function of the caller that sees every recorded iteration, in order, and may end the run.

The rows come from the run directory, so they are the same under every launcher, none is lost, and no number depends on the callback.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from netagents.errors import InterruptedRunError, UsageError
from netagents.foreign.part_faults import foreign_fault
from netagents.records.jsonl import JsonLinesReader, floats_from_json, keep_rows_before
from netagents.records.record_files import RECORDS, row_parser
from netagents.records.run_creation import METRICS
from netagents.records.run_directory import RunDirectory
from netagents.records.run_reader import Run

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RecordedIteration:
    """One iteration of a run that goes on, as its records have it.

    Attributes:
        iteration: from 0, as in the records.
        total: iterations that are planned.
        team_return: mean over copies and agents of the undiscounted sum of rewards.
        team_return_sd: standard deviation over the copies of the mean over agents.
        discounted_return: mean over copies and agents of the discounted sum.
        metrics: (n,) values of each metric, a number per agent.
        seconds: at which it was recorded, since the run began or went on.
        run: all records so far, for power, messages and checkpoints; it may be some iterations ahead.
    """

    iteration: int
    total: int
    team_return: float
    team_return_sd: float
    discounted_return: float
    metrics: Mapping[str, FloatArray]
    seconds: float
    run: Run

    def column(self, name: str) -> FloatArray:
        """(n,) values of one metric.

        Raises:
            KeyError: there is no such metric; the message names those that there are.
        """
        if name not in self.metrics:
            raise KeyError(f"no metric is called '{name}'; there are {', '.join(self.metrics)}")
        return self.metrics[name]


OnIteration = Callable[[RecordedIteration], object]
"""Called after every iteration; False ends the run, everything else lets it go on."""


class EndedByCallbackError(InterruptedRunError):
    """The callback returned False."""

    def __init__(self, what: str) -> None:
        super().__init__(what, signal_number=0)

    @property
    def code(self) -> int:
        """0: the run ended as its caller wished."""
        return 0


class IterationCallback:
    """A function of the caller, and the standard output that it may write to.

    Args:
        function: called after every iteration.

    Raises:
        UsageError: it cannot be called.
    """

    def __init__(self, function: OnIteration) -> None:
        if not callable(function):
            raise UsageError(f"{type(function).__name__} cannot be called", where="on_iteration", fix="give a function of one argument")
        self._function = function
        self._output = _own_output()

    def __call__(self, iteration: RecordedIteration) -> bool:
        """Whether the run goes on.

        Raises:
            ForeignCodeError: the function raised an error; the line names it, its file and the iteration.
        """
        try:
            # What other people's code prints goes to standard error while a run goes on; the caller's own output does not.
            with contextlib.redirect_stdout(self._output):
                answer = self._function(iteration)
                self._output.flush()
        except (Exception, SystemExit) as error:
            name = getattr(self._function, "__qualname__", type(self._function).__qualname__)
            raise foreign_fault(error, f"on_iteration '{name}'", f"iteration {iteration.iteration}", self._function) from error
        return not isinstance(answer, (bool, np.bool_)) or bool(answer)

    def close(self) -> None:
        """Let go of the copy of standard output."""
        if isinstance(self._output, _Copy):
            self._output.close()


class _Copy(io.TextIOWrapper):
    """A copy of this process's standard output."""


def _own_output() -> TextIO:
    """Standard output as it is now, whatever is put in its place later."""
    try:
        if sys.stdout.fileno() != 1:
            return sys.stdout
        sys.stdout.flush()
        return _Copy(io.FileIO(os.dup(1), "w"), encoding=sys.stdout.encoding, errors=sys.stdout.errors, line_buffering=True)
    except (OSError, ValueError, AttributeError):
        return sys.stdout


@contextlib.contextmanager
def calling(function: OnIteration | None) -> Iterator[IterationCallback | None]:
    """The callback of a run that is about to begin, None where there is none.

    Raises:
        UsageError: it cannot be called.
    """
    if function is None:
        yield None
    else:
        with contextlib.closing(IterationCallback(function)) as callback:
            yield callback


class IterationWatch:
    """Reads the rows of a run as they are recorded, and gives each to the callback.

    Args:
        callback: of the caller.
        directory: of the run.
        total: iterations that are planned.
        first: the iteration that the run goes on with; rows from there on, of an earlier attempt, are cut off.
    """

    def __init__(self, callback: IterationCallback, directory: RunDirectory, total: int, first: int) -> None:
        n = int(directory.manifest["n"])
        path, longest = directory.path / METRICS, RECORDS[METRICS].bytes(n)
        if first:
            keep_rows_before(path, first, longest)
        self._callback, self._total, self._first = callback, total, first
        self._reader = JsonLinesReader(path, row_parser(METRICS, n), longest)
        self._run = Run(directory)

    def look(self) -> None:
        """Call the callback for every iteration that was recorded since the last look.

        Raises:
            EndedByCallbackError: it returned False before the last iteration.
            ForeignCodeError: it raised an error.
        """
        for row in self._reader.new_rows():
            iteration = int(row["iteration"])
            if iteration < self._first:
                continue
            if not self._callback(self._recorded_iteration(row)) and iteration + 1 < self._total:
                raise EndedByCallbackError(f"on_iteration returned False after iteration {iteration}")

    def _recorded_iteration(self, row: Mapping[str, Any]) -> RecordedIteration:
        team, spread, discounted, seconds = floats_from_json(
            [row[key] for key in ("team_return", "team_return_sd", "discounted_return", "seconds")]
        ).tolist()
        return RecordedIteration(int(row["iteration"]), self._total, team, spread, discounted, row["agents"], seconds, self._run)


@contextlib.contextmanager
def watched_by(
    callback: IterationCallback | None, directory: RunDirectory, total: int, first: int | None
) -> Iterator[IterationWatch | None]:
    """The watch of a run for its callback, None where there is none; a run that the callback ends has ended well."""
    if callback is None:
        yield None
    else:
        with contextlib.suppress(EndedByCallbackError):
            yield IterationWatch(callback, directory, total, first or 0)
