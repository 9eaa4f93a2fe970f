"""Regularized and adversarial values against forward simulation by enumeration, and what binds them to each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import BruteForce, any_kernel, random_policy

from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact import (
    ExactValues,
    JointModel,
    Regularization,
    adversarial_values,
    k_step_power,
    persistent_power,
    power_matrices,
    regularized_values,
    single_deviation_values,
)
from netagents.exact.exact_power import ex_ante_power, realized_power
from netagents.exact.power_regularization import aggregated_power

seeds = st.integers(0, 2**32 - 1)
AGGREGATES, VARIANTS = ("mean", "sum", "max"), ("realized", "ex_ante")
RULES = [Regularization(0.3, aggregate, variant) for aggregate in AGGREGATES for variant in VARIANTS]


def game(seed: int, n: int = 3, largest: int = 3) -> ExactValues:
    rng = np.random.default_rng(seed)
    kernel = any_kernel(rng, n, largest)
    scopes = [tuple(sorted({i, *(j for j in range(n) if rng.random() < 0.5)})) for i in range(n)]
    return ExactValues(JointModel(kernel, 0.8), random_policy(kernel, tuple(scopes), rng, 1.5))


def worst_outcomes(brute: BruteForce, q: np.ndarray, j: int, variant: str) -> np.ndarray:
    """(S,) or (S, A) what is left when j plays its worst action, by loops over actions."""
    where = {a: place for place, a in enumerate(brute.actions)}
    sizes = [max(a[j] for a in brute.actions) + 1]
    if variant == "realized":
        return np.array(
            [[min(q[x, where[(*a[:j], b, *a[j + 1 :])]] for b in range(sizes[0])) for a in brute.actions] for x in range(len(q))]
        )
    left = np.zeros(len(q))
    for x in range(len(q)):
        # The others' law is what is left of the joint one when j's action is summed out.
        laws = zip(brute.pi[x], brute.actions, strict=True)
        weighted = [[p * q[x, where[(*a[:j], b, *a[j + 1 :])]] for b in range(sizes[0])] for p, a in laws]
        left[x] = np.sum(weighted, axis=0).min()
    return left


def by_value_iteration(evaluation: ExactValues, rule: Regularization, i: int) -> np.ndarray:
    """W_i by repeated application of its own equation, without laws of actions or policy iteration."""
    model = evaluation.model
    brute = BruteForce(model.kernel, evaluation.policy, model.discount)
    value = np.zeros(model.S)
    others = [j for j in range(model.n) if j != i]
    fold = {"mean": np.mean, "sum": np.sum, "max": np.max}[rule.aggregate]
    for _ in range(150):
        q = brute.r[i] + model.discount * np.einsum("sat,t->sa", brute.P, value)
        mean = (brute.pi * q).sum(axis=1)
        if rule.variant == "realized":
            lost = fold([q - worst_outcomes(brute, q, j, "realized") for j in others], axis=0)
            value = mean - rule.strength * (brute.pi * lost).sum(axis=1)
        else:
            value = mean - rule.strength * fold([mean - worst_outcomes(brute, q, j, "ex_ante") for j in others], axis=0)
    return value


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.aggregate}-{rule.variant}")
def test_adversarial_values_are_the_fixed_point_of_their_equation(rule: Regularization) -> None:
    evaluation = game(7, largest=2)
    result = adversarial_values(evaluation, rule)
    for i in range(evaluation.model.n):
        np.testing.assert_allclose(result[i], by_value_iteration(evaluation, rule, i), atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_power_with_independent_deviations_is_the_power_measured_with_the_value_itself(seed: int) -> None:
    """W = E sum_t gamma^t (r_i - p agg Power_W), to 1e-9, on random games."""
    evaluation = game(seed)
    model = evaluation.model
    for rule in RULES:
        result = adversarial_values(evaluation, rule)
        for i in range(model.n):
            q = model.rewards[i] + model.discount * model.expected_next(result[i][None])[0]
            power = aggregated_power(evaluation, q, i, rule)
            assert power.min() >= 0.0
            values = evaluation.values((model.rewards[i] - rule.strength * power)[None])[0]
            np.testing.assert_allclose(result[i], values, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_values_agree_up_to_the_square_of_the_probability(seed: int) -> None:
    evaluation = game(seed)
    for aggregate, variant in itertools.product(AGGREGATES, VARIANTS):
        ratios = []
        for p in (0.1, 0.01, 0.001):
            rule = Regularization(p, aggregate, variant)
            objective, independent, single = (
                each(evaluation, rule) for each in (regularized_values, adversarial_values, single_deviation_values)
            )
            # More deviations never help, and the policy's own value is what is left without any.
            assert (independent <= single + 1e-9).all()
            assert (single <= evaluation.values(evaluation.model.rewards) + 1e-9).all()
            ratios.append(max(np.abs(independent - objective).max(), np.abs(single - objective).max()) / p**2)
        # Worst actions may change with p, and then the bound is looser: it must stay bounded, not constant.
        assert ratios[2] <= 3.0 * max(ratios[0], 1e-6)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_power_is_not_negative_and_knowing_what_others_play_hurts_more(seed: int) -> None:
    evaluation = game(seed)
    model = evaluation.model
    q = evaluation.action_values(model.rewards)
    for i, j in itertools.permutations(range(model.n), 2):
        before, played = ex_ante_power(evaluation, q[i], j), realized_power(evaluation, q[i], j)
        assert before.min() >= 0.0
        assert played.min() >= 0.0
        assert ((evaluation.joint * played).sum(axis=1) >= before - 1e-12).all()
    matrices = power_matrices(evaluation, q)
    off = ~np.eye(model.n, dtype=bool)
    assert (matrices.realized[off] >= matrices.ex_ante[off] - 1e-12).all()


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_power_over_more_and_more_steps_becomes_that_of_a_persistent_adversary(seed: int) -> None:
    evaluation = game(seed)
    off = ~np.eye(evaluation.model.n, dtype=bool)
    limit = persistent_power(evaluation)[off]
    before = np.zeros_like(limit)
    for steps in (1, 2, 5, 20, 120):
        now = k_step_power(evaluation, steps)[off]
        assert (now >= before - 1e-9).all()
        assert (now <= limit + 1e-9).all()
        before = now
    np.testing.assert_allclose(before, limit, atol=1e-9)


def test_nobody_to_deviate_and_no_price_leave_the_policy_its_value() -> None:
    evaluation = game(3)
    plain = evaluation.values(evaluation.model.rewards)
    for rule in (Regularization(0.0), Regularization(0.4, co_players=())):
        for each in (regularized_values, adversarial_values, single_deviation_values):
            np.testing.assert_allclose(each(evaluation, rule), plain, atol=1e-10)


@pytest.mark.parametrize(
    ("rule", "fix"), [(Regularization(0.6, "sum"), "0 to 0.5"), (Regularization(-0.1), "0 to 1"), (Regularization(1.1, "max"), "0 to 1")]
)
def test_a_strength_that_is_no_probability_is_refused(rule: Regularization, fix: str) -> None:
    for each in (adversarial_values, single_deviation_values):
        with pytest.raises(EnvironmentMismatchError, match="no probability") as caught:
            each(game(1), rule)
        assert fix in (caught.value.fix or "")


def test_a_table_of_next_states_that_does_not_fit_is_refused() -> None:
    evaluation = game(1)
    evaluation.model.memory_limit = 1000
    with pytest.raises(CapacityError, match="needs"):
        adversarial_values(evaluation, Regularization(0.1))
