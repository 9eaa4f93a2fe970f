"""Exact values, action values and occupancies of one joint policy."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import JointPolicy
from netagents.exact.joint_transition import joint_transition

FloatArray = NDArray[np.float64]

SPARSE_FROM = 1024
"""Number of joint states from which a sparse factorization is tried."""

SPARSE_DENSITY = 0.05
"""Largest share of non-zero entries for which it is."""


class ExactValues:
    """Everything that is linear in the occupancy of one policy.

    Attributes:
        model, policy: what is evaluated.
        local: pi_i(a_i|s) of every agent, ``(S, |A_i|)``.
        transition: P_pi, ``(S, S)``.

    Raises:
        EnvironmentMismatchError: the policy does not fit the model.
    """

    def __init__(self, model: JointModel, policy: JointPolicy) -> None:
        self.model = model
        self.policy = policy
        self.local = model.local_probabilities(policy)
        self.transition = joint_transition(model, self.local)

    @cached_property
    def joint(self) -> FloatArray:
        """pi(a|s), ``(S, A)``."""
        table = np.ones((self.model.S, 1))
        for probabilities in self.local:
            table = (table[:, :, None] * probabilities[:, None, :]).reshape(self.model.S, -1)
        return table

    @cached_property
    def _factors(self) -> tuple[Any, Any]:
        """A factorization of I - gamma P_pi: (sparse, None) or (None, dense)."""
        S, gamma = self.model.S, self.model.discount
        if S >= SPARSE_FROM and np.count_nonzero(self.transition) < SPARSE_DENSITY * S * S:
            system = scipy.sparse.eye_array(S, format="csc") - gamma * scipy.sparse.csc_array(self.transition)
            return scipy.sparse.linalg.splu(system), None
        return None, scipy.linalg.lu_factor(np.eye(S) - gamma * self.transition)

    def solve(self, right: FloatArray, transposed: bool = False) -> FloatArray:
        """x = (I - gamma P_pi)^{-1} b, or with the transposed matrix, for ``right`` of shape ``(K, S)``."""
        sparse, dense = self._factors
        if sparse is not None:
            return np.ascontiguousarray(sparse.solve(np.ascontiguousarray(right.T), "T" if transposed else "N").T)
        return np.ascontiguousarray(scipy.linalg.lu_solve(dense, right.T, trans=1 if transposed else 0).T)

    def average(self, table: FloatArray) -> FloatArray:
        """sum_a pi(a|s) x(s, a): ``(K, S, A)`` to ``(K, S)``."""
        averaged: FloatArray = np.einsum("ksa,sa->ks", table, self.joint)
        return averaged

    def values(self, signals: FloatArray) -> FloatArray:
        """V(s) = E[ sum_t gamma^t u(s_t, a_t) | s_0 = s ] of each signal, ``(K, S, A)`` to ``(K, S)``."""
        return self.solve(self.average(signals))

    def action_values(self, signals: FloatArray) -> FloatArray:
        """Q(s, a) = u(s, a) + gamma E[ V(s') | s, a ] of each signal, ``(K, S, A)`` to ``(K, S, A)``."""
        ahead = self.model.expected_next(self.values(signals))
        ahead *= self.model.discount
        ahead += signals
        return ahead

    # -- occupancies -----------------------------------------------------------------------------------------------------

    def state_occupancy(self, horizon: int | None = None) -> FloatArray:
        """d(s) = sum_t gamma^t Pr(s_t = s), ``(S,)``, of total mass 1 / (1 - gamma).

        Args:
            horizon: number of steps H; the mass is then (1 - gamma^H) / (1 - gamma).
        """
        if horizon is None:
            return np.asarray(np.maximum(self.solve(self.model.initial[None, :], transposed=True)[0], 0.0))
        total, now = np.zeros(self.model.S), self.model.initial.copy()
        for _ in range(horizon):
            total += now
            now = self.model.discount * (now @ self.transition)
        return total

    def occupancy(self, horizon: int | None = None) -> FloatArray:
        """sum_t gamma^t Pr(s_t = s, a_t = a), ``(S, A)``."""
        occupancy: FloatArray = self.state_occupancy(horizon)[:, None] * self.joint
        return occupancy

    def visits(self, horizon: int) -> FloatArray:
        """sum_{t < H} Pr(s_t = s, a_t = a), undiscounted, ``(S, A)``: how batch TD weighs trajectories of H steps."""
        total, now = np.zeros(self.model.S), self.model.initial.copy()
        for _ in range(horizon):
            total += now
            now = now @ self.transition
        visits: FloatArray = total[:, None] * self.joint
        return visits

    def local_occupancies(self, horizon: int | None = None) -> list[FloatArray]:
        """lambda_i(s_i, a_i) of every agent, ``(|S_i|, |A_i|)``, unnormalised (arXiv 2302.07938, section 2)."""
        model, d = self.model, self.state_occupancy(horizon)
        result = []
        for i, probabilities in enumerate(self.local):
            table = np.zeros((model.state_sizes[i], model.action_sizes[i]))
            np.add.at(table, model.state_digits[i], d[:, None] * probabilities)
            result.append(table)
        return result
