"""Information travels no faster than the radii allow: bits stay the same until a disturbance could have arrived, and change then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind

N, HORIZON, COPIES, DISTURBED = 13, 24, 256, 6


def run(kappa_policy: int, kappa_critic: int, kappa_gradient: int, credit: str, *, disturb: bool, iterations: int) -> tuple[Any, Any]:
    """Local states (iterations, H + 1, n, B) and logits after each iteration, with or without a change in one agent's policy."""
    prepared = prepare(
        Experiment.model_validate(
            line_msg(
                N,
                environment={"coupling": 0.0},
                kappa_policy=kappa_policy,
                kappa_critic=kappa_critic,
                kappa_gradient=kappa_gradient,
                batch=COPIES,
                horizon=HORIZON,
                learning={"credit": credit},
            )
        )
    )
    states = np.zeros((iterations, HORIZON + 1, N, COPIES), dtype=np.uint8)

    def observer(agent: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.STEP:
            states[turn.iteration, turn.step, agent] = messages[0].observation

    network = InProcessNetwork(prepared.setup, prepared.environment, observer)
    # Policies that react to what they read: uniform ones would ignore their neighbours' news.
    for agent in network.agents:
        agent.policy.load(np.random.default_rng(agent.index).normal(size=agent.policy.logits.shape))
    if disturb:
        policy = network.agents[DISTURBED].policy
        policy.load(policy.logits + np.array([[0.0, -2.0]]))
    logits = []
    runs = network.run(0, iterations)
    for _ in range(iterations):
        next(runs)
        logits.append([agent.policy.logits.copy() for agent in network.agents])
    # A record comes one iteration late, so the first look would be past the second iteration's update; only the last is used.
    return states, logits[-1]


def hops(kappa_policy: int, step: int) -> tuple[int, int]:
    """How far left and right of the disturbed agent its first action can have changed a local state by ``step``.

    Its action at step 0 changes its own state at step 1.  From then on a changed state reaches, in one step, the left
    neighbour through the dynamics, and the state of everyone within kappa_policy through their own action.
    """
    if step < 1:
        return -1, -1
    return (step - 1) * max(1, kappa_policy), (step - 1) * kappa_policy


@pytest.mark.parametrize("kappa_policy", [0, 1, 2])
def test_a_disturbance_reaches_a_local_state_at_the_first_possible_step_and_not_before(kappa_policy: int) -> None:
    calm, _ = run(kappa_policy, 1, 1, "shared_q", disturb=False, iterations=1)
    stirred, _ = run(kappa_policy, 1, 1, "shared_q", disturb=True, iterations=1)
    changed = (calm != stirred).any(axis=3)[0]
    for step in range(HORIZON + 1):
        left, right = hops(kappa_policy, step)
        for agent in range(N):
            if left >= 0 and DISTURBED - left <= agent <= DISTURBED + right:
                continue
            assert not changed[step, agent], f"agent {agent} changed at step {step}"
    # And it does arrive, as early as it can: so many copies leave no chance that nothing differs.
    for distance in (0, 1, 2):
        first = 1 + (distance if kappa_policy < 2 else -(-distance // 2))
        assert changed[first, DISTURBED - distance], f"nothing reached the agent {distance} hops to the left"
    if kappa_policy > 0:
        assert changed[2, DISTURBED + kappa_policy], "nothing reached the right through a State message"


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize(("kappa_critic", "kappa_gradient"), [(0, 0), (1, 0), (1, 1), (2, 2), (2, 1)])
def test_parameters_change_exactly_where_a_trace_or_value_could_carry_the_disturbance(
    credit: str, kappa_critic: int, kappa_gradient: int
) -> None:
    calm_states, calm = run(0, kappa_critic, kappa_gradient, credit, disturb=False, iterations=1)
    stirred_states, stirred = run(0, kappa_critic, kappa_gradient, credit, disturb=True, iterations=1)
    # With kappa_policy 0 nothing reaches the right within an iteration but through the learning messages.
    reach = kappa_gradient + kappa_critic if credit == "shared_q" else kappa_critic
    for agent in range(DISTURBED + 1, N):
        assert np.array_equal(calm_states[:, :, agent], stirred_states[:, :, agent])
        same = np.array_equal(calm[agent], stirred[agent])
        assert same == (agent - DISTURBED > reach), f"agent {agent}, {agent - DISTURBED} hops away, reach {reach}"
