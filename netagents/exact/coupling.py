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

**Refinement.** The matrix C forgets that a change of a state alone, or of an action alone, may do less than both, and that
probabilities never exceed 1.  Keep p_s, p_a and p_y for the probabilities that a state, an action or either differs.  The same coupling
gives, with D^s and D^a for changes of s_j or a_j alone,

    p_s' <= min(1, D p_y, D^s p_s + D^a p_a),   p_a' <= min(1, B p_s'),   p_y' <= min(1, p_s' + p_a', (I + offdiag(B)) p_s'),

and agent j's part of |E u - E u~| is at most min(delta_j p_y, delta^s_j p_s + delta^a_j p_a).  The sum is finite always, never larger
than the certificate, and far smaller where fresh actions wash out the past (LineMsg under uniform policies: D^a is 1, B is 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.exact.joint_policy import JointPolicy

FloatArray = NDArray[np.float64]

TAIL = 1e-13
"""The refined series stops when what is left is below this share of the largest possible sum, ..."""

STEPS = 4000
"""... or after so many steps; a bound on what is left is added, so it stays a bound."""


class Sensitivity(NamedTuple):
    """The largest changes of a signal u(s, a) when one agent's variables change and everyone else's stay, ``(n,)`` each.

    Attributes:
        joint: delta, for (s_j, a_j).  states: delta^s, for s_j alone.  actions: delta^a, for a_j alone.
    """

    joint: FloatArray
    states: FloatArray
    actions: FloatArray


@dataclass(frozen=True, slots=True)
class Coupling:
    """The matrices behind the certificate, ``(n, n)`` each, and the sensitivity of each agent's expected task reward.

    Attributes:
        dynamics: D.  by_state: D^s.  by_action: D^a.
        policies: B.  combined: C.
        rewards: one :class:`Sensitivity` per agent.
    """

    dynamics: FloatArray
    by_state: FloatArray
    by_action: FloatArray
    policies: FloatArray
    combined: FloatArray
    rewards: tuple[Sensitivity, ...]

    @property
    def spectral_radius(self) -> float:
        """Of C: the certificate is finite when the discount times this is below 1."""
        return float(np.abs(np.linalg.eigvals(self.combined)).max())


def coupling(kernel: FactoredKernel, policy: JointPolicy) -> Coupling:
    """Compute C exactly from the local tables."""
    n = len(kernel.agents)
    changes, policies = np.zeros((3, n, n)), np.zeros((n, n))
    rewards = []
    for i, local in enumerate(kernel.agents):
        changes[:, i] = _changes(local, local.transition, n)
        # _largest_change halves the l1 distance, which for one number is its absolute difference.
        rewards.append(Sensitivity(*(2.0 * _changes(local, local.reward[..., None], n))))
        scope = policy.scopes[i]
        table = policy.tables[i].reshape(*(kernel.state_sizes[j] for j in scope), -1)
        for k, j in enumerate(scope):
            policies[i, j] = _largest_change(table, [k])
    dynamics, by_state, by_action = changes
    return Coupling(dynamics, by_state, by_action, policies, dynamics + _off_diagonal(policies) @ dynamics, tuple(rewards))


def certificates(coupled: Coupling, discount: float, signals: Sequence[Sensitivity], windows: Sequence[Sequence[int]]) -> FloatArray:
    """sum_{t >= 0} gamma^t <delta, C^t 1_outside>: bounds |Q - Q~| where (s, a) agree on the window; infinite where it diverges.

    Args:
        signals: one per window, such as :attr:`Coupling.rewards`, or :func:`local_sensitivity` of a table r_i(s_i, a_i).
        windows: the agents inside, usually those of every agent at one radius.

    Returns:
        One bound per window.
    """
    pairs = zip(signals, _outside(len(coupled.combined), windows).T, strict=True)
    return np.array([_series(coupled.combined, discount, signal.joint, outside) for signal, outside in pairs])


def refined_certificates(
    coupled: Coupling, discount: float, signals: Sequence[Sensitivity], windows: Sequence[Sequence[int]]
) -> FloatArray:
    """The refinement of :func:`certificates`, with the same arguments: finite always and never larger."""
    joint, states, actions = (np.stack([signal[part] for signal in signals], axis=1) for part in range(3))
    outside = _outside(len(coupled.combined), windows)
    # Half of the columns start from everything differing: the step is monotone, so they bound the tail of the others.
    p_y = np.concatenate([outside, np.ones_like(outside)], axis=1)
    p_s, p_a, others = p_y, p_y, _off_diagonal(coupled.policies)
    total, weight = (joint * outside).sum(axis=0), discount
    for _ in range(min(STEPS, int(log(TAIL * (1.0 - discount)) / log(discount)) + 1)):
        p_s = np.minimum(1.0, np.minimum(coupled.dynamics @ p_y, coupled.by_state @ p_s + coupled.by_action @ p_a))
        p_a = np.minimum(1.0, coupled.policies @ p_s)
        p_y = np.minimum(1.0, p_s + np.minimum(p_a, others @ p_s))
        near, far = np.split(np.minimum(np.tile(joint, 2) * p_y, np.tile(states, 2) * p_s + np.tile(actions, 2) * p_a).sum(axis=0), 2)
        total = total + weight * near
        weight *= discount
    bound: FloatArray = total + weight / (1.0 - discount) * np.where(outside.any(axis=0), far, 0.0)
    return bound


def local_sensitivity(n: int, agent: int, table: FloatArray) -> Sensitivity:
    """Of a signal r_i(s_i, a_i), such as a shadow reward: osc(r_i) at ``agent``, zero elsewhere.

    Args:
        n: number of agents.
        table: ``(|S_i|, |A_i|)``.
    """
    changes = np.zeros((3, n))
    changes[:, agent] = np.ptp(table), np.ptp(table, axis=0).max(), np.ptp(table, axis=1).max()
    return Sensitivity(*changes)


def _changes(local: LocalKernel, table: FloatArray, n: int) -> FloatArray:
    """Largest changes by (s_j, a_j), by s_j alone and by a_j alone, ``(3, n)``."""
    changes = np.zeros((3, n))
    for j in sorted({*local.state_scope, *local.action_scope}):
        states = [k for k, agent in enumerate(local.state_scope) if agent == j]
        actions = [len(local.state_scope) + k for k, agent in enumerate(local.action_scope) if agent == j]
        changes[:, j] = [_largest_change(table, axes) if axes else 0.0 for axes in (states + actions, states, actions)]
    return changes


def _outside(n: int, windows: Sequence[Sequence[int]]) -> FloatArray:
    """``(n, W)``: 1 where an agent is outside a window."""
    outside = np.ones((n, len(windows)))
    for column, window in enumerate(windows):
        outside[list(window), column] = 0.0
    return outside


def _off_diagonal(matrix: FloatArray) -> FloatArray:
    off: FloatArray = matrix - np.diag(np.diag(matrix))
    return off


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
