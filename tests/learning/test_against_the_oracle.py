"""What agents learn and measure, held against exact values of the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.exact import exact_experiment
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.power_facts import power_facts
from netagents.learning.prepared_experiment import prepare

N = 4


def experiment(**changes: Any) -> Experiment:
    learning = {"batch": 256, "horizon": 60, "gamma": 0.9, "critic": {"sweeps": 60}, **changes.pop("learning", {})}
    settings = line_msg(N, kappa=2, kappa_policy=1)
    return Experiment.model_validate({**settings, "learning": learning, **changes})


def trained(described: Experiment, iterations: int) -> tuple[InProcessNetwork, list[Any]]:
    prepared = prepare(described)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    return network, list(network.run(0, iterations))


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("utility", [{"kind": "none"}, {"kind": "entropy", "over": "state", "weight": 2.0}])
def test_the_learned_policies_come_within_two_percent_of_the_best_that_exact_ascent_finds(utility: dict[str, Any], credit: str) -> None:
    described = experiment(utility=utility, learning={"credit": credit, "learning_rate": 5.0})
    network, _ = trained(described, 40)
    tables = exact_experiment(described, logits=[agent.policy.logits for agent in network.agents], restarts=2)
    reached = dict(zip(tables["model"].column("quantity"), tables["model"].column("value"), strict=True))["objective"]
    best = max(float(value) for value in tables["ascent"].column("objective"))
    assert float(reached) > 0.98 * best


def test_realized_power_read_by_the_agents_is_the_exact_one_where_it_is_called_reliable() -> None:
    # Policies that hardly move, so that all iterations estimate the power of one policy.
    described = experiment(learning={"learning_rate": 1e-9, "batch": 512})
    network, records = trained(described, 12)
    power = exact_experiment(described)["power"]
    exact = {(int(j), int(i)): float(p) for j, i, p in zip(*(power.column(c) for c in ("holder", "over", "realized")), strict=True)}
    matrix = power_facts(network.setup).matrix(records[-1].power)
    for j, i in np.argwhere(matrix.near).tolist():
        assert matrix.known[j, i] == 1.0
        assert matrix.values[j, i] == pytest.approx(exact[j, i], abs=1.5 * matrix.error[j, i] + 1e-12), (j, i)
        if matrix.reliable[j, i]:
            assert matrix.values[j, i] == pytest.approx(exact[j, i], rel=0.2), (j, i)
    assert matrix.reliable[1, 0]
    assert exact[1, 0] > 0.2
    assert not (matrix.reliable & matrix.impossible).any()
