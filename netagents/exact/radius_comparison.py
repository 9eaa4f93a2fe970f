"""One pass over the radii: truncation errors, truncated gradients and readings of power at every kappa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError
from netagents.exact.decay import reading_error, truncation_error
from netagents.exact.exact_power import PowerReadingError, calibrate_power
from netagents.exact.exact_values import ExactValues
from netagents.exact.team_objective import policy_gradient
from netagents.exact.truncated_gradient import Credit, compare_gradients, credited_q
from netagents.exact.truncation import Reading, Truncated, Window, conditional_mean, fixed_point, placeholder, windows

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GradientError:
    """A truncated gradient against the exact one.

    Attributes:
        credit, reading: which estimator, with which critics.
        relative_error: |g^ - g| / |g| over all logits.  cosine: between the two.
    """

    credit: Credit
    reading: Reading
    relative_error: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Radius:
    """What one radius buys.

    Attributes:
        kappa: the radius of critics and gradient sums.
        windows: N_i^kappa of every agent.
        entries: of the largest critic.
        supremum: per agent, the largest change of the exact task Q by what is outside the window.
        placeholder, conditional_mean, fixed_point: per agent, the largest error of each reading of the truncated task Q.
            The fixed point's is NaN, and it has no gradients, at radii where its system would not fit.
        gradients: of the learning signal, for both credits and the readings that sampling leads to.
        power: how well critics of this radius tell power, by distance.
    """

    kappa: int
    windows: tuple[Window, ...]
    entries: int
    supremum: list[float]
    placeholder: list[float]
    conditional_mean: list[float]
    fixed_point: list[float]
    gradients: list[GradientError]
    power: list[PowerReadingError]


def compare_radii(
    evaluation: ExactValues,
    task_q: FloatArray,
    signals: FloatArray,
    q: FloatArray,
    distances: FloatArray,
    kappas: Sequence[int],
    horizon: int | None = None,
) -> list[Radius]:
    """Truncate at every radius.

    Args:
        task_q: exact Q of every agent's task reward, ``(n, S, A)``.
        signals, q: every agent's learning signal and its exact Q, ``(n, S, A)``.
        distances: ``(n, n)`` hops.
        horizon: critics learn from trajectories of so many steps; None stands for the discounted occupancy.
    """
    occupancy = evaluation.occupancy()
    sampled = occupancy if horizon is None else evaluation.visits(horizon)
    exact = policy_gradient(evaluation, [q.sum(axis=0)] * evaluation.model.n)
    return [_radius(evaluation, task_q, signals, q, distances, kappa, occupancy, sampled, exact) for kappa in kappas]


def _radius(
    evaluation: ExactValues,
    task_q: FloatArray,
    signals: FloatArray,
    q: FloatArray,
    distances: FloatArray,
    kappa: int,
    occupancy: FloatArray,
    sampled: FloatArray,
    exact: list[FloatArray],
) -> Radius:
    model = evaluation.model
    near = windows(distances, kappa)
    sums = [list(window) for window in near]
    means = [conditional_mean(model, task_q[i], window, occupancy) for i, window in enumerate(near)]
    places = [placeholder(model, task_q[i], window) for i, window in enumerate(near)]
    critics: dict[tuple[Credit, Reading], list[Truncated]] = {
        ("shared_q", "conditional_mean"): [conditional_mean(model, q[i], window, sampled) for i, window in enumerate(near)],
        ("shared_reward", "conditional_mean"): [
            conditional_mean(model, q[sums[i]].sum(axis=0), window, sampled) for i, window in enumerate(near)
        ],
    }
    # Three signals share each window's system: the task (errors), the own signal (shared_q), the neighbourhood's (shared_reward).
    try:
        solved = [
            fixed_point(evaluation, np.stack([model.rewards[i], signals[i], signals[sums[i]].sum(axis=0)]), window, sampled)
            for i, window in enumerate(near)
        ]
    except CapacityError:
        # The joint model fits, this reading at this radius does not: everything else is still worth having.
        fixed_errors = [float("nan")] * model.n
    else:
        fixed_errors = [reading_error(errors[0], task_q[i])[0] for i, errors in enumerate(solved)]
        critics["shared_q", "fixed_point"] = [errors[1] for errors in solved]
        critics["shared_reward", "fixed_point"] = [errors[2] for errors in solved]
    gradients = []
    for (credit, reading), tables in critics.items():
        estimate = policy_gradient(evaluation, credited_q(tables, near, credit), occupancy)
        gradients.append(GradientError(credit, reading, *compare_gradients(estimate, exact)))
    return Radius(
        kappa=kappa,
        windows=near,
        entries=max(prod(model.state_sizes[j] * model.action_sizes[j] for j in window) for window in near),
        supremum=[truncation_error(model, task_q[i], window) for i, window in enumerate(near)],
        placeholder=[reading_error(critic, task_q[i])[0] for i, critic in enumerate(places)],
        conditional_mean=[reading_error(critic, task_q[i])[0] for i, critic in enumerate(means)],
        fixed_point=fixed_errors,
        gradients=gradients,
        power=calibrate_power(evaluation, task_q, means, distances, kappa, occupancy),
    )
