"""Aged information: of an agent d hops away a policy reads the state of d steps ago, and zeros before anything can have come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.errors import ExperimentError
from netagents.exact import exact_experiment
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.frozen_play import Players
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import Kind
from netagents.nodes.agent.agent_process import plan
from netagents.policies import TabularPolicy
from netagents.randomness import Purpose, stream

LINE: dict[str, Any] = line_msg(5, kappa=3, information="aged", iterations=4, batch=6, horizon=9)


def prepared(*overrides: str) -> Prepared:
    return prepare(load_experiment(LINE, list(overrides)).experiment)


def watched(ready: Prepared) -> tuple[InProcessNetwork, dict[int, list[Any]], dict[int, Any]]:
    """The network after a run, the states of every iteration's rollouts, and what policies read."""
    network = InProcessNetwork(ready.setup, ready.environment)
    read: dict[int, list[Any]] = {agent.index: [] for agent in network.agents}
    states: dict[int, list[Any]] = {agent.index: [] for agent in network.agents}
    for agent in network.agents:

        def decide(members: Any, *arguments: Any, agent: Any = agent, real: Any = agent.policy.decide) -> Any:
            read[agent.index].append([np.array(member) for member in members])
            states[agent.index].append(np.array(members[agent.policy.window.index(agent.index)]))
            return real(members, *arguments)

        agent.policy.decide = decide  # type: ignore[method-assign]
    return network, read, states


@pytest.mark.parametrize(
    "overrides",
    [(), ("mute=[state@2]",), ("kappa_policy=[0,1,2,3,4]",), ("environment={kind: random_networked}", "topology={kind: ring, n: 7}")],
    ids=str,
)
def test_a_policy_reads_states_as_many_steps_old_as_their_agents_are_hops_away(overrides: tuple[str, ...]) -> None:
    ready = prepared(*overrides)
    network, read, states = watched(ready)
    for _ in network.run(0, 3):
        pass
    decisions = ready.setup.steps + 1
    assert not network._mail, "nothing is left lying about"
    for agent in network.agents:
        assert len(read[agent.index]) == 3 * decisions
        for number, members in enumerate(read[agent.index]):
            step = number % decisions
            for j, member in zip(agent.policy.window, members, strict=True):
                age = ready.topology.hops.distance(agent.index, j)
                expected = states[j][number - age] if age <= step else np.zeros_like(states[j][number])
                np.testing.assert_array_equal(member, expected)
                assert member.dtype == states[j][number].dtype


def test_nothing_is_aged_where_policies_read_nobody_else() -> None:
    results = {}
    for information in ("fresh", "aged"):
        ready = prepared(f"information={information}", "kappa_policy=0")
        network = InProcessNetwork(ready.setup, ready.environment)
        results[information] = [record.team_return for record in network.run(0, 4)]
    assert results["fresh"] == results["aged"]


def test_age_changes_what_is_learned_and_not_what_travels() -> None:
    results, ledgers = {}, {}
    for information in ("fresh", "aged"):
        ready = prepared(f"information={information}")
        records = list(InProcessNetwork(ready.setup, ready.environment).run(0, 4))
        results[information] = [record.team_return for record in records]
        ledgers[information] = [record.ledger.tolist() for record in records]
    assert results["fresh"] != results["aged"]
    assert ledgers["fresh"] == ledgers["aged"]


def test_frozen_policies_read_what_their_agents_would_have_read() -> None:
    ready = prepared("learning.iterations=1")
    # Logits that tell every context apart.
    chance = np.random.default_rng(1)
    logits = [chance.normal(size=(ready.setup.policy(agent).logits.shape)) for agent in range(5)]  # type: ignore[union-attr]
    network, _, states = watched(ready)
    for agent in network.agents:
        agent.policy.load(logits[agent.index])
    policies = [ready.setup.policy(agent) for agent in range(5)]
    for policy, parameters in zip(policies, logits, strict=True):
        policy.load(parameters)
    for _ in network.run(0, 1):
        pass
    players = Players(ready.setup, policies)
    session = ready.setup.session(ready.environment)
    for _ in range(2):
        players.begin()
        messages = session.begin(0)
        noise = [
            policy.noise(stream(ready.experiment.seed, agent, Purpose.ACTIONS, 0), ready.setup.steps + 1, ready.setup.batch)
            for agent, policy in enumerate(policies)
        ]
        for step in range(ready.setup.steps):
            for agent in range(5):
                np.testing.assert_array_equal(messages[agent].observation, states[agent][step])
            messages = session.advance([players.decide(agent, messages, noise[agent][step]) for agent in range(5)])
    assert all(isinstance(policy, TabularPolicy) for policy in policies)


def test_exact_values_are_not_given_for_policies_that_learned_with_aged_information() -> None:
    ready = prepared("topology.n=3")
    logits = [agent.policy.logits for agent in InProcessNetwork(ready.setup, ready.environment).tabular_agents]
    with pytest.raises(ExperimentError, match="information: exact values are of policies that read present states"):
        exact_experiment(ready.experiment, logits=logits)
    assert exact_experiment(ready.experiment)["truncation"].rows


def test_a_state_awaits_its_step_of_use() -> None:
    setup = prepared().setup
    assert setup.in_neighbours(Kind.STATE, 0) == (1, 2, 3)
    inbox = plan(setup, 0).inbox
    assert inbox._delays == {Kind.STATE: {1: 1, 2: 2, 3: 3}}  # type: ignore[attr-defined]
