"""The truncated policy gradient of a tabular policy (arXiv 2302.07938, Algorithm 1), with an optional baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netagents.foreign.part_values import check_array, is_foreign
from netagents.learning.protocol.rollout import Rollout
from netagents.policies import TabularPolicy

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def truncated_policy_gradient(
    context: IntArray, actions: IntArray, summed_q: FloatArray, weights: FloatArray, policy: TabularPolicy, n: int, baseline: bool
) -> FloatArray:
    """grad_{theta_i} F ~ (1/B) sum gamma^t psi_i(a_i^t | x^t) (1/n) [ sum_{j in N_i^kappa} Q_j(t) - b_i(x^t) ].

    The sum is divided by n, not by the size of the neighbourhood, so that credit does not thin out as kappa grows.

    Args:
        context, actions: (M,) policy rows x and own actions, over all steps of all copies.
        summed_q: (M,) sum of the neighbourhood's truncated Q along the batch.
        weights: (M,) gamma^t / B, zero for steps after a copy ended and for actions that the policy did not choose.
        policy: the policy that acted, with X contexts and A actions.
        n: number of agents.
        baseline: subtract b_i(x) (see :func:`batch_baseline`).

    Returns:
        (X, A) gradient with respect to the policy's parameters.
    """
    contexts, size = policy.probabilities.shape
    cells = context * size + actions
    advantage = summed_q
    if baseline:
        advantage = summed_q - batch_baseline(cells, summed_q, weights, policy.probabilities)[context]
    credit = np.bincount(cells, weights=weights * advantage / n, minlength=contexts * size).astype(np.float64, copy=False)
    score = policy.score_sum(credit.reshape(contexts, size))
    return check_array(score, (contexts, size), policy.score_sum) if is_foreign(policy) else score


def visited_entropy(policy: TabularPolicy, rollout: Rollout) -> float:
    """Mean over the visits of a batch of the entropy of the policy's rows, in nats."""
    probabilities = policy.probabilities
    # What can no longer be told from impossible adds nothing: p log p goes to 0.
    logs = np.log(np.where(probabilities > 0.0, probabilities, 1.0))
    per_context = -(probabilities * logs).sum(axis=1)
    visits = np.bincount(rollout.context[:-1][rollout.alive], minlength=policy.contexts)
    return float((visits * per_context).sum() / visits.sum())


def clipped(gradient: FloatArray, limit: float | None) -> FloatArray:
    """The gradient, scaled down to a Euclidean norm of ``limit`` where it is longer."""
    if limit is None:
        return gradient
    norm = float(np.sqrt((gradient * gradient).sum()))
    return gradient if norm <= limit else gradient * (limit / norm)


def batch_baseline(cells: IntArray, summed_q: FloatArray, weights: FloatArray, probabilities: FloatArray) -> FloatArray:
    """b_i(x) = sum_a pi_i(a|x) Qbar_i(x, a), Qbar the weighted batch mean over the visits with (x, a).

    An action that was not played at x takes the mean of those that were.  The baseline depends on the state alone, so the
    gradient's expectation changes by O(1/B) only.

    Args:
        cells: (M,) x * A + a.  summed_q, weights: (M,).  probabilities: (X, A).

    Returns:
        (X,) float64, zero for contexts that the batch never met.
    """
    contexts, size = probabilities.shape
    mass = np.bincount(cells, weights=weights, minlength=contexts * size).reshape(contexts, size)
    total = np.bincount(cells, weights=weights * summed_q, minlength=contexts * size).reshape(contexts, size)
    played = mass > 0.0
    means = np.divide(total, mass, out=np.zeros_like(total), where=played)
    count = played.sum(axis=1, keepdims=True)
    substitute = means.sum(axis=1, keepdims=True) / np.maximum(count, 1)
    baseline: FloatArray = (probabilities * np.where(played, means, substitute)).sum(axis=1)
    return baseline
