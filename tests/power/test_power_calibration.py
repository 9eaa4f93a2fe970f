"""What agents measure of power against exact values and against branching, task by task: the quick form of the calibration study."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.branching import Brancher
from benchmarks.power_calibration import QUICK, Task, measure, summary
from netagents.exact import ExactValues, JointModel
from netagents.exact.exact_power import power_matrices
from netagents.exact.joint_policy import joint_policy_of
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare


@pytest.mark.parametrize("task", QUICK, ids=[task.name for task in QUICK])
def test_measured_power_is_the_true_one_within_its_error_and_within_twenty_percent_where_it_is_reliable(task: Task) -> None:
    pairs = [pair for pair in measure(task, 0) if pair.near and np.isfinite(pair.power)]
    assert pairs
    within = [abs(pair.power - pair.truth) <= pair.error for pair in pairs]
    assert np.mean(within) >= 0.85
    reliable = [pair for pair in pairs if pair.reliable]
    assert reliable or task.name.startswith("sis")
    for pair in reliable:
        assert not pair.impossible
        assert pair.power == pytest.approx(pair.truth, rel=0.2), pair
    assert task.name in summary(pairs)


def test_branching_and_linear_algebra_agree() -> None:
    task = QUICK[1]
    prepared = prepare(load_experiment(task.settings).experiment)
    environment, setup = prepared.environment, prepared.setup
    policies = [setup.tabular_policy(agent) for agent in range(setup.n)]
    model = JointModel(environment.kernel(), setup.discount)
    evaluation = ExactValues(model, joint_policy_of(policies))
    exact = power_matrices(evaluation, evaluation.action_values(model.rewards), evaluation.visits(setup.horizon)).realized
    assert exact[1, 0] == pytest.approx(0.0600, abs=1e-4)
    branched = Brancher(environment, policies, setup.horizon, setup.discount, 0, visits=400, replicates=64).power_of(1)
    for agent in (0, 2, 3):
        gap = 0.5 * (branched.high[agent] - branched.low[agent])
        assert branched.middle[agent] == pytest.approx(exact[1, agent], abs=3 * branched.error[agent] + gap)
        assert gap < 0.01
