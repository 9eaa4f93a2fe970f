"""Games written out in tables, from a file or an experiment, as local tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netagents.environments.finite import require_capacity
from netagents.environments.kernel import FactoredKernel, LocalKernel
from netagents.experiment.game_table import read_game


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
        kept = tuple(slice(None) if each else 0 for each in matters)
        actors = tuple(k for k in range(n) if matters[1 + k])
        holders = (table.keeper,) if matters[0] else ()
        agents.append(LocalKernel(holders, actors, law[kept].copy(), reward[kept].copy(), start))
    sizes = tuple(S if i == table.keeper else 1 for i in range(n))
    return FactoredKernel(sizes, choices, tuple(agents))
