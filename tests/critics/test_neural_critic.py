"""Neural critics: temporal differences against hand values, lambda-returns against a double sum, units that change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.critics.neural_critic import NeuralCritic, Transitions, ValueNetwork, minibatch_indices
from netagents.errors import NumericalError
from netagents.experiment.algorithm_settings import NeuralCriticSettings
from netagents.policies.torch_mlp import repeatable_torch, tensor

GAMMA = 0.9


def critic_of(**changes: Any) -> NeuralCritic:
    described = NeuralCriticSettings.model_validate({"hidden": [], **changes})
    return NeuralCritic(described, 4, np.random.default_rng(0), "task critic", 3)


def test_one_step_of_temporal_differences_is_the_one_by_hand() -> None:
    """A linear pair of critics, one transition per half: gradient, Adam's first step and the target's step worked out in numpy."""
    critic = critic_of(steps=1, minibatch=8, tau=0.25, learning_rate=0.01, max_grad_norm=1e9)
    features = np.eye(4)[[0, 1, 2, 3]]  # two steps of two copies: z0, z1, then z2, z3
    batch = Transitions(tensor(features), np.ones((1, 2), dtype=bool), np.array([[1.0, 0.0]]))
    signal, returns = np.array([[1.0, 2.0]]), np.array([[0.0, 2.0]])  # units: centre 1, scale 1
    before, target = critic.net.flat.detach().numpy().copy(), critic.target.numpy().copy()
    with repeatable_torch():
        error = critic.learn(batch, signal, returns, GAMMA, np.random.default_rng(0), "iteration 0")
    differences = []
    for half, (now, ahead, alive_after) in enumerate([(0, 2, 1.0), (1, 3, 0.0)]):
        weights, bias = before[half, :4], before[half, 4]
        value = lambda flat, z: flat[z] + flat[4]  # noqa: E731
        # y = (u + gamma (1 + target output) - 1): outputs are values less the centre.
        goal = signal[0, half] + GAMMA * alive_after * (1.0 + value(target[half], ahead)) - 1.0
        difference = weights[now] + bias - goal
        differences.append(difference)
        gradient = np.zeros(5)
        gradient[now] = gradient[4] = difference
        step = np.where(gradient == 0.0, 0.0, -0.01 * np.sign(gradient))  # Adam's first step is rate * sign
        after = critic.net.flat.detach().numpy()[half]
        np.testing.assert_allclose(after, before[half] + step, atol=1e-5)
        np.testing.assert_allclose(critic.target.numpy()[half], target[half] + 0.25 * (after - target[half]), atol=1e-6)
    assert error == pytest.approx(np.sqrt(np.mean(np.square(differences))), rel=1e-5)


def test_the_pair_never_learns_from_the_same_copies() -> None:
    alive = np.ones((3, 5), dtype=bool)
    alive[2, 1] = False
    even, odd = Transitions(tensor(np.zeros((20, 4))), alive, np.ones((3, 5))).halves()
    assert even.tolist() == [0, 2, 4, 5, 7, 9, 10, 12, 14]
    assert odd.tolist() == [1, 3, 6, 8, 13]
    # A single copy is shared rather than leaving one critic without any.
    single = Transitions(tensor(np.zeros((3, 4))), np.ones((2, 1), dtype=bool), np.ones((2, 1))).halves()
    assert [half.tolist() for half in single] == [[0, 1], [0, 1]]


def test_it_converges_to_the_values_of_a_small_chain() -> None:
    """Three states in a ring, reward 1 in the first: the fixed point of the Bellman equation."""
    steps, copies = 30, 8
    generator = np.random.default_rng(1)
    path = (generator.integers(0, 3, copies)[None, :] + np.arange(steps + 1)[:, None]) % 3
    features = tensor(np.eye(4)[path.reshape(-1)])
    batch = Transitions(features, np.ones((steps, copies), dtype=bool), np.ones((steps, copies)))
    signal = (path[:-1] == 0).astype(float)
    exact = np.linalg.solve(np.eye(3) - GAMMA * np.roll(np.eye(3), 1, axis=1), np.array([1.0, 0.0, 0.0]))
    critic = critic_of(steps=1500, minibatch=64, learning_rate=0.02, tau=0.2)
    with repeatable_torch():
        critic.learn(batch, signal, exact[path[:-1]], GAMMA, np.random.default_rng(2), "iteration 0")
        result = critic.pair(tensor(np.eye(4)[:3]))
    np.testing.assert_allclose(result, np.broadcast_to(exact, (2, 3)), atol=0.05)


@settings(max_examples=30, deadline=None)
@given(means=st.lists(st.floats(-100, 100), min_size=1, max_size=4), spread=st.floats(0.01, 50), seed=st.integers(0, 99))
def test_units_follow_what_is_fitted_and_values_stay_what_they_were(means: list[float], spread: float, seed: int) -> None:
    critic = critic_of(hidden=[6])
    generator = np.random.default_rng(seed)
    features = tensor(generator.standard_normal((9, 4)))
    goals = means[0] + spread * generator.standard_normal(50)
    critic.units.follow(goals, [critic.net.flat, critic.target])
    assert critic.units.centre == pytest.approx(goals.mean())
    assert critic.units.scale == pytest.approx(max(goals.std(), 1e-3))
    before = critic.pair(features)
    for mean in means:
        critic.units.follow(mean + spread * generator.standard_normal(50), [critic.net.flat, critic.target])
    np.testing.assert_allclose(critic.pair(features), before, rtol=1e-3, atol=1e-3 * (1 + max(map(abs, means)) + spread))


def test_a_state_value_fits_what_it_is_shown() -> None:
    described = NeuralCriticSettings.model_validate({"hidden": [16], "learning_rate": 0.01, "value_epochs": 200})
    value = ValueNetwork(described, 1, np.random.default_rng(0), 0)
    inputs = np.linspace(-1, 1, 64)[:, None]
    with repeatable_torch():
        value.fit(tensor(inputs), 300.0 + 50.0 * inputs[:, 0] ** 2, 2, np.random.default_rng(1), "iteration 0")
        result = value.values(tensor(inputs))
    np.testing.assert_allclose(result, 300.0 + 50.0 * inputs[:, 0] ** 2, atol=3.0)


def test_a_signal_that_is_not_finite_names_critic_agent_iteration_and_step() -> None:
    critic = critic_of(steps=3)
    batch = Transitions(tensor(np.eye(4)), np.ones((1, 2), dtype=bool), np.ones((1, 2)))
    with (
        repeatable_torch(),
        pytest.raises(NumericalError, match="agent 3, iteration 7, step 0: the gradient of the task critic is not finite"),
    ):
        critic.learn(batch, np.array([[np.nan, 1.0]]), np.zeros((1, 2)), GAMMA, np.random.default_rng(0), "iteration 7")


def test_state_taken_over_goes_on_as_the_original() -> None:
    batch = Transitions(tensor(np.eye(4)), np.ones((1, 2), dtype=bool), np.ones((1, 2)))

    def learn(critic: NeuralCritic, first: int, last: int) -> None:
        for number in range(first, last):
            critic.learn(batch, np.array([[1.0, -1.0]]), np.array([[1.0, -1.0]]), GAMMA, np.random.default_rng(number), "")

    with repeatable_torch():
        whole, half, resumed = (critic_of(steps=5) for _ in range(3))
        learn(whole, 0, 4)
        learn(half, 0, 2)
        resumed.restore(half.arrays())
        learn(resumed, 2, 4)
    assert all(np.array_equal(array, resumed.arrays()[name]) for name, array in whole.arrays().items())


def test_minibatches_cover_every_transition_once_per_pass() -> None:
    parts = minibatch_indices(np.random.default_rng(0), 10, 3, 2)
    assert len(parts) == 6
    assert sorted(np.concatenate(parts[:3]).tolist()) == sorted(np.concatenate(parts[3:]).tolist()) == list(range(10))
    assert len(minibatch_indices(np.random.default_rng(0), 2, 4, 1)) == 2
