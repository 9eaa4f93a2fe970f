"""LineMsg is learned: the untrained return is the published one, and every seed passes 23 of at most 23.75."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare


def network(**changes: Any) -> InProcessNetwork:
    settings: dict[str, Any] = line_msg(10, kappa=2, kappa_policy=1) | changes
    prepared = prepare(Experiment.model_validate(settings))
    return InProcessNetwork(prepared.setup, prepared.environment)


def test_the_untrained_return_is_the_published_one() -> None:
    (record,) = network(learning={"batch": 512}).run(0, 1)
    assert record.team_return == pytest.approx(10.699, abs=0.1)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("seed", range(5))
def test_every_seed_passes_23_with_either_credit(seed: int, credit: str) -> None:
    records = list(network(seed=seed, learning={"credit": credit}).run(0, 16))
    assert np.mean([record.team_return for record in records[-4:]]) > 23.0


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_an_entropy_utility_spreads_the_local_states_of_agents_that_began_lopsided(credit: str) -> None:
    utility = {"kind": "entropy", "over": "state"}
    learning = {"task_weight": 0.0, "learning_rate": 100.0, "credit": credit}
    net = network(utility=utility, learning=learning, topology={"kind": "line", "n": 4})
    for agent in net.agents:
        agent.policy.load(np.full_like(agent.policy.logits, [-2.0, 2.0]))
    entropy = [record.column("utility").mean() for record in net.run(0, 20)]
    assert entropy[0] < 0.4
    # -p log p of two states peaks at 2/e when p need not sum to one, as on a sampled horizon.
    assert entropy[-1] > 0.98 * 2 / np.e


def test_radii_may_differ_from_agent_to_agent() -> None:
    radii = {"kappa_policy": [0, 1, 0, 2], "kappa_critic": [1, 2, 0, 1], "kappa_gradient": [3, 0, 1, 2]}
    net = network(topology={"kind": "line", "n": 4}, learning={"batch": 8, "horizon": 20}, **radii)
    records = list(net.run(0, 3))
    sent = {(int(row[0]), int(row[1]), int(row[2])) for record in records for row in record.ledger}
    from netagents.messages import Kind

    assert (1, int(Kind.STATE), 3) not in {pair for pair in sent if abs(pair[0] - pair[2]) > 2}
    heard_by_three = {sender for sender, kind, receiver in sent if kind == Kind.STATE and receiver == 3}
    assert heard_by_three == {1, 2}
    assert {sender for sender, kind, receiver in sent if kind == Kind.TRUNCATED_Q and receiver == 0} == {1, 2, 3}
    assert not {sender for sender, kind, receiver in sent if kind == Kind.TRACE and receiver == 2}
