"""The neural agent: it learns, resumes to the bit, tells others what it says it tells, and stops at what is not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netagents
from netagents.environments.networked_mdp import Transition
from netagents.errors import EnvironmentMismatchError, ExperimentError, NumericalError
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.algorithms.actor_critic import ActorCriticAgent
from netagents.learning.algorithms.neural_agent import NeuralAgent
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import Kind
from netagents.records.same_bits import same_bits

SMALL: dict[str, Any] = {
    "environment": {"kind": "wireless_spdac"},
    "topology": {"kind": "access_grid", "rows": 2, "columns": 3},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {
        "iterations": 4,
        "batch": 8,
        "algorithm": {"kind": "ppo", "critic": {"hidden": [8], "steps": 3, "minibatch": 16}},
    },
    "runtime": {"launcher": "in_process"},
}


def small(kind: str = "ppo", **learning: Any) -> dict[str, Any]:
    algorithm = {**SMALL["learning"]["algorithm"], "kind": kind}
    return {**SMALL, "learning": {**SMALL["learning"], "algorithm": algorithm, **learning}}


def network_of(settings: dict[str, Any]) -> tuple[Prepared, InProcessNetwork]:
    prepared = prepare(Experiment.model_validate(settings))
    return prepared, InProcessNetwork(prepared.setup, prepared.environment)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("kind", ["ppo", "actor_critic"])
def test_a_run_resumed_from_a_checkpoint_leaves_the_bits_of_one_that_went_through(kind: str, credit: str, tmp_path: Path) -> None:
    settings = small(kind, credit=credit, task_weight=0.5)
    settings["utility"] = {"kind": "entropy", "over": "state"}
    whole = netagents.run(settings, directory=tmp_path / "whole")
    netagents.run({**settings, "learning": {**settings["learning"], "iterations": 2}}, directory=tmp_path / "half")
    resumed = netagents.resume(tmp_path / "half", "learning.iterations=4")
    assert same_bits(whole, resumed) == []
    names = set(whole.parameters(0))
    assert {"policy.weights", "actor.adam.mean", "task.target", "value.adam.square", "objective.multipliers"} <= names
    assert ("learned.target" in names) == (kind == "actor_critic")


def test_what_was_trained_can_be_played_and_is_worth_more_than_what_was_not(tmp_path: Path) -> None:
    run = netagents.run(small(iterations=12, batch=64), directory=tmp_path / "run")
    from netagents.launchers.policy_evaluation import evaluate

    trained, untrained = evaluate(run, 256), evaluate(run, 256, untrained=True)
    assert trained.team.value > untrained.team.value + 0.3
    assert evaluate(run, 256, greedy=True).team.value != trained.team.value
    with pytest.raises(EnvironmentMismatchError, match="its policies are networks, not tables"):
        run.tables()


@pytest.mark.parametrize("kind", ["ppo", "actor_critic"])
def test_short_training_beats_untrained_policies(kind: str) -> None:
    """Six users, two access points; the grid of 25 users is a claim (``netagents reproduce``)."""
    settings = small(kind, iterations=15, batch=64)
    settings["learning"]["algorithm"] |= {"learning_rate": 1e-2, "critic": {"hidden": [32], "steps": 20, "minibatch": 128}}
    _, network = network_of(settings)
    returns = [record.team_return for record in network.run(0, 15)]
    assert returns[0] == pytest.approx(1.0, abs=0.1)
    assert np.mean(returns[-3:]) > 1.3


@pytest.mark.parametrize("kind", ["ppo", "actor_critic"])
def test_the_summed_values_are_those_of_the_neighbourhood_and_nothing_else_is_told(kind: str) -> None:
    messages: dict[tuple[int, Kind], set[int]] = {}

    def observer(agent: int, turn: Any, _: list[Any]) -> None:
        messages.setdefault((agent, turn.kind), set()).update(turn.senders)

    prepared = prepare(Experiment.model_validate(small(kind, iterations=1)))
    for _ in InProcessNetwork(prepared.setup, prepared.environment, observer).run(0, 1):
        pass
    for agent in range(prepared.setup.n):
        near = {j for j in range(prepared.setup.n) if prepared.topology.hops.distance(agent, j) == 1}
        for message_kind in (Kind.STATE, Kind.TRACE, Kind.TRUNCATED_Q, Kind.SHADOW_REWARD):
            assert messages[agent, message_kind] == near


def test_a_learning_rate_schedule_reaches_adam() -> None:
    _, network = network_of(small(schedule={"kind": "linear", "over": 2, "final": 0.5}))
    rates = [float(record.column("step_size")[0]) for record in network.run(0, 4)]
    assert rates == pytest.approx([3e-3, 2.25e-3, 1.5e-3, 1.5e-3])
    agent = network.agents[0]
    assert isinstance(agent, NeuralAgent)
    assert agent.actor.rate == pytest.approx(1.5e-3)


def test_a_reward_that_is_not_finite_names_agent_and_step() -> None:
    prepared, network = network_of(small())
    step = prepared.environment.step

    def broken(*arguments: Any) -> Transition:
        after = step(*arguments)
        rewards = after.rewards.copy()
        rewards[2, 4] = np.nan
        return after._replace(rewards=rewards)

    prepared.environment.step = broken  # type: ignore[method-assign]
    with pytest.raises(NumericalError, match="agent 4, step 0: the environment gave a reward that is not finite"):
        list(network.run(0, 1))


def test_a_weight_that_is_not_finite_is_found_before_it_acts() -> None:
    _, network = network_of(small())
    list(network.run(0, 1))
    agent = network.agents[3]
    arrays = {name: np.array(array) for name, array in agent.arrays().items()}
    for name, message in (("policy.weights", "policy"), ("task.weights", "task critic"), ("value.weights", "state value")):
        broken = {**arrays, name: np.full_like(arrays[name], np.nan)}
        with pytest.raises(NumericalError, match=f"agent 3: a weight of the {message} is not finite"):
            agent.restore(broken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": {"kind": "softmax"}}, "learning.algorithm of kind ppo needs a policy that is a network, such as kind mlp"),
        ({"learning": {}}, "a policy of kind mlp learns with learning.algorithm of kind actor_critic, ppo or maddpg"),
        (
            {"learning": {**SMALL["learning"], "learning_rate": 3.0}},
            "learning_rate belongs to tables; networks have algorithm.learning_rate",
        ),
        ({"learning": {**SMALL["learning"], "critic": {"sweeps": 3}}}, "critic belongs to tables; networks have algorithm.critic"),
        ({"learning": {**SMALL["learning"], "evaluation": "fresh"}}, "leave evaluation at relabelled"),
        ({"learning": {"cells": {"state": [2]}}, "policy": {"kind": "softmax"}}, "cells belong to networks"),
        ({"learning": {**SMALL["learning"], "algorithm": {"kind": "pop"}}}, "ppo"),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        load_experiment({**SMALL, **changes})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_cells_that_do_not_fit_the_space_are_one_line() -> None:
    with pytest.raises(EnvironmentMismatchError, match=r"agent 0, learning.cells.state: \[9\] groups of 4 values"):
        prepare(Experiment.model_validate(small(cells={"state": [9]})))


def test_the_reported_gradient_is_that_of_the_papers_estimate() -> None:
    """(1/B) sum over steps of gamma^t psi A / n with one minibatch, against the score worked out one decision at a time."""
    import torch

    from netagents.learning.algorithms.neural_policy_update import Decisions, log_probability
    from netagents.learning.algorithms.trained_policy import Steps
    from netagents.policies.torch_mlp import tensor

    settings = small("actor_critic")
    settings["learning"]["algorithm"] |= {"minibatches": 1, "discount_weights": True, "learning_rate": 1e-9}
    _, network = network_of(settings)
    agent = network.agents[2]
    assert isinstance(agent, ActorCriticAgent)
    records: list[Any] = []

    def spy(batch: Any, values: Any) -> Any:
        beyond = original(batch, values)
        records.append((batch.rollout, beyond, batch.weights))
        return beyond

    original, agent._beyond_baseline = agent._beyond_baseline, spy  # type: ignore[method-assign]
    (record,) = list(network.run(0, 1))
    ((rollout, advantages, weights),) = records
    total = torch.zeros(agent.actor.flat.shape)
    for step in range(rollout.steps):
        for copy in range(agent.setup.batch):
            taken = torch.tensor([int(rollout.actions[step, copy])])
            one = Decisions(Steps(tensor(rollout.context[step, copy][None])), taken, None, torch.ones(1), torch.ones(1))
            (score,) = torch.autograd.grad(log_probability(agent.actor, agent.policy, one).log_probability.sum(), agent.actor.flat)
            total += score * float(weights[step, copy] * advantages[step, copy]) / (agent.setup.batch * agent.setup.n)
    assert float(record.column("gradient_sq")[2]) == pytest.approx(float(total.square().sum()), rel=1e-3)
