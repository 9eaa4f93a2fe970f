"""Warnings about influence: given where there is a reason, and absent where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.errors import ExperimentError
from netagents.measures.influence import (
    InfluenceEstimate,
    VarianceInformation,
    VarianceShare,
    bank_warning,
    estimate_influence,
    influence_matrix,
    matrix_warnings,
    null_warning,
    policy_distances,
    scenario_warning,
    seed_warning,
)


def scenarios(effects: list[float], seed: int = 0) -> list[InfluenceEstimate]:
    """One estimate for each scenario, whose policies' means are ``effect`` apart."""
    rng = np.random.default_rng(seed)
    return [
        estimate_influence(rng.normal(size=(4, 30)) + effect * np.arange(4)[:, None], VarianceInformation(), permutations=99, resamples=199)
        for effect in effects
    ]


def test_scenarios_that_differ_by_noise_are_warned_of() -> None:
    line = scenario_warning(scenarios([0.5] * 8))
    assert line is not None
    assert "between 8 scenarios" in line
    assert "cannot matter" in line
    assert scenario_warning(scenarios([0.0, 0.0, 0.0, 1.5, 1.5, 2.0])) is None


def test_small_but_certain_differences_hardly_matter() -> None:
    exact = [InfluenceEstimate(value, value - 1e-4, value + 1e-4, 0.0, 0.01, 0.001, 4, 1000, "x") for value in (1.0, 1.02, 1.04)]
    line = scenario_warning(exact)
    assert line is not None
    assert "2 % of the mean" in line


def test_false_alarms_about_scenarios_are_as_rare_as_the_level_says() -> None:
    """Equal scenarios are called equal at least nine times in ten."""
    calls = sum(scenario_warning(scenarios([0.7] * 5, seed)) is not None for seed in range(40))
    assert calls >= 34


def test_estimates_within_their_null_are_counted() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(size=(3, 4, 10, 3))
    returns[1] += 4.0 * np.arange(4)[:, None, None]
    matrix = influence_matrix(returns, VarianceShare(), permutations=199, resamples=9)
    line = null_warning(matrix.values, matrix.null_quantile)
    assert line is not None
    assert " of 6 estimates are within" in line
    assert null_warning(matrix.values[1], matrix.null_quantile[1]) is None
    assert matrix_warnings(matrix)[0] == line


def test_too_few_permutations_for_a_matrix_are_named() -> None:
    returns = np.random.default_rng(2).normal(size=(3, 4, 10, 3))
    coarse = influence_matrix(returns, VarianceShare(), permutations=50, resamples=9)
    (line,) = (line for line in matrix_warnings(coarse) if "permutations are" in line)
    assert "at least 119" in line
    enough = influence_matrix(returns, VarianceShare(), permutations=119, resamples=9)
    assert not any("permutations are too few" in line for line in matrix_warnings(enough))


def test_policies_are_compared_by_total_variation() -> None:
    probabilities = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]]])
    distances = policy_distances(probabilities)
    np.testing.assert_allclose(distances, [[0.0, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.0]])
    line = bank_warning(distances, ["random", "late", "early"])
    assert line is not None
    assert "1 of 3 pairs" in line
    assert "random and early" in line
    assert bank_warning(distances[:2, :2]) is None
    with pytest.raises(ExperimentError, match="action probabilities of shape"):
        policy_distances(2.0 * probabilities)


def test_a_bank_of_nearly_equal_policies_is_warned_of() -> None:
    base = np.full((4, 6, 3), 1.0 / 3.0)
    base[1:, :, 0] += 0.02 * np.arange(1, 4)[:, None]
    base[1:, :, 1] -= 0.02 * np.arange(1, 4)[:, None]
    line = bank_warning(policy_distances(base))
    assert line is not None
    assert "hardly differ" in line


def test_an_order_that_changes_with_the_seed_is_warned_of() -> None:
    rng = np.random.default_rng(3)
    order = np.linspace(0.0, 1.0, 12)
    assert seed_warning(order + 0.05 * rng.normal(size=(4, 12))) is None
    line = seed_warning(rng.normal(size=(4, 12)))
    assert line is not None
    assert "rank correlation" in line
    assert seed_warning(order[None]) is None
    single = seed_warning(np.array([[0.1], [0.9]]))
    assert single is not None
    assert "% of its mean" in single
