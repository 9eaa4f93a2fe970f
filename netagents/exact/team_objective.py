"""The team objective and its exact gradient (arXiv 2302.07938, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.exact.exact_values import ExactValues

FloatArray = NDArray[np.float64]


class LocalUtility(Protocol):
    """A utility f_i of the local occupancy and its gradient, the shadow reward; both take ``(|S_i|, |A_i|)``."""

    def value(self, occupancy: FloatArray) -> float:
        """f_i(lambda_i)."""

    def gradient(self, occupancy: FloatArray) -> FloatArray:
        """grad f_i(lambda_i), ``(|S_i|, |A_i|)``."""


Utilities = Sequence[LocalUtility] | None
"""One utility per agent, or None for a pure task."""


def objective(evaluation: ExactValues, utilities: Utilities = None, task_weight: float = 1.0) -> float:
    """F = (1/n) sum_i [ w E sum_t gamma^t r_i^t + f_i(lambda_i) ]."""
    model = evaluation.model
    total = 0.0
    if task_weight != 0.0:
        total += task_weight * float((evaluation.values(model.rewards) @ model.initial).sum())
    if utilities is not None:
        occupancies = evaluation.local_occupancies()
        total += sum(utility.value(table) for utility, table in zip(utilities, occupancies, strict=True))
    return total / model.n


def learning_signals(evaluation: ExactValues, utilities: Utilities = None, task_weight: float = 1.0) -> FloatArray:
    """u_i(s, a) = w r_i(s, a) + grad f_i(lambda_i)[s_i, a_i], ``(n, S, A)``: shadow rewards frozen at the evaluated policy."""
    model = evaluation.model
    signals: FloatArray = task_weight * model.rewards
    if utilities is not None:
        occupancies = evaluation.local_occupancies()
        for i, (utility, table) in enumerate(zip(utilities, occupancies, strict=True)):
            signals[i] += model.local_signal(i, utility.gradient(table))
    return signals


def policy_gradient(evaluation: ExactValues, summed_q: Sequence[FloatArray], weights: FloatArray | None = None) -> list[FloatArray]:
    """sum_{s,a} weight(s, a) psi_i(a_i|s) (1/n) Qsum_i(s, a) with respect to softmax logits.

    Args:
        summed_q: for each agent, the sum of Q-functions that it credits itself with, ``(S, A)``.  Entries of weight zero may be
            NaN (a truncated Q knows nothing where nobody ever goes).
        weights: ``(S, A)``; default the discounted occupancy.  With those of the first H steps this is what sampled trajectories of
            length H converge to.

    Returns:
        ``(X_i, |A_i|)`` for each agent.
    """
    model = evaluation.model
    weights = evaluation.occupancy() if weights is None else weights
    visited = weights > 0.0
    gradients = []
    for i, (scope, table) in enumerate(zip(evaluation.policy.scopes, evaluation.policy.tables, strict=True)):
        credit = np.where(visited, summed_q[i], 0.0) * weights / model.n
        inner = credit.reshape(model.S, *model.action_sizes).sum(axis=tuple(1 + j for j in range(model.n) if j != i))
        scored = np.zeros_like(table)
        np.add.at(scored, model.state_index(scope), inner)
        # The score of a softmax row is 1[a] - pi(.|x).
        gradients.append(scored - table * scored.sum(axis=1, keepdims=True))
    return gradients


def exact_gradient(evaluation: ExactValues, utilities: Utilities = None, task_weight: float = 1.0) -> list[FloatArray]:
    """grad_{theta_i} F, ``(X_i, |A_i|)`` for each agent, by the policy gradient theorem with shadow rewards.

    All agents share the same sum of Q-functions; by linearity it is the Q-function of the summed signals.
    """
    total = learning_signals(evaluation, utilities, task_weight).sum(axis=0)
    summed = evaluation.action_values(total[None])[0]
    return policy_gradient(evaluation, [summed] * evaluation.model.n)
