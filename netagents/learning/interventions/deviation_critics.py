"""Deviation critics: by which an agent judges, before anyone acts, which action of a co-player is worst for it.

D_j(s, b) = E[ r_i + gamma D_j(s', a_j') | s, a_j = b ] is a truncated Q-function of the agent's own task reward.  Beside the states that
the agent knows at that step (those of its policy's window) it reads the action of one co-player alone: what the others play is averaged
by the policies that they follow.  Its minimum over b is what ex-ante power compares with (arXiv 2406.11240).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.critics.critic_table import CriticTable
from netagents.critics.temporal_difference import batch_td, compact
from netagents.critics.window_keys import WindowKeys
from netagents.environments.spaces import candidate_actions
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.rollout import Rollout
from netagents.messages import RadiusKind, Trace
from netagents.randomness import Purpose, stream

if TYPE_CHECKING:
    from netagents.critics.neural_critic import NeuralCritic
    from netagents.policies.window_reader import ActionReader, WindowReader

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
UNKNOWN = np.inf
"""The value of an action that has never been seen: it is not taken for the worst."""


class DeviationCritic(Protocol):
    """Values of the actions of an agent's co-players, for the agent's own task."""

    def values(self, co_player: int, states: Sequence[NDArray[Any]]) -> FloatArray:
        """(K, C) of the co-player's candidate actions, :data:`UNKNOWN` where one was never seen.

        Args:
            co_player: whose actions.
            states: (K, ...) of each agent of the policy's window.
        """

    def learn(self, iteration: int, rollout: Rollout, traces: Mapping[int, Trace], usable: Mapping[int, BoolArray]) -> None:
        """Learn from a batch.

        Args:
            iteration: of the run.
            rollout: the agent's own. traces: of the others in its critic's window.
            usable: co-player -> (T, B) the steps from which the values of its actions may be learned.
        """

    def arrays(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None: ...


class TableDeviationCritic:
    """One table per co-player.

    Args:
        agent: whose critic it is.
        co_players: whose actions it judges.
    """

    def __init__(self, agent: NetworkedAgent, co_players: Sequence[int]) -> None:
        setup, self._agent = agent.setup, agent
        common = set(agent.policy.window) & set(agent.critic_window)
        settings = agent.learning.critic
        self._common_window: dict[int, tuple[int, ...]] = {}
        self._tables: dict[int, CriticTable] = {}
        for j in co_players:
            # Whose state the agent does not know at that step has a single one.
            window = tuple(sorted(common | {j}))
            states = [setup.state_sizes((k,))[0] if k in common else 1 for k in window]
            actions = [setup.action_sizes((k,))[0] if k == j else 1 for k in window]
            self._common_window[j] = tuple(sorted(common))
            self._tables[j] = CriticTable(WindowKeys(window, states, actions), 1, settings.full_table_limit, settings.visited_limit)

    def values(self, co_player: int, states: Sequence[NDArray[Any]]) -> FloatArray:
        table, place = self._tables[co_player], self._agent.policy.window.index
        known = {k: states[place(k)] for k in self._common_window[co_player]}
        zeros = np.zeros(len(states[0]), dtype=np.int64)
        each = []
        for action in range(max(table.keys.action_sizes)):
            slots = table.find(self._encode(table, known, zeros, zeros + action, co_player))
            each.append(np.where(table.visited(slots), table.values[0][slots], UNKNOWN))
        values: FloatArray = np.stack(each, axis=1)
        return values

    def learn(self, iteration: int, rollout: Rollout, traces: Mapping[int, Trace], usable: Mapping[int, BoolArray]) -> None:
        setup = self._agent.setup
        own = Trace(rollout.states, rollout.actions)
        for j, table in self._tables.items():
            known = {k: (own if k == rollout.agent else traces[k]).states.reshape(-1) for k in self._common_window[j]}
            acted = traces[j].actions.reshape(-1)
            keys = self._encode(table, known, np.zeros(acted.size, dtype=np.int64), acted, j)
            batch = compact(table, keys, rollout.steps, setup.batch, usable[j], rollout.bootstrap, iteration)
            batch_td(table, {0: rollout.rewards}, batch, setup.discount, self._agent.learning.critic.sweeps)

    @staticmethod
    def _encode(table: CriticTable, known: Mapping[int, NDArray[Any]], zeros: NDArray[Any], acted: NDArray[Any], j: int) -> Any:
        window = table.keys.window
        return table.keys.encode([known.get(k, zeros) for k in window], [acted if k == j else zeros for k in window])

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {f"critic.deviation.{j}.{name}": array for j, table in self._tables.items() for name, array in table.arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        for j, table in self._tables.items():
            table.restore(below(f"critic.deviation.{j}.", arrays))


class NetworkDeviationCritic:
    """One pair of networks for all co-players: it reads whose action it is from where the action stands, zeros for all others'.

    Args:
        agent: whose critic it is.
        co_players: whose actions it judges.
    """

    def __init__(self, agent: NetworkedAgent, co_players: Sequence[int]) -> None:
        from netagents.critics.neural_critic import NeuralCritic
        from netagents.experiment.algorithm_settings import NeuralAlgorithmSettings
        from netagents.policies.torch_mlp import repeatable_torch
        from netagents.policies.window_reader import ActionReader, WindowReader

        setup, self._agent, self._co_players = agent.setup, agent, tuple(co_players)
        spec, index = setup.spec, agent.index
        critic_window = setup.reach[RadiusKind.CRITIC].window(index)
        self._common_window = tuple(k for k in agent.policy.window if k in critic_window)
        self._reader: WindowReader = WindowReader(
            spec.view, [spec.observation_spaces[k] for k in self._common_window], self._common_window.index(index), False
        )
        self._actions: ActionReader = ActionReader([spec.action_spaces[j] for j in self._co_players])
        self._candidates = [candidate_actions(spec.action_spaces[j]) for j in self._co_players]
        settings = agent.learning.algorithm
        assert isinstance(settings, NeuralAlgorithmSettings), "checked before an agent is made"
        first = stream(setup.experiment.seed, index, Purpose.INTERVENTIONS, 1)
        with repeatable_torch():
            inputs = self._reader.size + self._actions.size
            self._critic: NeuralCritic = NeuralCritic(settings.critic, inputs, first, "deviation critic", index)

    def values(self, co_player: int, states: Sequence[NDArray[Any]]) -> FloatArray:
        import torch

        from netagents.policies.torch_mlp import repeatable_torch, tensor

        place = self._agent.policy.window.index
        candidates, copies = self._candidates[self._co_players.index(co_player)], len(states[0])
        with repeatable_torch():
            observed = tensor(self._reader.read([states[place(k)] for k in self._common_window]))
            each = []
            for action in candidates:
                taken = np.repeat(action[None], copies, axis=0)
                each.append(self._critic.values(torch.cat([observed, tensor(self._alone(co_player, taken))], dim=1)))
        values: FloatArray = np.stack(each, axis=1)
        return values

    def learn(self, iteration: int, rollout: Rollout, traces: Mapping[int, Trace], usable: Mapping[int, BoolArray]) -> None:

        from netagents.critics.neural_critic import Transitions
        from netagents.policies.torch_mlp import repeatable_torch, tensor

        setup, index = self._agent.setup, self._agent.index
        own, many = Trace(rollout.states, rollout.actions), len(self._co_players)
        with repeatable_torch():
            states = [_rows((own if k == index else traces[k]).states) for k in self._common_window]
            observed = self._reader.read(states)
            parts = [np.concatenate([observed, self._alone(j, _rows(traces[j].actions))], axis=1) for j in self._co_players]
            # One copy of the batch per co-player, side by side: (T + 1, m, B, F).
            together = np.stack([part.reshape(rollout.steps + 1, setup.batch, -1) for part in parts], axis=1)
            alive = np.concatenate([usable[j] for j in self._co_players], axis=1)
            bootstrap = np.tile(rollout.bootstrap, (1, many))
            features = tensor(np.ascontiguousarray(together).reshape(-1, together.shape[-1]))
            read = Transitions(features, alive, bootstrap)
            signal = np.tile(rollout.rewards, (1, many))
            ahead = self._critic.values(features).reshape(-1, read.copies)[1:]
            generator = stream(setup.experiment.seed, index, Purpose.INTERVENTIONS, 2 * iteration + 3)
            expected = signal + setup.discount * bootstrap * ahead
            self._critic.learn(read, signal, expected, setup.discount, generator, f"iteration {iteration}")
        self._reader.settle()

    def _alone(self, co_player: int, actions: NDArray[Any]) -> NDArray[np.float32]:
        """(N, F) one co-player's actions as features, zeros for those of all others."""
        zeros = [np.zeros((len(actions), *candidates.shape[1:]), candidates.dtype) for candidates in self._candidates]
        place = self._co_players.index(co_player)
        near = np.zeros((len(self._co_players), len(actions)), dtype=np.bool_)
        near[place] = True
        return self._actions.read([actions if k == place else other for k, other in enumerate(zeros)], near)

    def arrays(self) -> dict[str, NDArray[Any]]:
        named = {f"deviation.{name}": array for name, array in self._critic.arrays().items()}
        return named | {f"deviation.reader.{name}": array for name, array in self._reader.statistics().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._critic.restore(below("deviation.", arrays))
        self._reader.restore(below("deviation.reader.", arrays))


def _rows(block: NDArray[Any]) -> NDArray[Any]:
    """(T, B, *shape) as (T * B, *shape)."""
    return block.reshape(-1, *block.shape[2:])
