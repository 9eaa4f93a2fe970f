"""MADDPG: its step against an independent one, its messages, its radii, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from netagents.errors import CapacityError, ExperimentError
from netagents.experiment import load_experiment
from netagents.launchers import capacity
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import check_fits
from netagents.learning.algorithms.maddpg import MaddpgAgent
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import Kind
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.studies.cost_model import predict

ALGORITHM: dict[str, Any] = {
    "kind": "maddpg",
    "updates": 1,
    "minibatch": 32,
    "replay": 500,
    "q": {"hidden": [8]},
    "critic": {"hidden": [8], "steps": 2, "minibatch": 8},
}
GRID: dict[str, Any] = {
    "environment": {"kind": "wireless_spdac"},
    "topology": {"kind": "access_grid", "rows": 2, "columns": 3},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {"iterations": 2, "batch": 8, "algorithm": ALGORITHM},
    "runtime": {"launcher": "in_process"},
}
ROBOTS: dict[str, Any] = {
    "environment": {"kind": "rendezvous", "sensing_radius": 80},
    "topology": {"kind": "complete", "n": 4},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8], "box": "tanh"},
    "learning": {"iterations": 2, "batch": 4, "horizon": 10, "algorithm": ALGORITHM},
    "runtime": {"launcher": "in_process"},
}
PRODUCT: dict[str, Any] = {
    "environment": {"kind": "import:tests.support.one_step_games:Product"},
    "topology": {"kind": "complete", "n": 2},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [16], "box": "tanh", "noise": 0.3},
    "learning": {
        "iterations": 60,
        "batch": 64,
        "schedule": {"kind": "linear", "over": 60, "final": 0.05},
        "algorithm": {**ALGORITHM, "updates": 8, "minibatch": 256, "replay": 2000, "q": {"hidden": [32, 32], "learning_rate": 1e-2}},
    },
    "runtime": {"launcher": "in_process"},
}
PRODUCT["learning"]["algorithm"] |= {"learning_rate": 3e-3, "logit_penalty": 0.0, "max_grad_norm": 10.0}


def prepared(document: dict[str, Any], *overrides: str) -> Prepared:
    return prepare(load_experiment(load_experiment(document).experiment, [*overrides]).experiment)


def network(document: dict[str, Any], *overrides: str, **options: Any) -> InProcessNetwork:
    made = prepared(document, *overrides)
    return InProcessNetwork(made.setup, made.environment, **options)


def trained(document: dict[str, Any], *overrides: str) -> InProcessNetwork:
    net = network(document, *overrides)
    for _ in net.run(0, net.setup.experiment.learning.iterations):
        pass
    return net


def perceptron(flat: Any, sizes: list[int], features: Any) -> Any:
    """An own forward pass of a relu network in float64."""
    hidden, first = features, 0
    pairs = list(pairwise(sizes))
    for number, (inputs, outputs) in enumerate(pairs):
        weight = flat[first : first + inputs * outputs].reshape(inputs, outputs)
        bias = flat[first + inputs * outputs : first + inputs * outputs + outputs]
        first += inputs * outputs + outputs
        hidden = hidden @ weight + bias
        if number < len(pairs) - 1:
            hidden = np.maximum(hidden, 0.0)
    return hidden


def slope(function: Any, at: Any, places: list[int], step: float = 1e-6) -> Any:
    """Central differences of a function in some of its coordinates."""
    results = []
    for place in places:
        high, low = at.copy(), at.copy()
        high[place] += step
        low[place] -= step
        results.append((function(high) - function(low)) / (2 * step))
    return np.array(results)


def test_one_step_of_critic_and_policy_is_that_of_an_independent_centralised_computation() -> None:
    """Continuous actions and everybody in the window: the paper's equations over the joint action, with differences for derivatives."""
    net = network(PRODUCT, "learning.algorithm.updates=1", "learning.iterations=1", "policy.activation=relu")
    agents = [agent for agent in net.agents if isinstance(agent, MaddpgAgent)]
    policies = [agent.policy.weights.astype(np.float64) for agent in agents]
    before = [agent.q.net.flat.detach().numpy()[0].astype(np.float64) for agent in agents]
    list(net.run(0, 1))
    count, noise = 64, stream(0, ENVIRONMENT_OWNER, Purpose.REPLAY, 0)
    rows = noise.integers(0, count, 256)
    policy_sizes, q_sizes = [2, 16, 1], [4, 32, 32, 1]
    ones = np.ones((256, 2))
    following = np.concatenate([np.tanh(perceptron(weights, policy_sizes, ones)) for weights in policies], axis=1)
    for i, agent in enumerate(agents):
        batch = agent.replay_buffer.batch(0)
        joint, paid = batch["acted"][rows].astype(np.float64), batch["signal"][rows]
        own_reward = joint[:, 0] * joint[:, 1] - joint[:, 0] ** 2 / 2 if i == 0 else -((joint[:, 1] - 0.8) ** 2)
        assert paid == pytest.approx(own_reward, abs=1e-6)
        centre, scale = agent.q.units.centre, agent.q.units.scale
        observed = np.ones((256, 2))

        def q(weights: Any, actions: Any, observed: Any = observed) -> Any:
            return perceptron(weights, q_sizes, np.concatenate([observed, actions], axis=1))[:, 0]  # in the units of the outputs

        # Terminal after one step: y = u; what follows is worth something nevertheless, and must not count.
        assert np.abs(q(before[i], following)).max() > 1e-3
        goals = (paid - centre) / scale

        def loss(weights: Any, joint: Any = joint, goals: Any = goals, q: Any = q) -> float:
            return float(((q(weights, joint) - goals) ** 2).mean())

        after = agent.q.net.flat.detach().numpy()[0].astype(np.float64)
        places = np.random.default_rng(i).choice(len(after), 40, replace=False).tolist()
        gradient = slope(loss, before[i], places)
        _assert_first_step_of_adam(after[places] - before[i][places], gradient, 1e-2)

        def climbed(weights: Any, i: int = i, joint: Any = joint, after: Any = after, q: Any = q) -> float:
            actions = joint.copy()
            actions[:, i] = np.tanh(perceptron(weights, policy_sizes, ones))[:, 0]
            return float(-q(after, actions).mean())

        now = agent.policy.weights.astype(np.float64)
        places = list(range(len(now)))
        _assert_first_step_of_adam(now - policies[i], slope(climbed, policies[i], places), 3e-3)


def _assert_first_step_of_adam(change: Any, gradient: Any, rate: float) -> None:
    """Adam's first step is -rate times the sign of the gradient, wherever that is not too small to tell."""
    clear = np.abs(gradient) > 1e-5
    assert clear.sum() > 5
    assert change[clear] == pytest.approx(-rate * np.sign(gradient[clear]), rel=0.02)


def test_target_actions_are_those_of_everybodys_target_policy_at_the_same_transitions() -> None:
    messages_of: dict[tuple[int, int], Any] = {}

    def observer(agent: int, turn: Any, messages: list[Any]) -> None:
        if turn.kind is Kind.TARGET_ACTION:
            messages_of.update({(agent, sender): message.actions for sender, message in zip(turn.senders, messages, strict=True)})

    net = network(GRID, "learning.iterations=1", observer=observer)
    agents = [agent for agent in net.agents if isinstance(agent, MaddpgAgent)]
    before = [agent.target_policy.numpy()[0].astype(np.float64) for agent in agents]
    list(net.run(0, 1))
    steps = net.setup.steps * 8
    rows = stream(0, ENVIRONMENT_OWNER, Purpose.REPLAY, 0).integers(0, steps, 32)
    assert set(messages_of) == {(i, j) for i in range(6) for j in net.setup.in_neighbours(Kind.TRACE, i)}
    for (_, sender), actions in messages_of.items():
        context = agents[sender].replay_buffer.batch(0)["context"][rows + 8].astype(np.float64)
        bound = net.setup.experiment.learning.logit_bound
        hidden = agents[sender].actor.layout.sizes
        raw = perceptron_tanh(before[sender], list(hidden), context)
        gumbel = -np.log(-np.log(stream(0, sender, Purpose.TARGET_ACTIONS, 0).random((32, raw.shape[1]))))
        assert actions.tolist() == (bound * np.tanh(raw / bound) + gumbel).argmax(axis=1).tolist()


def perceptron_tanh(flat: Any, sizes: list[int], features: Any) -> Any:
    inputs, hidden, outputs = sizes
    parts = np.split(flat, np.cumsum([inputs * hidden, hidden, hidden * outputs]))
    return np.tanh(features @ parts[0].reshape(inputs, hidden) + parts[1]) @ parts[2].reshape(hidden, outputs) + parts[3]


@pytest.mark.parametrize("updates", [1, 3])
@pytest.mark.parametrize("document", [GRID, ROBOTS], ids=["grid", "robots"])
def test_its_messages_are_those_that_the_cost_model_counts(document: dict[str, Any], updates: int) -> None:
    net = network(document, f"learning.algorithm.updates={updates}", "learning.iterations=3")
    ledger: dict[tuple[Kind, int], list[int]] = {}
    for record in net.run(0, 3):
        for _, kind, _, hop, messages, size in record.ledger.tolist():
            row = ledger.setdefault((Kind(kind), hop), [0, 0])
            row[0] += messages
            row[1] += size
    predicted = predict(net.setup).total(3)
    assert {key: [int(flow.messages), int(flow.payload)] for key, flow in predicted.items()} == ledger
    pairs = sum(len(net.setup.out_neighbours(Kind.TARGET_ACTION, agent)) for agent in range(net.setup.n))
    assert ledger[Kind.TARGET_ACTION, 1][0] == 3 * updates * pairs


def test_with_kappa_critic_0_agents_learn_alone_and_hear_states_only() -> None:
    net = network(GRID, "kappa_critic=0")
    kinds = {Kind(row[1]) for record in net.run(0, 2) for row in record.ledger.tolist() if row[3] > 0}
    assert kinds == {Kind.STATE}
    windows = [agent.critic_window for agent in net.agents]
    assert windows == [(index,) for index in range(6)]


def test_robots_out_of_range_are_told_nothing_of_a_target_action() -> None:
    blanked = 0

    def observer(agent: int, turn: Any, messages: list[Any]) -> None:
        nonlocal blanked
        if turn.kind is not Kind.TARGET_ACTION:
            return
        buffer = net.agents[agent].replay_buffer
        assert buffer is not None
        rows = stream(0, ENVIRONMENT_OWNER, Purpose.REPLAY, turn.iteration).integers(0, len(buffer.used) * 40, 32)
        hops = buffer.rows("hops", rows // 40, rows % 40 + 4)
        contacts = net.setup.contacts(agent).agents
        for sender, message in zip(turn.senders, messages, strict=True):
            far = hops[:, contacts.index(sender)] > 1
            assert not message.actions[far].any()
            assert message.actions[~far].all()
            blanked += int(far.sum())

    net = network(ROBOTS, observer=observer)
    list(net.run(0, 2))
    assert blanked > 0


def test_a_frozen_neighbour_says_nothing_and_counts_with_what_it_went_on_to_do() -> None:
    net = network({**GRID, "agents": [{"agents": [1], "role": "frozen"}]})
    list(net.run(0, 2))
    setup = net.setup
    assert setup.out_neighbours(Kind.TARGET_ACTION, 1) == setup.in_neighbours(Kind.TARGET_ACTION, 1) == ()
    agent = net.agents[0]
    assert isinstance(agent, MaddpgAgent)
    drawn = agent._draw(stream(0, ENVIRONMENT_OWNER, Purpose.REPLAY, 1))
    columns = agent.action_reader.columns[agent.critic_window.index(1)]
    next_acted = agent._next_actions(drawn, {})
    assert np.array_equal(next_acted[:, columns].numpy(), drawn.next_acted[:, columns].numpy())
    assert (next_acted[:, columns].sum(dim=1) == 1.0).all()


def test_it_plays_the_best_answer_of_a_one_step_game() -> None:
    net = trained(PRODUCT)
    played = [float(agent.policy.greedy(agent.policy.context([np.zeros(1, np.uint8)] * 2))[0, 0]) for agent in net.agents]
    assert played == pytest.approx([0.8, 0.8], abs=0.05)


def test_terms_of_the_signal_enter_what_it_learns() -> None:
    """Agent 0 is paid 2 for every positive action beside the game, which moves nothing but its replayed signal."""
    term = {"kind": "import:tests.support.signal_terms:Counting", "weight": 2.0, "agents": [0]}
    net = network({**PRODUCT, "signals": [term]}, "learning.iterations=1")
    list(net.run(0, 1))
    for index, agent in enumerate(net.agents):
        assert agent.replay_buffer is not None
        batch = agent.replay_buffer.batch(0)
        a, b = batch["acted"][:64].astype(np.float64).T
        task = a * b - a * a / 2 if index == 0 else -((b - 0.8) ** 2)
        extra = 2.0 * (a > 0) if index == 0 else 0.0
        assert batch["signal"] == pytest.approx(task + extra, abs=1e-6)


@pytest.mark.parametrize(
    ("document", "overrides", "error", "message"),
    [
        (ROBOTS, ["policy.box=gaussian"], ExperimentError, r"maddpg acts in boxes by a tanh, .* use policy.box=tanh"),
        (ROBOTS, ["learning.algorithm={kind: ppo}"], ExperimentError, r"ppo acts in boxes by a Gaussian .* use policy.box=gaussian"),
        (GRID, ["clock={kind: bounded_staleness, steps: 1}", "runtime.launcher=local"], ExperimentError, "needs agents in lockstep"),
        (GRID, ["policy={kind: softmax}"], ExperimentError, "maddpg needs a policy that is a network"),
        (ROBOTS, ["policy={kind: gru}"], ExperimentError, r"maddpg acts in boxes by a tanh, .* use policy.box=tanh"),
        (ROBOTS, ["policy={kind: gru, box: tanh}", "learning.algorithm={kind: ppo}"], ExperimentError, "use policy.box=gaussian"),
        (
            GRID,
            ["policy={kind: gru}", "learning.algorithm.robust={kind: rom_q}"],
            ExperimentError,
            "RoM-Q's worst action is that of a value of single observations, and a policy of kind gru remembers earlier ones",
        ),
        (
            GRID,
            ["policy={kind: gru}", "learning.algorithm={kind: ppo, ernie: {}}"],
            ExperimentError,
            "ERNIE changes single observations, and a policy of kind gru remembers earlier ones; use policy.kind mlp",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(document: dict[str, Any], overrides: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_fits(prepared(document, *overrides).setup)


def test_a_buffer_larger_than_memory_names_its_size_and_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepared(GRID, "learning.algorithm.replay=50000000").setup
    monkeypatch.setattr(capacity, "available_memory", lambda: 4_000_000_000)
    with pytest.raises(CapacityError) as refused:
        capacity.check_replay(setup)
    line = str(refused.value)
    assert "the replay buffers of 6 agents, 50,000,000 transitions each, need" in line
    fits = int(line.rpartition("replay=")[2])
    capacity.check_replay(prepared(GRID, f"learning.algorithm.replay={fits}").setup)
    with pytest.raises(CapacityError):
        capacity.check_replay(prepared(GRID, f"learning.algorithm.replay={2 * fits}").setup)
