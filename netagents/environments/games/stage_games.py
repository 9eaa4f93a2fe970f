"""Stage games, repeated: one round per step, on a graph of any size, with or without memory of the last actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, require_capacity, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, IntArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.experiment.games import MatrixRules, PublicGoodsRules
from netagents.topology import Topology

MOST_AXES = 50
"""Tables over the actions of more agents have more axes than numpy can have."""


class StageRules(NamedTuple):
    """A stage game.

    Attributes:
        action_sizes: of each agent.
        scopes: for each agent, whose actions pay it, ascending.
        rewards: from joint actions ``(B, n)`` to ``(B, n)``.
        uniform_mean: expected reward per agent and round under uniform policies.
    """

    action_sizes: tuple[int, ...]
    scopes: tuple[tuple[int, ...], ...]
    rewards: Callable[[IntArray], FloatArray]
    uniform_mean: float


class StageGame(FiniteNetworkedMDP):
    """A stage game played once per step.

    The joint state is ``(B, n)`` int64: 0, or with memory each agent's last action plus one and 0 at the start, so that neighbours can
    hear what it did.

    Args:
        topology: the graph.
        rules: the game.
        memory: whether local states hold last actions.
        horizon, discount: defaults.
    """

    def __init__(self, topology: Topology, rules: StageRules, memory: bool, horizon: int, discount: float) -> None:
        n = topology.n
        self.topology = topology
        self._rules = rules
        self._memory = memory
        scopes = rules.scopes
        if memory:  # one's own action leads on, even where it pays nothing
            scopes = tuple(tuple(sorted({i, *scope})) for i, scope in enumerate(scopes))
        acting = any(k != i for i, scope in enumerate(scopes) for k in scope)
        self.spec = EnvironmentSpec(
            name="game",
            state_spaces=tuple(Discrete(size + 1 if memory else 1) for size in rules.action_sizes),
            action_spaces=tuple(map(Discrete, rules.action_sizes)),
            horizon=horizon,
            discount=discount,
            reset_noise=(0,),
            step_noise=(0,),
            reach_offset=0 if acting else 1,
            state_scopes=((),) * n,
            action_scopes=scopes,
            untrained_return=horizon * rules.uniform_mean,
            capabilities=Capabilities(enumerable=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Nobody has acted."""
        return np.zeros((len(noise), self.spec.n), dtype=np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:  # noqa: ARG002 - nothing is random
        """One round."""
        acts = joint_actions(actions)
        return transition(acts + 1 if self._memory else np.zeros_like(state), self._rules.rewards(acts))

    def kernel(self) -> FactoredKernel:
        """Exact tables over the actions of those who pay an agent.

        Raises:
            CapacityError: an agent is paid by so many that they would be too large.
        """
        sizes, scopes = self._rules.action_sizes, self.spec.action_scopes
        widest = max(len(scope) for scope in scopes)
        if widest > MOST_AXES:
            raise CapacityError(
                f"a table over the actions of {widest} agents", where="exact kernel of environment 'game'", fix="use fewer neighbours"
            )
        # Entries of a table, or of the joint actions that it is worked out from.
        widths = [max(self.spec.n, size + 1 if self._memory else 1) for size in sizes]
        require_capacity("game", [prod(sizes[k] for k in scope) * width for scope, width in zip(scopes, widths, strict=True)])
        agents = []
        for i, scope in enumerate(scopes):
            shape = tuple(sizes[k] for k in scope)
            acts = np.zeros((prod(shape), self.spec.n), dtype=np.int64)
            acts[:, scope] = np.indices(shape).reshape(len(scope), -1).T
            reward = self._rules.rewards(acts)[:, i].reshape(shape)
            after = np.eye(sizes[i] + 1)[acts[:, i] + 1] if self._memory else np.ones((len(acts), 1))
            start = np.eye(after.shape[1])[0]
            agents.append(LocalKernel((), scope, after.reshape(*shape, -1), reward, start))
        states = tuple(size + 1 if self._memory else 1 for size in sizes)
        return FactoredKernel(states, sizes, tuple(agents))


def matrix_game(topology: Topology, rules: MatrixRules, name: str) -> StageRules:
    """A symmetric two-player game on a graph: each agent plays one action against all neighbours and earns the mean of its payoffs.

    Raises:
        EnvironmentMismatchError: an agent has no neighbour.
    """
    payoffs = np.array(rules.payoffs)
    near = _adjacency(topology, name)
    degrees = near.sum(axis=1)[:, None]
    others = np.arange(len(payoffs))

    def rewards(acts: IntArray) -> FloatArray:
        playing = (acts[:, :, None] == others).astype(np.float64)
        earned: FloatArray = (payoffs[acts] * (near @ playing) / degrees).sum(axis=2)
        return earned

    return StageRules((len(payoffs),) * topology.n, _closed(near), rewards, float(payoffs.mean()))


def public_goods(topology: Topology, rules: PublicGoodsRules) -> StageRules:
    """One good per closed neighbourhood: r_i = multiplier (givers in it) / (its size) - cost a_i.

    Raises:
        EnvironmentMismatchError: an agent has no neighbour.
    """
    near = _adjacency(topology, rules.kind)
    members = near + np.eye(topology.n)
    sizes = members.sum(axis=1)

    def rewards(acts: IntArray) -> FloatArray:
        earned: FloatArray = rules.multiplier * (acts @ members) / sizes - rules.cost * acts
        return earned

    return StageRules((2,) * topology.n, _closed(near), rewards, (rules.multiplier - rules.cost) / 2.0)


def _adjacency(topology: Topology, name: str) -> FloatArray:
    near = np.zeros((topology.n, topology.n))
    for i in range(topology.n):
        near[i, [int(j) for j in topology.neighbours(i)]] = 1.0
    alone = np.flatnonzero(near.sum(axis=1) == 0.0)
    if len(alone):
        raise EnvironmentMismatchError(
            f"game '{name}' needs somebody to play with, and agent {alone[0]} has no neighbour",
            where="topology",
            fix="use a connected graph",
        )
    return near


def _closed(near: FloatArray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in near + np.eye(len(near)))
