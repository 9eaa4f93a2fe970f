"""Exact power equals brute-force branching, and tells at which distance a truncated critic can be believed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import (
    BruteForce,
    line_distances,
    model_and_policy,
    network_kernel,
    random_policy,
    ring_distances,
    scopes_of,
    wireless_line,
)

from netagents.exact import (
    ExactValues,
    JointModel,
    calibrate_power,
    conditional_mean,
    k_step_power,
    power_matrices,
    truncated_power,
    windows,
)
from netagents.exact.exact_power import ex_ante_power, realized_power, spread_power

seeds = st.integers(0, 2**32 - 1)


class Branching:
    """Clone a state, force one action, roll everybody on by the policy: expectations by forward enumeration, no Q-function at all."""

    def __init__(self, model, policy):
        self.brute = BruteForce(model.kernel, policy, model.discount)
        self.gamma = model.discount
        self.horizon = int(np.log(1e-16) / np.log(self.gamma))
        self.actions = self.brute.actions
        self.policy_step = np.einsum("sa,sat->st", self.brute.pi, self.brute.P)

    def outcome(self, i, x, first):
        """E sum_t gamma^t r_i from joint state x when the first joint action has law ``first`` (A,)."""
        total = float(first @ self.brute.r[i, x])
        now = first @ self.brute.P[x]
        reward = (self.brute.pi * self.brute.r[i]).sum(axis=1)
        for t in range(1, self.horizon):
            total += self.gamma**t * float(now @ reward)
            now = now @ self.policy_step
        return total

    def forced(self, j, b, x):
        """The law of the joint action when j is made to play b in joint state x and the others follow the policy."""
        law = np.zeros(len(self.actions))
        for y, a in enumerate(self.actions):
            moved = (*a[:j], b, *a[j + 1 :])
            law[self.actions.index(moved)] += self.brute.pi[x, y]
        return law


@settings(max_examples=8, deadline=None)
@given(seed=seeds, radius=st.integers(0, 1))
def test_one_step_power_equals_branching_to_1e10(seed, radius):
    model, policy = model_and_policy(seed, discount=0.7, radius=radius)
    evaluation, branching = ExactValues(model, policy), Branching(model, policy)
    q = evaluation.action_values(model.rewards)
    rng = np.random.default_rng(seed)
    for j, i in itertools.permutations(range(model.n), 2):
        ex_ante, spread = ex_ante_power(evaluation, q[i], j), spread_power(evaluation, q[i], j)
        realized = realized_power(evaluation, q[i], j)
        x, y = int(rng.integers(model.S)), int(rng.integers(model.A))
        forced = [branching.outcome(i, x, branching.forced(j, b, x)) for b in range(model.action_sizes[j])]
        assert ex_ante[x] == pytest.approx(branching.outcome(i, x, branching.brute.pi[x]) - min(forced), abs=1e-10)
        assert spread[x] == pytest.approx(max(forced) - min(forced), abs=1e-10)
        played = branching.actions[y]
        others = [(*played[:j], b, *played[j + 1 :]) for b in range(model.action_sizes[j])]
        outcomes = [branching.outcome(i, x, np.eye(model.A)[branching.actions.index(a)]) for a in others]
        assert realized[x, y] == pytest.approx(outcomes[played[j]] - min(outcomes), abs=1e-10)


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_two_step_power_equals_the_worst_of_all_deviation_plans(seed):
    """Every plan of the deviator: an action now, and an action for every joint state that may follow."""
    model, policy = model_and_policy(seed, discount=0.7, n=2, largest=2)
    brute = BruteForce(model.kernel, policy, model.discount)
    evaluation = ExactValues(model, policy)
    values = evaluation.values(model.rewards)
    power = k_step_power(evaluation, 2)
    for j, i in ((0, 1), (1, 0)):
        b_of = np.array([a[j] for a in brute.actions])
        law = brute.pi[:, :, None] * (b_of[:, None] == np.arange(model.action_sizes[j]))
        marginal = law.sum(axis=1)[:, None, :]
        law = np.divide(law, marginal, out=np.zeros_like(law), where=marginal > 0)
        for x in range(model.S):
            worst = np.inf
            for now in range(model.action_sizes[j]):
                for plan in itertools.product(range(model.action_sizes[j]), repeat=model.S):
                    later = np.array([law[s, :, plan[s]] @ (model.rewards[i, s] + 0.7 * brute.P[s] @ values[i]) for s in range(model.S)])
                    worst = min(worst, float(law[x, :, now] @ (model.rewards[i, x] + 0.7 * brute.P[x] @ later)))
            assert power[j, i, x] == pytest.approx(values[i, x] - worst, abs=1e-10)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_k_step_power_starts_at_ex_ante_power_and_grows_with_k(seed):
    model, policy = model_and_policy(seed)
    evaluation = ExactValues(model, policy)
    q = evaluation.action_values(model.rewards)
    before = np.zeros((model.n, model.n, model.S))
    for k in (1, 2, 4):
        power = k_step_power(evaluation, k)
        for j, i in itertools.permutations(range(model.n), 2):
            if k == 1:
                np.testing.assert_allclose(power[j, i], ex_ante_power(evaluation, q[i], j), rtol=0, atol=1e-12)
            assert np.all(power[j, i] >= before[j, i] - 1e-12)
        before = power


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_mean_realized_power_is_at_least_ex_ante_power_and_spread_bounds_it(seed):
    """E min <= min E, and no action is further from the worst than the best is."""
    model, policy = model_and_policy(seed)
    evaluation = ExactValues(model, policy)
    matrices = power_matrices(evaluation, evaluation.action_values(model.rewards))
    off = ~np.eye(model.n, dtype=bool)
    assert np.all(np.isnan(np.diag(matrices.ex_ante)))
    assert np.all(matrices.ex_ante[off] >= -1e-12)
    assert np.all(matrices.realized[off] >= matrices.ex_ante[off] - 1e-12)
    assert np.all(matrices.spread[off] >= matrices.ex_ante[off] - 1e-12)


def ring_calibration(seed):
    """Binary agents on a ring of 6; every critic is the conditional mean of its exact Q under the occupancy."""
    rng = np.random.default_rng(seed)
    distances = ring_distances(6)
    kernel = network_kernel(rng, distances, sharpness=0.6, own_reward=True)
    policy = random_policy(kernel, scopes_of(distances, 0), rng)
    model = JointModel(kernel, 0.9)
    evaluation = ExactValues(model, policy)
    q, weights = evaluation.action_values(model.rewards), evaluation.occupancy()
    errors = {}
    for kappa in (1, 2, 3):
        critics = [conditional_mean(model, q[i], window, weights) for i, window in enumerate(windows(distances, kappa))]
        for row in calibrate_power(evaluation, q, critics, distances, kappa):
            errors[kappa, row.distance] = row.error
    return errors


def test_on_rings_power_is_unreliable_at_distance_kappa_and_good_one_hop_closer():
    results = [ring_calibration(seed) for seed in range(5)]
    for errors in results:
        assert errors[1, 1] > 0.25
        assert errors[2, 2] > 0.25
        assert errors[2, 1] < 0.05
        assert errors[3, 2] < 0.05
        assert errors[3, 1] < 0.05


def test_where_actions_collide_at_once_distance_kappa_can_be_trusted():
    kernel = wireless_line(4, deadline=2)
    distances = line_distances(4)
    model = JointModel(kernel, 0.7)
    evaluation = ExactValues(model, random_policy(kernel, scopes_of(distances, 0), np.random.default_rng(3)))
    q, weights = evaluation.action_values(model.rewards), evaluation.occupancy()
    critics = [conditional_mean(model, q[i], window, weights) for i, window in enumerate(windows(distances, 1))]
    (row,) = calibrate_power(evaluation, q, critics, distances, 1)
    assert row.pairs == 6
    assert row.exact > 0.05
    assert row.error < 0.1


def test_power_from_a_full_critic_is_exact_and_unknown_alternatives_stay_unknown():
    model, policy = model_and_policy(17)
    evaluation = ExactValues(model, policy)
    q = evaluation.action_values(model.rewards)
    weights = evaluation.occupancy()
    critic = conditional_mean(model, q[0], (0, 1, 2), weights)
    np.testing.assert_allclose(truncated_power(critic, 2), realized_power(evaluation, q[0], 2), rtol=0, atol=1e-12)
    weights = weights.reshape(model.S, *model.action_sizes).copy()
    weights[:, :, :, 0] = 0.0
    partial = conditional_mean(model, q[0], (0, 1, 2), weights.reshape(model.S, model.A))
    assert np.all(np.isnan(truncated_power(partial, 2)))
    with pytest.raises(IndexError, match="outside the window"):
        truncated_power(conditional_mean(model, q[0], (0, 1), evaluation.occupancy()), 2)
