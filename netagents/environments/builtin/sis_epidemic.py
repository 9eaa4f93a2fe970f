"""A networked SIS epidemic in which each agent may pay for protection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, require_capacity, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.experiment.environment_settings import SisSettings
from netagents.topology import Topology


class NetworkedSis(FiniteNetworkedMDP):
    """Susceptible (0), infected (1), susceptible again: the discrete-time SIS process on any graph.

    Action 0 does nothing, action 1 protects.  An infected agent recovers with probability ``delta(a_i)``.  A susceptible agent
    with k infected neighbours is infected with probability ``1 - (1 - beta(a_i))^k``; its own action sets beta, not theirs.
    The reward is ``-protection_cost * a_i - infection_cost * s_i``, read before the step.  Agents start infected independently
    with probability ``initial``.  A neighbour's action touches me through its next state, one step later.

    Args:
        topology: any graph.
        settings: the probabilities and costs.
    """

    def __init__(self, topology: Topology, settings: SisSettings | None = None) -> None:
        settings = settings or SisSettings()
        n = topology.n
        self.topology = topology
        self.settings = settings
        self._neighbours = [sorted(int(j) for j in topology.neighbours(i)) for i in range(n)]
        # Neighbours end to end for one reduceat; column n is always healthy and opens each agent's share, so that none is empty.
        shares = [[n, *near] for near in self._neighbours]
        self._order = np.array([j for share in shares for j in share], dtype=np.int64)
        self._starts = np.array([0, *accumulate(len(share) for share in shares[:-1])], dtype=np.int64)
        degrees = np.arange(max(len(near) for near in self._neighbours) + 1)
        betas = np.array([settings.infection, settings.protected_infection])
        self._infection = 1.0 - (1.0 - betas[:, None]) ** degrees
        self._recovery = np.array([settings.recovery, settings.protected_recovery])
        self.spec = EnvironmentSpec(
            name="sis",
            state_spaces=(Discrete(2),) * n,
            action_spaces=(Discrete(2),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(n,),
            step_noise=(n,),
            reach_offset=1,
            state_scopes=tuple(tuple(sorted([i, *near])) for i, near in enumerate(self._neighbours)),
            action_scopes=tuple((i,) for i in range(n)),
            capabilities=Capabilities(enumerable=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Infected where ``noise`` ``(B, n)`` is below ``initial``."""
        return (noise < self.settings.initial).astype(np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One synchronous update; ``noise[:, i]`` decides whether agent i changes its state."""
        acts = joint_actions(actions)
        extended = np.concatenate([state, np.zeros((len(state), 1), dtype=np.int64)], axis=1)
        infected = np.add.reduceat(extended[:, self._order], self._starts, axis=1)
        chance = np.where(state == 1, self._recovery[acts], self._infection[acts, infected])
        after = np.where(noise < chance, 1 - state, state)
        return transition(after, -(self.settings.protection_cost * acts + self.settings.infection_cost * state))

    def kernel(self) -> FactoredKernel:
        """Exact tables over the states of the closed neighbourhood and one's own action.

        Raises:
            CapacityError: an agent has so many neighbours that they would be too large.
        """
        n = self.spec.n
        require_capacity(self.spec.name, [4 * 2 ** len(scope) for scope in self.spec.state_scopes])
        start = np.array([1.0 - self.settings.initial, self.settings.initial])
        agents = []
        for i, scope in enumerate(self.spec.state_scopes):
            axes = len(scope)
            states = np.indices((2,) * axes)
            own = states[scope.index(i)]
            infected = states.sum(axis=0) - own
            sick = np.empty((2,) * axes + (2,))
            reward = np.empty_like(sick)
            for action in range(2):
                sick[..., action] = np.where(own == 1, 1.0 - self._recovery[action], self._infection[action][infected])
                reward[..., action] = -(self.settings.protection_cost * action + self.settings.infection_cost * own)
            agents.append(LocalKernel(scope, (i,), np.stack([1.0 - sick, sick], axis=-1), reward, start.copy()))
        return FactoredKernel((2,) * n, (2,) * n, tuple(agents))
