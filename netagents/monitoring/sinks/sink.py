"""Sink contract: what a sink is given, and how its kind is found - among those that come with netagents, or as a plug-in.

A plug-in is an entry point of the group :data:`GROUP`, ``my_sink = "my_package.module:MySink"``, that takes a :class:`SinkRun` and gives a
:class:`Sink`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

GROUP = "netagents.sinks"


@dataclass(frozen=True)
class SinkRun:
    """The run that is written down.

    Attributes:
        name: of the run's own folder, or of the run, in the sink.
        key: 16 digits that name the run; the same after a resume.
        folder: where the sink writes.
        settings: of the experiment, plain values.
        agents: names of the agents.
        options: of the sink, as the experiment gives them.
    """

    name: str
    key: str
    folder: Path
    settings: Mapping[str, Any]
    agents: tuple[str, ...]
    options: Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class SinkRow:
    """One iteration.

    Attributes:
        iteration: from 0.
        team: ``return``, ``return_sd`` and ``discounted`` of the team.
        metrics: (n,) values of each metric.
        held: (n,) power that each agent holds.
        concentration: ``top_share``, ``herfindahl``, ``gini``; NaN where it is not known who holds power.
        traffic: messages and payload bytes of each kind.
        timing: (3, n) seconds of computing, waiting and serialising.
    """

    iteration: int
    team: Mapping[str, float]
    metrics: Mapping[str, FloatArray]
    held: FloatArray
    concentration: Mapping[str, float]
    traffic: Mapping[str, tuple[int, int]]
    timing: FloatArray

    def scalars(self) -> dict[str, float]:
        """Every number of the iteration by a name with slashes, those of single agents as ``agent_3/...``; finite ones only."""
        named: dict[str, float] = {f"return/{'team' if name == 'return' else name}": value for name, value in self.team.items()}
        named |= {f"power/{name}": value for name, value in self.concentration.items()}
        for kind, (messages, size) in self.traffic.items():
            named |= {f"traffic/{kind}/messages": float(messages), f"traffic/{kind}/payload_bytes": float(size)}
        named["traffic/messages"] = float(sum(messages for messages, _ in self.traffic.values()))
        named["traffic/payload_bytes"] = float(sum(size for _, size in self.traffic.values()))
        columns = {**self.metrics, "power_held": self.held}
        columns |= dict(zip(("seconds_compute", "seconds_wait", "seconds_serialise"), self.timing, strict=True))
        for name, values in columns.items():
            known = values[np.isfinite(values)]
            named[f"agents/{name}"] = float(known.mean()) if known.size else math.nan
            named |= {f"agent_{agent}/{name}": value for agent, value in enumerate(values.tolist())}
        return {name: value for name, value in named.items() if math.isfinite(value)}


class Sink(Protocol):
    """A place to write to.  Every method runs in a process of the sink's own; what it raises ends the sink, and no run."""

    def write(self, row: SinkRow) -> None:
        """Write one iteration."""

    def artifact(self, path: Path) -> None:
        """Keep a file, such as the report of the run."""

    def close(self) -> None:
        """Write what is left, and end."""


class Builtin(NamedTuple):
    """A kind that comes with netagents: its class, the package that it needs, and the extra that installs that."""

    target: str
    package: str
    extra: str


_HERE = "netagents.monitoring.sinks"
BUILTIN: dict[str, Builtin] = {
    "files": Builtin(f"{_HERE}.file_sink:FileSink", "", ""),
    "tensorboard": Builtin(f"{_HERE}.tensorboard_sink:TensorBoardSink", "tensorboard", "tensorboard"),
    "wandb": Builtin(f"{_HERE}.wandb_sink:WandbSink", "wandb", "wandb"),
    "mlflow": Builtin(f"{_HERE}.mlflow_sink:MlflowSink", "mlflow", "mlflow"),
}


def plugins() -> dict[str, EntryPoint]:
    """The kinds that other installed packages offer."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILTIN}


def load_sink(kind: str) -> Callable[[SinkRun], Sink]:
    """What makes sinks of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    if kind in BUILTIN:
        module, _, name = BUILTIN[kind].target.partition(":")
        made: Callable[[SinkRun], Sink] = getattr(import_module(module), name)
        return made
    loaded: Callable[[SinkRun], Sink] = plugins()[kind].load()
    return loaded
