"""Frozen agents: they play what they were given, tell only what radii ask for, and are the same in every launcher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import EnvironmentMismatchError, NetagentsError
from netagents.exact import ExactValues, JointModel, best_response
from netagents.exact.joint_policy import JointPolicy
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launch import run
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind
from netagents.records.frozen_policies import check_frozen_policies
from netagents.records.same_bits import same_bits
from tests.learning.test_incentives import LINE, NETWORKS, policies


def run_of(settings: dict[str, Any], folder: Path, launcher: str = "in_process", **changes: Any) -> Any:
    runtime = {"launcher": launcher, "directory": str(folder)}
    finished_run = run(Experiment.model_validate({**settings, "runtime": runtime, **changes}))
    return getattr(finished_run, "records", finished_run)


def test_who_is_frozen_hears_only_states_and_tells_what_critics_and_adversaries_need() -> None:
    groups = [{"agents": [1, 3], "role": "frozen"}, {"agents": [2], "role": "adversary"}]
    prepared = prepare(Experiment.model_validate({**LINE, "agents": groups}))
    net = InProcessNetwork(prepared.setup, prepared.environment)
    before = policies(net)
    record = list(net.run(0, 2))[-1]
    changed = [not np.array_equal(*pair) for pair in zip(before, policies(net), strict=True)]
    assert changed == [True, False, True, False, True]
    pairs = {kind: set() for kind in (Kind.TRACE, Kind.REWARD, Kind.TRUNCATED_Q, Kind.SHADOW_REWARD)}
    for sender, kind, receiver, *_ in record.ledger.tolist():
        if kind in pairs:
            pairs[kind].add((sender, receiver))
    assert pairs == {
        Kind.TRACE: {(1, 0), (1, 2), (3, 2), (3, 4)},
        Kind.REWARD: {(1, 2), (3, 2)},
        Kind.TRUNCATED_Q: set(),
        Kind.SHADOW_REWARD: set(),
    }
    assert record.column("paid")[2] == pytest.approx(-record.column("return")[[1, 3]].sum(), rel=1e-12)
    assert np.isnan(record.column("critic_entries")).tolist() == [False, True, False, True, False]
    assert record.column("return").mean() == pytest.approx(record.team_return, rel=1e-12)


@pytest.mark.parametrize("settings", [LINE, NETWORKS])
def test_a_policy_from_a_run_plays_as_it_was_learned(settings: dict[str, Any], tmp_path: Path) -> None:
    learned = run_of(settings, tmp_path)
    frozen = {"agents": [0, 1, 3, 4], "role": "frozen", "policy": {"run": str(learned.path)}}
    later = run_of(settings, tmp_path, agents=[frozen], seed=1)
    for agent, (left, right) in enumerate(zip(learned.policies(), later.policies(), strict=True)):
        same = np.array_equal(getattr(left, left.component), getattr(right, right.component))
        assert same == (agent != 2)


def test_greedy_agents_play_the_most_probable_action(tmp_path: Path) -> None:
    learned = run_of(LINE, tmp_path)
    frozen = {"agents": [0, 1, 2, 3, 4], "role": "frozen", "greedy": True, "policy": {"run": str(learned.path)}}
    prepared = prepare(Experiment.model_validate({**LINE, "agents": [frozen]}))
    net = InProcessNetwork(prepared.setup, prepared.environment)
    records: list[Any] = []
    decide = net.agents[2].substitute.act

    def spy(context: Any, *rest: Any) -> Any:
        records.append((np.array(context), decide(context, *rest)))
        return records[-1][1]

    net.agents[2].substitute.act = spy  # type: ignore[method-assign]
    list(net.run(0, 1))
    probabilities = learned.tables()[2].probabilities
    assert len(records) == 13
    assert all(np.array_equal(actions, probabilities[context].argmax(axis=1)) for context, actions in records)


@pytest.mark.parametrize(
    ("changes", "policy", "words"),
    [
        ({}, {"agent": 9}, "has no agent 9"),
        ({}, {"checkpoint": 77}, "no checkpoint of iteration 77"),
        ({"kappa_policy": 2}, {}, "here reads agents"),
        ({}, {"agent": 2}, "here reads agents"),
        ({"policy": NETWORKS["policy"], "learning": NETWORKS["learning"]}, {}, "a policy of kind softmax"),
    ],
)
def test_a_policy_that_does_not_fit_is_one_line(changes: dict[str, Any], policy: dict[str, Any], words: str, tmp_path: Path) -> None:
    learned = run_of(LINE, tmp_path)
    group = {"agents": [0], "role": "frozen", "policy": {"run": str(learned.path), **policy}}
    prepared = prepare(Experiment.model_validate({**LINE, **changes, "agents": [group]}))
    with pytest.raises(NetagentsError) as caught:
        check_frozen_policies(prepared.setup)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"agents": [0], "policy": {"run": "x"}}, "belong to role frozen"),
        ({"agents": [0], "role": "frozen", "incentive": {"kind": "team"}}, "would have no effect"),
        ({"agents": [0]}, "differs from nobody"),
    ],
)
def test_parts_that_a_role_does_not_have_are_refused(group: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Experiment.model_validate({**LINE, "agents": [group]})


def test_a_policy_of_other_spaces_is_refused(tmp_path: Path) -> None:
    learned = run_of({**LINE, "environment": {"kind": "random_networked", "states": 3}}, tmp_path)
    group = {"agents": [0], "role": "frozen", "policy": {"run": str(learned.path)}}
    prepared = prepare(Experiment.model_validate({**LINE, "agents": [group]}))
    with pytest.raises(EnvironmentMismatchError):
        check_frozen_policies(prepared.setup)


def test_one_adversary_finds_the_exact_worst_response_to_a_frozen_team() -> None:
    """On the message chain of six, agent 1 stands between the one who is paid and all others."""
    n, adversary = 6, 1
    near, far = [[radius if i == adversary else own for i in range(n)] for radius, own in ((5, 1), (5, 0))]
    settings = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": n},
        "kappa_policy": near,
        "kappa_critic": far,
        "kappa_gradient": far,
        "learning": {"batch": 64, "horizon": 30, "gamma": 0.8, "iterations": 60, "learning_rate": 200, "logit_bound": 6},
        "agents": [
            {"agents": [adversary], "role": "adversary"},
            {"agents": [i for i in range(n) if i != adversary], "role": "frozen"},
        ],
    }
    prepared = prepare(Experiment.model_validate(settings))
    net = InProcessNetwork(prepared.setup, prepared.environment)
    model = JointModel(prepared.environment.kernel(), 0.8)
    harm = -np.delete(model.rewards, adversary, axis=0).sum(axis=0)

    def joint() -> JointPolicy:
        tables: list[Any] = [agent.policy for agent in net.agents]
        return JointPolicy(tuple(each.window for each in tables), tuple(each.probabilities for each in tables))

    before = float(model.initial @ ExactValues(model, joint()).values(harm[None])[0])
    worst = best_response(model, joint(), (adversary,), harm).value
    list(net.run(0, 60))
    reached = float(model.initial @ ExactValues(model, joint()).values(harm[None])[0])
    assert before < 1.5 * worst < 0.0
    assert reached == pytest.approx(worst, rel=0.02)


@pytest.mark.system
@pytest.mark.parametrize("settings", [LINE, NETWORKS])
def test_an_adversary_against_a_frozen_team_leaves_the_same_bits_in_processes(settings: dict[str, Any], tmp_path: Path) -> None:
    learned = run_of(settings, tmp_path)
    groups = [
        {"agents": [2], "role": "adversary"},
        {"agents": [0, 1, 3], "role": "frozen", "policy": {"run": str(learned.path)}},
        {"agents": [4], "role": "frozen", "policy": {"run": str(learned.path), "agent": 4}, "greedy": True},
    ]
    runs = [run_of(settings, tmp_path, launcher, agents=groups) for launcher in ("in_process", "local")]
    assert same_bits(*runs) == []
