"""Policies with memory solve what no memoryless policy can, and know nothing beyond their radius."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.environments.builtin.cue_recall import CueRecall
from netagents.errors import NetagentsError
from netagents.experiment import load_experiment
from netagents.experiment.environment_settings import CueRecallSettings
from netagents.experiment.intervention_settings import PolicyIntervention
from netagents.experiment.topology_settings import LineSettings
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launch import run
from netagents.launchers.policy_evaluation import evaluate
from netagents.learning.frozen_play import Players
from netagents.learning.interventions.action_sources import ActionSource
from netagents.learning.prepared_experiment import prepare
from netagents.testing import check_environment
from netagents.topology import build_topology

CRITIC = {"hidden": [16], "steps": 3}
RECALL: dict[str, Any] = {
    "environment": {"kind": "cue_recall"},
    "topology": {"kind": "line", "n": 2},
    "kappa_policy": 0,
    "policy": {"kind": "gru", "units": 16},
    "learning": {
        "batch": 64,
        "iterations": 24,
        "algorithm": {"kind": "ppo", "learning_rate": 0.01, "minibatches": 2, "critic": CRITIC},
    },
}


def network(settings: dict[str, Any], *words: str) -> InProcessNetwork:
    prepared = prepare(load_experiment(settings, list(words)).experiment)
    return InProcessNetwork(prepared.setup, prepared.environment)


def returns(settings: dict[str, Any], iterations: int, *words: str) -> np.ndarray:
    return np.array([record.column("return") for record in network(settings, *words).run(0, iterations)])


def test_the_optimum_is_one_with_memory_and_a_share_of_the_cues_without() -> None:
    k, delay = 2, 8
    environment = CueRecall(build_topology(LineSettings(n=1)), CueRecallSettings(cues=k, delay=delay))
    check_environment(environment)
    # Every cue once; the cue that follows the answer is nobody's concern.
    first = (np.arange(k)[:, None] + 0.5) / k

    def earned(answer: Any) -> float:
        state, total = environment.reset(first), np.zeros(k)
        observations: list[np.ndarray] = []
        for _ in range(delay + 1):
            observations += environment.observe(state)
            after = environment.step(state, [answer(observations)], np.zeros((k, 1)))
            state, total = after.state, total + after.rewards[:, 0]
        return float(total.mean())

    tables = map(np.array, itertools.product(range(k), repeat=k + 2))
    memoryless = [earned(lambda history, table=table: table[history[-1]]) for table in tables]
    assert set(memoryless) == {1.0 / k}  # whatever they do, so that drawing among them gives no more
    assert earned(lambda history: np.clip(history[0] - 1, 0, k - 1)) == 1.0
    assert environment.spec.best_return == 1.0
    assert environment.spec.untrained_return == 1.0 / k


@pytest.mark.parametrize(("kind", "iterations"), [("ppo", 24), ("actor_critic", 45)])
def test_a_policy_with_memory_finds_the_optimum(kind: str, iterations: int) -> None:
    learned = returns(RECALL, iterations, f"learning.algorithm.kind={kind}", "seed=1")
    assert learned[0].mean() < 0.65
    # Bounded logits answer wrongly once in 150 times.
    assert learned[-4:].mean() > 0.95


def test_a_policy_without_memory_stays_at_its_own_optimum() -> None:
    learned = returns(RECALL, 24, "policy={kind: mlp, hidden: [16]}")
    # 8 iterations of 64 copies and 2 agents: a standard error of 0.016.
    assert abs(learned[-8:].mean() - 0.5) < 0.06


def test_memory_begins_anew_with_each_episode_and_players_remember_as_agents_do() -> None:
    prepared = prepare(load_experiment(RECALL, ["environment.questions=2"]).experiment)
    setup = prepared.setup
    policies = [setup.policy(agent) for agent in range(setup.n)]
    net = InProcessNetwork(setup, prepared.environment)
    contexts_of: list[Any] = []
    report = net.agents[0].report

    def spy(iteration: int, rollout: Any, *rest: Any) -> None:
        contexts_of.append(rollout.context.copy())
        report(iteration, rollout, *rest)

    net.agents[0].report = spy  # type: ignore[method-assign]
    list(net.run(0, 2))
    session, players = setup.session(prepared.environment), Players(setup, policies)
    memories: list[np.ndarray] = []

    def choose(agent: int, _: int, messages: Any) -> np.ndarray:
        context = players.context(agent, messages)
        assert players.context(agent, messages) is context
        if agent == 0:
            memories.append(context)
        return np.zeros(setup.batch, dtype=np.uint8)

    for iteration in range(2):
        memories.clear()
        list(players.play(session, iteration, setup.steps, choose))
        # Cues do not depend on actions: players read what agents read, and with the first weights remember the same to the bit.
        features = slice(None) if iteration == 0 else slice(policies[0].reader.size)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(np.stack(memories)[:, :, features], contexts_of[iteration][: setup.steps, :, features])
    # The first memory of an episode follows from its first observation alone.
    (first,) = {tuple(map(tuple, memories[0][cue])) for cue in [memories[0][:, 1] == 1.0]}
    assert len(set(first)) == 1


def test_a_run_is_evaluated_and_its_policies_frozen_with_what_they_remember(tmp_path: Path) -> None:
    runtime = {"runtime": {"launcher": "in_process", "directory": str(tmp_path)}}
    learned = run({**RECALL, **runtime})
    greedy = evaluate(learned, 200, greedy=True)
    assert greedy.team.value == 1.0
    frozen = {"agents": [0], "role": "frozen", "policy": {"run": str(learned.path)}, "greedy": True}
    later = run({**RECALL, **runtime, "agents": [frozen], "seed": 5, "learning": {**RECALL["learning"], "iterations": 2}})
    # Agent 0 answers rightly from the beginning, agent 1 by chance: each is paid the share of both.
    assert later.agent_metric("return")[0].mean() == pytest.approx(0.75, abs=0.12)


def test_memory_knows_nothing_from_beyond_the_radius() -> None:
    """On the chain news goes left one hop per step; to the right nobody hears, so nothing is remembered there."""
    settings = {
        "environment": {"kind": "line_msg", "coupling": 0.0},
        "topology": {"kind": "line", "n": 7},
        "kappa": 0,
        "policy": {"kind": "gru", "units": 8},
        "learning": {"batch": 128, "horizon": 6, "iterations": 1, "algorithm": {"kind": "ppo", "critic": CRITIC}},
    }

    def contexts(disturb: bool) -> list[np.ndarray]:
        net = network(settings)
        memories: list[Any] = [None] * 7
        for agent in net.agents:
            generator = np.random.default_rng(agent.index)
            agent.policy.load(generator.normal(size=agent.policy.weights.shape) * (3.0 if disturb and agent.index == 3 else 1.0))
            report = agent.report

            def spy(iteration: int, rollout: Any, *rest: Any, i: int = agent.index, report: Any = report) -> None:
                memories[i] = rollout.context.copy()
                report(iteration, rollout, *rest)

            agent.report = spy  # type: ignore[method-assign]
        list(net.run(0, 1))
        return memories

    calm, stirred = contexts(False), contexts(True)
    for agent in range(7):
        # Its action at step 0 changes its own state at step 1, and that of the agent d hops to the left at step 1 + d.
        for step in range(7):
            same = np.array_equal(calm[agent][step], stirred[agent][step])
            if agent > 3 or (agent < 3 and step < 1 + 3 - agent):
                assert same, f"agent {agent}, step {step}"
            elif agent < 3 and step == 1 + 3 - agent:
                assert not same, f"agent {agent}, step {step}"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["learning={algorithm: {kind: truncated_pg}}"],
            "a policy of kind gru learns with learning.algorithm of kind actor_critic, ppo or maddpg",
        ),
        (["agents=[{agents: [1], learning: {algorithm: {kind: truncated_pg}}}]"], "agents[0]: a policy of kind gru learns with"),
        (["policy.units=0"], "policy.units: must be at least 1"),
        (["policy.kind=grus"], "policy.kind: no policy is called 'grus'; choose one of gru, mlp, softmax"),
    ],
)
def test_memory_where_it_cannot_be_is_one_line(words: list[str], line: str) -> None:
    with pytest.raises(NetagentsError) as caught:
        prepare(load_experiment(RECALL, words).experiment)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_frozen_policy_with_another_memory_is_one_line(tmp_path: Path) -> None:
    runtime = {"runtime": {"launcher": "in_process", "directory": str(tmp_path)}}
    short = {**RECALL, "learning": {**RECALL["learning"], "iterations": 1}}
    learned = run({**short, **runtime})
    for change, words in (
        ({"policy": {"kind": "gru", "units": 8}}, "settings that are not those of the gru here"),
        ({"kappa_policy": 1}, "agent 0 here reads agents"),
    ):
        frozen = {"agents": [0], "role": "frozen", "policy": {"run": str(learned.path)}}
        with pytest.raises(NetagentsError, match=words):
            run({**short, **runtime, **change, "agents": [frozen]})


def test_a_borrowed_policy_remembers_steps_at_which_it_does_not_act() -> None:
    setup = prepare(load_experiment(RECALL).experiment).setup
    policy, copies = setup.policy(0), setup.batch
    settings = PolicyIntervention(agents=(0,))
    source = ActionSource(settings, setup.spec.action_spaces[0], copies, setup.steps + 1, policy)
    assert source.remembers
    choose = source.begin(np.random.default_rng(3))
    noise = policy.noise(np.random.default_rng(3), setup.steps + 1, copies)
    decide = policy.along_episode(copies)
    states = np.random.default_rng(4).integers(0, 4, (setup.steps + 1, copies))
    for step in range(setup.steps + 1):
        expected = decide([states[step]], noise[step])[1]
        assert np.array_equal(choose(step, [states[step]], None, None), expected)
