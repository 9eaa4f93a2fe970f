"""Random networked MDPs with a dial on how strongly neighbours matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, require_capacity, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, IntArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import RandomNetworkedSettings
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.topology import Topology

FREE = 0.05
"""Least chance that a next state ignores everything, so that every joint state stays reachable from every other."""


class RandomNetworked(FiniteNetworkedMDP):
    """A random environment on any graph whose coupling matrix C is known exactly.

    ``C_ij`` is the largest total-variation change of agent i's next local state when only agent j's current state and action
    change.  Agent i's next state is a mixture over its closed neighbourhood N_i (m agents, i among them)::

        P_i(. | s_N, a_i) = b_i B_i(.)  +  sum_{j in N_i} w_ij [x = p_ij(s_j)]  +  e_i [x = sum_{j in N_i} q_ij(s_j) mod S]

    with a random law B_i, random permutations p_ij and q_ij of the S states, and agent i's action added (mod S) to ``p_ii`` and
    ``q_ii``.  Permutations tell any two states apart, so ``C_ij = w_ij + e_i`` exactly, for j = i as well.

    **What rho bounds.**  Every row of C sums to ``min(rho, 0.95 m)``, so rho is the largest row sum of C (its infinity norm) and
    bounds its spectral radius.  Up to 0.95 a row is a plain mixture (e = 0); the sum term, in which every agent can change the
    outcome alone, takes it further, past ``1 / discount``, where the certificate

        |Q_i(z) - Q_i(z')| <= sum_{t >= 1} discount^t (C^t 1_outside)_i        (z, z' agree inside the neighbourhood)

    stops being finite.  It holds for policies that read their own state only: then the total variation of (s_i', a_i') is that
    of s_i'.  Policies that read neighbours couple more than C says.

    Rewards ``r_i(s_i, a_i)`` are random and run from 0 to 1 exactly, so osc(r_i) = 1.  Start states are uniform.

    Args:
        topology: any graph.
        settings: ``rho``, sizes, ``own_share`` (w_ii as a share of sum_j w_ij) and ``task_seed``.

    Raises:
        EnvironmentMismatchError: no agent has enough neighbours for so large a rho.
    """

    def __init__(self, topology: Topology, settings: RandomNetworkedSettings | None = None) -> None:
        settings = settings or RandomNetworkedSettings()
        n, S, A = topology.n, settings.states, settings.actions
        members = [sorted([i, *(int(j) for j in topology.neighbours(i))]) for i in range(n)]
        widest = max(len(row) for row in members)
        if settings.rho > (1.0 - FREE) * widest:
            raise EnvironmentMismatchError(
                f"rho {settings.rho:g} is out of reach on a '{topology.kind}' topology with at most {widest - 1} neighbours",
                where="environment.rho",
                fix=f"use at most {(1.0 - FREE) * widest:g}, or a denser topology",
            )
        self.topology = topology
        self.settings = settings
        self._members = np.full((n, widest), n, dtype=np.int64)
        self._own = np.zeros(n, dtype=np.int64)
        self._weights = np.zeros((n, widest))
        self._joint = np.zeros(n)
        self._copied = np.zeros((n, widest, S), dtype=np.int64)
        self._summed = np.zeros((n, widest, S), dtype=np.int64)
        self._base = np.zeros((n, S))
        self._rewards = np.zeros((n, S, A))
        for i, row in enumerate(members):
            rng = stream(settings.task_seed, ENVIRONMENT_OWNER, Purpose.INITIALISATION, i)
            m = len(row)
            self._members[i, :m] = row
            self._own[i] = row.index(i)
            self._weights[i, :m], self._joint[i] = _mixture(settings, m, row.index(i), rng)
            for k in range(m):
                self._copied[i, k] = rng.permutation(S)
                self._summed[i, k] = rng.permutation(S)
            self._base[i] = rng.dirichlet(np.ones(S))
            rewards = rng.random((S, A))
            self._rewards[i] = (rewards - rewards.min()) / (rewards.max() - rewards.min())
        # Thresholds of the mixture's parts: one per member, the sum term, and what is left is free.
        self._parts = np.cumsum(np.concatenate([self._weights, self._joint[:, None]], axis=1), axis=1)
        self._base_steps = np.cumsum(self._base, axis=1)[:, :-1]
        self.spec = EnvironmentSpec(
            name="random_networked",
            state_spaces=(Discrete(S),) * n,
            action_spaces=(Discrete(A),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(n,),
            step_noise=(n, 2),
            reach_offset=1,
            state_scopes=tuple(self._scope(i) for i in range(n)),
            action_scopes=tuple((i,) for i in range(n)),
            capabilities=Capabilities(enumerable=True),
        )

    def coupling_matrix(self) -> FloatArray:
        """C, ``(n, n)``: entry (i, j) is exactly how much agent j's state and action can move agent i's next state."""
        n = self.spec.n
        coupling = np.zeros((n, n + 1))
        member = self._members < n
        rows = np.broadcast_to(np.arange(n)[:, None], member.shape)[member]
        coupling[rows, self._members[member]] = (self._weights + self._joint[:, None])[member]
        return np.ascontiguousarray(coupling[:, :n])

    def reset(self, noise: FloatArray) -> JointState:
        """Uniform states ``(B, n)`` from noise ``(B, n)``."""
        return np.floor(noise * self.settings.states).astype(np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One synchronous update; ``noise[:, i, 0]`` picks the part of agent i's mixture and ``noise[:, i, 1]`` its free state."""
        acts = joint_actions(actions)
        S = self.settings.states
        widest = self._members.shape[1]
        agents = np.arange(self.spec.n)
        extended = np.concatenate([state, np.zeros((len(state), 1), dtype=np.int64)], axis=1)
        near = extended[:, self._members]
        part = (noise[:, :, :1] >= self._parts).sum(axis=2)
        copied_from = np.minimum(part, widest - 1)
        copied_states = np.take_along_axis(near, copied_from[:, :, None], axis=2)[:, :, 0]
        copied = self._copied[agents, copied_from, copied_states] + np.where(copied_from == self._own, acts, 0)
        summed = self._summed[agents[:, None], np.arange(widest), near].sum(axis=2) + acts
        free = (noise[:, :, 1:] >= self._base_steps).sum(axis=2)
        after = np.where(part < widest, copied % S, np.where(part == widest, summed % S, free))
        return transition(after, self._rewards[agents, state, acts])

    def kernel(self) -> FactoredKernel:
        """Exact tables over the states of the agents that matter and one's own action.

        Raises:
            CapacityError: an agent has so many neighbours that they would be too large.
        """
        S, A, n = self.settings.states, self.settings.actions, self.spec.n
        require_capacity(self.spec.name, [S ** (len(scope) + 1) * A for scope in self.spec.state_scopes])
        agents = []
        for i, scope in enumerate(self.spec.state_scopes):
            axes = len(scope) + 1
            table = np.empty((S,) * len(scope) + (A, S))
            table[...] = (1.0 - self._parts[i, -1]) * self._base[i]
            summed: IntArray = np.zeros((1,) * axes, dtype=np.int64)
            own_actions = _along(np.arange(A), axes - 1, axes)
            for k, j in self._slots(i):
                copied = _along(self._copied[i, k], scope.index(j), axes) + (own_actions if j == i else 0)
                for target in range(S):
                    table[..., target] += self._weights[i, k] * (copied % S == target)
                summed = summed + _along(self._summed[i, k], scope.index(j), axes)
            for target in range(S):
                table[..., target] += self._joint[i] * ((summed + own_actions) % S == target)
            reward = np.broadcast_to(self._rewards[i].reshape([S if j == i else 1 for j in scope] + [A]), (S,) * len(scope) + (A,)).copy()
            agents.append(LocalKernel(scope, (i,), table, reward, np.full(S, 1.0 / S)))
        return FactoredKernel((S,) * n, (A,) * n, tuple(agents))

    def _scope(self, i: int) -> tuple[int, ...]:
        return tuple(j for _, j in self._slots(i))

    def _slots(self, i: int) -> list[tuple[int, int]]:
        """(slot, agent) of those who matter to i: itself, by its reward, and all members with any weight."""
        members = enumerate(self._members[i].tolist())
        return [(k, j) for k, j in members if j == i or (j < self.topology.n and (self._weights[i, k] > 0 or self._joint[i] > 0))]


def _mixture(settings: RandomNetworkedSettings, m: int, own: int, rng: np.random.Generator) -> tuple[FloatArray, float]:
    """Weights ``(m,)`` of the copied states and of the sum term, for a row of C that sums to ``min(rho, (1 - FREE) m)``."""
    room = 1.0 - FREE
    rho = min(settings.rho, room * m)
    joint = max(0.0, (rho - room) / (m - 1)) if m > 1 else 0.0
    total = max(0.0, min(rho, room) - joint)
    weights = np.zeros(m)
    if m == 1:
        return np.array([total]), 0.0
    neighbours = np.delete(np.arange(m), own)
    weights[neighbours] = (1.0 - settings.own_share) * total * rng.dirichlet(np.ones(m - 1))
    weights[own] = settings.own_share * total
    return weights, joint


def _along(values: IntArray, axis: int, axes: int) -> IntArray:
    shape = [1] * axes
    shape[axis] = len(values)
    return values.reshape(shape)
