"""Ascent under constraints against optima worked out without the oracle: from the rules of the chain, by another parametrisation."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from small_models import line_distances, line_msg, scopes_of

from netagents.exact import JointModel, constrained_ascent, exact_experiment
from netagents.exact.oracle_tables import ExactTables
from netagents.experiment import load_experiment
from netagents.utilities import build_constraints

GAMMA, COUPLING, FLOOR, THRESHOLD = 0.95, 0.8, 1e-6, 0.6


class Chain:
    """n bits along a line, each agent acting on its own bit alone: P(a = 1 | s = 0), P(a = 1 | s = 1) per agent."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.states = np.array(list(itertools.product((0, 1), repeat=n)))

    def occupancy(self, act: Any) -> Any:
        """(2^n,) discounted visits of joint states, all bits 1 at first."""
        playing = act.reshape(self.n, 2)[np.arange(self.n), self.states]
        # P(next bit = 1), agent by agent, given the joint state.
        one = np.empty(self.states.shape)
        one[:, 0] = self.states[:, 1]
        one[:, -1] = playing[:, -1]
        luck = np.where(self.states[:, 2:] == 1, 1.0, COUPLING)
        one[:, 1:-1] = playing[:, 1:-1] * luck
        step = np.prod(np.where(self.states[None] == 1, one[:, None], 1.0 - one[:, None]), axis=2)
        start = np.zeros(len(self.states))
        start[-1] = 1.0
        return np.linalg.solve(np.eye(len(self.states)) - GAMMA * step.T, start)

    def reward(self, act: Any) -> float:
        """Discounted reward per agent: what the bits after a step pay is what all visits but the first hold, one step earlier."""
        weights = np.full(self.n, 0.1)
        weights[0] = 1.0
        visits = self.occupancy(act)
        visits[-1] -= 1.0
        return float(visits @ self.states @ weights) / GAMMA / self.n

    def slacks(self, act: Any) -> Any:
        """(n,) entropy of each agent's own bit, less the threshold."""
        ones = (1.0 - GAMMA) * self.occupancy(act) @ self.states
        p = np.stack([ones, 1.0 - ones])
        return -(p * np.log(p + FLOOR)).sum(axis=0) - THRESHOLD

    def optimum(self, bound: float) -> float:
        """The best feasible reward, by finite differences over the probabilities; 0 / 1 logits of +-bound are the limits."""
        low = 1.0 / (1.0 + np.exp(2.0 * bound))
        best = -np.inf
        for seed in range(4):
            start = np.full(2 * self.n, 0.5) if seed == 0 else np.random.default_rng(seed).uniform(0.2, 0.8, 2 * self.n)
            result = minimize(
                lambda act: -self.reward(act),
                start,
                method="SLSQP",
                bounds=[(low, 1.0 - low)] * (2 * self.n),
                constraints=[{"type": "ineq", "fun": self.slacks}],
                options={"maxiter": 300, "ftol": 1e-10},
            )
            if self.slacks(result.x).min() > -1e-6:
                best = max(best, self.reward(result.x))
        return best


def tables(kappa: int, *overrides: str, restarts: int = 2) -> ExactTables:
    loaded = load_experiment(str(Path("launch/line_msg_constrained.yaml")), [f"kappa={kappa}", "topology.n=6", *overrides])
    return exact_experiment(loaded.experiment, loaded.base, kappas=[0], power_steps=1, restarts=restarts)


@pytest.mark.parametrize("kappa", [0, 1])
def test_the_best_feasible_value_of_the_chain_is_the_one_found_from_its_rules(kappa: int) -> None:
    expected = Chain(6).optimum(2.5)
    assert expected == pytest.approx(3.481, abs=1e-3)
    ascent = tables(kappa)["ascent"]
    best = np.nanmax(ascent.column("objective"))  # type: ignore[arg-type]
    # Reading the neighbour as well buys nothing here.
    assert best == pytest.approx(expected, rel=1e-5)
    assert max(float(each) for each in ascent.column("violation")) <= 1e-6
    assert f"the best is {best:.6g}" in ascent.caption


def test_violations_of_a_policy_are_listed_worst_first() -> None:
    act = np.tile([0.5, 0.5], 6)
    slacks = Chain(6).slacks(act)
    # Between the least and the largest entropy of uniform policies.
    threshold = THRESHOLD + float(slacks.mean())
    listed = tables(1, f"constraints.0.threshold={threshold}", restarts=0)["constraints"]
    agents, violation = [int(each) for each in listed.column("agent")], np.array(listed.column("violation"), dtype=float)
    assert violation == pytest.approx(threshold - THRESHOLD - slacks[agents], abs=1e-9)
    assert (np.diff(violation) <= 0.0).all()
    assert violation[0] > 0.0 > violation[-1]


def test_a_constraint_that_no_policy_can_meet_is_said_to_be_met_by_none() -> None:
    # Above what the dynamics allow to agent 0, below what entropy itself allows.
    ascent = tables(0, "constraints.0.threshold=0.7355")["ascent"]
    assert np.isnan(np.array(ascent.column("objective"), dtype=float)).all()
    assert "none was found" in ascent.caption
    assert min(float(each) for each in ascent.column("violation")) > 1e-3


def test_gradients_of_slacks_and_objective_are_those_of_finite_differences() -> None:
    from netagents.exact.constrained_ascent import _Problem
    from netagents.experiment.constraint_settings import ConstraintSettings

    settings = (ConstraintSettings.model_validate({"utility": {"kind": "entropy", "over": "state_action"}, "threshold": 0.6}),)
    model, scopes = JointModel(line_msg(3), 0.9), scopes_of(line_distances(3), 1)
    constraints = [build_constraints(settings, agent, 2, 2, 0.9) for agent in range(3)]
    problem = _Problem(model, scopes, constraints, None, 1.0)
    point = np.random.default_rng(0).uniform(-1.0, 1.0, 2 * (4 + 8 + 4))
    cost, slacks = problem.cost_gradient(point), problem.slack_gradients(point)
    for place in range(len(point)):
        ends = []
        for sign in (1.0, -1.0):
            moved = point.copy()
            moved[place] += sign * 1e-5
            ends.append((problem.cost(moved), problem.slacks(moved)))
        assert cost[place] == pytest.approx((ends[0][0] - ends[1][0]) / 2e-5, abs=1e-8)
        assert slacks[:, place] == pytest.approx((ends[0][1] - ends[1][1]) / 2e-5, abs=1e-8)
    assert constrained_ascent(model, scopes, constraints, restarts=1).best is not None
