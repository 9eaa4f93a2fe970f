"""Contrastive bounds: linear-time forms equal the matrix of pairs, expectations equal closed forms and enumeration, errors cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.measures.information import (
    LOG_FLOOR,
    CategoricalConditional,
    CorrelatedGaussians,
    GaussianConditional,
    club_estimate,
    club_sampled_values,
    club_values,
    contrastive_values,
    enumerate_information,
    leave_one_out_values,
    log_softmax,
    variational_values,
)
from netagents.measures.information.contrastive_bounds import random_cycle
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


def generator_of(number: int) -> np.random.Generator:
    return stream(number, ENVIRONMENT_OWNER, Purpose.STATISTICS, 0)


def categorical_batch(seed: int, samples: int, actions: int, scale: float) -> tuple[CategoricalConditional, np.ndarray]:
    generator = generator_of(seed)
    model = CategoricalConditional(log_softmax(scale * generator.standard_normal((samples, actions))))
    return model, generator.integers(0, actions, samples)


def gaussian_batch(seed: int, samples: int, d: int) -> tuple[GaussianConditional, np.ndarray]:
    generator = generator_of(seed)
    mean, log_variance, outcomes = generator.standard_normal((3, samples, d))
    return GaussianConditional(mean, np.tanh(log_variance)), 3.0 + 2.0 * outcomes


def pairs(model: CategoricalConditional | GaussianConditional, outcomes: np.ndarray) -> np.ndarray:
    """[i, j] = log q(y_j | x_i), entry by entry with the standard library."""
    n = len(outcomes)
    table = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            if isinstance(model, CategoricalConditional):
                table[i, j] = model.log_probabilities[i, outcomes[j]]
            else:
                table[i, j] = math.fsum(
                    -0.5 * (y - m) ** 2 / math.exp(v) - 0.5 * v - 0.5 * math.log(2 * math.pi)
                    for y, m, v in zip(outcomes[j], model.mean[i], model.log_variance[i], strict=True)
                )
    return table


@settings(max_examples=30)
@given(seed=st.integers(0, 999), samples=st.integers(2, 30), size=st.integers(1, 6), gaussian=st.booleans(), scale=st.floats(0.1, 8.0))
def test_linear_time_equals_the_matrix_of_pairs(seed: int, samples: int, size: int, gaussian: bool, scale: float) -> None:
    model, outcomes = gaussian_batch(seed, samples, size) if gaussian else categorical_batch(seed, samples, size + 1, scale)
    table = pairs(model, outcomes)
    np.testing.assert_allclose(model.pairwise(outcomes), table.T, rtol=1e-12, atol=1e-10)
    clipped = table if gaussian else np.maximum(table, LOG_FLOOR)
    np.testing.assert_allclose(club_values(model, outcomes), np.diag(clipped) - clipped.mean(axis=1), atol=1e-9)
    np.testing.assert_allclose(club_values(model, outcomes, log_floor=None), np.diag(table) - table.mean(axis=1), atol=1e-9)
    others = np.array([np.delete(clipped[i], i).mean() for i in range(samples)])
    np.testing.assert_allclose(club_values(model, outcomes, other_samples=True), np.diag(clipped) - others, atol=1e-9)
    np.testing.assert_allclose(model.mean_over_inputs(outcomes), table.mean(axis=0), atol=1e-9)
    one_out = [
        table[i, i] - math.log(math.fsum(math.exp(table[j, i]) for j in range(samples) if j != i) / (samples - 1)) for i in range(samples)
    ]
    np.testing.assert_allclose(leave_one_out_values(model, outcomes), one_out, rtol=1e-8, atol=1e-8)
    contrastive = [table[i, i] - math.log(math.fsum(math.exp(table[j, i]) for j in range(samples)) / samples) for i in range(samples)]
    np.testing.assert_allclose(contrastive_values(model, outcomes), contrastive, rtol=1e-8, atol=1e-8)


def test_blocks_of_the_matrix_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, outcomes = gaussian_batch(3, 50, 4)
    whole = leave_one_out_values(model, outcomes), contrastive_values(model, outcomes)
    monkeypatch.setattr("netagents.measures.information.contrastive_bounds.BLOCK", 7 * outcomes.size)
    np.testing.assert_allclose((leave_one_out_values(model, outcomes), contrastive_values(model, outcomes)), whole, rtol=1e-13)


@pytest.mark.parametrize("information", [2.0, 4.0, 6.0, 8.0, 10.0])
def test_club_with_the_true_conditional_has_its_closed_form(information: float) -> None:
    fixture = CorrelatedGaussians(20, information)
    rho = fixture.correlation
    assert fixture.information == pytest.approx(-10.0 * math.log(1.0 - rho**2), rel=1e-12)
    assert fixture.club == pytest.approx(20.0 * rho**2 / (1.0 - rho**2), rel=1e-12)
    generator = generator_of(7)
    x, y = fixture.sample(40_000, generator)
    model = fixture.conditional(x)
    estimate = club_estimate(model, y)
    assert estimate.value == pytest.approx(fixture.club, rel=0.02)
    assert abs(estimate.value - fixture.club) < 4.0 * estimate.error
    assert club_sampled_values(model, y, generator).mean() == pytest.approx(fixture.club, rel=0.02)
    assert variational_values(model, y).mean() == pytest.approx(information, rel=0.02)


def test_leave_one_out_and_infonce_bracket_the_information_of_gaussians() -> None:
    fixture = CorrelatedGaussians(20, 2.0)
    generator = generator_of(8)
    upper, lower = [], []
    for _ in range(200):
        x, y = fixture.sample(64, generator)
        upper.append(leave_one_out_values(fixture.conditional(x), y).mean())
        lower.append(contrastive_values(fixture.conditional(x), y).mean())
    spread = np.std([upper, lower], axis=1) / np.sqrt(200)
    assert np.mean(lower) + 2 * spread[1] < 2.0 < np.mean(upper) - 2 * spread[0]
    assert np.mean(upper) < fixture.club


@pytest.mark.parametrize("kind", ["categorical", "gaussian"])
def test_the_standard_error_of_club_is_its_spread_over_batches(kind: str) -> None:
    generator = generator_of(11)
    fixture = CorrelatedGaussians(3, 1.0)
    table = log_softmax(1.5 * generator.standard_normal((6, 4)))
    values, errors = [], []
    for _ in range(1500):
        if kind == "gaussian":
            x, y = fixture.sample(100, generator)
            estimate = club_estimate(fixture.conditional(x), y)
        else:
            x = generator.integers(0, 6, 100)
            y = (generator.random((100, 1)) > np.exp(table[x]).cumsum(axis=1)[:, :-1]).sum(axis=1)
            estimate = club_estimate(CategoricalConditional(table[x]), y)
        values.append(estimate.value)
        errors.append(estimate.error)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.08)
    expected = fixture.club if kind == "gaussian" else enumerate_information(np.full(6, 1 / 6), np.exp(table)).club
    assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(1500)


def test_club_sampled_takes_each_other_sample_equally_often_and_never_its_own() -> None:
    generator = generator_of(2)
    counts = np.zeros((4, 4))
    for _ in range(3000):
        successor = random_cycle(4, generator)
        counts[np.arange(4), successor] += 1
        steps, at = 1, successor[0]
        while at != 0:
            steps, at = steps + 1, successor[at]
        assert steps == 4
    assert not np.diag(counts).any()
    np.testing.assert_allclose(counts[~np.eye(4, dtype=bool)], 1000, atol=5 * math.sqrt(3000 * 2 / 9))


@settings(max_examples=60)
@given(seed=st.integers(0, 9999), inputs=st.integers(1, 6), actions=st.integers(2, 7), scale=st.floats(0.0, 40.0))
def test_club_with_the_policy_itself_is_information_plus_reverse_divergence(seed: int, inputs: int, actions: int, scale: float) -> None:
    generator = generator_of(seed)
    weights = generator.dirichlet(np.ones(inputs))
    policy = np.exp(log_softmax(scale * generator.standard_normal((inputs, actions))))
    exact = enumerate_information(weights, policy, log_floor=None)
    if np.isfinite(exact.reverse):
        assert exact.club == pytest.approx(exact.information + exact.reverse, rel=1e-9, abs=1e-9)
    assert exact.gain == pytest.approx(exact.information, abs=1e-9)
    clipped = enumerate_information(weights, policy, log_floor=LOG_FLOOR)
    slack = math.log1p((actions - 1) * 1e-3)
    assert -1e-9 <= clipped.information <= clipped.club + slack + 1e-9
    assert clipped.club <= -LOG_FLOOR


def test_a_nearly_deterministic_policy_has_unlimited_club_and_a_limited_clipped_one() -> None:
    policy = np.exp(log_softmax(200.0 * np.eye(4)))
    exact = enumerate_information(np.full(4, 0.25), policy)
    assert exact.information == pytest.approx(math.log(4))
    assert exact.club == pytest.approx(0.75 * 200.0)
    assert enumerate_information(np.full(4, 0.25), policy, log_floor=LOG_FLOOR).club == pytest.approx(-0.75 * LOG_FLOOR)


def test_batch_estimates_agree_with_enumeration_on_the_batchs_own_distribution() -> None:
    """Every pair of an input and an action as often as its probability says: the batch is the distribution."""
    counts = np.array([[6, 3, 1], [1, 1, 8], [2, 6, 2]])
    table = counts / 10.0
    exact = enumerate_information(np.full(3, 1 / 3), table)
    x, a = (np.repeat(index.reshape(-1), counts.reshape(-1)) for index in np.indices((3, 3)))
    model = CategoricalConditional(np.log(table)[x])
    assert club_values(model, a).mean() == pytest.approx(exact.club, rel=1e-12)
    assert variational_values(model, a, model.marginal(a)).mean() == pytest.approx(exact.information, rel=1e-12)
    assert variational_values(model, a).mean() > exact.information
    assert contrastive_values(model, a).mean() == pytest.approx(exact.information, rel=1e-12)


def test_masked_actions_count_as_impossible() -> None:
    logits = np.array([[0.0, -np.inf, 1.0], [0.5, -np.inf, 0.0], [0.0, -np.inf, 0.0]])
    model = CategoricalConditional(log_softmax(logits))
    actions = np.array([0, 2, 2])
    assert np.isfinite(club_values(model, actions, log_floor=None)).all()
    assert np.isfinite(variational_values(model, actions)).all()
    assert np.isfinite(leave_one_out_values(model, actions)).all()
    np.testing.assert_allclose(np.exp(model.log_probabilities).sum(axis=1), 1.0)


def test_one_sample_has_nothing_to_compare_with() -> None:
    model, outcomes = categorical_batch(0, 1, 3, 1.0)
    for function in (leave_one_out_values, club_estimate):
        with pytest.raises(ValueError, match="give at least 2"):
            function(model, outcomes)
    with pytest.raises(ValueError, match="give at least 2"):
        club_sampled_values(model, outcomes, generator_of(0))


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(entry: float) -> None:
    with pytest.raises(ValueError, match="row 1 of the logits"):
        log_softmax(np.array([[0.0, 1.0], [entry, 0.0]]))
    with pytest.raises(ValueError, match="row 0 of the logits"):
        log_softmax(np.full((1, 2), -np.inf))
