"""Stage games on a graph: matrix games with every neighbour, public goods in every neighbourhood, and memory of last actions."""

from __future__ import annotations

import numpy as np

from netagents.environments.contract import FloatArray
from netagents.environments.finite import require_capacity
from netagents.environments.kernel import FactoredKernel, LocalKernel
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.experiment.games import PublicGoodsRules
from netagents.topology import Topology

MOST_AXES = 50
"""Neighbourhoods above have more members than a numpy array can have axes, here or in the exact methods."""


def matrix_game(topology: Topology, payoffs: tuple[tuple[float, ...], ...], name: str) -> FactoredKernel:
    """A symmetric two-player game on a graph: each agent plays one action against all neighbours and earns the mean of its payoffs.

    Args:
        topology: nobody may be alone.
        payoffs: ``payoffs[own action][other's action]``.
        name: for messages.

    Raises:
        EnvironmentMismatchError: an agent has no neighbour.
        CapacityError: an agent has too many.
    """
    table, size = np.array(payoffs), len(payoffs)
    scopes = _closed(topology, name, size)
    agents = []
    for i, scope in enumerate(scopes):
        chosen = np.indices((size,) * len(scope))
        own = chosen[scope.index(i)]
        others = [table[own, chosen[place]] for place, j in enumerate(scope) if j != i]
        agents.append(stateless(scope, np.mean(others, axis=0)))
    return FactoredKernel((1,) * topology.n, (size,) * topology.n, tuple(agents))


def public_goods(topology: Topology, rules: PublicGoodsRules) -> FactoredKernel:
    """One good per closed neighbourhood: r_i = multiplier (givers in it) / (its size) - cost a_i.

    Raises:
        EnvironmentMismatchError: an agent has no neighbour.
        CapacityError: an agent has too many.
    """
    agents = []
    for i, scope in enumerate(_closed(topology, rules.kind, 2)):
        giving = np.indices((2,) * len(scope))
        agents.append(stateless(scope, rules.multiplier * giving.mean(axis=0) - rules.cost * giving[scope.index(i)]))
    return FactoredKernel((1,) * topology.n, (2,) * topology.n, tuple(agents))


def stateless(scope: tuple[int, ...], reward: FloatArray) -> LocalKernel:
    """An agent with one local state whose reward depends on the actions of ``scope``."""
    return LocalKernel((), scope, np.ones((*reward.shape, 1)), reward, np.ones(1))


def with_last_actions(kernel: FactoredKernel) -> FactoredKernel:
    """The same stage game, in which each agent's local state is its last action plus one, and 0 at the start.

    Raises:
        EnvironmentMismatchError: the game has states already.
    """
    if any(size != 1 for size in kernel.state_sizes):
        raise EnvironmentMismatchError(
            "memory last_action is for stage games", where="environment.memory", fix="this game has states of its own; use memory: none"
        )
    sizes = kernel.action_sizes
    require_capacity("game", [local.reward.size * sizes[i] * (sizes[i] + 1) for i, local in enumerate(kernel.agents)])
    agents = []
    for i, local in enumerate(kernel.agents):
        # Its own action leads on, so it is in scope even where it pays nothing.
        scope = tuple(sorted({i, *local.action_scope}))
        reward = local.reward if i in local.action_scope else np.expand_dims(local.reward, scope.index(i))
        shape = tuple(sizes[k] for k in scope)
        after = np.eye(sizes[i] + 1)[1:]  # action a leads to state a + 1
        axes = [1] * len(scope)
        axes[scope.index(i)] = sizes[i]
        moved = np.broadcast_to(after.reshape(*axes, sizes[i] + 1), (*shape, sizes[i] + 1)).copy()
        agents.append(LocalKernel((), scope, moved, np.broadcast_to(reward, shape).copy(), np.eye(sizes[i] + 1)[0]))
    return FactoredKernel(tuple(size + 1 for size in sizes), sizes, tuple(agents))


def _closed(topology: Topology, name: str, actions: int) -> list[tuple[int, ...]]:
    """Closed neighbourhoods, ascending."""
    scopes = [tuple(sorted({i, *(int(j) for j in topology.neighbours(i))})) for i in range(topology.n)]
    alone = [i for i, scope in enumerate(scopes) if len(scope) == 1]
    if alone:
        raise EnvironmentMismatchError(
            f"game '{name}' needs somebody to play with, and agent {alone[0]} has no neighbour",
            where="topology",
            fix="use a connected graph",
        )
    widest = max(range(topology.n), key=lambda i: len(scopes[i]))
    if len(scopes[widest]) > MOST_AXES:
        raise CapacityError(
            f"agent {widest} has {len(scopes[widest]) - 1} neighbours", where=f"game '{name}'", fix="use a topology with fewer neighbours"
        )
    require_capacity("game", [actions ** len(scope) for scope in scopes])
    return scopes
