"""When an agent tells its state, and how it takes one over: all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.experiment import Experiment

Arrays = Mapping[str, NDArray[Any]]

FREE_SHAPES = ("critic.", "ledger.")
"""Components that grow with what an agent meets; all others have the shape that the settings give them."""


class RestorableAgent(Protocol):
    """An agent, as far as its state is concerned; see :class:`netagents.learning.protocol.networked_agent.NetworkedAgent`."""

    index: int

    def arrays(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, arrays: Arrays) -> None: ...


def checkpoint_due(experiment: Experiment, iteration: int) -> bool:
    """Whether agents tell the server their state after ``iteration``, to be written down: every so many, and after the last one."""
    count = iteration + 1
    return count % experiment.checkpoints.every == 0 or count == experiment.learning.iterations


def restore_agent(agent: RestorableAgent, arrays: Arrays, where: str) -> None:
    """Give an agent the state that another one told, after every component has been found to be there and to fit.

    Args:
        agent: new, made with the same setup.
        arrays: as its ``arrays`` gave them.
        where: names the checkpoint in errors.

    Raises:
        RunDirectoryError: a component is missing, unknown, or of another dtype or shape.
    """
    expected = agent.arrays()
    for name in sorted(expected.keys() ^ arrays.keys()):
        what = "is missing" if name in expected else "is unknown"
        raise RunDirectoryError(f"component '{name}' of agent {agent.index} {what}", where=where, fix="use the version that wrote it")
    for name, own in expected.items():
        recorded = arrays[name]
        free = name.startswith(FREE_SHAPES)
        if recorded.dtype != own.dtype or recorded.ndim != own.ndim or not (free or recorded.shape == own.shape):
            raise RunDirectoryError(
                f"component '{name}' of agent {agent.index} is {recorded.dtype}{recorded.shape}, not {own.dtype}{own.shape}",
                where=where,
                fix="the settings are not those that it was written with",
            )
    agent.restore({name: np.array(array, order="C") for name, array in arrays.items()})


def below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The components whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
