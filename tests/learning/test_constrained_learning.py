"""Constraints pull the occupancy to where they hold; diagnostics are numbers where they mean something and NaN elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare

ENTROPY = {"kind": "entropy", "over": "state"}


def network(**changes: Any) -> InProcessNetwork:
    settings: dict[str, Any] = line_msg(4, kappa=1) | changes
    prepared = prepare(Experiment.model_validate(settings))
    return InProcessNetwork(prepared.setup, prepared.environment)


def test_the_entropy_constraint_is_met_and_costs_reward() -> None:
    free = list(network(learning={"batch": 32}).run(0, 40))[-5:]
    constraint = {"utility": ENTROPY, "threshold": 0.6, "update": "projected_ascent", "step_size": 20, "maximum": 1000}
    bound = list(network(learning={"batch": 32}, constraints=[constraint]).run(0, 40))[-5:]
    assert np.mean([record.column("violation") for record in bound]) < 0.03
    assert np.mean([record.team_return for record in bound]) < np.mean([record.team_return for record in free]) - 3.0
    # Violations and utilities are different things: there is no utility here.
    assert all((record.column("utility") == 0.0).all() for record in bound)
    assert all((record.column("multiplier") >= 0.0).all() for record in bound)


def test_the_memoryless_multiplier_is_the_step_times_the_violation() -> None:
    constraint = {"utility": ENTROPY, "threshold": 0.7, "update": "memoryless", "step_size": 50}
    for record in network(learning={"batch": 16}, constraints=[constraint]).run(0, 4):
        assert record.column("multiplier") == pytest.approx(np.maximum(0.0, 50 * record.column("violation")), rel=1e-12)


def test_a_constraint_that_never_binds_changes_nothing_but_the_critic_that_learns_it() -> None:
    loose = {"utility": ENTROPY, "threshold": -1.0}
    plain, bound = (network(learning={"batch": 16}, constraints=constraints) for constraints in ([], [loose]))
    for left, right in zip(plain.run(0, 5), bound.run(0, 5), strict=True):
        assert left.team_return == right.team_return
        assert (right.column("multiplier") == 0.0).all()
    for left, right in zip(plain.agents, bound.agents, strict=True):
        assert np.array_equal(left.policy.logits, right.policy.logits)


def test_agents_without_utility_or_constraint_report_nan_for_their_diagnostics() -> None:
    groups = {"kind": "per_agent", "groups": [{"agents": [1], "utility": {**ENTROPY, "floor": 0.01}}]}
    constraint = {"utility": ENTROPY, "threshold": 0.2, "agents": [3]}
    *_, record = network(learning={"batch": 16}, utility=groups, constraints=[constraint]).run(0, 3)
    for name in ("lipschitz", "floor_sensitivity"):
        assert np.isfinite(record.column(name)).tolist() == [False, True, False, True]
    for name in ("multiplier", "violation"):
        assert np.isfinite(record.column(name)).tolist() == [False, False, False, True]
    assert (record.column("shadow_max")[[0, 2]] == 0.0).all()
    assert 0.0 < record.column("shadow_max")[1] < 0.01 * (np.log(100) + 1)
    assert record.column("floor_sensitivity")[1] > 1e-4
