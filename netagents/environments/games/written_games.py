"""Games written out in tables, from a file or an experiment, as local tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import require_capacity
from netagents.environments.games.stage_games import StageRules
from netagents.environments.networked_mdp import FloatArray, IntArray
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.game_table import read_game
from netagents.topology import Topology


def written_game(game: Mapping[str, Any]) -> FactoredKernel:
    """The local tables of a written game; scopes hold only those that matter.

    The game's state is the local state of its keeper; all others have one local state.

    Raises:
        GameTableError: it is no game.
        CapacityError: the tables would be too large.
    """
    table = read_game(game)
    n, S = len(table.players), len(table.states)
    choices = tuple(len(names) for names in table.actions)
    require_capacity("game", [len(table.rewards) * (S if i == table.keeper else 1) for i in range(n)])
    rewards = np.array(table.rewards).reshape(S, *choices, n)
    moves = np.array(table.transitions).reshape(S, *choices, S)
    agents = []
    for i in range(n):
        law = moves if i == table.keeper else np.ones((S, *choices, 1))
        start = np.array(table.start) if i == table.keeper else np.ones(1)
        reward = rewards[..., i]
        # Axes along which neither the reward nor the law changes are left out: scopes are minimal.
        matters = [bool(np.ptp(reward, axis=axis).any() or np.ptp(law, axis=axis).any()) for axis in range(1 + n)]
        selection = tuple(slice(None) if each else 0 for each in matters)
        actors = tuple(k for k in range(n) if matters[1 + k])
        holders = (table.keeper,) if matters[0] else ()
        agents.append(LocalKernel(holders, actors, law[selection].copy(), reward[selection].copy(), start))
    sizes = tuple(S if i == table.keeper else 1 for i in range(n))
    return FactoredKernel(sizes, choices, tuple(agents))


def stage_rules(topology: Topology, game: Mapping[str, Any]) -> StageRules:
    """A written game without states as a stage game, for a memory of last actions.

    Raises:
        EnvironmentMismatchError: the topology has another number of agents.
    """
    kernel = written_game(game)
    n = len(kernel.agents)
    if n != topology.n:
        raise EnvironmentMismatchError(
            f"the game has {n} players, and the topology {topology.n} agents",
            where="environment.rules",
            fix=f"use a topology of {n} agents, such as kind complete",
        )

    def rewards(acts: IntArray) -> FloatArray:
        paid = np.empty(acts.shape)
        for i, local in enumerate(kernel.agents):
            paid[:, i] = local.reward[tuple(acts[:, k] for k in local.action_scope)]
        return paid

    mean = float(np.mean([local.reward.mean() for local in kernel.agents]))
    return StageRules(kernel.action_sizes, tuple(local.action_scope for local in kernel.agents), rewards, mean)
