"""Values, action values and occupancies satisfy their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import BruteForce, Entropy, Linear, model_and_policy

from netagents.exact import ExactValues, learning_signals, objective

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, discount=st.sampled_from([0.3, 0.8, 0.95]), radius=st.integers(0, 2))
def test_q_equals_backward_induction(seed, discount, radius):
    model, policy = model_and_policy(seed, discount, radius=radius)
    q = ExactValues(model, policy).action_values(model.rewards)
    brute = BruteForce(model.kernel, policy, discount)
    for i in range(model.n):
        np.testing.assert_allclose(q[i], brute.q(model.rewards[i]), rtol=0, atol=1e-11)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, radius=st.integers(0, 2))
def test_occupancies_have_mass_one_over_one_minus_gamma_and_value_every_local_signal(seed, radius):
    model, policy = model_and_policy(seed, radius=radius)
    evaluation = ExactValues(model, policy)
    rng = np.random.default_rng(seed)
    joint = evaluation.occupancy()
    assert joint.sum() == pytest.approx(1.0 / (1.0 - model.discount), rel=1e-12)
    for i, table in enumerate(evaluation.local_occupancies()):
        assert table.sum() == pytest.approx(1.0 / (1.0 - model.discount), rel=1e-12)
        reward = rng.standard_normal(table.shape)
        signal = model.local_signal(i, reward)
        value = float(evaluation.values(signal[None])[0] @ model.initial)
        assert value == pytest.approx(float((reward * table).sum()), abs=1e-11)
        assert value == pytest.approx(float((signal * joint).sum()), abs=1e-11)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, horizon=st.integers(0, 12))
def test_finite_horizon_occupancies_equal_forward_enumeration(seed, horizon):
    model, policy = model_and_policy(seed)
    brute = BruteForce(model.kernel, policy, model.discount)
    now, total = brute.start.copy(), np.zeros((model.S, model.A))
    for t in range(horizon):
        pairs = now[:, None] * brute.pi
        total += model.discount**t * pairs
        now = np.einsum("sa,sat->t", pairs, brute.P)
    evaluation = ExactValues(model, policy)
    np.testing.assert_allclose(evaluation.occupancy(horizon), total, rtol=0, atol=1e-13)
    own = total.reshape(model.shape).sum(axis=tuple(k for k in range(2 * model.n) if k not in (1, model.n + 1)))
    np.testing.assert_allclose(evaluation.local_occupancies(horizon)[1], own, rtol=0, atol=1e-13)


def test_long_horizons_approach_the_infinite_one():
    model, policy = model_and_policy(4)
    evaluation = ExactValues(model, policy)
    np.testing.assert_allclose(evaluation.occupancy(200), evaluation.occupancy(), rtol=0, atol=1e-14)


def test_objective_adds_weighted_task_values_and_utilities_per_agent():
    model, policy = model_and_policy(5)
    evaluation = ExactValues(model, policy)
    occupancies = evaluation.local_occupancies()
    utilities = [Entropy(model.discount), Linear(np.ones_like(occupancies[1])), Entropy(model.discount, 2.0)]
    task = [float((model.rewards[i] * evaluation.occupancy()).sum()) for i in range(3)]
    expected = (0.5 * sum(task) + sum(u.value(o) for u, o in zip(utilities, occupancies, strict=True))) / 3
    assert objective(evaluation, utilities, 0.5) == pytest.approx(expected, abs=1e-11)
    assert objective(evaluation) == pytest.approx(sum(task) / 3, abs=1e-11)


def test_shadow_rewards_are_added_to_the_task_reward_and_leave_the_model_untouched():
    model, policy = model_and_policy(6)
    evaluation = ExactValues(model, policy)
    before = model.rewards.copy()
    utilities = [Entropy(model.discount)] * 3
    signals = learning_signals(evaluation, utilities, 0.25)
    shadow = utilities[1].gradient(evaluation.local_occupancies()[1])
    np.testing.assert_allclose(signals[1], 0.25 * before[1] + model.local_signal(1, shadow), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(model.rewards, before)
