"""Agents that differ: settings of groups, mixed algorithms and policies, and what cannot meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.cli.config import table
from netagents.errors import ExperimentError, NetagentsError
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import IterationRecord
from netagents.learning.prepared_experiment import prepare
from netagents.learning.signals.neighbourhood_signal import neighbourhood_signal
from netagents.messages import Kind, ShadowReward, Trace
from tests.learning.test_incentives import LINE, policies

SMALL = {"hidden": [8], "steps": 3, "minibatch": 32}
PPO = {"policy": {"kind": "mlp", "hidden": [8]}, "learning": {"algorithm": {"kind": "ppo", "critic": SMALL}}}
ACTOR_CRITIC = {"policy": {"kind": "mlp", "hidden": [8]}, "learning": {"algorithm": {"kind": "actor_critic", "critic": SMALL}}}
ALL = [0, 1, 2, 3, 4]


def trained(settings: dict[str, Any], iterations: int = 2) -> tuple[InProcessNetwork, IterationRecord]:
    prepared = prepare(load_experiment(settings).experiment)
    net = InProcessNetwork(prepared.setup, prepared.environment)
    return net, list(net.run(0, iterations))[-1]


def same(one: InProcessNetwork, other: InProcessNetwork) -> list[bool]:
    return [np.array_equal(*pair) for pair in zip(policies(one), policies(other), strict=True)]


def learning(**changes: Any) -> dict[str, Any]:
    return {"learning": {**LINE["learning"], **changes}}


PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (learning(learning_rate=3.0, schedule={"kind": "harmonic"}, max_grad_norm=0.01), {}),
    (learning(critic={"solver": "lstd"}, logit_bound=0.1, baseline=False, task_weight=0.5), {"utility": {"kind": "entropy"}}),
    ({"kappa_policy": 2, "kappa_critic": 0, "kappa_gradient": 2}, {}),
    ({"constraints": [{"utility": {"kind": "entropy"}, "threshold": 0.6}]}, {"utility": {"kind": "quadratic"}}),
    (PPO, {}),
]


@pytest.mark.parametrize(("one", "more"), PARTS)
def test_what_is_said_of_a_group_of_all_is_what_is_said_of_all(one: dict[str, Any], more: dict[str, Any]) -> None:
    part = {**one, **more}
    everyone = {**LINE, **part, "learning": {**LINE["learning"], **part.get("learning", {})}}
    own = {key: value for key, value in part.get("learning", {}).items() if key not in LINE["learning"]}
    group = {**LINE, "agents": [{**part, "agents": ALL, "learning": own}]}
    nets = [trained(settings)[0] for settings in (everyone, group)]
    assert same(*nets) == [True] * 5
    assert same(nets[0], trained(LINE)[0]) != [True] * 5


def test_forms_of_earlier_versions_say_the_same_as_groups() -> None:
    bound = {"utility": {"kind": "entropy"}, "threshold": 0.65}
    earlier = {
        **LINE,
        "kappa_critic": [1, 2, 1, 1, 1],
        "utility": {"kind": "per_agent", "default": {"kind": "none"}, "groups": [{"agents": [2], "utility": {"kind": "entropy"}}]},
        "constraints": [{**bound, "agents": [3]}],
    }
    groups = [
        {"agents": [1], "kappa_critic": 2},
        {"agents": [2], "utility": {"kind": "entropy"}},
        {"agents": [3], "constraints": [bound]},
    ]
    (one, first), (other, second) = trained(earlier), trained({**LINE, "agents": groups})
    assert same(one, other) == [True] * 5
    assert np.array_equal(first.metrics, second.metrics, equal_nan=True)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_tables_and_networks_learn_beside_each_other(credit: str) -> None:
    groups = [
        {"agents": [1], **PPO},
        {"agents": [2], **ACTOR_CRITIC, "utility": {"kind": "entropy"}},
        {"agents": [3], "role": "frozen", "policy": {"kind": "mlp", "hidden": [4]}},
    ]
    settings = {**LINE, **learning(credit=credit), "agents": groups}
    before = policies(trained(settings, 1)[0])
    net, record = trained(settings, 2)
    assert [not np.array_equal(*pair) for pair in zip(before, policies(net), strict=True)] == [True, True, True, False, True]
    values = Kind.TRUNCATED_Q if credit == "shared_q" else Kind.SHADOW_REWARD
    sent = {kind: {(row[0], row[2]) for row in record.ledger.tolist() if row[1] == kind and row[2] >= 0} for kind in (values, Kind.TRACE)}
    # Nobody learns from a frozen agent, which hears nothing but states; critics read what it did.
    assert sent[values] == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert sent[Kind.TRACE] == {(0, 1), (1, 0), (1, 2), (2, 1), (3, 2), (3, 4), (4, 3)} - {(4, 3)}
    # Metrics are those of all algorithms; each agent has its own.
    assert np.isnan(record.column("critic_entries")).tolist() == [False, True, True, True, False]
    assert np.isnan(record.column("policy_entropy")).tolist() == [False, False, False, True, False]
    assert np.isfinite(record.column("utility")[2])


def test_a_neighbour_is_untouched_by_what_it_does_not_hear_of() -> None:
    """Radii bound what differs as they bound everything else: within one step news of agent 4 goes one hop further."""
    alone = {**LINE, "kappa": 0}
    changed = {**alone, "agents": [{"agents": [4], **PPO}]}
    # On the chain what agent 4 does changes the states of agent 3 alone, who tells nobody.
    assert same(trained(alone, 1)[0], trained(changed, 1)[0])[:3] == [True] * 3
    assert same(trained(alone, 1)[0], trained({**alone, "agents": [{"agents": [4], "learning": {"learning_rate": 1.0}}]}, 1)[0]) == [
        *[True] * 4,
        False,
    ]


def test_the_signal_of_a_neighbourhood_adds_what_tables_and_networks_tell() -> None:
    own, signal = np.full((2, 1), 0.5), np.array([[1.0], [2.0]])
    table = np.array([[1.0, 10.0], [100.0, 1000.0]])
    trace = Trace(np.array([[0], [1], [1]]), np.array([[1], [0], [0]]))
    shadows = {0: ShadowReward(np.zeros((0, 0)), signal), 2: ShadowReward(table, signal, np.array([[True], [False]]))}
    total = neighbourhood_signal(own, 1, (0, 1, 2), shadows, {0: trace, 2: trace}, "before")
    assert total.tolist() == [[1.0 + 0.5 + 10.0 + 1.0], [2.0 + 0.5 + 0.0 + 2.0]]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"agents": [{"agents": [1], "policy": {"kind": "mlp"}}]}, "agents[0]: a policy of kind mlp learns with"),
        (
            {"agents": [{"agents": [1], "policy": {"kind": "softmax"}, "learning": {"algorithm": {"kind": "ppo"}}}]},
            "agents[0].learning.algorithm of kind ppo needs a policy that is a network, such as kind mlp",
        ),
        ({**learning(evaluation="fresh"), "agents": [{"agents": [1], **PPO}]}, "agents[0].learning: networks learn from the batch itself"),
        ({"agents": [{"agents": [1], **PPO, "kappa": 1}, {"agents": [1], "kappa": 2}]}, "agent 1 is in agents[0] and in agents[1]"),
        ({"agents": [{"agents": [9], "kappa": 1}]}, "agents[0].agents: there is no agent 9"),
        ({"agents": [{"agents": [1], "learning": {"batch": 3}}]}, "agents.0.learning.batch: unknown key"),
        ({"agents": [{"agents": [1], "utility": {"kind": "kl", "target": [1.0]}}]}, "agent 1, utility: "),
        (
            {"agents": [{"agents": [1], "constraints": [{"utility": {"kind": "entropy"}, "threshold": 0.8}]}]},
            "agent 1, agents[0].constraints[0]: no policy can meet",
        ),
        (
            {**learning(credit="shared_reward"), "agents": [{"agents": [1], "kappa_gradient": 2}]},
            "credit shared_reward needs kappa_gradient <= kappa_critic",
        ),
        ({"agents": [{"agents": [1], "role": "frozen", "signals": []}]}, "signals would have no effect"),
        (
            {"agents": [{"agents": [1], "learning": {"algorithm": {"kind": "import:silent_algorithm:Silent"}}}]},
            "agent 0 (truncated_pg) learns from the trace of agent 1 within kappa_critic, whose algorithm (import:silent_algorithm:Silent)",
        ),
        (
            {**learning(algorithm={"kind": "import:silent_algorithm:Silent"}), "policy": {"kind": "gru"}},
            "import:silent_algorithm:Silent does not train policies with memory",
        ),
        (
            {**PPO, "power": {"variant": "ex_ante"}, "agents": [{"agents": [1], "policy": {"kind": "softmax"}, "role": "frozen"}]},
            "power.variant ex_ante needs policies of kind mlp",
        ),
    ],
)
def test_what_cannot_meet_is_one_line(settings: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silent_algorithm.py").write_text(
        "from netagents.learning import AlgorithmFacts, NetworkedAgent\n"
        "class Silent(NetworkedAgent):\n"
        "    facts = AlgorithmFacts(kinds=frozenset(), metrics=())\n"
        "    def iterate(self, iteration):\n"
        "        rollout = yield from self.sample(iteration)\n"
        "        self.report(iteration, rollout, {})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NetagentsError) as caught:
        prepare(load_experiment({**LINE, **settings}).experiment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_config_show_tells_where_what_a_group_has_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "mixed.yaml"
    file.write_text(
        "environment: {kind: line_msg}\n"
        "topology: {kind: line, n: 5}\n"
        "learning:\n"
        "  learning_rate: 4\n"
        "  algorithm: {kind: ppo, epochs: 3}\n".replace("  learning_rate: 4\n", "  max_grad_norm: 4\n")
        + "agents:\n"
        "  - agents: [1]\n"
        "    learning: {algorithm: {clip_range: 0.1}}\n"
        "  - {agents: [2], learning: {algorithm: {kind: truncated_pg}}, policy: {kind: softmax}}\n"
    )
    loaded = load_experiment(file, ["agents.0.kappa=2", "learning.algorithm.gae_lambda=0.5"])
    rows = {key: (value, origin) for key, value, origin in table(loaded)}
    assert rows["agents.0.learning.algorithm.clip_range"] == ("0.1", f"{file}:8")
    assert rows["agents.0.learning.algorithm.epochs"] == ("3", f"{file}:5")
    assert rows["agents.0.learning.algorithm.gae_lambda"] == ("0.5", "override learning.algorithm.gae_lambda=0.5")
    assert rows["agents.0.learning.max_grad_norm"] == ("4.0", f"as for all: {file}:4")
    assert rows["agents.0.kappa"] == ("2", "override agents.0.kappa=2")
    assert rows["agents.0.policy"][0] == "as for all"
    settings = [loaded.experiment.of_agent(agent) for agent in (0, 1, 2)]
    assert [each.learning.algorithm.kind for each in settings] == ["ppo", "ppo", "truncated_pg"]
    assert [each.uses_networks for each in settings] == [True, True, False]
    assert settings[1].learning.algorithm.model_dump() == {
        **settings[0].learning.algorithm.model_dump(),
        "clip_range": 0.1,
    }


def test_a_frozen_policy_is_that_of_its_own_settings(tmp_path: Path) -> None:
    from netagents.launchers.launch import run
    from netagents.records.frozen_policies import check_frozen_policies

    runtime = {"runtime": {"launcher": "in_process", "directory": str(tmp_path)}}
    learned = run({**LINE, **PPO, "learning": {**LINE["learning"], **PPO["learning"]}, **runtime})
    frozen = {"agents": [1], "role": "frozen", "policy": {"run": str(learned.path), "settings": PPO["policy"]}}
    later = run({**LINE, "agents": [frozen], **runtime, "seed": 1})
    assert np.array_equal(later.policies()[1].weights, learned.policies()[1].weights)  # type: ignore[attr-defined]
    for group, words in (
        ({**frozen, "learning": {"logit_bound": 1.0}}, "learned with logit_bound 2.5 and would be played with 1"),
        ({**frozen, "policy": {"run": str(learned.path)}}, "policy.settings"),
    ):
        prepared = prepare(Experiment.model_validate({**LINE, "agents": [group]}))
        with pytest.raises(NetagentsError, match=words):
            check_frozen_policies(prepared.setup)


def test_exact_values_know_groups_that_differ_in_utility_and_radius_alone() -> None:
    from netagents.exact.experiment_tables import exact_experiment

    small = {**LINE, "topology": {"kind": "line", "n": 3}}
    entropy = {"kind": "entropy"}
    group = Experiment.model_validate({**small, "agents": [{"agents": [1], "utility": entropy}]})
    earlier = Experiment.model_validate({**small, "utility": {"kind": "per_agent", "groups": [{"agents": [1], "utility": entropy}]}})
    one, other = exact_experiment(group), exact_experiment(earlier)
    assert [one[name].rows for name in ("truncation", "gradient")] == [other[name].rows for name in ("truncation", "gradient")]
    with pytest.raises(ExperimentError):
        exact_experiment(Experiment.model_validate({**small, "agents": [{"agents": [1], "learning": {"task_weight": 2.0}}]}))
