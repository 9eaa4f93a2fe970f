"""Incentives: what agents are paid, who hears of it, and what they learn from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import ExperimentError
from netagents.exact.experiment_tables import exact_experiment
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launch import run
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind
from netagents.records.same_bits import same_bits

LINE: dict[str, Any] = {
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 5},
    "learning": {"batch": 8, "horizon": 12, "iterations": 4},
}
NETWORKS: dict[str, Any] = {
    **LINE,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {**LINE["learning"], "algorithm": {"kind": "ppo", "critic": {"hidden": [8], "steps": 3, "minibatch": 32}}},
}
ADVERSARY = {"agents": [2], "incentive": {"kind": "adversary"}}


def network(settings: dict[str, Any], *groups: dict[str, Any]) -> InProcessNetwork:
    prepared = prepare(Experiment.model_validate({**settings, "agents": list(groups)}))
    return InProcessNetwork(prepared.setup, prepared.environment)


def policies(net: InProcessNetwork) -> list[Any]:
    return [np.array(getattr(agent.policy, agent.policy.component)) for agent in net.agents]


@pytest.mark.parametrize("settings", [LINE, NETWORKS, {**LINE, "learning": {**LINE["learning"], "evaluation": "fresh"}}])
def test_agents_are_paid_what_the_rule_says_of_the_rewards_within_their_radius(settings: dict[str, Any]) -> None:
    matrix = {"kind": "matrix", "rows": [[0.5, 0, 0, 0, 2.0]]}
    net = network(
        {**settings, "kappa_gradient": 2},
        ADVERSARY,
        {"agents": [0], "incentive": matrix},
        {"agents": [4], "incentive": {"kind": "alpha", "alpha": 0.25}},
    )
    (record,) = net.run(0, 1)
    earned, paid = record.column("return"), record.column("paid")
    if settings["learning"].get("evaluation") != "fresh":
        expected = [
            0.5 * earned[0],  # agent 4 is too far away to be heard
            earned[1],
            -(earned[0] + earned[1] + earned[3] + earned[4]),
            earned[3],
            (0.75 + 0.05) * earned[4] + 0.05 * (earned[2] + earned[3]),
        ]
        assert paid == pytest.approx(expected, rel=1e-12)
    rows = record.ledger[record.ledger[:, 1] == Kind.REWARD]
    assert {(sender, receiver) for sender, _, receiver, *_ in rows.tolist()} == {(0, 2), (1, 2), (3, 2), (4, 2), (2, 4), (3, 4)}
    assert (rows[:, 3] <= 2).all()
    # Of agents with an incentive nobody hears values or shadow rewards, and they hear none.
    for kind in (Kind.TRUNCATED_Q, Kind.SHADOW_REWARD):
        rows = record.ledger[record.ledger[:, 1] == kind]
        assert {(sender, receiver) for sender, _, receiver, *_ in rows.tolist()} == {(1, 3), (3, 1)}
    assert net.agents[2].gradient_window == (2,)


def test_a_team_reward_of_all_has_the_gradient_of_everyones_summed_values() -> None:
    """Q of a mean is the mean of the Qs where windows are the same and temporal differences are at their fixed point."""
    learning = {**LINE["learning"], "critic": {"solver": "lstd", "carry": False}}
    settings = {**LINE, "topology": {"kind": "line", "n": 4}, "kappa": 3, "kappa_policy": 1, "learning": learning}
    (summed,) = network(settings).run(0, 1)
    (team,) = network(settings, {"agents": [0, 1, 2, 3], "incentive": {"kind": "team"}}).run(0, 1)
    assert 16.0 * team.column("gradient_sq") == pytest.approx(summed.column("gradient_sq"), rel=1e-9)


@pytest.mark.parametrize(("alpha", "gives"), [(0.4, 0.0), (0.85, 1.0)])
def test_on_a_public_good_the_dial_turns_from_keeping_to_giving_where_the_closed_form_says(alpha: float, gives: float) -> None:
    """Giving changes u_i by (m/3 - c)(1 - alpha + alpha/5) + 2 (m/3) alpha/5 whatever others do: zero at alpha = 0.625."""
    settings = {
        "environment": {"kind": "game", "rules": {"kind": "public_goods", "multiplier": 2.0, "cost": 1.0}},
        "topology": {"kind": "ring", "n": 5},
        "kappa": 0,
        "kappa_gradient": 2,
        "learning": {"batch": 64, "horizon": 10, "iterations": 40, "learning_rate": 40, "logit_bound": 4},
    }
    net = network(settings, {"agents": list(range(5)), "incentive": {"kind": "alpha", "alpha": alpha}})
    list(net.run(0, 40))
    for agent in net.tabular_agents:
        played = agent.policy.probabilities[np.flatnonzero((agent.policy.logits != 0.0).any(axis=1))]
        assert np.abs(played[:, 1] - gives).max() < 0.2, (agent.index, played)


@pytest.mark.parametrize("settings", [LINE, NETWORKS])
def test_an_incentive_that_starts_later_changes_nothing_before(settings: dict[str, Any]) -> None:
    selfish, later = (
        network(settings, {"agents": [2], "incentive": {"kind": kind}, "start": start})
        for kind, start in (("selfish", 0), ("adversary", 2))
    )
    list(selfish.run(0, 2))
    list(later.run(0, 2))
    assert all(map(np.array_equal, policies(selfish), policies(later)))
    list(selfish.run(2, 4))
    list(later.run(2, 4))
    assert [np.array_equal(*pair) for pair in zip(policies(selfish), policies(later), strict=True)][2] is False


def test_an_adversary_costs_the_others_more_than_one_who_learns_for_itself() -> None:
    settings = {**LINE, "kappa_gradient": 2, "learning": {"batch": 64, "iterations": 40}}
    returns = {}
    for kind in ("selfish", "adversary"):
        records = list(network(settings, {"agents": [2], "incentive": {"kind": kind}}).run(0, 40))
        returns[kind] = np.mean([np.delete(record.column("return"), 2).sum() for record in records[-5:]])
    # A standard error is below 0.1.
    assert returns["adversary"] < returns["selfish"] - 0.5, returns


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([{"agents": [9], "incentive": {"kind": "team"}}], "there is no agent 9"),
        ([ADVERSARY, {"agents": [1, 2], "incentive": {"kind": "team"}}], "agent 2 is in agents[0] and in agents[1]"),
        ([{"agents": [2], "incentive": {"kind": "adversary", "against": [2]}}], "needs somebody to harm"),
        ([{"agents": [0], "incentive": {"kind": "adversary", "against": [4]}}], "nobody to harm within its radius of 1"),
        ([{"agents": [0], "incentive": {"kind": "matrix", "rows": [[1.0]]}}], "has 1 numbers for 5 agents"),
        ([{"agents": [0, 1], "incentive": {"kind": "matrix", "rows": [[1, 0, 0, 0, 0]]}}], "has 1 rows for 2 agents"),
        ([{"agents": [0], "incentive": {"kind": "envy"}}], "envy"),
    ],
)
def test_an_incentive_that_cannot_be_is_one_line(groups: list[Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(Experiment.model_validate(LINE).model_dump_json())
    with pytest.raises(ExperimentError) as caught:
        prepare(load_experiment(file, {"agents": groups}).experiment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_exact_values_do_not_pretend_to_know_incentives() -> None:
    with pytest.raises(ExperimentError, match="agents: exact values are of tasks, utilities and constraints"):
        exact_experiment(Experiment.model_validate({**LINE, "agents": [ADVERSARY]}))


@pytest.mark.system
@pytest.mark.parametrize("settings", [LINE, {**LINE, "routing": "relay"}, NETWORKS])
def test_processes_leave_the_same_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    groups = [ADVERSARY, {"agents": [3, 4], "incentive": {"kind": "alpha", "alpha": 0.5}, "start": 1}]
    runs = []
    for launcher in ("in_process", "local"):
        experiment = {**settings, "kappa_gradient": 2, "agents": groups, "runtime": {"launcher": launcher, "directory": str(tmp_path)}}
        runs.append(run(Experiment.model_validate(experiment)))
    assert same_bits(*(getattr(each, "records", each) for each in runs)) == []
