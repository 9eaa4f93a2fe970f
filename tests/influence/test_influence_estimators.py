"""Estimators of influence: published fixtures, known information, invariances, independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import digamma, rel_entr
from scipy.stats import f_oneway

from benchmarks.known_information import discrete_information, gaussian_information, scale_mixture_information
from netagents.errors import ExperimentError
from netagents.measures.influence import (
    Estimator,
    NearestNeighbours,
    PluginHistogram,
    QuantileHistogram,
    VarianceInformation,
    VarianceShare,
)
from netagents.measures.influence.variance_share import epsilon_squared, eta_squared

ALL: list[Estimator] = [
    PluginHistogram(),
    QuantileHistogram(),
    VarianceShare(False),
    VarianceShare(),
    VarianceInformation(False),
    VarianceInformation(),
    NearestNeighbours(),
]


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def published(returns: np.ndarray) -> float:
    """The definition of the paper, written out: mean over policies of KL(histogram || pooled histogram)."""
    pooled = np.histogram(returns.ravel(), bins=50, range=(0, 100))[0] / returns.size
    given_policy = [np.histogram(row, bins=50, range=(0, 100))[0] / len(row) for row in returns]
    return float(np.mean([rel_entr(row, pooled).sum() for row in given_policy]))


def test_nine_policies_with_a_bin_each_have_information_ln_9() -> None:
    returns = np.repeat(np.arange(9) * 10.0 + 1.0, 6).reshape(9, 6) + np.linspace(0.0, 0.9, 6)
    assert PluginHistogram().value(returns) == pytest.approx(np.log(9), abs=1e-14)


def test_returns_in_one_bin_have_no_information() -> None:
    returns = 42.0 + generator(0).random((9, 6))
    assert PluginHistogram().value(returns) == 0.0


@given(arrays(np.float64, (5, 6), elements=st.floats(0.0, 100.0) | st.sampled_from([0.0, 2.0, 6.0, 98.0, 100.0, 0.1 * 20])))
def test_plugin_gives_the_published_digits(returns: np.ndarray) -> None:
    assert PluginHistogram().value(returns) == pytest.approx(published(returns), abs=1e-13)


@given(arrays(np.float64, (4, 8), elements=st.floats(0.0, 100.0)))
def test_plugin_lies_between_0_and_the_logarithm_of_policies(returns: np.ndarray) -> None:
    value = float(PluginHistogram().value(returns))
    assert 0.0 <= value <= np.log(4) + 1e-12


@pytest.mark.parametrize("estimator", ALL, ids=lambda estimator: estimator.name)
@given(
    returns=arrays(np.float64, (4, 9), elements=st.integers(0, 1000).map(lambda x: x / 10.0)),
    policies=st.permutations(range(4)),
    repetitions=st.permutations(range(9)),
)
def test_names_of_policies_and_repetitions_do_not_matter(
    estimator: Estimator, returns: np.ndarray, policies: list[int], repetitions: list[int]
) -> None:
    renamed = returns[policies][:, repetitions]
    assert estimator.value(renamed) == pytest.approx(float(estimator.value(returns)), abs=1e-9)


@pytest.mark.parametrize("estimator", ALL, ids=lambda estimator: estimator.name)
def test_many_arrays_at_once_give_what_each_gives_alone(estimator: Estimator) -> None:
    returns = 100.0 * generator(1).random((2, 3, 4, 9))
    returns[0, 1] = np.round(returns[0, 1], -1)
    together = estimator.value(returns)
    assert together.shape == (2, 3)
    for place in np.ndindex(2, 3):
        assert together[place] == estimator.value(returns[place])


@pytest.mark.parametrize("estimator", ALL, ids=lambda estimator: estimator.name)
def test_constant_returns_have_no_influence(estimator: Estimator) -> None:
    assert estimator.value(np.full((3, 8), 0.1)) == pytest.approx(0.0, abs=1e-12)


def test_quantile_bins_do_not_see_increasing_transformations() -> None:
    returns = generator(2).normal(size=(5, 40)) + np.arange(5)[:, None]
    assert QuantileHistogram().value(np.exp(returns)) == QuantileHistogram().value(returns)


def test_miller_madow_is_the_plugin_plus_the_correction_of_each_entropy() -> None:
    returns = np.array([[1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 2.0, 2.0]])
    counts = np.array([[2, 2], [1, 3]])
    plugin = discrete_information(counts / 4.0)
    # Bins are split at the median of the pooled sample, 2.  Entropies gain (cells - 1) / 2N: 1, 1 and 3 sixteenths.
    assert QuantileHistogram(2).value(returns) == pytest.approx(plugin + (1 + 1 - 3) / 16.0, abs=1e-14)


def test_eta_squared_is_that_of_the_analysis_of_variance() -> None:
    returns = generator(3).normal(size=(5, 7)) + np.arange(5)[:, None]
    between, within = 4, 30
    F = float(f_oneway(*returns).statistic)
    share = float(eta_squared(returns))
    assert share == pytest.approx(F * between / (F * between + within), rel=1e-12)
    # Kelley's correction in terms of mean squares: (SSB - (K - 1) MSW) / SST.
    assert float(epsilon_squared(np.array(share), 5, 7)) == pytest.approx((F - 1.0) * between / (F * between + within), rel=1e-12)
    assert VarianceInformation(False).value(returns) == pytest.approx(-0.5 * np.log(1.0 - share), rel=1e-12)


def test_the_corrected_share_is_zero_on_average_without_influence() -> None:
    values = VarianceShare().value(generator(4).normal(size=(4000, 6, 5)))
    assert abs(values.mean()) < 4.0 * values.std() / np.sqrt(4000)
    raw = VarianceShare(False).value(generator(4).normal(size=(4000, 6, 5)))
    assert raw.mean() == pytest.approx(5 / 29, abs=4.0 * raw.std() / np.sqrt(4000))  # (K - 1) / (KM - 1)


def test_the_proxy_is_exact_for_gaussian_means() -> None:
    rng = generator(5)
    means = rng.normal(size=2000)
    returns = means[:, None] + 0.7 * rng.normal(size=(2000, 20))
    assert VarianceInformation().value(returns) == pytest.approx(0.5 * np.log(1.0 + 1.0 / 0.49), abs=0.03)


def test_the_proxy_is_at_most_the_logarithm_of_policies() -> None:
    returns = np.repeat(np.arange(4.0), 5).reshape(4, 5)
    assert VarianceInformation().value(returns) == pytest.approx(np.log(4), rel=1e-12)


def ross(returns: np.ndarray, k: int) -> float:
    """Ross's estimator by brute force, for returns without ties."""
    K, M = returns.shape
    pooled = returns.ravel()
    terms = []
    for row in returns:
        for x in row:
            radius = np.sort(np.abs(row - x))[k]
            terms.append(digamma(k) - digamma((np.abs(pooled - x) <= radius).sum() - 1))
    return float(digamma(K * M) - digamma(M) + np.mean(terms))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_nearest_neighbours_is_the_brute_force_of_ross(k: int) -> None:
    # Multiples of a power of two: sums and differences are exact, and so is the brute force.
    returns = generator(6).choice(2**20, size=(4, 13), replace=False) / 2.0**12
    assert NearestNeighbours(k).value(returns) == pytest.approx(ross(returns, k), abs=1e-12)


def test_nearest_neighbours_of_repeated_values_is_the_plugin() -> None:
    counts = np.array([[6, 4, 10], [12, 4, 4]])
    returns = np.stack([np.repeat([0.0, 1.0, 5.0], row) for row in counts])
    assert NearestNeighbours(3).value(returns) == pytest.approx(discrete_information(counts / 20.0), abs=1e-12)


@pytest.mark.parametrize(("M", "tolerance"), [(50, 0.06), (200, 0.03), (1000, 0.012)])
@pytest.mark.parametrize("spacing", [0.0, 0.5, 1.5])
def test_estimates_approach_the_information_of_gaussian_mixtures(spacing: float, M: int, tolerance: float) -> None:
    means = spacing * np.arange(4.0)
    truth = gaussian_information(means, 1.0)
    samples = generator(7).normal(size=(20, 4, M)) + means[:, None]
    assert NearestNeighbours().value(samples).mean() == pytest.approx(truth, abs=tolerance)
    if spacing < 1.0:  # Three bins do not resolve what lies 1.5 standard deviations apart.
        assert QuantileHistogram().value(samples).mean() == pytest.approx(truth, abs=tolerance)
        assert VarianceInformation().value(samples).mean() == pytest.approx(truth, abs=tolerance)


def test_differences_of_scale_are_seen_by_neighbours_and_not_by_variance() -> None:
    sds = np.array([1.0, 2.0, 4.0])
    truth = scale_mixture_information(0.0, sds)
    samples = sds[:, None] * generator(8).normal(size=(20, 3, 400))
    assert truth > 0.1
    assert NearestNeighbours().value(samples).mean() == pytest.approx(truth, abs=0.02)
    assert VarianceInformation().value(samples).mean() == pytest.approx(0.0, abs=0.005)


@pytest.mark.parametrize("estimator", [PluginHistogram(), QuantileHistogram(20), NearestNeighbours()], ids=lambda estimator: estimator.name)
def test_estimates_approach_the_information_of_discrete_returns(estimator: Estimator) -> None:
    tables = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]])
    samples = np.stack([generator(9).choice([10.0, 50.0, 90.0], size=(10, 2000), p=row) for row in tables], axis=1)
    assert estimator.value(samples).mean() == pytest.approx(discrete_information(tables), abs=0.006)


def test_integrals_agree_with_closed_forms() -> None:
    assert gaussian_information(np.zeros(3), 2.0) == pytest.approx(0.0, abs=1e-9)
    assert gaussian_information(100.0 * np.arange(5), 1.0) == pytest.approx(np.log(5), abs=1e-9)
    assert discrete_information(np.eye(4)) == pytest.approx(np.log(4), abs=1e-15)
    assert discrete_information(np.array([[0.9, 0.1], [0.1, 0.9]])) == pytest.approx(
        np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1), abs=1e-15
    )


def test_estimators_that_estimate_nothing_are_refused() -> None:
    with pytest.raises(ExperimentError, match=r"0 bins on \[0, 100\]"):
        PluginHistogram(0)
    with pytest.raises(ExperimentError, match=r"low < high"):
        PluginHistogram(5, 1.0, 1.0)
    with pytest.raises(ExperimentError, match="bins >= 2"):
        QuantileHistogram(1)
    with pytest.raises(ExperimentError, match="k >= 1"):
        NearestNeighbours(0)
