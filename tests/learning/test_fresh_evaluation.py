"""Fresh evaluation: keys that only the batch has met take the return along it, under both credits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_hand import ByHand, WatchedLine
from test_replaced_actions import GAMMA, B, H, N, line

from netagents.environments import build_environment
from netagents.exact import ExactValues, JointModel, truncated_gradient, uniform_policy, windows
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind
from netagents.topology import build_topology

FURTHER = 4
ENDS = {(1, 2): [0, 1], (3, 1): [1, 2], (7, 3): [2], (8, 0): [0]}
"""Before and after the end of the batch."""


@pytest.mark.parametrize("critic", [{}, {"full_table_limit": 1}], ids=["full", "visited"])
@pytest.mark.parametrize("ends", [{}, ENDS], ids=["whole", "ended"])
@pytest.mark.parametrize("entropy", [0.0, 3.0])
@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_an_iteration_comes_to_what_follows_by_hand(credit: str, entropy: float, ends: Any, critic: dict[str, Any]) -> None:
    utility = {"utility": {"kind": "entropy", "over": "state", "weight": entropy}} if entropy else {}
    settings = line({"credit": credit, "evaluation": "fresh", "evaluation_steps": FURTHER, "critic": critic}, **utility)
    prepared = prepare(Experiment.model_validate(settings))
    watched = WatchedLine(prepared.setup.topology, ends)
    values: dict[int, Any] = {}

    def observer(_: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.TRUNCATED_Q:
            values.update({sender: message.values for sender, message in zip(turn.senders, messages, strict=True)})

    network = InProcessNetwork(prepared.setup, watched, observer)
    (record,) = network.run(0, 1)
    hand = ByHand(
        watched, {}, seed=5, kappa=1, gamma=GAMMA, credit=credit, baseline=True, step_size=10.0, entropy=entropy, evaluation=FURTHER
    )
    assert hand.executed.shape == (H + FURTHER, B, N)
    # The test tests something: some keys were evaluated and some were not.
    assert 0.0 < np.mean(hand.unevaluated) < 0.9
    assert record.column("critic_unevaluated") == pytest.approx(np.array(hand.unevaluated), rel=1e-12)
    assert record.team_return == pytest.approx(hand.team_return(), rel=1e-12)
    for j in range(N):
        if credit == "shared_q":
            assert values[j] == pytest.approx(hand.values[j], rel=1e-9, abs=1e-12)
        assert network.agents[j].policy.logits == pytest.approx(hand.logits[j], rel=1e-9, abs=1e-12)


RING: dict[str, Any] = {
    "environment": {"kind": "random_networked"},
    "topology": {"kind": "ring", "n": 4},
    "kappa": 1,
    "kappa_policy": 0,
}


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_small_batches_on_a_ring_point_along_the_exact_gradient_in_its_length(credit: str) -> None:
    """Half of the keys are never evaluated.  Counted as zero, they leave half of the length or less."""
    horizon, gamma, seeds = 10, 0.9, 200
    learning = {"batch": 4, "horizon": horizon, "gamma": gamma, "learning_rate": 1.0, "logit_bound": 99}
    learning |= {"credit": credit, "evaluation": "fresh", "critic": {"carry": False, "sweeps": 40}}
    settings = {**RING, "learning": learning}
    described = Experiment.model_validate(settings)
    topology = build_topology(described.topology, None, 0)
    kernel = build_environment(described.environment, topology).kernel()
    scopes, near = windows(topology.hops.matrix(), 0), windows(topology.hops.matrix(), 1)
    exact_values = ExactValues(JointModel(kernel, gamma), uniform_policy(kernel, scopes))
    rewards = exact_values.model.rewards
    tables = truncated_gradient(
        exact_values,
        rewards,
        exact_values.action_values(rewards),
        near,
        near,
        credit=credit,  # type: ignore[arg-type]
        reading="fixed_point",
        weights=exact_values.occupancy(horizon),
    )
    exact = np.concatenate([table.reshape(-1) for table in tables])
    estimates, shares = [], []
    for seed in range(seeds):
        prepared = prepare(described.model_copy(update={"seed": seed}))
        network = InProcessNetwork(prepared.setup, prepared.environment)
        (record,) = network.run(0, 1)
        # With a step size of 1 the logits are the gradient.
        estimates.append(np.concatenate([agent.policy.logits.reshape(-1) for agent in network.agents]))
        shares.append(record.column("critic_unevaluated").mean())
    assert 0.4 < np.mean(shares) < 0.6
    length = np.array(estimates) @ exact / (exact @ exact)
    error = length.std() / np.sqrt(seeds)
    assert error < 0.12
    assert length.mean() == pytest.approx(1.0, abs=max(3 * error, 0.1))
