"""How far agents can influence each other, computed from the kernel and the policies, and the bound it gives on truncation.

Write y_j = (s_j, a_j), D_ij for the largest total-variation change of agent i's next state law P_i(. | s, a) when only y_j changes, and
B_ij for the largest change of pi_i(. | s) when only s_j changes.  The coupling matrix is

    C = (I + offdiag(B)) D,    so C = D when every policy reads its own state only.

**Theorem.** If (s, a) and (s~, a~) agree on the window W, then for any signal u,

    |Q(s, a) - Q(s~, a~)| <= sum_{t >= 0} gamma^t <delta, C^t 1_outside>,

with delta_j the largest change of u(s, a) when only y_j changes.  For u = r_i(s_i, a_i) with i in W, delta is osc(r_i) at i and the term
t = 0 vanishes, which leaves osc(r_i) sum_{t >= 1} gamma^t [C^t 1_outside]_i.  For expected rewards that depend on neighbours or on the
next state, delta reaches one hop further, and so does the bound.

**Proof.** Run two copies of the process from the two starts and couple them step by step.  Given the current pair, next states are
independent across agents; couple each agent's by a maximal coupling, independently.  Moving from (s, a) to (s~, a~) one agent at a time,
the triangle inequality gives Pr(s_k' differs) <= sum_j D_kj 1[y_j differs].  Given the next states, actions are independent across
agents; couple them likewise: if s_i' agrees, Pr(a_i' differs | states) <= sum_{k != i} B_ik 1[s_k' differs] (the k = i term is absent
exactly because s_i' agrees).  As y_i' differs only if s_i' does, or s_i' agrees and a_i' does not, Pr(y_i' differs) <=
sum_j C_ij 1[y_j differs].  Taking expectations, p^t = (Pr(y_j^t differs))_j obeys p^{t+1} <= C p^t with p^0 <= 1_outside, hence
p^t <= C^t 1_outside.  Finally |E u(y^t) - E u(y~^t)| <= E sum_j delta_j 1[y_j^t differs], summed with gamma^t.  QED.

Marginal laws of y_i' alone would not do: policies that read neighbours make the y_i' dependent given (s, a), and then coordinatewise
total variation says nothing about the joint law.  That is why states and actions are coupled in two layers.  Neither layer needs the
transition to depend on own actions only: wireless collisions are covered.

Probabilities never exceed 1, so p^{t+1} <= min(1, C p^t) is a bound as well, finite whatever C is; where spectral radius times gamma
reaches 1, the unclipped one is infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from netagents.environments.kernel import FactoredKernel
from netagents.exact.joint_policy import JointPolicy
from netagents.exact.truncation import Window

FloatArray = NDArray[np.float64]

TAIL = 1e-15
"""Where the clipped series stops, relative to its largest possible sum; what is cut off is added, so it stays a bound."""


@dataclass(frozen=True, slots=True)
class Coupling:
    """The matrices behind the certificate, ``(n, n)`` each.

    Attributes:
        dynamics: D.  policies: B.  combined: C.
        rewards: entry (i, j) is the largest change of agent i's expected task reward when only (s_j, a_j) changes.
    """

    dynamics: FloatArray
    policies: FloatArray
    combined: FloatArray
    rewards: FloatArray

    @property
    def spectral_radius(self) -> float:
        """Of C: the certificate is finite when the discount times this is below 1."""
        return float(np.abs(np.linalg.eigvals(self.combined)).max())


def coupling(kernel: FactoredKernel, policy: JointPolicy) -> Coupling:
    """Compute C exactly from the local tables."""
    n = len(kernel.agents)
    dynamics, policies, rewards = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for i, local in enumerate(kernel.agents):
        for j in sorted({*local.state_scope, *local.action_scope}):
            axes = [k for k, agent in enumerate(local.state_scope) if agent == j]
            axes += [len(local.state_scope) + k for k, agent in enumerate(local.action_scope) if agent == j]
            dynamics[i, j] = _largest_change(local.transition, axes)
            rewards[i, j] = 2.0 * _largest_change(local.reward[..., None], axes)
        scope = policy.scopes[i]
        table = policy.tables[i].reshape(*(kernel.state_sizes[j] for j in scope), -1)
        for k, j in enumerate(scope):
            policies[i, j] = _largest_change(table, [k])
    others = policies - np.diag(np.diag(policies))
    return Coupling(dynamics, policies, dynamics + others @ dynamics, rewards)


def certificate(matrix: FloatArray, discount: float, sensitivity: FloatArray, window: Sequence[int], clipped: bool = False) -> float:
    """sum_{t >= 0} gamma^t <delta, C^t 1_outside>, infinite where the series diverges.

    Args:
        matrix: C, ``(n, n)``.
        sensitivity: delta, ``(n,)``: a row of :attr:`Coupling.rewards`, or osc(r_i) at i alone for a table r_i(s_i, a_i).
        window: the agents inside.
        clipped: use p^{t+1} = min(1, C p^t), which is finite always.
    """
    n = len(matrix)
    outside = np.ones(n)
    outside[list(window)] = 0.0
    if not clipped:
        return _series(matrix, discount, sensitivity, outside)
    total, weight, now = 0.0, 1.0, outside
    for _ in range(int(log(TAIL * (1.0 - discount)) / log(discount)) + 1):
        total += weight * float(sensitivity @ now)
        now = np.minimum(1.0, matrix @ now)
        weight *= discount
    return total + weight * float(sensitivity.sum()) / (1.0 - discount)


def signal_sensitivity(kernel: FactoredKernel, signal_table: FloatArray, agent: int) -> FloatArray:
    """delta of a local table r_i(s_i, a_i): osc(r_i) at ``agent``, zero elsewhere."""
    delta = np.zeros(len(kernel.agents))
    delta[agent] = float(signal_table.max() - signal_table.min())
    return delta


def certificates(coupled: Coupling, discount: float, windows: Sequence[Window], clipped: bool = False) -> list[float]:
    """The bound on each agent's task Q, one per agent and its window."""
    return [certificate(coupled.combined, discount, coupled.rewards[i], window, clipped) for i, window in enumerate(windows)]


def _series(matrix: FloatArray, discount: float, sensitivity: FloatArray, outside: FloatArray) -> float:
    # Only agents that the outside can reach, and that can reach the signal, matter: a divergent part elsewhere must not spoil the bound.
    n = len(matrix)
    steps = (matrix > 0.0) | np.eye(n, dtype=np.bool_)
    for _ in range(n.bit_length()):
        steps = steps @ steps
    relevant = np.flatnonzero((steps @ (outside > 0.0)) & ((sensitivity > 0.0) @ steps))
    if relevant.size == 0:
        return 0.0
    inner = discount * matrix[np.ix_(relevant, relevant)]
    if float(np.abs(np.linalg.eigvals(inner)).max()) >= 1.0 - 1e-12:
        return float("inf")
    return float(sensitivity[relevant] @ np.linalg.solve(np.eye(relevant.size) - inner, outside[relevant]))


def _largest_change(table: FloatArray, axes: list[int]) -> float:
    """Half the largest l1 distance between two rows (last axis) that differ in the given axes only."""
    sizes = [table.shape[axis] for axis in axes]
    moved = np.moveaxis(table, axes, range(len(axes)))
    rows = moved.reshape(int(np.prod(sizes)), -1, table.shape[-1])
    return max((float(np.abs(rows[k + 1 :] - rows[k]).sum(axis=2).max()) / 2.0 for k in range(len(rows) - 1)), default=0.0)
