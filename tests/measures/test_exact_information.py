"""Exact information of own policies: equal to enumeration, gradients equal to finite differences, Gaussian bounds around the truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from netagents.measures.information import (
    CategoricalConditional,
    club_values,
    exact_information,
    log_softmax,
    moment_bound,
    pair_bounds,
    sampled_information,
)
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


def generator_of(number: int) -> np.random.Generator:
    return stream(number, ENVIRONMENT_OWNER, Purpose.STATISTICS, 1)


def enumerated(probabilities: np.ndarray) -> float:
    """sum over (i, a) of p(i, a) log [p(i, a) / (p(i) p(a))], with the standard library."""
    rows = [[float(p) for p in row] for row in probabilities]
    n = len(rows)
    marginal = [math.fsum(row[a] for row in rows) / n for a in range(len(rows[0]))]
    return math.fsum(p / n * math.log((p / n) / (marginal[a] / n)) for row in rows for a, p in enumerate(row) if p > 0)


def differences(function: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Central differences of every entry."""
    gradient = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@settings(max_examples=60)
@given(seed=st.integers(0, 9999), samples=st.integers(1, 12), actions=st.integers(1, 7), scale=st.floats(0.0, 50.0), masked=st.booleans())
def test_exact_information_equals_enumeration_and_its_bounds(seed: int, samples: int, actions: int, scale: float, masked: bool) -> None:
    generator = generator_of(seed)
    logits = scale * generator.standard_normal((samples, actions))
    if masked and actions > 1:
        logits[np.arange(samples), generator.integers(0, actions, samples)] = -np.inf
    result = exact_information(logits)
    assert result.value == pytest.approx(enumerated(np.exp(log_softmax(logits))), abs=1e-10)
    assert -1e-12 <= result.value <= min(math.log(actions), math.log(samples)) + 1e-12
    assert result.value <= result.entropy_of_marginal + 1e-12
    assert result.per_sample.max() <= math.log(samples) + 1e-12
    assert not result.gradient[np.isneginf(logits)].any()


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_gradient_is_that_of_finite_differences(scale: float) -> None:
    logits = scale * generator_of(5).standard_normal((6, 4))
    expected = differences(lambda changed: enumerated(np.exp(log_softmax(changed))), logits)
    np.testing.assert_allclose(exact_information(logits).gradient, expected, atol=1e-9)


def test_the_gradient_passes_masked_actions_by() -> None:
    logits = generator_of(6).standard_normal((5, 4))
    mask = np.zeros(logits.shape, dtype=bool)
    mask[[0, 2, 3], [1, 1, 3]] = True

    def value(changed: np.ndarray) -> float:
        return enumerated(np.exp(log_softmax(np.where(mask, -np.inf, changed))))

    np.testing.assert_allclose(exact_information(np.where(mask, -np.inf, logits)).gradient, differences(value, logits), atol=1e-9)


def test_a_step_down_the_gradient_lowers_the_information_of_a_policy() -> None:
    logits = 2.0 * generator_of(9).standard_normal((20, 5))
    value = exact_information(logits).value
    for _ in range(200):
        logits = logits - 5.0 * exact_information(logits).gradient
    assert exact_information(logits).value < 0.1 * value


def test_club_averaged_over_the_policys_own_actions_is_above_the_exact_value() -> None:
    """Actions in proportion to their probabilities: the expectation of CLUB with q = pi is I + reverse divergence."""
    logits = 1.5 * generator_of(3).standard_normal((30, 5))
    log_pi = log_softmax(logits)
    pi, marginal = np.exp(log_pi), np.exp(log_pi).mean(axis=0)
    exact = exact_information(logits)
    reverse = float((marginal * (np.log(marginal) - log_pi)).sum(axis=1).mean())
    rows = np.repeat(np.arange(30), 4000)
    actions = (generator_of(4).random((len(rows), 1)) > pi[rows].cumsum(axis=1)[:, :-1]).sum(axis=1)
    estimate = club_values(CategoricalConditional(log_pi[rows]), actions, log_floor=None).mean()
    assert estimate == pytest.approx(exact.value + reverse, rel=0.02)
    assert estimate > exact.value


def mixture_information(mean: np.ndarray, std: np.ndarray) -> float:
    """One-dimensional mixtures by quadrature."""

    def integrand(y: float, i: int) -> float:
        density = norm.logpdf(y, mean[i], std[i])
        return float(np.exp(density) * (density - np.log(np.mean(norm.pdf(y, mean, std)))))

    edges = [(m - 10 * s, m + 10 * s) for m, s in zip(mean, std, strict=True)]
    return float(np.mean([quad(integrand, *edges[i], args=(i,), limit=200)[0] for i in range(len(mean))]))


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_gaussian_bounds_and_samples_agree_with_quadrature(spread: float) -> None:
    generator = generator_of(12)
    mean, log_std = spread * generator.standard_normal((6, 1)), 0.3 * generator.standard_normal((6, 1))
    truth = mixture_information(mean[:, 0], np.exp(log_std[:, 0]))
    bounds, moments = pair_bounds(mean, log_std), moment_bound(mean, log_std)
    assert bounds.lower <= truth <= min(bounds.upper, moments.value)
    assert bounds.upper <= math.log(6) + 1e-12
    estimate = sampled_information(mean, log_std, generator, draws=4000)
    assert abs(estimate.value - truth) < 4 * estimate.error
    assert estimate.error < 0.01


def test_gaussian_bounds_are_exact_for_equal_and_for_distant_policies() -> None:
    equal = np.zeros((5, 2))
    assert pair_bounds(equal, np.zeros(2)) == pytest.approx((0.0, 0.0))
    assert moment_bound(equal, np.zeros(2)).value == pytest.approx(0.0)
    distant = 100.0 * np.arange(5.0)[:, None]
    assert pair_bounds(distant, np.zeros(1)) == pytest.approx((math.log(5), math.log(5)))


def test_pair_bounds_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, log_std = generator_of(1).standard_normal((2, 40, 3))
    whole = pair_bounds(mean, log_std)
    monkeypatch.setattr("netagents.measures.information.gaussian_information.BLOCK", 7 * 40 * 3)
    assert pair_bounds(mean, log_std) == pytest.approx(whole, rel=1e-12)


def test_gradients_of_the_moment_bound_are_those_of_finite_differences() -> None:
    generator = generator_of(2)
    mean, log_std = generator.standard_normal((2, 7, 3))
    bound = moment_bound(mean, log_std)

    def entropy_form(m: np.ndarray, s: np.ndarray) -> float:
        return float((0.5 * np.log((np.exp(2 * s)).mean(axis=0) + m.var(axis=0)) - s.mean(axis=0)).sum())

    assert bound.value == pytest.approx(entropy_form(mean, log_std), rel=1e-12)
    np.testing.assert_allclose(bound.gradient_mean, differences(lambda m: entropy_form(m, log_std), mean), atol=1e-9)
    np.testing.assert_allclose(bound.gradient_log_std, differences(lambda s: entropy_form(mean, s), log_std), atol=1e-9)


def test_the_error_of_samples_is_their_spread() -> None:
    generator = generator_of(14)
    mean = generator.standard_normal((8, 2))
    runs = [sampled_information(mean, np.zeros(2), generator, draws=10) for _ in range(800)]
    assert np.sqrt(np.mean([run.error**2 for run in runs])) == pytest.approx(np.std([run.value for run in runs]), rel=0.1)


def test_policies_that_are_not_finite_and_no_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        moment_bound(np.array([[np.nan]]), np.zeros(1))
    with pytest.raises(ValueError, match="draws is 0"):
        sampled_information(np.zeros((3, 1)), np.zeros(1), generator_of(0), draws=0)
