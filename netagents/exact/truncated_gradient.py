"""The exact truncated policy gradient of each credit: what the sampled algorithm converges to with perfect critics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netagents.exact.exact_values import ExactValues
from netagents.exact.team_objective import policy_gradient
from netagents.exact.truncation import Reading, Truncated, Window, truncate

FloatArray = NDArray[np.float64]
Credit = Literal["shared_q", "shared_reward"]
CREDITS: tuple[Credit, ...] = ("shared_q", "shared_reward")


def truncated_critics(
    evaluation: ExactValues,
    signals: FloatArray,
    q: FloatArray,
    critic_windows: Sequence[Window],
    gradient_windows: Sequence[Window],
    *,
    credit: Credit = "shared_q",
    reading: Reading = "conditional_mean",
    weights: FloatArray | None = None,
) -> list[Truncated]:
    """The critic that each agent learns from.

    ``shared_q``: Q_i of agent i's own signal on N_i^kappa_critic.  ``shared_reward``: the Q of the summed signals of
    N_i^kappa_gradient, on the same N_i^kappa_critic.

    Args:
        signals, q: every agent's signal and its exact Q, ``(n, S, A)``.
        weights: of the samples, ``(S, A)``; default the discounted occupancy.
    """
    weights = evaluation.occupancy() if weights is None else weights
    critics = []
    for i, window in enumerate(critic_windows):
        if credit == "shared_q":
            critics.append(truncate(evaluation, signals[i], q[i], window, weights, reading))
        else:
            near = list(gradient_windows[i])
            critics.append(truncate(evaluation, signals[near].sum(axis=0), q[near].sum(axis=0), window, weights, reading))
    return critics


def credited_q(critics: Sequence[Truncated], gradient_windows: Sequence[Window], credit: Credit) -> list[FloatArray]:
    """What enters each agent's gradient, ``(S, A)`` each: the neighbourhood's sum under ``shared_q``, its own critic otherwise."""
    tables = [critic.expand() for critic in critics]
    if credit == "shared_reward":
        return tables
    return [np.sum([tables[j] for j in window], axis=0) for window in gradient_windows]


def truncated_gradient(
    evaluation: ExactValues,
    signals: FloatArray,
    q: FloatArray,
    critic_windows: Sequence[Window],
    gradient_windows: Sequence[Window],
    *,
    credit: Credit = "shared_q",
    reading: Reading = "conditional_mean",
    weights: FloatArray | None = None,
    critic_weights: FloatArray | None = None,
) -> list[FloatArray]:
    """The truncated gradient (arXiv 2302.07938, Algorithm 1, step 6): sums over N_i^kappa_gradient, still divided by n.

    ``shared_q`` conditions Q_j on N_j^kappa_critic, ``shared_reward`` conditions sum_{j in N_i} Q_j on N_i^kappa_critic: two estimators
    with different truncation bias.  At radii that span the graph both are the exact gradient.

    Args:
        signals, q: see :func:`truncated_critics`.
        weights: of the gradient's samples, discounted; default the discounted occupancy.
        critic_weights: of the critics' samples; default ``weights``.  Batch TD counts every step alike, so that trajectories of H
            steps give :meth:`Evaluation.visits` of H.

    Returns:
        ``(X_i, |A_i|)`` for each agent.
    """
    weights = evaluation.occupancy() if weights is None else weights
    critic_weights = weights if critic_weights is None else critic_weights
    critics = truncated_critics(evaluation, signals, q, critic_windows, gradient_windows, credit=credit, reading=reading, weights=weights)
    return policy_gradient(evaluation, credited_q(critics, gradient_windows, credit), weights)


def compare_gradients(estimate: Sequence[FloatArray], exact: Sequence[FloatArray]) -> tuple[float, float]:
    """Relative error |g^ - g| / |g| and cosine of two gradients, over all agents' logits; NaN when a norm is zero."""
    a, b = np.concatenate([table.reshape(-1) for table in estimate]), np.concatenate([table.reshape(-1) for table in exact])
    norm_a, norm_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    error = float(np.linalg.norm(a - b)) / norm_b if norm_b > 0.0 else float("nan")
    cosine = float(a @ b) / (norm_a * norm_b) if norm_a > 0.0 and norm_b > 0.0 else float("nan")
    return error, cosine
