"""Every choice of estimation does what its name says, and an agent that is restored goes on as if nothing had happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.experiment import Experiment
from netagents.experiment.learning_settings import ConstantScheduleSettings, HarmonicScheduleSettings, LinearScheduleSettings
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind

ENTROPY = {"kind": "entropy", "over": "state"}


def network(observer: Any = None, learning: dict[str, Any] | None = None, **changes: Any) -> InProcessNetwork:
    settings: dict[str, Any] = line_msg(4, kappa=1, batch=16, horizon=30, learning=learning) | changes
    prepared = prepare(Experiment.model_validate(settings))
    return InProcessNetwork(prepared.setup, prepared.environment, observer)


def test_fresh_samples_come_after_the_batch_and_do_not_count_in_its_returns() -> None:
    traces: dict[int, list[Any]] = {0: [], 1: []}

    def observer(agent: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.TRACE and agent == 0:
            traces[turn.step].append(messages[0])

    (plain,) = network().run(0, 1)
    (fresh,) = network(observer, {"evaluation": "fresh", "evaluation_steps": 12}).run(0, 1)
    assert (fresh.team_return, fresh.discounted_return) == (plain.team_return, plain.discounted_return)
    assert np.array_equal(fresh.column("return"), plain.column("return"))
    first, second = traces[0][0], traces[1][0]
    assert first.states.shape == (31, 16)
    assert second.states.shape == (13, 16)
    # The decision after the batch is executed now, and opens the fresh steps.
    assert np.array_equal(first.states[-1], second.states[0])
    assert np.array_equal(first.actions[-1], second.actions[0])
    assert not np.array_equal(fresh.column("td_change"), plain.column("td_change"))


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("choice", [{"evaluation": "fresh"}, {"critic": {"solver": "lstd"}}, {"critic": {"carry": False, "sweeps": 60}}])
def test_agents_learn_whatever_the_choice(choice: dict[str, Any], credit: str) -> None:
    records = list(network(learning={"batch": 64, "horizon": 60, "credit": credit, **choice}).run(0, 12))
    assert records[0].team_return < 15.0
    # 60 steps of (1 + 3 x 0.1) / 4 are 19.5.
    assert np.mean([record.team_return for record in records[-3:]]) > 18.5


def test_least_squares_is_where_the_sweeps_would_end() -> None:
    logits = []
    for critic in ({"solver": "lstd"}, {"sweeps": 3000}):
        net = network(learning={"critic": critic}, utility=ENTROPY)
        (record,) = net.run(0, 1)
        logits.append([agent.policy.logits for agent in net.agents])
        assert np.isnan(record.column("td_change")).all() == (critic.get("solver") == "lstd")
    for exact, swept in zip(*logits, strict=True):
        assert exact == pytest.approx(swept, abs=1e-9)


def test_a_critic_that_is_not_carried_knows_only_its_last_batch() -> None:
    carried, forgetful = (network(learning={"critic": {"carry": carry}}) for carry in (True, False))
    long, short = (list(net.run(0, 8)) for net in (carried, forgetful))
    last = forgetful.agents[1].table
    assert not last.values[:, last.age(np.arange(last.keys.total), 7) > 0].any()
    assert short[-1].column("critic_entries").sum() < long[-1].column("critic_entries").sum()


def test_the_occupancy_after_the_step_counts_where_the_action_led() -> None:
    occupancies: dict[str, np.ndarray] = {}
    rollouts = []

    def observer(agent: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.TRACE and agent == 1:
            rollouts.append(messages[0])

    for occupancy in ("before", "after"):
        net = network(observer, {"occupancy": occupancy}, utility=ENTROPY)
        list(net.run(0, 1))
        occupancies[occupancy] = net.agents[0].objective.arrays()["occupancy"]
    states, actions = rollouts[0].states, rollouts[0].actions
    weights = 0.99 ** np.arange(30)[:, None] / 16
    for occupancy, counted in (("before", states[:-1]), ("after", states[1:])):
        for s in range(2):
            for a in range(2):
                direct = (weights * ((counted == s) & (actions[:-1] == a))).sum()
                assert occupancies[occupancy][s, a] == pytest.approx(direct)


def test_step_sizes_are_functions_of_the_iteration_alone() -> None:
    assert [step_size_at(ConstantScheduleSettings(), 8.0, k) for k in (0, 500)] == [8.0, 8.0]
    assert [step_size_at(HarmonicScheduleSettings(offset=10), 8.0, k) for k in (0, 10, 30)] == [8.0, 4.0, 2.0]
    assert [step_size_at(LinearScheduleSettings(over=10, final=0.5), 8.0, k) for k in (0, 5, 10, 99)] == [8.0, 6.0, 4.0, 4.0]
    records = list(network(learning={"schedule": {"kind": "harmonic", "offset": 1}}).run(0, 3))
    assert [float(record.column("step_size")[0]) for record in records] == pytest.approx([10.0, 5.0, 10 / 3])


def test_a_clipped_gradient_moves_the_logits_by_its_limit() -> None:
    net = network(learning={"max_grad_norm": 1e-3, "learning_rate": 10})
    (record,) = net.run(0, 1)
    for agent, squared in zip(net.agents, record.column("gradient_sq"), strict=True):
        moved = float(np.sqrt((agent.policy.logits**2).sum()))
        assert moved == pytest.approx(10 * min(1e-3, float(np.sqrt(squared))))
    assert (record.column("gradient_sq")[1:] > 1e-6).any()


CHOICES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "ascent": {"constraints": [{"utility": ENTROPY, "threshold": 0.6, "update": "projected_ascent", "step_size": 3, "initial": 1}]},
    "memoryless": {"constraints": [{"utility": ENTROPY, "threshold": 0.6, "agents": [1, 2]}], "utility": {**ENTROPY, "over": "action"}},
    "fresh": {"learning": {"evaluation": "fresh", "critic": {"solver": "lstd"}}, "utility": ENTROPY},
    "hashed": {
        "learning": {
            "batch": 2,
            "horizon": 8,
            "critic": {"full_table_limit": 1, "visited_limit": 20},
            "schedule": {"kind": "linear", "over": 7},
        }
    },
    "after": {"learning": {"occupancy": "after", "credit": "shared_reward", "critic": {"carry": False}}, "utility": ENTROPY},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_restored_agent_goes_on_to_the_same_bits(choice: str) -> None:
    whole, first, second = (network(**CHOICES[choice]) for _ in range(3))
    straight = list(whole.run(0, 6))
    list(first.run(0, 3))
    for agent, saved in first.snapshots.items():
        second.agents[agent].restore({name: np.array(array) for name, array in saved.items()})
    resumed = list(second.run(3, 6))
    for expected, actual in zip(straight[3:], resumed, strict=True):
        for name in expected.names:
            assert np.array_equal(expected.column(name), actual.column(name), equal_nan=True), name
    for left, right in zip(whole.agents, second.agents, strict=True):
        left_arrays, right_arrays = left.arrays(), right.arrays()
        assert left_arrays.keys() == right_arrays.keys()
        assert all(np.array_equal(left_arrays[name], right_arrays[name]) for name in left_arrays)


def test_logits_so_large_that_probabilities_vanish_leave_entropies_that_are_numbers() -> None:
    records = list(network(learning={"logit_bound": 5000, "learning_rate": 1e6}).run(0, 4))
    entropy = np.array([record.column("policy_entropy") for record in records])
    assert entropy[0] == pytest.approx(np.log(2))
    assert np.isfinite(entropy).all()
    assert (entropy[-1] < 1e-3).any()
