"""Playing environments in the tests: random joint states, uniform episodes, and exact joint models from local kernels."""

from __future__ import annotations

import itertools

import numpy as np


def random_inputs(environment, copies, seed):
    rng = np.random.default_rng(seed)
    spec = environment.spec
    state = np.stack([rng.integers(space.size, size=copies) for space in spec.state_spaces], axis=1)
    actions = [rng.integers(space.size, size=copies) for space in spec.action_spaces]
    return state, actions, rng.random((copies, *spec.step_noise))


def assert_equals_reference(environment, reference, copies=40, seed=0):
    """One step from arbitrary joint states: the very same next states, and rewards to the last bits."""
    state, actions, noise = random_inputs(environment, copies, seed)
    outcome = environment.step(state, actions, noise)
    for b in range(copies):
        after, rewards = reference(state[b].tolist(), [int(action[b]) for action in actions], noise[b].tolist())
        assert outcome.state[b].tolist() == after
        np.testing.assert_allclose(outcome.rewards[b], rewards, rtol=1e-15, atol=0.0)
    assert not outcome.terminated.any()
    assert not outcome.truncated.any()


def episode_returns(environment, choose, copies, seed=0, discount=1.0):
    """Per copy, the mean over agents of the discounted sum over the environment's horizon."""
    rng = np.random.default_rng(seed)
    spec = environment.spec
    state = environment.reset(rng.random((copies, *spec.reset_noise)))
    total = np.zeros(copies)
    for t in range(spec.horizon):
        actions = [choose(rng, space.size, copies) for space in spec.action_spaces]
        state, rewards, _, _ = environment.step(state, actions, rng.random((copies, *spec.step_noise)))
        total += discount**t * rewards.mean(axis=1)
    return total


def uniform(rng, size, copies):
    return rng.integers(size, size=copies)


def exact_uniform_return(environment, discount=1.0):
    """Mean over agents of the expected discounted sum under uniform policies, by enumerating all joint states and actions."""
    kernel = environment.kernel()
    states = list(itertools.product(*(range(size) for size in kernel.state_sizes)))
    joint_actions = list(itertools.product(*(range(size) for size in kernel.action_sizes)))
    chain = np.zeros((len(states), len(states)))
    reward = np.zeros(len(states))
    for x, s in enumerate(states):
        for a in joint_actions:
            law = np.ones(1)
            for agent in kernel.agents:
                index = tuple(s[j] for j in agent.state_scope) + tuple(a[j] for j in agent.action_scope)
                law = np.outer(law, agent.transition[index]).ravel()
                reward[x] += agent.reward[index] / len(joint_actions) / len(kernel.agents)
            chain[x] += law / len(joint_actions)
    now = np.ones(1)
    for agent in kernel.agents:
        now = np.outer(now, agent.initial).ravel()
    total = 0.0
    for t in range(environment.spec.horizon):
        total += discount**t * float(now @ reward)
        now = now @ chain
    return total


def assert_scopes_are_minimal(environment):
    """Every agent in a scope matters: the tables vary along its axis."""
    for agent in environment.kernel().agents:
        axes = len(agent.state_scope) + len(agent.action_scope)
        for axis in range(axes):
            moves = np.ptp(agent.transition, axis=axis).max() + np.ptp(agent.reward, axis=axis).max()
            assert moves > 0.0, (agent.state_scope, agent.action_scope, axis)
