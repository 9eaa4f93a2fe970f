"""Interventions: somebody other than the policy chooses, everybody learns about what was executed, and nobody about what was not chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import NetagentsError, ProtocolError
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.interventions.agent_interventions import AgentInterventions
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.lotteries import strikes
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.requests import ExchangeRequest
from netagents.messages import Kind, Trace, WorstAction
from tests.learning.test_frozen_agents import run_of
from tests.learning.test_incentives import LINE, NETWORKS, policies

H, B = 12, 8


class Simple(NetworkedAgent):
    """An algorithm without critics."""

    def iterate(self, iteration: int) -> Any:
        yield from self.sample(iteration)


class Watched:
    """A network whose executed actions and traces are looked at."""

    def __init__(self, settings: dict[str, Any]) -> None:
        prepared = prepare(Experiment.model_validate(settings))
        self.traces: dict[int, Trace] = {}
        self.net = InProcessNetwork(prepared.setup, prepared.environment, self._see)
        self.executed: list[list[Any]] = []
        self.rows: list[Any] = []
        advance = self.net.session.advance

        def watch(actions: Any, *rest: Any) -> Any:
            self.executed.append([np.array(each) for each in actions])
            return advance(actions, *rest)

        self.net.session.advance = watch  # type: ignore[method-assign]

    def _see(self, _: int, request: ExchangeRequest, messages: list[Any]) -> None:
        if request.kind is Kind.TRACE:
            self.traces.update(zip(request.senders, messages, strict=True))

    def run(self, iterations: int = 1) -> Any:
        records = list(self.net.run(0, iterations))
        return records[-1]

    def actions(self, agent: int) -> Any:
        """(H, B) executed in the last iteration."""
        return np.stack([each[agent] for each in self.executed[-H:]])


def with_interventions(settings: dict[str, Any], *interventions: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "interventions": list(interventions)}


@pytest.mark.parametrize("settings", [LINE, NETWORKS])
def test_a_schedule_and_a_lottery_replace_what_they_say_and_neighbours_hear_what_was_executed(settings: dict[str, Any]) -> None:
    fixed = {"kind": "fixed", "agents": [1], "action": 1, "probability": 0.5, "from_step": 2, "until_step": 9}
    watched = Watched(with_interventions(settings, fixed, {"kind": "noop", "agents": [3], "start": 1}))
    plain = Watched(settings)
    record, _ = watched.run(1), plain.run(1)
    experiment = watched.net.setup.experiment
    struck = strikes(experiment.interventions[0], 0, experiment.seed, 1, 0, H, B)[:-1]  # type: ignore[arg-type]
    assert not struck[:2].any()
    assert not struck[9:].any()
    assert 0.3 < struck[2:9].mean() < 0.7
    assert (watched.actions(1)[struck] == 1).all()
    assert record.column("replaced").tolist() == pytest.approx([0.0, struck.mean(), 0.0, 0.0, 0.0])
    for agent, trace in watched.traces.items():
        np.testing.assert_array_equal(trace.actions[:-1], watched.actions(agent))
    # Whoever is not replaced draws the same numbers as without; at the first steps nothing else has changed.
    for agent in range(5):
        np.testing.assert_array_equal(watched.actions(agent)[:2], plain.actions(agent)[:2])
    (later,) = watched.net.run(1, 2)
    assert (watched.actions(3) == 0).all()
    assert later.column("replaced")[3] == 1.0
    assert record.column("return").mean() == pytest.approx(record.team_return, rel=1e-12)


def test_the_gradient_leaves_out_replaced_steps_and_nothing_else() -> None:
    """With every step of an agent replaced by what its policy would have done, critics see the same and the policy stays as it is."""
    settings = with_interventions(LINE, {"kind": "policy", "agents": [2]})
    watched = Watched(settings)
    before = policies(watched.net)
    record = watched.run()
    changed = [not np.array_equal(*pair) for pair in zip(before, policies(watched.net), strict=True)]
    assert changed == [True, True, False, True, True]
    assert record.column("gradient_sq")[2] == 0.0


def test_the_scheduled_fault_is_the_intervention_and_draws_what_it_always_drew() -> None:
    fault = {"faults": [{"kind": "random_actions", "agent": 2, "start": 1, "until": 3}]}
    watched = Watched({**LINE, **fault})
    assert isinstance(watched.net.agents[2].interventions, AgentInterventions)
    assert all(agent.interventions is None for agent in watched.net.agents if agent.index != 2)
    watched.run(2)
    from netagents.randomness import Purpose, stream

    expected = (stream(0, 2, Purpose.ACTIONS, 1).random((H + 1, B)) * 2).astype(np.uint8)
    np.testing.assert_array_equal(watched.actions(2), expected[:-1])


def test_the_first_intervention_that_acts_counts() -> None:
    watched = Watched(with_interventions(LINE, {"kind": "fixed", "agents": [0], "action": 1, "until_step": 4}, {"kind": "noop"}))
    watched.run()
    assert (watched.actions(0)[:4] == 1).all()
    assert (watched.actions(0)[4:] == 0).all()


def test_a_policy_of_another_run_plays_its_seat(tmp_path: Path) -> None:
    learned = run_of({**LINE, "learning": {**LINE["learning"], "learning_rate": 200.0}}, tmp_path)
    borrowed = {"kind": "policy", "agents": [2], "policy": {"run": str(learned.path)}, "greedy": True}
    watched = Watched(with_interventions(LINE, borrowed))
    watched.run(2)
    states = [watched.traces[j].states for j in (1, 2, 3)]
    policy = learned.tables()[2]
    greedy = policy.probabilities[policy.context([each.reshape(-1) for each in states])].argmax(axis=1).reshape(H + 1, B)
    np.testing.assert_array_equal(watched.actions(2), greedy[:-1])
    # Its parameters are part of the agent's state, so that a resumed run does not need the other one.
    logits = watched.net.agents[2].arrays()["intervention.0.logits"]
    np.testing.assert_array_equal(logits, policy.logits)


def test_the_worst_action_is_the_one_that_the_critic_of_the_other_agent_calls_so() -> None:
    """On the message chain whoever stands next to agent 0 harms it by not passing the message on."""
    settings = {**LINE, "kappa": 2, "learning": {**LINE["learning"], "batch": 128, "iterations": 8}}
    worst = {"kind": "worst", "agents": [1], "against": 0, "start": 6, "probability": 0.5}
    watched = Watched(with_interventions(settings, worst))
    records = list(watched.net.run(0, 8))
    assert records[5].column("replaced").tolist() == [0.0] * 5
    struck = strikes(watched.net.setup.experiment.interventions[0], 0, 0, 1, 7, H, 128)[:-1]  # type: ignore[arg-type]
    executed = watched.actions(1)
    states = watched.traces[1].states[:-1]
    # Without a message it does not matter; with one, not passing it on does.
    assert (executed[struck & (states == 1)] == 0).mean() > 0.95
    ledger = records[-1].ledger
    rows = ledger[ledger[:, 1] == Kind.WORST_ACTION]
    whole = strikes(watched.net.setup.experiment.interventions[0], 0, 0, 1, 7, H, 128)  # type: ignore[arg-type]
    assert rows.tolist() == [[0, Kind.WORST_ACTION, 1, 1, int(whole.any(axis=1).sum()), int(whole.sum())]]


def test_what_is_told_must_fit_the_lottery() -> None:
    prepared = prepare(Experiment.model_validate(with_interventions(LINE, {"kind": "worst", "agents": [1], "against": 0})))
    acting = InProcessNetwork(prepared.setup, prepared.environment).agents[1].interventions.begin(0)  # type: ignore[union-attr]
    assert acting is not None
    assert acting.advice is not None
    for choices in ([1] * (B - 1), [3] * B):
        with pytest.raises(ProtocolError, match="does not fit this run's lottery"):
            acting.advice.take(0, [WorstAction(np.array(choices, dtype=np.uint8))])


def test_a_policy_with_memory_is_not_borrowed_for_single_actions() -> None:
    memory = {**NETWORKS, "policy": {"kind": "gru", "units": 4}}
    with pytest.raises(NetagentsError, match="has memory"):
        prepare(Experiment.model_validate(with_interventions(memory, {"kind": "policy", "agents": [1], "probability": 0.5})))


FAULTY = [
    ({"kind": "random", "probability": 1.5}, "less than or equal to 1"),
    ({"kind": "random", "agents": [7]}, "there is no agent 7"),
    ({"kind": "fixed", "agents": [1], "action": 2}, "none of its actions, which are 0 to 1"),
    ({"kind": "fixed", "agents": [1], "action": [0.5]}, "none of its actions, which are 0 to 1"),
    ({"kind": "noop", "from_step": 5, "until_step": 5}, "is not after from_step"),
    ({"kind": "noop", "from_step": 50}, "never reached"),
    ({"kind": "random", "start": 5, "until": 4}, "is not after start"),
    ({"kind": "worst", "agents": [1], "against": 1}, "worst actions for itself"),
    ({"kind": "worst", "agents": [4], "against": 0}, "not within each other's kappa_critic"),
    ({"kind": "sbpr", "probability": 1.1}, "less than or equal to 1"),
    ({"kind": "sbpr", "probability": 0.2, "agents": [9]}, "there is no agent 9"),
    ({"kind": "sbpr", "probability": 0.1}, "use kappa_critic of at least 2"),
]


@pytest.mark.parametrize(("intervention", "words"), FAULTY)
def test_bad_input_is_one_line(intervention: dict[str, Any], words: str) -> None:
    with pytest.raises((NetagentsError, ValueError), match=words):
        prepare(Experiment.model_validate(with_interventions({**LINE, "kappa": 1}, intervention)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interventions": [{"kind": "sbpr", "probability": 0.6, "aggregate": "sum"}]}, "use at most 0.5"),
        ({"routing": "relay"}, "needs routing direct"),
        ({"information": "aged"}, "needs information fresh"),
        ({"clock": {"kind": "free_running", "period": 0.01}}, "needs clock lockstep"),
        ({"learning": {**LINE["learning"], "evaluation": "fresh"}}, "use relabelled"),
        ({"learning": {**LINE["learning"], "algorithm": {"kind": "import:tests.learning.test_interventions:Simple"}}}, "keeps no critic"),
        ({"interventions": [{"kind": "sbpr", "probability": 0.1}, {"kind": "worst", "agents": [1], "against": 0}]}, "both play worst"),
    ],
)
def test_worst_actions_need_what_they_travel_with(changes: dict[str, Any], words: str) -> None:
    settings = {**LINE, "kappa": 2, "interventions": [{"kind": "sbpr", "probability": 0.1}], **changes}
    with pytest.raises((NetagentsError, ValueError), match=words):
        prepare(Experiment.model_validate(settings))
