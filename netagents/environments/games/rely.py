"""RELY(c, L, delta): leaves that may look after themselves, rely on one of two hubs, or split their reliance over both.

A game to tell measures of power apart.  While both hubs serve, a leaf earns

    self      c
    hub 0/1   1             (-L if that hub sabotages)
    split     1 - delta     (less (1 + L) / 2 for each hub that sabotages)

so relying gives one hub power 1 + L over the leaf, and splitting gives each hub (1 + L) / 2.  A leaf that maximises reward minus lambda
times power switches

    from rely to self     at  lambda = (1 - c) / (1 + L)             power summed over hubs; splitting is never best (delta > 0)
    from rely to split    at  lambda = 2 delta / (1 + L)             the largest power, where 2 delta < 1 - c
    from split to self    at  lambda = 2 (1 - c - delta) / (1 + L)   the largest power

The name and the first three rewards are those of the game's statement; the split's loss per hub and the hubs' wages are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netagents.environments.finite import require_capacity
from netagents.environments.games.stage_games import stateless
from netagents.environments.kernel import FactoredKernel
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.experiment.games import RelyRules
from netagents.topology import Topology

SERVE, SABOTAGE = 0, 1
ALONE, FIRST, SECOND, SPLIT = 0, 1, 2, 3
HUBS = (0, 1)
MOST_LEAVES = 12
"""A hub's table has 2 * 4^leaves entries."""


class Switches(NamedTuple):
    """The lambdas at which a leaf's best action changes, given by the module."""

    rely_to_self: float
    rely_to_split: float
    split_to_self: float


def switch_points(rules: RelyRules) -> Switches:
    """Closed forms: the first for summed power, the others for the largest."""
    span = 1.0 + rules.loss
    gain = 1.0 - rules.self_reward
    return Switches(gain / span, 2.0 * rules.split_cost / span, 2.0 * (gain - rules.split_cost) / span)


def rely(topology: Topology, rules: RelyRules) -> FactoredKernel:
    """Tables of the game: agents 0 and 1 are the hubs (serve, sabotage), the others leaves (self, hub 0, hub 1, split).

    A hub that serves earns ``wage`` for each leaf that relies on it, half for one that splits.

    Raises:
        EnvironmentMismatchError: no leaf, or one that is not a neighbour of both hubs.
        CapacityError: more leaves than a hub's table can hold.
    """
    n = topology.n
    if n < 3:
        raise EnvironmentMismatchError("game 'rely' needs two hubs and a leaf", where="topology", fix="use at least 3 agents")
    for leaf in range(2, n):
        missing = [hub for hub in HUBS if hub not in topology.neighbours(leaf)]
        if missing:
            raise EnvironmentMismatchError(
                f"in game 'rely' every leaf is a neighbour of both hubs, and agent {leaf} is none of agent {missing[0]}",
                where="topology",
                fix="join agents 0 and 1 to all others, as kind complete does",
            )
    if n - 2 > MOST_LEAVES:
        raise CapacityError(
            f"{n - 2} leaves", where="game 'rely'", fix=f"use at most {MOST_LEAVES}: a hub's table has 2 x 4^leaves entries"
        )
    leaves = tuple(range(2, n))
    require_capacity("game", [2 * 4 ** len(leaves)] * 2)
    agents = []
    for hub in HUBS:
        chosen = np.indices((2,) + (4,) * len(leaves))
        reliance = ((chosen[1:] == (FIRST, SECOND)[hub]) + 0.5 * (chosen[1:] == SPLIT)).sum(axis=0)
        agents.append(stateless((hub, *leaves), rules.wage * reliance * (chosen[0] == SERVE)))
    first, second, chosen = np.indices((2, 2, 4))
    served = np.stack([first == SERVE, second == SERVE])
    relying = np.where(served, 1.0, -rules.loss)
    split = 1.0 - rules.split_cost - (1.0 + rules.loss) / 2.0 * (~served).sum(axis=0)
    reward = np.select([chosen == ALONE, chosen == FIRST, chosen == SECOND], [rules.self_reward, relying[0], relying[1]], split)
    agents += [stateless((*HUBS, leaf), reward.copy()) for leaf in leaves]
    return FactoredKernel((1,) * n, (2, 2) + (4,) * len(leaves), tuple(agents))
