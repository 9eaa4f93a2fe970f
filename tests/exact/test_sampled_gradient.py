"""With exact critics, sampled estimates converge to the exact truncated ones at the statistical rate."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import line_distances, random_networked, random_policy, scopes_of

from netagents.critics import CriticTable, WindowKeys, batch_td
from netagents.critics.temporal_difference import compact
from netagents.exact import ExactValues, JointModel, fixed_point, split_error, truncated_critics, truncated_gradient, windows
from netagents.exact.truncated_gradient import CREDITS, credited_q
from netagents.exact.truncation import Truncated
from netagents.learning.algorithms.policy_gradient import truncated_policy_gradient
from netagents.policies import SoftmaxTable

GAMMA = 0.9


class Sampler:
    """Trajectories drawn from the local tables, vectorized over copies; shares nothing with the environments or the joint model."""

    def __init__(self, kernel, policy, seed):
        self.kernel, self.policy = kernel, policy
        self.rng = np.random.default_rng(seed)

    def draw(self, rows):
        """One index per row of probabilities."""
        return (self.rng.random((len(rows), 1)) >= np.cumsum(rows, axis=1)[:, :-1]).sum(axis=1)

    def act(self, states):
        return np.stack([self.draw(self.policy.tables[i][self.context(i, states)]) for i in range(states.shape[1])], axis=1)

    def context(self, i, states):
        row = np.zeros(len(states), dtype=np.int64)
        for j in self.policy.scopes[i]:
            row = row * self.kernel.state_sizes[j] + states[:, j]
        return row

    def rollout(self, copies, steps):
        """States and actions (H + 1, B, n)."""
        states = np.stack([self.draw(np.broadcast_to(local.initial, (copies, len(local.initial)))) for local in self.kernel.agents], axis=1)
        all_states, all_actions = [], []
        for _ in range(steps + 1):
            actions = self.act(states)
            all_states.append(states)
            all_actions.append(actions)
            following = []
            for local in self.kernel.agents:
                where = (*(states[:, j] for j in local.state_scope), *(actions[:, k] for k in local.action_scope))
                following.append(self.draw(local.transition[where]))
            states = np.stack(following, axis=1)
        return np.array(all_states), np.array(all_actions)


def chain(seed=3):
    """Four coupled binary agents whose policies read their neighbours."""
    kernel = random_networked("line", 4, rho=1.2, own_share=0.3, task_seed=seed).kernel()
    policy = random_policy(kernel, scopes_of(line_distances(4), 1), np.random.default_rng(seed))
    model = JointModel(kernel, GAMMA)
    evaluation = ExactValues(model, policy)
    return evaluation, evaluation.action_values(model.rewards)


def flat(gradient):
    return np.concatenate([table.reshape(-1) for table in gradient])


def centred(evaluation, tables):
    """Each table minus its exact baseline b_i(x) = E[ Qsum_i | x ] under the occupancy, which changes no expectation."""
    weights = evaluation.occupancy()
    result = []
    for scope, table in zip(evaluation.policy.scopes, tables, strict=True):
        x = evaluation.model.state_index(scope)
        mean = np.bincount(x, weights=(weights * table).sum(axis=1)) / np.bincount(x, weights=weights.sum(axis=1))
        result.append(table - mean[x][:, None])
    return result


def softmax_table(probabilities):
    policy = SoftmaxTable((0,), (len(probabilities),), probabilities.shape[1])
    policy.load(np.log(probabilities))
    return policy


def estimate(sampler, model, tables, copies, horizon):
    """The learning room's estimator on one batch of trajectories, for one or more sets of critics."""
    states, actions = sampler.rollout(copies, horizon - 1)
    states, actions = states.reshape(-1, model.n), actions.reshape(-1, model.n)
    x = np.ravel_multi_index(states.T, model.state_sizes)
    y = np.ravel_multi_index(actions.T, model.action_sizes)
    weights = np.repeat(GAMMA ** np.arange(horizon), copies) / copies
    policies = [softmax_table(table) for table in sampler.policy.tables]
    contexts = [sampler.context(i, states) for i in range(model.n)]
    return [
        flat(
            truncated_policy_gradient(contexts[i], actions[:, i], own[i][x, y], weights, policies[i], model.n, baseline=False)
            for i in range(model.n)
        )
        for own in tables
    ]


@pytest.mark.parametrize("baseline", ["none", "exact"])
def test_sampled_gradients_of_both_credits_converge_to_their_own_exact_truncated_ones_at_the_root_rate(baseline):
    """gamma^H < 1e-4, two decades of samples, and the fixed-point critics that TD would leave."""
    evaluation, q = chain()
    model = evaluation.model
    near = windows(line_distances(4), 1)
    horizon, sizes = 90, [16, 50, 160, 500, 1600]
    assert GAMMA**horizon < 1e-4
    exact, tables = [], []
    for credit in CREDITS:
        arguments = (evaluation, model.rewards, q, near, near)
        exact.append(flat(truncated_gradient(*arguments, credit=credit, reading="fixed_point")))
        plain = credited_q(truncated_critics(*arguments, credit=credit, reading="fixed_point"), near, credit)
        tables.append(plain if baseline == "none" else centred(evaluation, plain))
    sampler = Sampler(model.kernel, evaluation.policy, 5)
    errors = np.zeros((2, len(sizes)))
    for column, size in enumerate(sizes):
        result = np.array([estimate(sampler, model, tables, size, horizon) for _ in range(12 if size < 1600 else 6)])
        errors[:, column] = np.sqrt(((result - np.array(exact)) ** 2).sum(axis=2).mean(axis=0))
    for row in errors:
        assert np.polyfit(np.log(sizes), np.log(row), 1)[0] == pytest.approx(-0.5, abs=0.1)
    # On the same samples the two differ by the difference of their own limits, not by noise.
    apart = exact[1] - exact[0]
    assert np.linalg.norm((result[:, 1] - result[:, 0]).mean(axis=0) - apart) < 0.3 * np.linalg.norm(apart)


def learned_critic(sampler, model, agent, window, copies, horizon):
    """Batch TD of the critics room, swept to its fixed point on one batch; NaN where never visited."""
    local = model.kernel.agents[agent]
    states, actions = sampler.rollout(copies, horizon)
    keys = WindowKeys(window, [model.state_sizes[j] for j in window], [model.action_sizes[j] for j in window])
    table = CriticTable(keys, 1, 1 << 10, 1 << 10)
    encoded = keys.encode([states[:, :, j].reshape(-1) for j in window], [actions[:, :, j].reshape(-1) for j in window])
    batch = compact(table, encoded, horizon, copies, np.ones((horizon, copies), dtype=bool), np.ones((horizon, copies)), 0)
    signal = local.reward[(*(states[:-1, :, j] for j in local.state_scope), *(actions[:-1, :, k] for k in local.action_scope))]
    assert batch_td(table, {0: signal}, batch, GAMMA, 250)[0] < 1e-9
    learned = np.full(keys.total, np.nan)
    learned[batch.keys] = table.values[0, batch.slots]
    # WindowKeys numbers all states first, then all actions: the axes of a truncated table.
    return Truncated(model, window, learned.reshape([*(model.state_sizes[j] for j in window), *(model.action_sizes[j] for j in window)]))


def test_td_error_splits_into_a_statistical_part_that_shrinks_and_a_truncation_part_that_stays():
    evaluation, q = chain()
    model = evaluation.model
    agent, horizon, window, sizes = 1, 20, (0, 1, 2), [100, 1000, 10_000]
    weights = evaluation.visits(horizon)
    limit = fixed_point(evaluation, model.rewards[agent : agent + 1], window, weights)[0]
    sampler = Sampler(model.kernel, evaluation.policy, 9)
    rows = []
    for copies in sizes:
        results = [split_error(learned_critic(sampler, model, agent, window, copies, horizon), limit, q[agent], weights) for _ in range(8)]
        rows.append(np.sqrt(np.mean([[part.statistical**2, part.truncation**2, part.total**2] for part in results], axis=0)))
    statistical, truncation, total = np.array(rows).T
    assert np.polyfit(np.log(sizes), np.log(statistical), 1)[0] == pytest.approx(-0.5, abs=0.1)
    np.testing.assert_allclose(truncation, truncation[-1], rtol=0.1)
    assert statistical[0] > truncation[0] > statistical[-1]
    assert total[-1] == pytest.approx(np.hypot(statistical[-1], truncation[-1]), rel=0.2)
