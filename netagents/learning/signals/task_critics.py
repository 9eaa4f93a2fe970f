"""Task critics as terms of a signal see them: a table, or the slowly following pair of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.critic_table import CriticTable
from netagents.critics.window_keys import Keys
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.learning.signals.signal_term import SignalBatch
from netagents.measures.power.pair_evidence import ActionEffects
from netagents.measures.power.tabular import TabularPower

if TYPE_CHECKING:
    from netagents.critics.neural_critic import NeuralCritic, Transitions
    from netagents.policies.window_reader import ActionReader

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class TableTaskCritic:
    """Column 0 of a critic table along a batch; asked before the batch is learned from.

    Args:
        table: the agent's.
        states, actions: (T + 1, B) indices of each member of the window, in its order.
    """

    def __init__(self, table: CriticTable, states: Sequence[NDArray[Any]], actions: Sequence[NDArray[Any]]) -> None:
        self._table, self._states, self._actions = table, states, actions
        self._shape = (len(states[0]) - 1, states[0].shape[1])
        self._window = table.keys.window

    @cached_property
    def _keys(self) -> Keys:
        # Nobody asks where the signal is task and shadow reward alone.
        states, actions = ([each[:-1].reshape(-1) for each in members] for members in (self._states, self._actions))
        return self._table.keys.encode(states, actions)

    def values(self) -> FloatArray:
        """(1, T, B) of what everybody in the window did."""
        return self._look_up(self._keys)[0].reshape(1, *self._shape)

    def alternatives(self, member: int, copy: Mapping[str, NDArray[Any]] | None = None) -> FloatArray:
        """(1, T, B, A) of every action of one agent of the window, everyone else's as played; tables are not copied."""
        assert not copy, "tables are not copied"
        values: FloatArray = np.stack([values for values, _ in self._each(member)], axis=-1)
        return values.reshape(1, *self._shape, -1)

    def known(self, member: int) -> BoolArray:
        """(T, B, A) whether there is an entry."""
        known: BoolArray = np.stack([visited for _, visited in self._each(member)], axis=-1)
        return known.reshape(*self._shape, -1)

    def _each(self, member: int) -> list[tuple[FloatArray, BoolArray]]:
        place, keys = self._window.index(member), self._table.keys
        return [self._look_up(keys.with_action(self._keys, place, action)) for action in range(keys.action_sizes[place])]

    def _look_up(self, keys: NDArray[np.int64]) -> tuple[FloatArray, BoolArray]:
        slots = self._table.find(keys)
        visited = self._table.visited(slots)
        return np.where(visited, self._table.values[0][slots], 0.0), visited


class AgentTaskKnowledge:
    """What an agent knows of its task: its power measure's evidence and, with networks, its task critic.

    Args:
        power: the measure; None where states or actions are no finite sets.
        critic: networks; None for tables.
    """

    def __init__(self, power: TabularPower | None, critic: NeuralCritic | None = None) -> None:
        self._power, self._critic = power, critic

    def effects(self, member: int) -> ActionEffects | None:
        """What each action of an agent of the window does to the own task; None where that is not kept."""
        return None if self._power is None else self._power.effects(member)

    def contexts(self, member: int, batch: SignalBatch) -> IntArray:
        """(T, B) the context of each step, where there are effects."""
        assert self._power is not None, "only asked where there are effects"
        return self._power.contexts(member, *batch.executed)

    def critic_copy(self) -> dict[str, NDArray[Any]]:
        """The target networks and the units of their outputs; empty for tables."""
        return {} if self._critic is None else {"target": self._critic.target.numpy().copy(), "units": self._critic.units.array()}


class NetworkTaskCritic:
    """The target networks of a pair along a batch; asked before the batch is learned from.

    Args:
        critic: the agent's, of its task reward.
        batch: what the networks read.
        actions: how they read actions, which are the last features.
        window: whose actions.
    """

    def __init__(self, critic: NeuralCritic, batch: Transitions, actions: ActionReader, window: Sequence[int]) -> None:
        self._critic, self._actions, self._window = critic, actions, tuple(window)
        self._shape = batch.alive.shape
        self._features = batch.features[: batch.alive.size]

    def values(self) -> FloatArray:
        """(2, T, B) of what everybody in the window did."""
        return self._critic.pair(self._features, self._critic.target).reshape(-1, *self._shape)

    def alternatives(self, member: int, copy: Mapping[str, NDArray[Any]] | None = None) -> FloatArray:
        """(2, T, B, A) of every action of one agent of the window, everyone else's as played; of an earlier copy if given."""
        import torch

        from netagents.policies.torch_mlp import tensor

        place, size = self._place(member)
        columns = self._actions.columns[place]
        first = self._features.shape[1] - self._actions.size
        changed = self._features.clone()
        weights, units = self._critic.target, self._critic.units
        if copy is not None:
            weights, units = torch.from_numpy(copy["target"]), units.of_array(copy["units"])
        values = []
        for one_hot in np.eye(size, dtype=np.float32):
            changed[:, first + columns.start : first + columns.stop] = tensor(one_hot)
            values.append(self._critic.pair(changed, weights, units))
        stacked: FloatArray = np.stack(values, axis=-1)
        return stacked.reshape(-1, *self._shape, size)

    def known(self, member: int) -> BoolArray:
        """(T, B, A) true: networks answer for any action."""
        return np.ones((*self._shape, self._place(member)[1]), dtype=np.bool_)

    def _place(self, member: int) -> tuple[int, int]:
        place = self._window.index(member)
        space = self._actions.spaces[place]
        if not isinstance(space, Discrete):
            raise EnvironmentMismatchError(
                f"the actions of agent {member} are no finite set, whose alternatives a term of the signal could ask for",
                where="signals",
                fix="leave the term out, or use an environment with finite actions",
            )
        return place, space.size
