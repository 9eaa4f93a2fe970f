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

from netagents.environments.games.stage_games import StageRules
from netagents.environments.networked_mdp import FloatArray, IntArray
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.games import RelyRules
from netagents.topology import Topology

SERVE, SABOTAGE = 0, 1
ALONE, FIRST_HUB, SECOND_HUB, SPLIT = 0, 1, 2, 3
HUBS = (0, 1)


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


def rely(topology: Topology, rules: RelyRules) -> StageRules:
    """The game: agents 0 and 1 are the hubs (serve, sabotage), all others leaves (self, hub 0, hub 1, split), as many as there are.

    A hub that serves earns ``wage`` for each leaf that relies on it, half for one that splits.

    Raises:
        EnvironmentMismatchError: no leaf, or one that is not a neighbour of both hubs.
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
    leaves = tuple(range(2, n))
    span = 1.0 + rules.loss
    # How much of a leaf's reliance each action gives each hub, and what it earns while both serve.
    reliance = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    served = np.array([rules.self_reward, 1.0, 1.0, 1.0 - rules.split_cost])

    def rewards(acts: IntArray) -> FloatArray:
        sabotaged = acts[:, :2] == SABOTAGE
        relied = reliance[acts[:, 2:]]  # (B, leaves, hubs)
        paid = np.empty(acts.shape)
        paid[:, :2] = rules.wage * relied.sum(axis=1) * ~sabotaged
        paid[:, 2:] = served[acts[:, 2:]] - span * (relied * sabotaged[:, None]).sum(axis=2)
        return paid

    scopes = (*((hub, *leaves) for hub in HUBS), *((*HUBS, leaf) for leaf in leaves))
    leaf_mean = float(served.mean()) - span * float(reliance.mean(axis=0).sum()) / 2.0
    hub_mean = rules.wage * len(leaves) * float(reliance[:, 0].mean()) / 2.0
    mean = (2.0 * hub_mean + len(leaves) * leaf_mean) / n
    return StageRules((2, 2) + (4,) * len(leaves), scopes, rewards, mean)
