"""Exact power of one agent over another (arXiv 2406.11240), in units of the second agent's task reward.

Agent j's **one-step** power over i: j plays its worst action for i once, then everyone returns to the policy.  Three variants:

* ex-ante   V_i(s) - min_b E_{a_-j ~ pi}[ Q_i(s, b, a_-j) ], before anyone has acted;
* realized  Q_i(s, a) - min_b Q_i(s, b, a_-j), for the joint action that was played;
* spread    max_b E[ Q_i(s, b, a_-j) ] - min_b E[ Q_i(s, b, a_-j) ], which an agent that already sabotages still has.

**k-step** power: j sees the joint state and plays to hurt i for k steps, then returns; everyone else follows the policy throughout.
Matrices have the holder j in the row and the sufferer i in the column; the diagonal is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.exact.best_response import best_response
from netagents.exact.exact_values import ExactValues
from netagents.exact.truncation import Truncated

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerMatrices:
    """Power of j (row) over i (column), averaged over joint states (and actions) by given weights; ``(n, n)`` each.

    Attributes:
        ex_ante, realized, spread: see the module.
    """

    ex_ante: FloatArray
    realized: FloatArray
    spread: FloatArray


def deviation_values(evaluation: ExactValues, q: FloatArray, deviator: int) -> FloatArray:
    """E_{a_-j ~ pi}[ Q(s, b, a_-j) ] for every action b of j: ``(S, A)`` to ``(S, |A_j|)``."""
    model = evaluation.model
    table = q.reshape(model.S, *model.action_sizes)
    # From the last agent to the first, so that the axes in front keep their places.
    for k in reversed(range(model.n)):
        if k != deviator:
            moved = np.moveaxis(table, 1 + k, -1)
            shape = (model.S, *(1,) * (moved.ndim - 2), model.action_sizes[k])
            table = (moved * evaluation.local[k].reshape(shape)).sum(axis=-1)
    return np.ascontiguousarray(table.reshape(model.S, model.action_sizes[deviator]))


def ex_ante_power(evaluation: ExactValues, q: FloatArray, deviator: int) -> FloatArray:
    """Ex-ante power of ``deviator`` over the owner of ``q`` ``(S, A)`` in every joint state, ``(S,)``."""
    values = deviation_values(evaluation, q, deviator)
    power: FloatArray = (values * evaluation.local[deviator]).sum(axis=1) - values.min(axis=1)
    return np.maximum(power, 0.0)


def spread_power(evaluation: ExactValues, q: FloatArray, deviator: int) -> FloatArray:
    """Spread of ``deviator``'s actions for the owner of ``q`` in every joint state, ``(S,)``."""
    values = deviation_values(evaluation, q, deviator)
    spread: FloatArray = values.max(axis=1) - values.min(axis=1)
    return spread


def realized_power(evaluation: ExactValues, q: FloatArray, deviator: int) -> FloatArray:
    """Realized power of ``deviator`` over the owner of ``q`` at every joint state and action, ``(S, A)``."""
    model = evaluation.model
    table = q.reshape(model.S, *model.action_sizes)
    power: FloatArray = (table - table.min(axis=1 + deviator, keepdims=True)).reshape(model.S, model.A)
    return power


def power_matrices(evaluation: ExactValues, q: FloatArray, weights: FloatArray | None = None) -> PowerMatrices:
    """Mean power of every agent over every other.

    Args:
        q: every agent's Q of its own task reward, ``(n, S, A)``.
        weights: ``(S, A)``; default the discounted occupancy.
    """
    n = evaluation.model.n
    weights = evaluation.occupancy() if weights is None else weights
    share = weights / weights.sum()
    states = share.sum(axis=1)
    ex_ante, realized, spread = (np.full((n, n), np.nan) for _ in range(3))
    for i in range(n):
        for j in range(n):
            if i != j:
                values = deviation_values(evaluation, q[i], j)
                worst = values.min(axis=1)
                ex_ante[j, i] = states @ ((values * evaluation.local[j]).sum(axis=1) - worst)
                spread[j, i] = states @ (values.max(axis=1) - worst)
                realized[j, i] = np.sum(share * realized_power(evaluation, q[i], j))
    return PowerMatrices(ex_ante, realized, spread)


def k_step_power(evaluation: ExactValues, steps: int) -> FloatArray:
    """V_i(s) - W_k(s) for every pair, ``(n, n, S)`` with the deviator first; the diagonal is NaN.

    W_0 = V_i and W_m(s) = min_b E_{a_-j ~ pi}[ r_i(s, b, a_-j) + gamma W_{m-1}(s') ]: dynamic programming for the deviator.  With one
    step this is ex-ante power.
    """
    model = evaluation.model
    pairs = [(j, i) for j in range(model.n) for i in range(model.n) if i != j]
    values = evaluation.values(model.rewards)
    result = np.full((model.n, model.n, model.S), np.nan)
    for deviator in range(model.n):
        victims = [i for j, i in pairs if j == deviator]
        if not victims:
            continue
        worst = values[victims]
        for _ in range(steps):
            ahead = model.rewards[victims] + model.discount * model.expected_next(worst)
            worst = np.stack([deviation_values(evaluation, table, deviator).min(axis=1) for table in ahead])
        result[deviator, victims] = np.maximum(values[victims] - worst, 0.0)
    return result


def persistent_power(evaluation: ExactValues) -> FloatArray:
    """V_i(s) less its value when j plays against i for ever, ``(n, n, S)`` with the deviator first; the limit of k-step power."""
    model = evaluation.model
    values = evaluation.values(model.rewards)
    result = np.full((model.n, model.n, model.S), np.nan)
    for j in range(model.n):
        for i in range(model.n):
            if i != j:
                worst = -best_response(model, evaluation.policy, (j,), -model.rewards[i]).values
                result[j, i] = np.maximum(values[i] - worst, 0.0)
    return result


def truncated_power(critic: Truncated, deviator: int) -> FloatArray:
    """Realized power read from a truncated critic at every joint state and action, ``(S, A)``, as the critic's owner would.

    An alternative that the weights of the critic never met has no value: the entry is NaN.

    Raises:
        IndexError: the deviator is outside the critic's window.
    """
    if deviator not in critic.window:
        raise IndexError(f"agent {deviator} is outside the window {critic.window}")
    axis = len(critic.window) + critic.window.index(deviator)
    power = critic.table - critic.table.min(axis=axis, keepdims=True)
    return Truncated(critic.model, critic.window, power).expand()


@dataclass(frozen=True, slots=True)
class PowerReadingError:
    """How well truncated critics of one radius tell realized power, pooled over pairs at one distance.

    Attributes:
        kappa, distance: of the critic, and between holder and sufferer.
        pairs: how many pairs of agents.
        exact: mean exact power.
        bias: mean of (read - exact), relative to ``exact``.
        error: mean of |read - exact|, relative to ``exact``; NaN when ``exact`` is zero.
    """

    kappa: int
    distance: int
    pairs: int
    exact: float
    bias: float
    error: float


def calibrate_power(
    evaluation: ExactValues,
    q: FloatArray,
    critics: Sequence[Truncated],
    distances: NDArray[np.generic],
    kappa: int,
    weights: FloatArray | None = None,
) -> list[PowerReadingError]:
    """Compare realized power from truncated critics with exact power, for every distance within ``kappa``, where it is known.

    Args:
        q: exact Q of every agent's task reward, ``(n, S, A)``.
        critics: every agent's truncated Q of the same reward, at radius ``kappa``.
        distances: ``(n, n)`` graph distances.
        weights: ``(S, A)``; default the discounted occupancy.
    """
    weights = evaluation.occupancy() if weights is None else weights
    share = weights / weights.sum()
    rows = []
    for distance in range(1, kappa + 1):
        pairs = [(int(j), int(i)) for j, i in np.argwhere(np.asarray(distances) == distance)]
        exact = signed = absolute = 0.0
        for j, i in pairs:
            truth = realized_power(evaluation, q[i], j)
            difference = truncated_power(critics[i], j) - truth
            weight = np.where(np.isfinite(difference), share, 0.0)
            difference = np.nan_to_num(difference, nan=0.0)
            exact += float(np.sum(weight * truth))
            signed += float(np.sum(weight * difference))
            absolute += float(np.sum(weight * np.abs(difference)))
        if pairs:
            scale = exact if exact > 0.0 else float("nan")
            rows.append(PowerReadingError(kappa, distance, len(pairs), exact / len(pairs), signed / scale, absolute / scale))
    return rows
