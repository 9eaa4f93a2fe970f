"""Finite games in tables: any game whose local tables fit into memory, sampled exactly as they say."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.topology import Topology


class TableGame(FiniteNetworkedMDP):
    """A game given by its exact local tables, such as a stochastic game (Shapley 1953) whose state one player keeps.

    The joint state is ``(B, n)`` int64, rewards are the tables' expected rewards, paid without noise.  A function named by
    ``environment.kind: import:module:function`` may return one.

    Args:
        topology: the graph.
        kernel: the tables.
        horizon, discount: defaults.

    Raises:
        EnvironmentMismatchError: as many players as the topology has agents are needed.
    """

    def __init__(self, topology: Topology, kernel: FactoredKernel, horizon: int = 20, discount: float = 0.95) -> None:
        if len(kernel.agents) != topology.n:
            raise EnvironmentMismatchError(
                f"the game has {len(kernel.agents)} players, and the topology {topology.n} agents",
                where="environment.rules",
                fix=f"use a topology of {len(kernel.agents)} agents, such as kind complete",
            )
        n = topology.n
        self.topology = topology
        self._kernel = kernel
        self._state_strides, self._action_strides = np.zeros((n, n), dtype=np.int64), np.zeros((n, n), dtype=np.int64)
        for i, local in enumerate(kernel.agents):
            sizes = [kernel.state_sizes[j] for j in local.state_scope] + [kernel.action_sizes[k] for k in local.action_scope]
            strides = [prod(sizes[place + 1 :]) for place in range(len(sizes))]
            self._state_strides[list(local.state_scope), i] = strides[: len(local.state_scope)]
            self._action_strides[list(local.action_scope), i] = strides[len(local.state_scope) :]
        rewards = [local.reward.reshape(-1) for local in kernel.agents]
        self._offsets = np.cumsum([0, *(len(table) for table in rewards[:-1])])
        self._rewards = np.concatenate(rewards)
        # Thresholds of every law, padded with 2, which no noise reaches.
        widest = max(kernel.state_sizes)
        self._thresholds = np.full((len(self._rewards) if widest > 1 else 0, widest - 1), 2.0)
        if widest > 1:
            for offset, size, local in zip(self._offsets, kernel.state_sizes, kernel.agents, strict=True):
                law = np.cumsum(local.transition.reshape(-1, size), axis=1)[:, :-1]
                self._thresholds[offset : offset + len(law), : size - 1] = law
        self._starts = np.full((n, max(1, widest - 1)), 2.0)
        for i, local in enumerate(kernel.agents):
            self._starts[i, : kernel.state_sizes[i] - 1] = np.cumsum(local.initial)[:-1]
        acting = any(k != i for i, local in enumerate(kernel.agents) for k in local.action_scope)
        stage = all(not local.state_scope for local in kernel.agents)
        self.spec = EnvironmentSpec(
            name="game",
            state_spaces=tuple(map(Discrete, kernel.state_sizes)),
            action_spaces=tuple(map(Discrete, kernel.action_sizes)),
            horizon=horizon,
            discount=discount,
            reset_noise=(n,),
            step_noise=(n if widest > 1 else 0,),
            reach_offset=0 if acting else 1,
            state_scopes=tuple(local.state_scope for local in kernel.agents),
            action_scopes=tuple(local.action_scope for local in kernel.agents),
            untrained_return=horizon * float(np.mean([table.mean() for table in rewards])) if stage else None,
            capabilities=Capabilities(enumerable=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Each agent's start state by its law, ``(B, n)`` from noise ``(B, n)``."""
        start: JointState = (noise[:, :, None] >= self._starts).sum(axis=2)
        return start

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One joint action; ``noise[:, i]`` decides agent i's next state."""
        rows = state @ self._state_strides + joint_actions(actions) @ self._action_strides + self._offsets
        after = np.zeros_like(state)
        if len(self._thresholds):
            after = (noise[:, :, None] >= self._thresholds[rows]).sum(axis=2)
        return transition(after, self._rewards[rows])

    def kernel(self) -> FactoredKernel:
        """The tables that it is made of."""
        return self._kernel
