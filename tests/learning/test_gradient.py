"""The sampled truncated policy gradient: it is the score-function estimator, and its baseline leaves the mean alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.learning.algorithms.policy_gradient import batch_baseline, truncated_policy_gradient
from netagents.learning.signals.sampled_occupancy import sampled_occupancy
from netagents.policies import SoftmaxTable


def case(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    contexts, size, samples = int(rng.integers(1, 6)), int(rng.integers(2, 5)), int(rng.integers(1, 60))
    logits = rng.normal(size=(contexts, size))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return (
        rng.integers(0, contexts, samples),
        rng.integers(0, size, samples),
        rng.normal(size=samples),
        rng.random(samples),
        probabilities,
    )


def policy_with(probabilities: np.ndarray) -> SoftmaxTable:
    policy = SoftmaxTable((0,), (len(probabilities),), probabilities.shape[1])
    policy.load(np.log(probabilities))
    return policy


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_it_sums_weighted_scores_sample_by_sample(seed: int) -> None:
    context, actions, q, weights, probabilities = case(seed)
    expected = np.zeros_like(probabilities)
    for x, a, value, weight in zip(context, actions, q, weights, strict=True):
        score = -probabilities[x]
        score[a] += 1.0
        expected[x] += weight * value / 7 * score
    actual = truncated_policy_gradient(context, actions, q, weights, policy_with(probabilities), 7, baseline=False)
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert actual.sum(axis=1) == pytest.approx(np.zeros(len(actual)), abs=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_the_baseline_is_the_policys_mean_of_the_batch_means(seed: int) -> None:
    context, actions, q, weights, probabilities = case(seed)
    cells = context * probabilities.shape[1] + actions
    actual = batch_baseline(cells, q, weights, probabilities)
    for x in range(len(probabilities)):
        means = {
            a: np.average(q[cells == x * probabilities.shape[1] + a], weights=weights[cells == x * probabilities.shape[1] + a])
            for a in range(probabilities.shape[1])
            if (cells == x * probabilities.shape[1] + a).any()
        }
        if not means:
            assert actual[x] == 0.0
            continue
        rest = np.mean(list(means.values()))
        assert actual[x] == pytest.approx(sum(p * means.get(a, rest) for a, p in enumerate(probabilities[x])), rel=1e-9, abs=1e-12)


def test_a_baseline_changes_the_mean_of_the_estimate_by_less_than_its_error_and_cuts_its_variance() -> None:
    rng = np.random.default_rng(5)
    probabilities = np.array([[0.3, 0.7]])
    q_of = np.array([10.0, 11.0])
    exact = probabilities[0] * (q_of - probabilities[0] @ q_of)
    estimates: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for _ in range(2000):
        actions = (rng.random(200) < 0.7).astype(np.int64)
        for baseline, result in estimates.items():
            result.append(
                truncated_policy_gradient(
                    np.zeros(200, dtype=np.int64),
                    actions,
                    q_of[actions] + rng.normal(size=200),
                    np.full(200, 1 / 200),
                    policy_with(probabilities),
                    1,
                    baseline,
                )[0]
            )
    plain, reduced = (np.array(estimates[b]) for b in (False, True))
    for sample in (plain, reduced):
        error = sample.std(axis=0) / np.sqrt(len(sample))
        # The O(1/B) bias of the baseline is part of what is allowed.
        assert np.all(np.abs(sample.mean(axis=0) - exact) < 5 * error + 2.0 / 200)
    assert np.all(reduced.std(axis=0) < 0.3 * plain.std(axis=0))


def test_the_sampled_occupancy_has_the_discounted_mass_of_its_horizon() -> None:
    rng = np.random.default_rng(0)
    states, actions = rng.integers(0, 3, (20, 8)), rng.integers(0, 2, (20, 8))
    weights = np.repeat(0.9 ** np.arange(20)[:, None], 8, axis=1)
    occupancy = sampled_occupancy(states.astype(np.uint8), actions.astype(np.uint8), weights, 8, 3, 2)
    assert occupancy.sum() == pytest.approx((1 - 0.9**20) / (1 - 0.9))
    direct = sum(0.9**t * np.mean((states[t] == 1) & (actions[t] == 0)) for t in range(20))
    assert occupancy[1, 0] == pytest.approx(direct)
