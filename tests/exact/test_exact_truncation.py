"""The three readings of a truncated Q satisfy their defining equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import BruteForce, line_distances, line_msg, model_and_policy, random_networked, random_policy, ring_distances, scopes_of

from netagents.errors import CapacityError
from netagents.exact import (
    ExactValues,
    JointModel,
    conditional_mean,
    decay_rate,
    fixed_point,
    placeholder,
    reading_error,
    truncation_error,
    uniform_policy,
    windows,
)
from netagents.exact.decay import truncation_error as supremum
from netagents.exact.truncation import condense

seeds = st.integers(0, 2**32 - 1)


def cells(model, window):
    """The number of the cell z of every (s, a), by loops."""
    index = np.zeros((model.S, model.A), dtype=np.int64)
    for x in range(model.S):
        for y in range(model.A):
            digits = [model.state_digits[j][x] for j in window] + [model.action_digits[j][y] for j in window]
            sizes = [model.state_sizes[j] for j in window] + [model.action_sizes[j] for j in window]
            index[x, y] = np.ravel_multi_index(digits, sizes)
    return index, int(np.prod(sizes))


def draw_window(rng, n):
    window = tuple(j for j in range(n) if rng.random() < 0.6)
    return window or (0,)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, radius=st.integers(0, 2), zeros=st.booleans())
def test_fixed_point_and_conditional_mean_satisfy_their_equations_under_any_weights(seed, radius, zeros):
    model, policy = model_and_policy(seed, radius=radius)
    rng = np.random.default_rng(seed)
    window = draw_window(rng, model.n)
    evaluation, brute = ExactValues(model, policy), BruteForce(model.kernel, policy, model.discount)
    weights = rng.random((model.S, model.A))
    if zeros:
        weights[rng.random(model.S) < 0.5] = 0.0
        weights[0, 0] = 1.0
    index, count = cells(model, window)
    member = np.eye(count)[index.reshape(-1)]
    mass = weights.reshape(-1) @ member
    signals = rng.standard_normal((2, model.S, model.A))
    known = mass > 0
    step = np.einsum("sat,tb->satb", brute.P, brute.pi).reshape(model.S * model.A, -1)
    for k, result in enumerate(fixed_point(evaluation, signals, window, weights)):
        table = result.table.reshape(-1)
        np.testing.assert_array_equal(np.isnan(table), ~known)
        target = signals[k].reshape(-1) + model.discount * step @ np.nan_to_num(table)[index.reshape(-1)]
        mean = ((weights.reshape(-1) * target) @ member)[known] / mass[known]
        np.testing.assert_allclose(table[known], mean, rtol=0, atol=1e-11)
        averaged = conditional_mean(model, signals[k], window, weights)
        by_hand = ((weights * signals[k]).reshape(-1) @ member)[known] / mass[known]
        np.testing.assert_allclose(averaged.table.reshape(-1)[known], by_hand, rtol=0, atol=1e-13)
        np.testing.assert_array_equal(averaged.expand().reshape(-1), averaged.table.reshape(-1)[index.reshape(-1)])
    np.testing.assert_allclose(condense(model, weights, window).reshape(-1), mass, rtol=0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_every_reading_lies_within_the_supremum_error_and_vanishes_at_full_radius(seed):
    model, policy = model_and_policy(seed)
    evaluation = ExactValues(model, policy)
    q = evaluation.action_values(model.rewards)[0]
    weights = evaluation.occupancy()
    for kappa in range(3):
        window = windows(line_distances(model.n), kappa)[0]
        bound = truncation_error(model, q, window)
        for critic in (placeholder(model, q, window), conditional_mean(model, q, window, weights)):
            assert reading_error(critic, q)[0] <= bound + 1e-12
    assert bound == 0.0
    assert reading_error(fixed_point(evaluation, model.rewards[:1], window, weights)[0], q, weights)[0] < 1e-11


def test_placeholder_holds_the_outside_where_it_is_told():
    model, policy = model_and_policy(8)
    q = ExactValues(model, policy).action_values(model.rewards)[1]
    table = placeholder(model, q, (1,), state=1, action=9).table
    last = [size - 1 for size in model.action_sizes]
    np.testing.assert_array_equal(table, q.reshape(model.shape)[1, :, 1, last[0], :, last[2]])


def test_a_stationary_start_makes_fixed_point_and_conditional_mean_agree_when_the_window_is_markov():
    """An agent whose next state and reward depend on itself alone has an exact critic of radius 0."""
    kernel = random_networked("line", 4, rho=0.0, task_seed=1).kernel()
    model = JointModel(kernel, 0.9)
    evaluation = ExactValues(model, random_policy(kernel, scopes_of(line_distances(4), 0), np.random.default_rng(0)))
    q = evaluation.action_values(model.rewards)
    for i in range(4):
        assert truncation_error(model, q[i], (i,)) < 1e-13
        critic = fixed_point(evaluation, model.rewards[i : i + 1], (i,), evaluation.occupancy())[0]
        assert reading_error(critic, q[i])[0] < 1e-12


def test_restarted_batches_pull_the_fixed_point_away_from_the_conditional_mean():
    kernel = line_msg(5, coupling=0.3)
    model = JointModel(kernel, 0.9)
    evaluation = ExactValues(model, random_policy(kernel, scopes_of(line_distances(5), 0), np.random.default_rng(0)))
    q = evaluation.action_values(model.rewards)[0]
    weights = evaluation.occupancy()
    mean = conditional_mean(model, q, (0, 1), weights).table
    fixed = fixed_point(evaluation, model.rewards[:1], (0, 1), weights)[0].table
    known = np.isfinite(mean)
    assert np.abs(mean - fixed)[known].max() > 0.05 * np.ptp(mean[known])


def test_supremum_error_is_the_largest_gap_between_joint_points_that_agree_on_the_window():
    model, policy = model_and_policy(13, largest=2)
    q = ExactValues(model, policy).action_values(model.rewards)[2]
    index, count = cells(model, (1, 2))
    expected = max(np.ptp(q[index == z]) for z in range(count))
    assert supremum(model, q, (1, 2)) == pytest.approx(expected, abs=1e-14)


def test_decay_rate_recovers_a_geometric_law_and_ignores_rounding():
    kappas = list(range(6))
    assert decay_rate(kappas, [3.0 * 0.4**k for k in kappas]) == pytest.approx(0.4, rel=1e-12)
    assert decay_rate(kappas, [3.0, 1.2, 0.48, 1e-15, 0.0, 0.0]) == pytest.approx(0.4, rel=1e-12)
    assert np.isnan(decay_rate(kappas, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]))


def test_windows_are_ascending_and_unreachable_agents_stay_outside():
    distances = ring_distances(5)
    assert windows(distances, 1)[0] == (0, 1, 4)
    distances[0, 4] = distances[4, 0] = np.inf
    assert windows(distances, 3)[0] == (0, 1, 2, 3)


def test_a_fixed_point_that_would_not_fit_is_refused():
    kernel = line_msg(6)
    model = JointModel(kernel, 0.9)
    evaluation = ExactValues(model, uniform_policy(kernel))
    weights = evaluation.occupancy()
    model.memory_limit = 1 << 18
    with pytest.raises(CapacityError, match="fixed point on 5 agents"):
        fixed_point(evaluation, model.rewards, (0, 1, 2, 3, 4), weights)
