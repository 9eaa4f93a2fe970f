"""The matrix of influence, its nulls, intervals and false discoveries, groups of sources and decay with distance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

from benchmarks.known_information import gaussian_information
from netagents.errors import ExperimentError, NumericalError
from netagents.measures.influence import (
    Estimator,
    NearestNeighbours,
    PluginHistogram,
    QuantileHistogram,
    VarianceInformation,
    VarianceShare,
    control_false_discoveries,
    estimate_influence,
    group_influence,
    hop_decay,
    influence_matrix,
)
from netagents.measures.influence.resampling import assess, permutations_needed

ESTIMATORS: list[Estimator] = [PluginHistogram(30, -15.0, 15.0), QuantileHistogram(), VarianceShare(), NearestNeighbours()]


def test_intervals_end_where_information_does() -> None:
    generator = np.random.default_rng(1)
    # Two policies that are told apart by nearly every return: the information is just below ln 2.
    returns = 3.0 * np.arange(2.0)[:, None] + generator.normal(size=(2, 4))
    result = estimate_influence(returns, VarianceInformation())
    assert result.low < result.high == np.log(2)
    unbounded = assess(
        VarianceInformation().value, returns[None, None, ..., None], resampling="bootstrap", common_random_numbers=False, seed=0
    )
    assert unbounded.high > np.log(2)
    share = estimate_influence(returns, VarianceShare())
    assert share.value < share.high <= 1.0


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.name)
def test_p_values_are_uniform_without_influence(estimator: Estimator, common: bool) -> None:
    """Under common random numbers the repetitions share a term that is as large as the rest."""
    rng, p = generator(0), []
    for number in range(200):
        returns = rng.normal(size=(4, 8)) + common * rng.normal(size=8)
        p.append(estimate_influence(returns, estimator, seed=number, common_random_numbers=common, permutations=99, resamples=2).p)
    values = np.array(p)
    # Valid at every level: no more rejections than chance allows (one in a thousand tests of this kind would fail).
    for level in (0.05, 0.1, 0.25, 0.5):
        assert (values <= level).sum() <= binom.ppf(0.999, 200, level)
    if estimator.name in ("epsilon_squared", "nearest_neighbours"):  # Continuous statistics: uniform, and not only valid.
        assert kstest(values - 0.005, "uniform").pvalue > 0.001


def test_common_random_numbers_find_what_independent_labels_hide() -> None:
    rng = generator(1)
    returns = 10.0 * rng.normal(size=12) + 0.3 * rng.normal(size=(4, 12)) + 0.5 * np.arange(4)[:, None]
    assert estimate_influence(returns, VarianceShare(), common_random_numbers=True).p < 0.01
    assert estimate_influence(returns, VarianceShare(), common_random_numbers=False).p > 0.5


def test_equal_returns_under_all_policies_are_no_influence() -> None:
    returns = np.tile(generator(2).normal(size=10), (5, 1))
    result = estimate_influence(returns, VarianceShare(corrected=False), common_random_numbers=True)
    assert result.value == pytest.approx(0.0, abs=1e-15)
    assert result.p == 1.0


def test_an_estimate_carries_its_null_and_its_sizes() -> None:
    """Six returns in fifty bins: most of the published value is bias, and the null shows it."""
    returns = 50.0 + 12.0 * generator(3).normal(size=(9, 6))
    result = estimate_influence(returns, PluginHistogram())
    assert (result.policies, result.repetitions, result.estimator) == (9, 6, "plugin")
    assert result.value > 0.8
    assert abs(result.excess) < 0.25
    assert result.null_mean < result.null_quantile
    assert "K = 9, M = 6" in result.text()


def test_the_same_seed_gives_the_same_numbers() -> None:
    returns = generator(4).normal(size=(3, 8))
    assert estimate_influence(returns, NearestNeighbours(), seed=5) == estimate_influence(returns, NearestNeighbours(), seed=5)
    assert estimate_influence(returns, NearestNeighbours(), seed=5) != estimate_influence(returns, NearestNeighbours(), seed=6)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("estimator", [VarianceInformation(), NearestNeighbours()], ids=lambda estimator: estimator.name)
def test_intervals_hold_the_information(estimator: Estimator, common: bool) -> None:
    """Means one standard deviation apart; under common random numbers half of the variance is shared, which is still one Gaussian each."""
    truth = gaussian_information(np.arange(3.0), 1.0)
    rng, held = generator(5), 0
    for number in range(100):
        noise = np.sqrt(0.5) * (rng.normal(size=(3, 30)) + rng.normal(size=30)) if common else rng.normal(size=(3, 30))
        result = estimate_influence(
            noise + np.arange(3.0)[:, None], estimator, seed=number, common_random_numbers=common, permutations=1, resamples=199
        )
        held += result.low <= truth <= result.high
    assert 85 <= held <= 100


def one_source(rng: np.random.Generator, effect: float) -> np.ndarray:
    """Returns (5 sources, 4 policies, 8 repetitions, 5 agents) of a game in which only the policy of agent 2 matters, to all.

    All agents share the noise of a repetition, and repetition m of all policies has the same seed.
    """
    shared = rng.normal(size=(1, 1, 8, 1))
    returns = shared + rng.normal(size=(5, 4, 8, 5))
    returns[2] += effect * np.arange(4.0)[:, None, None]
    return returns


def test_only_source_2_is_discovered_at_five_percent_false_discoveries() -> None:
    """200 games: agents 0, 1, 3 and 4 depend on source 2; the other 16 entries of each matrix are false if discovered."""
    rng, shares, missed = generator(6), [], 0
    truth = np.zeros((5, 5), dtype=bool)
    truth[2] = True
    truth[2, 2] = False
    for number in range(200):
        matrix = influence_matrix(one_source(rng, 1.0), VarianceShare(), seed=number, permutations=399, resamples=2)
        false = matrix.significant & ~truth
        shares.append(false.sum() / max(1, matrix.significant.sum()))
        missed += int((truth & ~matrix.significant).sum())
    rate, error = float(np.mean(shares)), float(np.std(shares) / np.sqrt(200))
    assert rate <= 0.05 + 2.0 * error
    assert rate > 0.01, "a control that never errs does not test the control"
    assert missed / 800 < 0.02


def test_no_discoveries_where_nobody_matters() -> None:
    rng, some = generator(7), 0
    for number in range(100):
        some += influence_matrix(one_source(rng, 0.0), VarianceShare(), seed=number, permutations=399, resamples=2).significant.any()
    assert some <= binom.ppf(0.999, 100, 0.05)


def test_the_matrix_has_sources_as_rows_and_own_influence_aside() -> None:
    returns = one_source(generator(8), 2.0)
    matrix = influence_matrix(returns, VarianceInformation(), permutations=99, resamples=50)
    for array in (matrix.values, matrix.low, matrix.high, matrix.p, matrix.adjusted, matrix.share, matrix.null_mean, matrix.null_quantile):
        assert np.isnan(np.diagonal(array)).all()
        assert np.isfinite(array[~np.eye(5, dtype=bool)]).all()
    assert matrix.own[2] == VarianceInformation().value(returns[2, :, :, 2])
    assert matrix.values[2, 0] == VarianceInformation().value(returns[2, :, :, 0])
    assert matrix.share[1, 3] == VarianceShare().value(returns[1, :, :, 3])
    assert matrix.entry(2, 0).value == matrix.values[2, 0]
    assert (matrix.policies, matrix.repetitions, matrix.permutations) == (4, 8, 99)


def test_rows_of_sources_that_were_not_varied_are_unknown() -> None:
    returns = one_source(generator(9), 2.0)
    part = influence_matrix(returns[[2, 4]], VarianceShare(), sources=[2, 4], permutations=99, resamples=50)
    whole = influence_matrix(returns, VarianceShare(), permutations=99, resamples=50)
    assert np.isnan(part.values[[0, 1, 3]]).all()
    assert not part.significant[[0, 1, 3]].any()
    np.testing.assert_array_equal(part.p[[2, 4]], whole.p[[2, 4]])  # Each source has random numbers of its own.


def test_an_agent_whose_return_never_varies_is_not_influenced() -> None:
    returns = one_source(generator(10), 2.0)
    returns[:, :, :, 3] = 7.0
    matrix = influence_matrix(returns, VarianceInformation(), permutations=99, resamples=50)
    assert (matrix.values[[0, 1, 2, 4], 3] == 0.0).all()
    assert (matrix.p[[0, 1, 2, 4], 3] == 1.0).all()


def test_permutations_suffice_for_one_discovery() -> None:
    """A single strong entry among 90 needs p <= 0.05 / 90: more than 999 permutations."""
    returns = generator(11).normal(size=(10, 3, 8, 10))
    returns[4, :, :, 7] += 5.0 * np.arange(3)[:, None]
    matrix = influence_matrix(returns, VarianceShare(), resamples=2)
    assert matrix.permutations == permutations_needed(90, 0.05) == 1799
    assert matrix.significant[4, 7]


def test_averages_over_ego_checkpoints_and_seeds_are_those_of_the_paper() -> None:
    returns = 50.0 + 5.0 * generator(12).normal(size=(5, 4, 9, 6))
    returns += 3.0 * np.arange(9)[:, None]
    by_hand = np.mean([[PluginHistogram().value(returns[s, e]) for e in range(4)] for s in range(5)])
    result = estimate_influence(returns, PluginHistogram(), permutations=99, resamples=99)
    assert result.value == pytest.approx(by_hand, rel=1e-12)
    alone = estimate_influence(returns[0, 0], PluginHistogram(), permutations=99, resamples=99)
    assert result.null_quantile - result.null_mean < 0.5 * (alone.null_quantile - alone.null_mean)
    matrix = influence_matrix(np.stack([returns] * 2, axis=2)[..., None].repeat(2, axis=-1), PluginHistogram(), permutations=9, resamples=9)
    assert matrix.values[0, 1] == pytest.approx(by_hand, rel=1e-12)
    np.testing.assert_allclose(matrix.by_seed[:, 0, 1].mean(), by_hand)


def test_adjusted_p_values_are_those_of_the_step_up_procedure() -> None:
    p = generator(13).random((4, 4)) ** 3
    np.fill_diagonal(p, np.nan)
    ordered = np.sort(p[~np.isnan(p)])
    passing = np.flatnonzero(ordered <= 0.1 * np.arange(1, 13) / 12)
    threshold = ordered[passing[-1]]
    result = control_false_discoveries(p, 0.1)
    assert result.tests == 12
    np.testing.assert_array_equal(result.significant, np.where(np.isnan(p), False, p <= threshold))
    assert np.isnan(np.diagonal(result.adjusted)).all()
    stricter = control_false_discoveries(p, 0.1, "benjamini_yekutieli")
    harmonic = (1.0 / np.arange(1, 13)).sum()
    np.testing.assert_allclose(stricter.adjusted, np.minimum(1.0, result.adjusted * harmonic))
    assert control_false_discoveries(np.full(3, np.nan)).tests == 0


@pytest.mark.parametrize(("p", "rate"), [([0.1], 0.0), ([0.1], 1.0), ([1.5], 0.05), ([-0.1], 0.05)])
def test_impossible_rates_and_p_values_are_refused(p: list[float], rate: float) -> None:
    with pytest.raises(ExperimentError):
        control_false_discoveries(np.array(p), rate)


def test_an_exclusive_or_is_all_synergy() -> None:
    returns = np.zeros((2, 2, 40, 1)) + generator(14).normal(scale=0.05, size=(2, 2, 40, 1))
    returns[0, 1] += 1.0
    returns[1, 0] += 1.0
    result = group_influence(returns, PluginHistogram(2, -1.0, 2.0), permutations=199, resamples=99)
    assert result.joint.value[0] == pytest.approx(np.log(2))
    assert [single.value[0] for single in result.single] == pytest.approx([0.0, 0.0])
    assert result.synergy.value[0] == pytest.approx(np.log(2))
    assert result.synergy.p[0] < 0.01


def test_two_independent_bits_have_no_synergy() -> None:
    """The return names both choices: ln 6 together, ln 2 and ln 3 alone."""
    returns = (10.0 * np.arange(2)[:, None, None, None] + np.arange(3)[None, :, None, None]) * np.ones((2, 3, 8, 2))
    returns[..., 1] = 1.0 + generator(15).random(returns.shape[:-1])
    result = group_influence(returns, PluginHistogram(20, 0.0, 20.0), permutations=49, resamples=49)
    assert result.joint.value[0] == pytest.approx(np.log(6))
    assert [single.value[0] for single in result.single] == pytest.approx([np.log(2), np.log(3)])
    assert result.synergy.value == pytest.approx([0.0, 0.0], abs=1e-12)


def test_synergy_in_eta_squared_is_the_interaction_share() -> None:
    rng = generator(16)
    returns = rng.normal(size=(3, 4, 6, 1)) + np.outer(np.arange(3), np.arange(4))[:, :, None, None]
    result = group_influence(returns, VarianceShare(corrected=False), permutations=9, resamples=9)
    cells = returns[..., 0].mean(axis=2)
    interaction = cells - cells.mean(axis=0) - cells.mean(axis=1)[:, None] + cells.mean()
    total = ((returns - returns.mean()) ** 2).sum()
    assert result.synergy.value[0] == pytest.approx(6 * (interaction**2).sum() / total, rel=1e-10)


def test_influence_falls_with_distance_as_it_was_made_to() -> None:
    """On a line of 6, source j moves the mean of agent i by exp(-d/2): where that is small, information falls with its square."""
    n, rng = 6, generator(17)
    distances = np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
    effect = 0.8 * np.exp(-0.5 * distances)
    returns = rng.normal(size=(n, 3, 300, n)) + effect[:, None, None, :] * (np.arange(3.0) - 1.0)[None, :, None, None]
    matrix = influence_matrix(returns, VarianceInformation(), permutations=199, resamples=9, common_random_numbers=False)
    decay = hop_decay(matrix, distances)
    assert decay.hops.tolist() == [1, 2, 3, 4, 5]
    assert decay.pairs.tolist() == [10, 8, 6, 4, 2]
    assert (np.diff(decay.mean[:3]) < 0.0).all()
    exact = [gaussian_information(0.8 * np.exp(-0.5 * d) * (np.arange(3.0) - 1.0), 1.0) for d in (1, 2, 3)]
    np.testing.assert_allclose(decay.mean[:3], exact, rtol=0.3)
    assert ((decay.low <= decay.mean) & (decay.mean <= decay.high)).all()
    assert decay.rate == pytest.approx(1.0, abs=0.35)  # Twice the rate of the effect.
    assert decay.significant[0] == 1.0


def test_distances_without_a_discovery_have_no_part_in_the_rate() -> None:
    """Two hops of known decay on a line of 8; farther away returns are equal under all policies but for rounding."""
    n, rng = 8, generator(18)
    distances = np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
    effect = np.where(distances <= 2, np.exp(-0.5 * distances), 0.0)
    shared = rng.normal(size=(n, 1, 200, n))
    noise = np.where(distances <= 2, 1.0, 1e-9)[:, None, None, :] * rng.normal(size=(n, 3, 200, n))
    returns = shared + noise + effect[:, None, None, :] * (np.arange(3.0) - 1.0)[None, :, None, None]
    matrix = influence_matrix(returns, VarianceInformation(), permutations=999, resamples=2)
    decay = hop_decay(matrix, distances)
    assert (decay.significant > 0.0).tolist() == [True, True, False, False, False, False, False]
    excess = np.log(decay.mean - decay.null_mean)[:2]
    assert decay.rate == pytest.approx(excess[0] - excess[1], rel=1e-12)
    assert decay.rate == pytest.approx(1.0, abs=0.4)


def test_pairs_without_a_path_have_no_distance() -> None:
    matrix = influence_matrix(one_source(generator(18), 1.0), VarianceShare(), permutations=9, resamples=9)
    distances = np.full((5, 5), 2**31 - 1)
    distances[0, 1] = distances[1, 0] = 1
    np.fill_diagonal(distances, 0)
    decay = hop_decay(matrix, distances)
    assert decay.hops.tolist() == [1]
    assert decay.pairs.tolist() == [2]
    with pytest.raises(ExperimentError, match="distances of shape"):
        hop_decay(matrix, distances[:4, :4])


FINE = generator(19).random((3, 8)) * 50.0


@pytest.mark.parametrize(
    ("returns", "estimator", "error", "words"),
    [
        (FINE[:1], VarianceShare(), ExperimentError, "a bank with 1 policy cannot show influence; at least 2 policies to choose from"),
        (FINE[:, :7], NearestNeighbours(3), ExperimentError, "7 repetitions per policy are too few for nearest_neighbours; at least 8"),
        (FINE[:, :1], PluginHistogram(), ExperimentError, "1 repetition per policy is too few for plugin; at least 2"),
        (FINE[:, :3], QuantileHistogram(), ExperimentError, "at least 4"),
        (FINE * 0.0 + 3.0, VarianceShare(), ExperimentError, "all 24 returns are 3: nothing can depend on a policy"),
        (FINE - 60.0, PluginHistogram(), ExperimentError, r"24 of 24 returns are outside the bins on \[0, 100\], the first is .* policy 0"),
        (np.where(FINE[1, 2] == FINE, np.nan, FINE), VarianceShare(), NumericalError, "1 of 24 .* nan at policy 1, repetition 2"),
        (np.where(FINE[1, 2] == FINE, np.inf, FINE), VarianceShare(), NumericalError, "inf at policy 1, repetition 2"),
        (FINE[None], VarianceShare(), ExperimentError, "3 axes; the axes policy, repetition"),
        (FINE[:0], VarianceShare(), ExperimentError, "at least one policy"),
    ],
)
def test_returns_that_show_nothing_are_refused_in_one_line(
    returns: np.ndarray, estimator: Estimator, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        estimate_influence(returns, estimator)
    assert "\n" not in str(caught.value)


def test_matrices_refuse_sources_that_do_not_fit() -> None:
    returns = one_source(generator(20), 1.0)
    for sources in ([0, 1], [0, 1, 2, 3, 3], [0, 1, 2, 3, 5]):
        with pytest.raises(ExperimentError, match="do not go with the sources"):
            influence_matrix(returns, VarianceShare(), sources=sources)
    with pytest.raises(ExperimentError, match="source 1 of the set has a bank of 1"):
        group_influence(np.ones((3, 1, 8, 2)), VarianceShare())
    with pytest.raises(ExperimentError, match="0 permutations"):
        influence_matrix(returns, VarianceShare(), permutations=0)
