from __future__ import annotations

import itertools

import numpy as np
import pytest
from environment_references import graph, line
from environment_rollouts import assert_scopes_are_minimal, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments.builtin.random_networked import FREE, RandomNetworked
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import RandomNetworkedSettings
from netagents.testing import check_environment

TREE = graph(5, [(0, 1), (1, 2), (1, 3)])


def brute_force_coupling(environment):
    """Largest total variation of i's law when j's state and action move and all else stays, over the exact tables."""
    n = environment.spec.n
    coupling = np.zeros((n, n))
    for i, agent in enumerate(environment.kernel().agents):
        for j in range(n):
            axes = [k for k, member in enumerate(agent.state_scope) if member == j]
            axes += [len(agent.state_scope) + k for k, member in enumerate(agent.action_scope) if member == j]
            if axes:
                front = np.moveaxis(agent.transition, axes, range(len(axes)))
                laws = front.reshape(int(np.prod(front.shape[: len(axes)])), -1, front.shape[-1])
                for x, y in itertools.combinations(range(len(laws)), 2):
                    coupling[i, j] = max(coupling[i, j], 0.5 * np.abs(laws[x] - laws[y]).sum(axis=-1).max())
    return coupling


@settings(max_examples=40, deadline=None)
@given(
    rho=st.floats(0.0, 1.9),
    states=st.integers(2, 4),
    actions=st.integers(1, 3),
    own_share=st.floats(0.0, 1.0),
    task_seed=st.integers(0, 1_000),
)
def test_the_stated_coupling_is_exact_and_its_rows_sum_to_rho(rho, states, actions, own_share, task_seed):
    dial = RandomNetworkedSettings(rho=rho, states=states, actions=actions, own_share=own_share, task_seed=task_seed)
    environment = RandomNetworked(TREE, dial)
    coupling = environment.coupling_matrix()
    np.testing.assert_allclose(coupling, brute_force_coupling(environment), atol=1e-12)
    members = np.array([2, 4, 2, 2, 1])
    np.testing.assert_allclose(coupling.sum(axis=1), np.minimum(rho, (1 - FREE) * members), atol=1e-12)


def test_at_rho_zero_next_states_ignore_everything():
    environment = RandomNetworked(line(4), RandomNetworkedSettings(rho=0.0, states=3))
    assert environment.coupling_matrix().max() == 0.0
    assert environment.spec.state_scopes == ((0,), (1,), (2,), (3,))
    for agent in environment.kernel().agents:
        assert np.ptp(agent.transition, axis=(0, 1)).max() == 0.0


def test_the_certificate_bounds_the_exact_truncation_error():
    """Two joint states that agree within one hop of agent 0, uniform own-state policies, Q by linear algebra."""
    discount = 0.9
    environment = RandomNetworked(line(4), RandomNetworkedSettings(rho=0.8, own_share=0.3))
    agents = environment.kernel().agents
    states = list(itertools.product(range(2), repeat=4))
    local = [agent.transition.mean(axis=-2) for agent in agents]
    chain = np.array(
        [[np.prod([p[tuple(s[j] for j in agents[i].state_scope)][t[i]] for i, p in enumerate(local)]) for t in states] for s in states]
    )
    reward = np.array([agents[0].reward[tuple(s[j] for j in agents[0].state_scope)].mean() for s in states])
    value = np.linalg.solve(np.eye(16) - discount * chain, reward)
    bound = np.zeros(4)
    power = np.array([0.0, 0.0, 1.0, 1.0])
    for t in range(1, 400):
        power = environment.coupling_matrix() @ power
        bound += discount**t * power
    gaps = [abs(value[x] - value[y]) for x, s in enumerate(states) for y, z in enumerate(states) if s[:2] == z[:2]]
    assert 0.0 < max(gaps) <= bound[0]


def test_step_draws_from_the_exact_tables():
    """Noise on a grid instead of random noise: frequencies equal the tables up to the grid's width."""
    environment = RandomNetworked(TREE, RandomNetworkedSettings(rho=1.5, states=3, actions=2))
    u, v = np.meshgrid((np.arange(200) + 0.5) / 200, (np.arange(100) + 0.5) / 100)
    noise = np.repeat(np.stack([u.ravel(), v.ravel()], axis=1)[:, None, :], 5, axis=1)
    state, actions, _ = random_inputs(environment, 6, seed=2)
    for b in range(6):
        outcome = environment.step(np.repeat(state[b : b + 1], 20_000, axis=0), [np.full(20_000, action[b]) for action in actions], noise)
        for i, agent in enumerate(environment.kernel().agents):
            index = (*state[b, list(agent.state_scope)], actions[i][b])
            frequency = np.bincount(outcome.state[:, i], minlength=3) / 20_000
            np.testing.assert_allclose(frequency, agent.transition[index], atol=0.02)
            np.testing.assert_array_equal(outcome.rewards[:, i], agent.reward[index])


def test_task_seeds_name_environments():
    same, again, other = (RandomNetworked(TREE, RandomNetworkedSettings(task_seed=seed)).kernel() for seed in (3, 3, 4))
    assert all(np.array_equal(a.transition, b.transition) for a, b in zip(same.agents, again.agents, strict=True))
    assert not np.array_equal(same.agents[0].reward, other.agents[0].reward)


def test_rewards_run_from_zero_to_one_exactly():
    for agent in RandomNetworked(TREE).kernel().agents:
        assert (agent.reward.min(), agent.reward.max()) == (0.0, 1.0)


def test_scopes_are_minimal():
    assert_scopes_are_minimal(RandomNetworked(TREE, RandomNetworkedSettings(rho=1.2, own_share=0.4)))


def test_a_rho_out_of_reach_is_refused_with_the_largest_one():
    with pytest.raises(EnvironmentMismatchError, match=r"use at most 2\.85"):
        RandomNetworked(line(4), RandomNetworkedSettings(rho=3.0))


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.8])
@pytest.mark.parametrize("topology", [TREE, line(6)], ids=["tree", "line"])
def test_conforms(topology, rho):
    check_environment(RandomNetworked(topology, RandomNetworkedSettings(rho=rho, states=3)))
