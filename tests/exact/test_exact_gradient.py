"""The exact gradient is the derivative of the exact objective, and so are its truncations at full radius."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import (
    Entropy,
    Linear,
    SquaredDistance,
    line_distances,
    line_msg,
    model_and_policy,
    random_logits,
    random_networked,
    scopes_of,
    wireless_line,
)

from netagents.exact import (
    ExactValues,
    JointModel,
    compare_gradients,
    exact_gradient,
    learning_signals,
    objective,
    softmax_policy,
    truncated_gradient,
    windows,
)

MODELS = {
    "line_msg": (lambda: line_msg(4), 0.99),
    "wireless_line": (lambda: wireless_line(3, deadline=2), 0.7),
    "random_networked": (lambda: random_networked("line", 4, rho=1.2, task_seed=3).kernel(), 0.9),
}


def utilities_of(name, kernel, gamma):
    rng = np.random.default_rng(7)
    shapes = list(zip(kernel.state_sizes, kernel.action_sizes, strict=True))
    linear = [Linear(rng.standard_normal(shape)) for shape in shapes]
    entropy = [Entropy(gamma, 3.0) for _ in shapes]
    if name == "linear":
        return linear
    if name == "entropy":
        return entropy
    targets = [SquaredDistance(gamma, rng.dirichlet(np.ones(int(np.prod(shape)))).reshape(shape)) for shape in shapes]
    return [(linear, entropy, targets)[i % 3][i] for i in range(len(shapes))]


def finite_differences(model, scopes, logits, utilities, task_weight, h=2e-3):
    """Central differences of fourth order."""

    def value(step, i, where):
        moved = [table.copy() for table in logits]
        moved[i][where] += step
        return objective(ExactValues(model, softmax_policy(model.kernel, scopes, moved)), utilities, task_weight)

    gradient = []
    for i, table in enumerate(logits):
        slopes = np.empty_like(table)
        for where in np.ndindex(table.shape):
            near = value(h, i, where) - value(-h, i, where)
            far = value(2 * h, i, where) - value(-2 * h, i, where)
            slopes[where] = (8.0 * near - far) / (12.0 * h)
        gradient.append(slopes)
    return gradient


@pytest.mark.parametrize("radius", [0, 1])
@pytest.mark.parametrize(("utility", "task_weight"), [("none", 1.0), ("linear", 0.0), ("entropy", 0.0), ("mixed", 0.5)])
@pytest.mark.parametrize("name", MODELS)
def test_exact_gradient_equals_central_finite_differences_to_1e8(name, utility, task_weight, radius):
    make, gamma = MODELS[name]
    kernel = make()
    n = len(kernel.agents)
    scopes = scopes_of(line_distances(n), radius)
    logits = random_logits(kernel, scopes, np.random.default_rng(11), 0.5)
    model = JointModel(kernel, gamma)
    utilities = None if utility == "none" else utilities_of(utility, kernel, gamma)
    exact = exact_gradient(ExactValues(model, softmax_policy(kernel, scopes, logits)), utilities, task_weight)
    error, _ = compare_gradients(exact, finite_differences(model, scopes, logits, utilities, task_weight))
    assert error < 1e-8


@pytest.mark.parametrize("reading", ["placeholder", "conditional_mean", "fixed_point"])
@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_truncated_gradient_at_full_radius_is_the_exact_one(credit, reading):
    model, policy = model_and_policy(21)
    evaluation = ExactValues(model, policy)
    utilities = [Entropy(model.discount)] * model.n
    signals = learning_signals(evaluation, utilities, 0.3)
    q = evaluation.action_values(signals)
    everyone = windows(line_distances(model.n), model.n)
    result = truncated_gradient(evaluation, signals, q, everyone, everyone, credit=credit, reading=reading)
    for actual, exact in zip(result, exact_gradient(evaluation, utilities, 0.3), strict=True):
        np.testing.assert_allclose(actual, exact, rtol=0, atol=1e-12)


def line_evaluation(n=5, coupling=0.3, seed=2):
    kernel = line_msg(n, coupling)
    scopes = scopes_of(line_distances(n), 0)
    model = JointModel(kernel, 0.9)
    policy = softmax_policy(kernel, scopes, random_logits(kernel, scopes, np.random.default_rng(seed)))
    evaluation = ExactValues(model, policy)
    return evaluation, evaluation.action_values(model.rewards)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_conditional_means_add_no_bias_beyond_the_agents_left_out(credit):
    """Tower property: the score of i is a function of every window that holds what i reads and does, so conditioning Q on it under the
    weights of the gradient changes nothing.  What is left is the sum over N_i^kappa_gradient in place of everyone, still over n."""
    evaluation, q = line_evaluation()
    model, policy = evaluation.model, evaluation.policy
    near = windows(line_distances(5), 1)
    result = truncated_gradient(evaluation, model.rewards, q, near, near, credit=credit, reading="conditional_mean")
    weights = evaluation.occupancy()
    for i in range(5):
        total = q[list(near[i])].sum(axis=0) / 5
        by_hand = np.zeros((2, 2))
        for x in range(2):
            here = model.state_digits[i] == x
            for b in range(2):
                psi = (model.action_digits[i] == b) - policy.tables[i][x, b]
                by_hand[x, b] = (weights[here] * psi * total[here]).sum()
        np.testing.assert_allclose(result[i], by_hand, rtol=0, atol=1e-12)


def test_under_td_the_two_credits_have_different_truncation_bias():
    evaluation, q = line_evaluation()
    rewards = evaluation.model.rewards
    near = windows(line_distances(5), 1)
    exact = truncated_gradient(evaluation, rewards, q, near, near)
    one, other = (
        truncated_gradient(evaluation, rewards, q, near, near, credit=credit, reading="fixed_point")
        for credit in ("shared_q", "shared_reward")
    )
    assert compare_gradients(one, other)[0] > 1e-3
    assert compare_gradients(one, exact)[0] > 1e-3


def test_unvisited_cells_do_not_poison_the_gradient():
    evaluation, q = line_evaluation(4, coupling=0.0)
    near = windows(line_distances(4), 1)
    weights = evaluation.occupancy(horizon=2)
    assert np.any(weights == 0.0)
    for reading in ("conditional_mean", "fixed_point"):
        result = truncated_gradient(evaluation, evaluation.model.rewards, q, near, near, reading=reading, weights=weights)
        assert all(np.isfinite(table).all() for table in result)
