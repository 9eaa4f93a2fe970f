"""Best responses against trying every deterministic policy, and what is no group of agents."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from small_models import any_kernel, random_policy

from netagents.errors import EnvironmentMismatchError
from netagents.exact import ExactValues, JointModel, best_response, deviating


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("group", [(0,), (1, 2)])
def test_no_deterministic_policy_does_better(seed, group):
    rng = np.random.default_rng(seed)
    model = JointModel(any_kernel(rng, largest=2), 0.8)
    policy = random_policy(model.kernel, ((0, 1), (1,), (0, 2)), rng)
    signal = rng.standard_normal((model.S, model.A))
    result = best_response(model, policy, group, signal)
    # What it plays is worth what it says.
    played = deviating(model, policy, group, result.actions)
    np.testing.assert_allclose(ExactValues(model, played).values(signal[None])[0], result.values, rtol=1e-9, atol=1e-12)
    choices = int(np.prod([model.action_sizes[i] for i in group]))
    # Every policy of one state's change, and many at random: optimal ones admit no better anywhere.
    trials = [np.where(np.arange(model.S) == s, b, result.actions) for s, b in product(range(model.S), range(choices))]
    trials += [rng.integers(choices, size=model.S) for _ in range(50)]
    for actions in trials:
        values = ExactValues(model, deviating(model, policy, group, actions)).values(signal[None])[0]
        assert (values <= result.values + 1e-9).all()


def test_a_horizon_of_one_is_the_best_single_action_and_longer_ones_approach_the_infinite_sum():
    rng = np.random.default_rng(5)
    model = JointModel(any_kernel(rng), 0.7)
    policy = random_policy(model.kernel, ((0,), (1,), (2,)), rng)
    signal = rng.standard_normal((model.S, model.A))
    local = model.local_probabilities(policy)
    expected = np.einsum("sabc,sb,sc->sa", signal.reshape(model.S, *model.action_sizes), local[1], local[2])
    one = best_response(model, policy, (0,), signal, horizon=1)
    np.testing.assert_allclose(one.values, expected.max(axis=1), rtol=1e-12)
    assert one.actions.tolist() == [expected.argmax(axis=1).tolist()]
    infinite = best_response(model, policy, (0,), signal)
    long = best_response(model, policy, (0,), signal, horizon=120)
    np.testing.assert_allclose(long.values, infinite.values, rtol=0.0, atol=1e-12 + 0.7**120 * 100.0)


@pytest.mark.parametrize("group", [(), (1, 0), (3,)])
def test_a_group_is_some_of_the_agents_ascending(group):
    rng = np.random.default_rng(0)
    model = JointModel(any_kernel(rng), 0.7)
    policy = random_policy(model.kernel, ((0,), (1,), (2,)), rng)
    with pytest.raises(EnvironmentMismatchError, match=r"list some of agents 0\.\.2, ascending"):
        best_response(model, policy, group, np.zeros((model.S, model.A)))
