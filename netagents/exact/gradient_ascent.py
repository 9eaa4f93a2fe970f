"""Exact projected gradient ascent on the logits: the best value known for a model, against which learning is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.exact.exact_values import ExactValues
from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import JointPolicy, Scopes, policy_contexts, softmax_policy
from netagents.exact.team_objective import Utilities, exact_gradient, objective
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

FloatArray = NDArray[np.float64]

ARMIJO = 1e-4
"""Share of the first-order gain that a step must bring."""

SHORTEST = 1e-12
"""A line search that would step less than this times the first step has failed: the point is stationary to rounding."""


@dataclass(frozen=True, slots=True)
class Ascent:
    """The result of one or several ascents.

    Attributes:
        value: F at ``policy``.
        policy, logits: the best point found.
        history: F after every step of the best restart, the start first.
        stationarity: norm of (projected point - point) for a unit step, of the best restart's end; zero at a stationary point.
        values: final F of every restart.
    """

    value: float
    policy: JointPolicy
    logits: list[FloatArray]
    history: list[float]
    stationarity: float
    values: list[float]


def exact_ascent(
    model: JointModel,
    scopes: Scopes,
    utilities: Utilities = None,
    task_weight: float = 1.0,
    *,
    bound: float = 2.5,
    steps: int = 200,
    restarts: int = 4,
    seed: int = 0,
    tolerance: float = 1e-9,
) -> Ascent:
    """Projected gradient ascent on F with a backtracking line search.  F never decreases.

    The landscape need not be concave, so this gives the best value *found*: a lower bound of the optimum, tight in practice on small
    models with a few restarts.

    Args:
        scopes: whose states each agent reads.
        bound: logits stay within [-bound, bound], as in learning.
        steps: at most so many per restart.
        restarts: the first starts at uniform policies, the others at logits drawn uniformly within the bound.
        seed: of the draws.
        tolerance: stop when the projected unit step is shorter than this.
    """
    best: Ascent | None = None
    values = []
    for restart in range(restarts):
        ascent = _climb(model, scopes, utilities, task_weight, first_logits(model, scopes, bound, restart, seed), bound, steps, tolerance)
        values.append(ascent.value)
        best = ascent if best is None or ascent.value > best.value else best
    if best is None:
        raise ValueError("restarts must be at least 1")
    return Ascent(best.value, best.policy, best.logits, best.history, best.stationarity, values)


def first_logits(model: JointModel, scopes: Scopes, bound: float, restart: int, seed: int) -> list[FloatArray]:
    """Where a restart begins: the first at uniform policies, the others at logits drawn uniformly within the bound."""
    shapes = list(zip(policy_contexts(model.kernel, scopes), model.action_sizes, strict=True))
    if restart == 0:
        return [np.zeros(shape) for shape in shapes]
    rng = stream(seed, ENVIRONMENT_OWNER, Purpose.INITIALISATION, restart)
    return [rng.uniform(-bound, bound, size=shape) for shape in shapes]


def _climb(
    model: JointModel,
    scopes: Scopes,
    utilities: Utilities,
    task_weight: float,
    logits: list[FloatArray],
    bound: float,
    steps: int,
    tolerance: float,
) -> Ascent:
    evaluation = ExactValues(model, softmax_policy(model.kernel, scopes, logits))
    value = objective(evaluation, utilities, task_weight)
    history, length, stationarity = [value], 1.0, float("inf")
    for _ in range(steps):
        gradient = exact_gradient(evaluation, utilities, task_weight)
        stationarity = _distance(_project(logits, gradient, 1.0, bound), logits)
        if stationarity < tolerance:
            break
        # Start twice as long as the last step that was taken: the scale of F is unknown, the step adapts to it.
        trial = max(2.0 * length, 1.0 / max(_largest(gradient), 1e-300)) if len(history) == 1 else 2.0 * length
        first = trial
        while True:
            candidate = _project(logits, gradient, trial, bound)
            promised = sum(float((g * (c - x)).sum()) for g, c, x in zip(gradient, candidate, logits, strict=True))
            there = ExactValues(model, softmax_policy(model.kernel, scopes, candidate))
            reached = objective(there, utilities, task_weight)
            if reached >= value + ARMIJO * promised or trial < SHORTEST * first:
                break
            trial *= 0.5
        if reached <= value:
            break
        logits, evaluation, value, length = candidate, there, reached, trial
        history.append(value)
    else:
        stationarity = _distance(_project(logits, exact_gradient(evaluation, utilities, task_weight), 1.0, bound), logits)
    return Ascent(value, evaluation.policy, logits, history, stationarity, [value])


def _project(logits: Sequence[FloatArray], gradient: Sequence[FloatArray], length: float, bound: float) -> list[FloatArray]:
    return [np.clip(x + length * g, -bound, bound) for x, g in zip(logits, gradient, strict=True)]


def _distance(a: Sequence[FloatArray], b: Sequence[FloatArray]) -> float:
    return float(np.sqrt(sum(float(((x - y) ** 2).sum()) for x, y in zip(a, b, strict=True))))


def _largest(tables: Sequence[FloatArray]) -> float:
    return max(float(np.abs(table).max()) for table in tables)
