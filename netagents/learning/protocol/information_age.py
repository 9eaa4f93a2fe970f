"""Aged information: what an agent knows of others when news travels one hop per step.

With ``information: aged`` a policy reads, at step t of an iteration, of an agent j that is d hops away the state s_j at step t - d.  At the
first d steps it has heard nothing of j since the reset and reads zeros in its place: index 0 of a finite space.  All else is as it is
with fresh information: traces, values and shadow rewards are told whole once the sampling is over, and critics are of present states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.rollout import room
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind, State, Step

_OWN, _UNKNOWN = -1, -2


def is_aged(setup: Setup) -> bool:
    """Whether states of others take a step per hop."""
    return setup.experiment.information == "aged"


def delays(setup: Setup, agent: int) -> Mapping[int, int]:
    """Steps after which what others say of their states counts for ``agent``, by sender; empty with fresh information."""
    if not is_aged(setup):
        return {}
    return {j: setup.topology.hops.distance(agent, j) for j in setup.in_neighbours(Kind.STATE, agent)}


class Ages:
    """One agent's window when information is aged.

    Args:
        setup: what all agents share.
        agent: i.
        window: the agents whose states its policy reads, itself included.
    """

    def __init__(self, setup: Setup, agent: int, window: Sequence[int]) -> None:
        self.window = tuple(window)
        self.hops = tuple(setup.topology.hops.distance(agent, j) for j in self.window)
        farthest = max(self.hops)
        self._awaited = [tuple(j for j, d in zip(self.window, self.hops, strict=True) if 0 < d <= step) for step in range(farthest + 1)]
        self._sources = [
            [_OWN if j == agent else senders.index(j) if j in senders else _UNKNOWN for j in self.window] for senders in self._awaited
        ]
        self._unknown = [np.zeros_like(room(setup.spec.observation_spaces[j], 1, setup.batch)[0]) for j in self.window]

    def awaited(self, step: int) -> tuple[int, ...]:
        """Whose states arrive at ``step``, ascending: those at most so many hops away."""
        return self._awaited[min(step, len(self._awaited) - 1)]

    def members(self, step: int, own: NDArray[Any], messages: Sequence[State]) -> list[NDArray[Any]]:
        """What the policy reads, in the order of the window; ``messages`` are those of :meth:`awaited`."""
        sources = self._sources[min(step, len(self._sources) - 1)]
        return [
            own if source == _OWN else unknown if source == _UNKNOWN else messages[source].values
            for source, unknown in zip(sources, self._unknown, strict=True)
        ]

    def remembered(self, past: Sequence[Sequence[Step]]) -> list[NDArray[Any]]:
        """The same from all steps' messages to all agents, the present ones last: for policies that are played without messages."""
        return [
            past[-1 - hops][j].observation if hops < len(past) else np.zeros_like(past[-1][j].observation)
            for j, hops in zip(self.window, self.hops, strict=True)
        ]
