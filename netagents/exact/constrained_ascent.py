"""Exact ascent under constraints: the best value known among policies that meet every g_ik(lambda_i) >= c_ik.

Sequential quadratic programming (scipy's SLSQP; Kraft 1988) on the logits, with exact values and exact gradients of F and of every g.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.exact.exact_values import ExactValues
from netagents.exact.gradient_ascent import first_logits
from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import Scopes, policy_contexts, softmax_policy
from netagents.exact.team_objective import Utilities, exact_gradient, objective, policy_gradient
from netagents.utilities import Constraint

FloatArray = NDArray[np.float64]
Constraints = Sequence[Sequence[Constraint]]
"""Of every agent, its constraints."""

FEASIBLE = 1e-6
"""Largest violation of a policy that is said to meet its constraints."""


class Violation(NamedTuple):
    """How far an agent is from a threshold: c - g(lambda), negative by the slack where it is met."""

    agent: int
    number: int
    value: float
    threshold: float

    @property
    def violation(self) -> float:
        """c - g."""
        return self.threshold - self.value


class Attempt(NamedTuple):
    """Where one restart ended: F, and the largest violation of any constraint."""

    value: float
    violation: float

    @property
    def feasible(self) -> bool:
        """Whether every constraint is met."""
        return self.violation <= FEASIBLE


@dataclass(frozen=True, slots=True)
class ConstrainedAscent:
    """The result of one or several ascents under constraints.

    Attributes:
        best: the feasible end of the largest F; None where no restart ended at a feasible policy.
        logits: of its policy; empty where there is none.
        attempts: the end of every restart.
    """

    best: Attempt | None
    logits: list[FloatArray]
    attempts: list[Attempt]


def violations(evaluation: ExactValues, constraints: Constraints) -> list[Violation]:
    """Every constraint of every agent at the exact occupancy of a policy, the worst first."""
    excesses = [
        Violation(agent, number, one.utility.value(occupancy), one.threshold)
        for agent, (own, occupancy) in enumerate(zip(constraints, evaluation.local_occupancies(), strict=True))
        for number, one in enumerate(own)
    ]
    return sorted(excesses, key=lambda each: (-each.violation, each.agent, each.number))


def constrained_ascent(
    model: JointModel,
    scopes: Scopes,
    constraints: Constraints,
    utilities: Utilities = None,
    task_weight: float = 1.0,
    *,
    bound: float = 2.5,
    steps: int = 300,
    restarts: int = 4,
    seed: int = 0,
) -> ConstrainedAscent:
    """The largest F that was found among policies that meet their constraints: a lower bound of the constrained optimum.

    Args:
        scopes: whose states each agent reads.
        constraints: of every agent.
        bound: logits stay within [-bound, bound], as in learning.
        steps: at most so many per restart.
        restarts: the first starts at uniform policies, the others at logits drawn uniformly within the bound.
        seed: of the draws.
    """
    from scipy.optimize import NonlinearConstraint, minimize

    problem = _Problem(model, scopes, constraints, utilities, task_weight)
    attempts: list[Attempt] = []
    best: tuple[Attempt, list[FloatArray]] | None = None
    for restart in range(restarts):
        start = np.concatenate([table.reshape(-1) for table in first_logits(model, scopes, bound, restart, seed)])
        end = minimize(
            problem.cost,
            start,
            jac=problem.cost_gradient,
            method="SLSQP",
            bounds=[(-bound, bound)] * len(start),
            constraints=[NonlinearConstraint(problem.slacks, 0.0, np.inf, jac=problem.slack_gradients)],
            options={"maxiter": steps, "ftol": 1e-10},
        )
        point = np.clip(end.x, -bound, bound)
        attempt = Attempt(-problem.cost(point), -float(problem.slacks(point).min()))
        attempts.append(attempt)
        if attempt.feasible and (best is None or attempt.value > best[0].value):
            best = attempt, problem.logits(point)
    return ConstrainedAscent(None, [], attempts) if best is None else ConstrainedAscent(*best, attempts)


class _Problem:
    """F, the slacks g - c and their gradients as functions of all logits in a row."""

    def __init__(self, model: JointModel, scopes: Scopes, constraints: Constraints, utilities: Utilities, task_weight: float) -> None:
        self._model, self._scopes, self._utilities, self._task_weight = model, scopes, utilities, task_weight
        self._constraints = [(agent, one) for agent, own in enumerate(constraints) for one in own]
        self._shapes = list(zip(policy_contexts(model.kernel, scopes), model.action_sizes, strict=True))
        self._cuts = np.cumsum([rows * actions for rows, actions in self._shapes])[:-1]
        self._newest: tuple[bytes, ExactValues] | None = None

    def logits(self, point: FloatArray) -> list[FloatArray]:
        """One table per agent."""
        return [part.reshape(shape) for part, shape in zip(np.split(point, self._cuts), self._shapes, strict=True)]

    def cost(self, point: FloatArray) -> float:
        """-F."""
        return -objective(self._at(point), self._utilities, self._task_weight)

    def cost_gradient(self, point: FloatArray) -> FloatArray:
        """-grad F."""
        return -_row(exact_gradient(self._at(point), self._utilities, self._task_weight))

    def slacks(self, point: FloatArray) -> FloatArray:
        """(K,) g - c."""
        occupancies = self._at(point).local_occupancies()
        return np.array([-one.violation(occupancies[agent]) for agent, one in self._constraints])

    def slack_gradients(self, point: FloatArray) -> FloatArray:
        """(K, parameters): by the policy gradient theorem, with the gradient of one g as the only signal."""
        evaluation, model = self._at(point), self._model
        occupancies = evaluation.local_occupancies()
        rows = []
        for agent, one in self._constraints:
            signal = np.broadcast_to(model.local_signal(agent, one.utility.gradient(occupancies[agent])), (model.S, model.A))
            values = evaluation.action_values(signal[None])[0]
            # The theorem's function divides by n, as F does; g is not divided.
            rows.append(model.n * _row(policy_gradient(evaluation, [values] * model.n)))
        return np.array(rows)

    def _at(self, point: FloatArray) -> ExactValues:
        name = point.tobytes()
        if self._newest is None or self._newest[0] != name:
            self._newest = name, ExactValues(self._model, softmax_policy(self._model.kernel, self._scopes, self.logits(point)))
        return self._newest[1]


def _row(tables: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate([table.reshape(-1) for table in tables])
