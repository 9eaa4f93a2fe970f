"""Terms of the information bound against sums over all paths, and a policy for which the bound fails at every lambda."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from small_models import any_kernel, random_policy

from netagents.exact import ExactValues, JointModel, best_response
from netagents.exact.information_bound import attacked_returns, bound_terms, clean_return, greedy, noisy
from netagents.exact.joint_policy import JointPolicy
from netagents.measures.information import enumerate_information

HORIZON = 4


def small(seed):
    rng = np.random.default_rng(seed)
    model = JointModel(any_kernel(rng, largest=2), 0.9)
    policy = random_policy(model.kernel, ((0, 1), (1,), (0, 2)), rng, scale=2.0)
    return model, policy, [model.state_index(scope) for scope in policy.scopes]


def paths(model, policy):
    """(H, S) probability of every joint state at every step, by sums over states and joint actions."""
    joint = ExactValues(model, policy).joint
    kernel = np.stack([model.expected_next(np.eye(model.S)[s][None])[0] for s in range(model.S)], axis=-1)
    visits = [model.initial]
    for _ in range(HORIZON - 1):
        after = np.zeros(model.S)
        for s, a in product(range(model.S), range(model.A)):
            after += visits[-1][s] * joint[s, a] * kernel[s, a]
        visits.append(after)
    return np.array(visits), joint


@pytest.mark.parametrize("seed", range(3))
def test_terms_are_sums_over_all_paths(seed):
    model, policy, contexts = small(seed)
    result = bound_terms(model, policy, contexts, HORIZON)
    visits, joint = paths(model, policy)
    weights = 0.9 ** np.arange(HORIZON)
    assert result.clean == pytest.approx(np.einsum("t,ts,sa,isa->i", weights, visits, joint, model.rewards).mean(), rel=1e-12)
    assert clean_return(model, policy, HORIZON) == pytest.approx(result.clean, rel=1e-12)
    for i, table in enumerate(policy.tables):
        by_step, pooled = [], np.zeros(len(table))
        for visit in visits:
            met = np.bincount(contexts[i], weights=visit, minlength=len(table))
            pooled += met / HORIZON
            by_step.append(enumerate_information(met, table).information)
        assert result.information[i] == pytest.approx(float(weights @ by_step), abs=1e-12)
        assert result.pooled[i] == pytest.approx(enumerate_information(pooled, table).information, abs=1e-12)
        present = pooled[pooled > 0]
        assert result.coverage[i] == pytest.approx(float((present * np.log(present * len(pooled))).sum()), abs=1e-12)
    np.testing.assert_allclose(result.attacked, attacked_returns(model, policy, HORIZON), rtol=1e-12)
    # Nobody else does worse under the worst adversary's policy than under agent i's own.
    assert (result.attacked <= result.clean_victims + 1e-12).all()
    assert ((result.shift[~np.eye(3, dtype=bool)] >= 0) & (result.shift[~np.eye(3, dtype=bool)] <= 1)).all()
    # (1) holds exactly from least_lambda on.
    least, worst = result.least_lambda, result.attacked.min()
    assert result.right_side(least) == pytest.approx(worst) if least > 0 else result.right_side(0.0) <= worst
    assert result.right_side(1.5 * least + 1e-3) < worst


def test_the_bound_fails_for_every_lambda_where_actions_carry_no_information():
    model, policy, contexts = small(0)
    blind = JointPolicy(policy.scopes, tuple(np.repeat(table[:1], len(table), axis=0) for table in policy.tables))
    result = bound_terms(model, blind, contexts, HORIZON)
    assert result.information == pytest.approx(0.0, abs=1e-12)
    assert result.attacked.min() < result.clean - 1e-3
    assert result.least_lambda == np.inf


def test_noise_and_greed():
    _, policy, _ = small(1)
    for table, mixed, best in zip(policy.tables, noisy(policy, 0.25).tables, greedy(policy).tables, strict=True):
        np.testing.assert_allclose(mixed, 0.75 * table + 0.25 / table.shape[1])
        assert (best.sum(axis=1) == 1.0).all()
        assert (best.argmax(axis=1) == table.argmax(axis=1)).all()


def test_the_adversary_of_the_bound_is_the_best_response():
    model, policy, _ = small(2)
    signal = -model.rewards[[0, 2]].mean(axis=0)
    assert attacked_returns(model, policy, HORIZON)[1] == -best_response(model, policy, (1,), signal, HORIZON).value
