"""Sinks of the monitor, such as TensorBoard.  Only the monitor writes to them, because they break with two writers."""

from __future__ import annotations

import importlib.util
import math
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.errors import MissingPackageError
from netagents.experiment import Experiment
from netagents.learning import IterationRecord
from netagents.measures.power import Concentration


class Sink(Protocol):
    """Receives the measurements of each iteration."""

    def write(self, record: IterationRecord, power: Concentration) -> None:
        """Write one iteration."""

    def close(self) -> None:
        """Close after the last iteration."""


class TensorBoardSink:
    """Event files for TensorBoard: returns, power and its concentration, messages, and the mean of every metric.

    Args:
        folder: of this run's event files.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer: Any = EventFileWriter(str(folder))

    def write(self, record: IterationRecord, power: Concentration) -> None:
        """Write one iteration, without values that are not finite."""
        values = {
            "return/team": record.team_return,
            "return/discounted": record.discounted_return,
            "power/top_share": power.top_share,
            "power/herfindahl": power.herfindahl,
            "power/gini": power.gini,
            "traffic/messages": float(record.ledger[:, 4].sum()),
            "traffic/payload_bytes": float(record.ledger[:, 5].sum()),
            **{f"agents/{name}": _mean(record.column(name)) for name in record.names},
        }
        summary = self._summary(
            value=[self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if math.isfinite(value)]
        )
        self._writer.add_event(self._event(wall_time=time.time(), step=record.iteration, summary=summary))

    def close(self) -> None:
        """Write everything and close."""
        self._writer.close()


def _mean(values: NDArray[np.float64]) -> float:
    """Over the agents that have the metric; NaN where none has."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def check_sinks(experiment: Experiment) -> None:
    """Refuse sinks whose library is not installed, before the run starts.

    Raises:
        MissingPackageError: names the setting and what to install.
    """
    if experiment.runtime.tensorboard is not None and importlib.util.find_spec("tensorboard") is None:
        raise MissingPackageError(
            "the package tensorboard is not installed",
            where="runtime.tensorboard",
            fix="pip install 'netagents[tensorboard]', or leave the setting out",
        )


def open_sinks(experiment: Experiment, run: str) -> list[Sink]:
    """The sinks that an experiment asks for.

    Args:
        experiment: its ``runtime.tensorboard`` names a folder; relative paths start where the run was started.
        run: name of the run's own folder in it.
    """
    folder = experiment.runtime.tensorboard
    return [] if folder is None else [TensorBoardSink(Path(folder) / run)]
