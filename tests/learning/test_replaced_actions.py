"""Replaced actions: traces, critics and returns are about what was executed, and a policy's gradient leaves out what it did not choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_hand import ByHand, Forced, Replacing, WatchedLine
from experiments import line_msg

from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest, make_agent
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind
from netagents.policies.neural_policy import CategoricalPolicy
from netagents.policies.torch_mlp import TrainedMlp, tensor

N, B, H, GAMMA = 4, 3, 6, 0.9
FORCED: Forced = {(2, 1): [0, -1, 1], (1, 2): [1, 1, 1], (4, 2): [0, 0, 0], (5, 3): [-1, 0, -1], (0, 0): [1, -1, -1]}


def line(learning: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return line_msg(N, kappa=1, seed=5, batch=B, horizon=H, learning={"gamma": GAMMA, **(learning or {})}) | changes


@pytest.mark.parametrize("baseline", [True, False])
@pytest.mark.parametrize("entropy", [0.0, 3.0])
@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("forced", [FORCED, {}], ids=["replaced", "plain"])
def test_an_iteration_comes_to_what_follows_from_the_executed_actions(forced: Forced, credit: str, entropy: float, baseline: bool) -> None:
    utility = {"utility": {"kind": "entropy", "over": "state", "weight": entropy}} if entropy else {}
    prepared = prepare(Experiment.model_validate(line({"credit": credit, "baseline": baseline}, **utility)))
    watched = WatchedLine(prepared.setup.topology)
    received: dict[tuple[Kind, int], Any] = {}

    def observer(_: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        received.update({(turn.kind, sender): message for sender, message in zip(turn.senders, messages, strict=True)})

    network = InProcessNetwork(prepared.setup, watched, observer)
    network.session = Replacing(network.session, {0: forced})  # type: ignore[assignment]
    (record,) = network.run(0, 1)
    hand = ByHand(watched, forced, seed=5, kappa=1, gamma=GAMMA, credit=credit, baseline=baseline, step_size=10.0, entropy=entropy)
    if forced:
        # The test tests something: own and executed actions differ.
        assert (hand.executed != hand.own[:-1]).sum() >= 4
    assert (hand.executed != hand.own[:-1])[hand.chosen].sum() == 0
    assert record.team_return == pytest.approx(hand.team_return(), rel=1e-12)
    assert record.column("return").mean() == pytest.approx(record.team_return, rel=1e-12)
    assert record.column("discounted_return").mean() == pytest.approx(record.discounted_return, rel=1e-12)
    for j in range(N):
        trace = received[Kind.TRACE, j]
        assert np.array_equal(trace.states, hand.states[:, :, j])
        assert np.array_equal(trace.actions[:-1], hand.executed[:, :, j])
        if entropy:
            assert record.column("utility")[j] == pytest.approx(entropy * hand.utility(j), rel=1e-9)
        if credit == "shared_q":
            assert received[Kind.TRUNCATED_Q, j].values == pytest.approx(hand.values[j], rel=1e-9, abs=1e-12)
        assert record.column("gradient_sq")[j] == pytest.approx((hand.gradients[j] ** 2).sum(), rel=1e-9)
        assert network.agents[j].policy.logits == pytest.approx(hand.logits[j], rel=1e-9, abs=1e-12)


WIRELESS: dict[str, Any] = {
    "environment": {"kind": "wireless_spdac"},
    "topology": {"kind": "access_grid", "rows": 2, "columns": 3},
    "kappa": 1,
}
ARENA: dict[str, Any] = {
    "environment": {"kind": "rendezvous"},
    "topology": {"kind": "complete", "n": 3},
    "kappa": 1,
}
NETWORKS: dict[str, Any] = {
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {"batch": 4, "horizon": 5, "algorithm": {"critic": {"hidden": [8], "steps": 3, "minibatch": 16}}},
}


def networks(base: dict[str, Any], kind: str, credit: str, **algorithm: Any) -> InProcessNetwork:
    learning = NETWORKS["learning"]
    learning = {**learning, "credit": credit, "algorithm": {**learning["algorithm"], "kind": kind, **algorithm}}
    prepared = prepare(Experiment.model_validate({**base, **NETWORKS, "learning": learning}))
    return InProcessNetwork(prepared.setup, prepared.environment)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize(("base", "kind"), [("line", None), (WIRELESS, "actor_critic"), (WIRELESS, "ppo"), (ARENA, "ppo")])
def test_what_a_policy_would_have_done_where_it_was_replaced_leaves_no_trace(base: Any, kind: str | None, credit: str) -> None:
    states, boxes = [], base is ARENA
    for other_draw in (False, True):
        if kind is None:
            prepared = prepare(Experiment.model_validate(line({"credit": credit})))
            network = InProcessNetwork(prepared.setup, prepared.environment)
        else:
            network = networks(base, kind, credit)
        setup, agent = network.setup, network.agents[1]
        instead: Any = np.full(setup.batch, 1)
        if boxes:
            instead = np.full((setup.batch, 2), 0.25)
            instead[0] = np.nan  # its own in this copy
        else:
            instead[0] = -1
        step = 2
        network.session = Replacing(network.session, {0: {(step, 1): instead}, 1: {(step, 1): instead}})  # type: ignore[assignment]
        if other_draw:
            drawn = agent.policy.noise

            def noise(*args: Any, drawn: Any = drawn, step: int = step) -> Any:
                numbers = drawn(*args)
                numbers[step, 1:] = 0.999 - numbers[step, 1:] * 0.9
                return numbers

            agent.policy.noise = noise  # type: ignore[method-assign]
        records = list(network.run(0, 2))
        for record in records:
            assert record.column("return").mean() == pytest.approx(record.team_return, rel=1e-12)
        states.append([each.arrays() for each in network.agents])
    for one, other in zip(*states, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_lambda_returns_pass_through_replaced_steps() -> None:
    prepared_network = networks(WIRELESS, "actor_critic", "shared_q", gae_lambda=1.0)
    values_of: dict[int, Any] = {}

    def observer(_: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.TRUNCATED_Q:
            values_of.update(dict(zip(turn.senders, messages, strict=True)))

    network = InProcessNetwork(prepared_network.setup, prepared_network.session.environment, observer)
    environment, rewards = network.session.environment, []
    plain_step = environment.step

    def step(*args: Any) -> Any:
        after = plain_step(*args)
        rewards.append(np.array(after.rewards))
        return after

    environment.step = step  # type: ignore[method-assign]
    network.session = Replacing(network.session, {0: {(1, 2): [0, 0, -1, 0], (3, 2): [1, 1, 1, 1]}})  # type: ignore[assignment]
    list(network.run(0, 1))
    paid, values, gamma = np.stack(rewards)[:, :, 2], values_of[2].values, network.setup.discount
    # With lambda 1 the return of a step is its reward and the discounted return of the next, whoever acted.
    assert values[:-1] - gamma * values[1:] == pytest.approx(paid[:-1], abs=1e-9)


def test_the_gradient_of_a_network_is_that_of_the_actions_it_chose() -> None:
    import torch

    options = {"minibatches": 1, "normalise": False, "critic": {"hidden": [8], "steps": 3, "minibatch": 16}}
    learning = {"batch": B, "horizon": H, "baseline": False, "algorithm": {"kind": "actor_critic", **options}}
    settings = {**line(policy={"kind": "mlp", "hidden": [8]}), "learning": learning}
    prepared = prepare(Experiment.model_validate(settings))
    watched = WatchedLine(prepared.setup.topology)
    values_of: dict[int, Any] = {}

    def observer(_: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.TRUNCATED_Q:
            values_of.update({sender: message.values for sender, message in zip(turn.senders, messages, strict=True)})

    network = InProcessNetwork(prepared.setup, watched, observer)
    network.session = Replacing(network.session, {0: FORCED})  # type: ignore[assignment]
    policies = [make_agent(index, prepared.setup).policy for index in range(N)]
    (record,) = network.run(0, 1)
    states, actions = np.stack(watched.states), np.stack(watched.actions)
    for i, policy in enumerate(policies):
        assert isinstance(policy, CategoricalPolicy)
        selection = [(t, b) for t in range(H) for b in range(B) if FORCED.get((t, i), [-1] * B)[b] < 0]
        net = TrainedMlp(policy.layout, [policy.weights], 1e-3, None, "policy", i)
        total = torch.zeros(())
        for t, b in selection:
            context = policy.context([states[t, b : b + 1, j].astype(np.uint8) for j in policy.window])
            value = sum(values_of[j][t, b] for j in range(N) if abs(i - j) <= 1)
            outputs = policy.logit_bound.item() * torch.tanh(net(tensor(context))[0] / policy.logit_bound.item())
            total = total + value / B / N * torch.log_softmax(outputs, dim=1)[0, actions[t, b, i]]
        (gradient,) = torch.autograd.grad(total, net.flat)
        assert record.column("gradient_sq")[i] == pytest.approx(float(gradient.square().sum()), rel=1e-4)


@pytest.mark.parametrize("kind", ["actor_critic", "ppo"])
def test_a_network_that_chose_nothing_all_iteration_long_stays_as_it_is(kind: str) -> None:
    network = networks(WIRELESS, kind, "shared_q")
    agent = network.agents[2]
    forced = {(step, 2): np.zeros(network.setup.batch, dtype=np.int64) for step in range(network.setup.steps)}
    network.session = Replacing(network.session, {0: forced})  # type: ignore[assignment]
    before = {name: array.copy() for name, array in agent.arrays().items()}
    records = list(network.run(0, 1))
    after = agent.arrays()
    for name in before:
        same = np.array_equal(before[name], after[name])
        assert same if name.startswith(("policy.", "actor.")) else True, name
    assert not np.array_equal(before["task.target"], after["task.target"])
    assert records[0].column("gradient_sq")[2] == 0.0
    assert np.isfinite(records[0].column("policy_entropy")).all()


@pytest.mark.parametrize("kind", ["actor_critic", "ppo"])
def test_random_actions_teach_critics_and_neighbours_and_not_the_policy(kind: str) -> None:
    fault = {"faults": [{"kind": "random_actions", "agent": 2, "until": 2}]}
    network = networks({**WIRELESS, **fault}, kind, "shared_q")
    before = {name: array.copy() for name, array in network.agents[2].arrays().items()}
    records = list(network.run(0, 2))
    after = network.agents[2].arrays()
    for name in before:
        if name.startswith(("policy.", "actor.")):
            assert np.array_equal(before[name], after[name]), name
    assert not np.array_equal(before["task.target"], after["task.target"])
    assert [record.column("gradient_sq")[2] for record in records] == [0.0, 0.0]
    for record in records:
        assert record.column("return").mean() == pytest.approx(record.team_return, rel=1e-12)
    (later,) = network.run(2, 3)
    assert later.column("gradient_sq")[2] > 0.0


def test_random_actions_of_a_table_are_followed_to_the_letter() -> None:
    prepared = prepare(Experiment.model_validate(line(faults=[{"kind": "random_actions", "agent": 1}])))
    watched = WatchedLine(prepared.setup.topology)
    network = InProcessNetwork(prepared.setup, watched)
    (record,) = network.run(0, 1)
    executed = np.stack(watched.actions)
    # All of agent 1's actions were somebody else's choice, whatever they were.
    forced = {(step, 1): executed[step, :, 1].tolist() for step in range(H)}
    hand = ByHand(watched, forced, seed=5, kappa=1, gamma=GAMMA, credit="shared_q", baseline=True, step_size=10.0)
    assert (hand.logits[1] == 0.0).all()
    for j in range(N):
        assert network.agents[j].policy.logits == pytest.approx(hand.logits[j], rel=1e-9, abs=1e-12)
    assert record.team_return == pytest.approx(hand.team_return(), rel=1e-12)
