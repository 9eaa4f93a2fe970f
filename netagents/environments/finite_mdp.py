"""What the built-in finite environments share: joint states as integer arrays, one column per agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.graph_picture import graph_picture
from netagents.environments.networked_mdp import BoolArray, FloatArray, IntArray, JointState, NetworkedMDP, Transition
from netagents.environments.picture import Picture
from netagents.environments.spaces import Discrete
from netagents.errors import CapacityError

TABLE_LIMIT = 50_000_000
"""Largest number of entries of one agent's transition table."""

TOTAL_LIMIT = 100_000_000
"""Largest number of entries of all transition tables of an environment together (0.8 GB of float64)."""


class FiniteNetworkedMDP(NetworkedMDP):
    """A networked MDP whose joint state is ``(B, n)`` int64 and whose copies never end by themselves.

    Column i is agent i's local state, and an agent observes exactly that.  Actions reach it through :func:`joint_actions`, so they may
    come as the rows of one array.
    """

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """Each agent's own column, ``(B,)`` int64."""
        return list(np.ascontiguousarray(state.T))

    def picture(self, state: JointState) -> Picture:
        """The graph of the first copy, each agent in a shade that says its local state."""
        sizes = [space.size if isinstance(space, Discrete) else 1 for space in self.spec.state_spaces]
        return graph_picture(self.topology, state[0].tolist(), sizes)


def joint_actions(actions: Sequence[NDArray[Any]]) -> IntArray:
    """The agents' actions as one ``(B, n)`` int64 array, not to be modified."""
    if isinstance(actions, np.ndarray):
        return actions.T
    return np.concatenate(actions, dtype=np.int64).reshape(len(actions), -1).T


def transition(state: IntArray, rewards: FloatArray) -> Transition:
    """A step after which no copy has ended."""
    return Transition(state, rewards, _never(len(state)), _never(len(state)))


def require_capacity(environment: str, entries: Sequence[int]) -> None:
    """Refuse local tables that would not fit, before any of them is made.

    Args:
        environment: its registered kind.
        entries: number of entries of each agent's transition table.

    Raises:
        CapacityError: one table has more than :data:`TABLE_LIMIT` entries, or all have more than :data:`TOTAL_LIMIT`.
    """
    largest = max(range(len(entries)), key=lambda i: entries[i])
    if entries[largest] > TABLE_LIMIT:
        raise CapacityError(
            f"the transition table of agent {largest} would have {entries[largest]:,} entries, above {TABLE_LIMIT:,}",
            where=f"exact kernel of environment '{environment}'",
            fix="use a topology in which agents have fewer neighbours",
        )
    if sum(entries) > TOTAL_LIMIT:
        raise CapacityError(
            f"the transition tables of {len(entries)} agents would have {sum(entries):,} entries, above {TOTAL_LIMIT:,}",
            where=f"exact kernel of environment '{environment}'",
            fix="use fewer agents",
        )


def _never(copies: int) -> BoolArray:
    return np.zeros(copies, dtype=np.bool_)
