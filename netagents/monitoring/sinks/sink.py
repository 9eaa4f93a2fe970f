"""Sink contract: what a sink is given, and how its kind is found - among those that come with netagents, or as a plug-in.

A plug-in is an entry point of the group :data:`GROUP`, ``my_sink = "my_package.module:MySink"``, that takes a :class:`SinkRun` and gives a
:class:`Sink`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.errors import printable

FloatArray = NDArray[np.float64]

GROUP = "netagents.sinks"
MOST_LETTERS = 200
"""Of the name of a metric, so that with the agent before it the name is one that every library takes."""


def safe_name(name: str, most: int = MOST_LETTERS, other: str = "") -> str:
    """A name that any reader shows as text: what does not print is written as ``\\x1b``, and names that differ stay different.

    Args:
        name: from an experiment, a graph or a part of the user's own.
        most: letters that it may have.
        other: regular expression of what a library does not take; each becomes ``_``.

    Returns:
        The name itself where nothing is wrong with it, else a changed one that ends with eight digits of its SHA-256.
    """
    readable = re.sub(other, "_", printable(name)) if other else printable(name)
    if readable == name and len(readable) <= most:
        return name
    return f"{readable[: most - 9]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def shown_values(values: Any) -> Any:
    """Settings with every name and text as it may be shown; line breaks and tabs of texts stay."""
    if isinstance(values, Mapping):
        return {safe_name(str(key)): shown_values(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [shown_values(value) for value in values]
    return printable(values, keep="\n\t") if isinstance(values, str) else values


@dataclass(frozen=True)
class SinkRun:
    """The run that is written down.

    Attributes:
        name: of the run's own folder, or of the run, in the sink.
        key: 16 digits that name the run; the same after a resume.
        folder: where the sink writes.
        settings: of the experiment, plain values as they are; :func:`shown_values` makes them fit to be shown.
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
        """Every number of the iteration by a name with slashes, those of single agents as ``agent_3/...``; finite ones only.

        Names of metrics are made fit to be shown (:func:`safe_name`), since an algorithm of the user's own may call them anything.
        """
        named: dict[str, float] = {f"return/{'team' if name == 'return' else name}": value for name, value in self.team.items()}
        named |= {f"power/{name}": value for name, value in self.concentration.items()}
        for kind, (messages, size) in self.traffic.items():
            named |= {f"traffic/{kind}/messages": float(messages), f"traffic/{kind}/payload_bytes": float(size)}
        named["traffic/messages"] = float(sum(messages for messages, _ in self.traffic.values()))
        named["traffic/payload_bytes"] = float(sum(size for _, size in self.traffic.values()))
        columns = {**self.metrics, "power_held": self.held}
        columns |= dict(zip(("seconds_compute", "seconds_wait", "seconds_serialise"), self.timing, strict=True))
        for called, values in columns.items():
            name = safe_name(called)
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
