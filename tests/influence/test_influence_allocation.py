"""Allocations of training budgets, and their rank among all allocations of the same budget, against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import ExperimentError, NumericalError
from netagents.measures.influence import (
    allocate_by_gain,
    allocate_by_ranks,
    allocate_published,
    diversity_gains,
    fictitious_co_play,
    population_conditions,
    rank_among_all,
    rank_with_interval,
)

SIZES = (1, 3, 5)


def test_the_published_thresholds_without_fix_up() -> None:
    influence = np.array([0.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 10.0])  # Mean 5, sd 2.5.
    result = allocate_published(influence)
    assert result.sizes == (1, 3, 3, 3, 3, 3, 3, 5)
    assert result.spent == result.budget == 24


def test_the_fix_up_moves_the_scenario_nearest_to_a_threshold() -> None:
    """One scenario above mean + sd and none below mean - sd: somebody must give two members up."""
    influence = np.array([1.0, 1.1, 1.2, 1.3, 5.0])  # Mean 1.92, sd 1.544: mean - sd is 0.376, nearest to it is the first.
    assert allocate_published(influence).sizes == (1, 3, 3, 3, 5)
    mirrored = 6.0 - influence
    assert allocate_published(mirrored).sizes == (5, 3, 3, 3, 1)


def test_equal_influence_gets_equal_populations() -> None:
    assert allocate_published([0.1] * 5).sizes == (3,) * 5
    assert allocate_by_ranks([0.1] * 5, 15).sizes == (3,) * 5


def test_a_scenario_on_the_threshold_is_not_beyond_it() -> None:
    influence = [-1.0, 1.0, -1.0, 1.0]  # Mean 0, sd 1.
    assert allocate_published(influence).sizes == (3, 3, 3, 3)


@given(
    influence=st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=7),
    sizes=st.sets(st.integers(1, 9), min_size=1, max_size=4),
    extra=st.integers(0, 30),
)
def test_rules_spend_what_can_be_spent_and_follow_the_order(influence: list[float], sizes: set[int], extra: int) -> None:
    allowed = sorted(sizes)
    budget = len(influence) * allowed[0] + extra
    reachable = max(sum(choice) for choice in product(allowed, repeat=len(influence)) if sum(choice) <= budget)
    for result in (allocate_published(influence, budget, allowed), allocate_by_ranks(influence, budget, allowed)):
        assert sum(result.sizes) == result.spent == reachable
        assert set(result.sizes) <= sizes
        for a, b in product(range(len(influence)), repeat=2):
            assert influence[a] >= influence[b] or result.sizes[a] <= result.sizes[b]


@given(
    gains=st.lists(st.lists(st.integers(-20, 20), min_size=3, max_size=3), min_size=1, max_size=5),
    extra=st.integers(0, 20),
)
def test_marginal_gain_is_the_largest_total(gains: list[list[int]], extra: int) -> None:
    budget = len(gains) + extra
    result = allocate_by_gain(gains, budget, SIZES)
    choices = [choice for choice in product(range(3), repeat=len(gains)) if sum(SIZES[level] for level in choice) <= budget]
    most = max(sum(SIZES[level] for level in choice) for choice in choices)
    totals = [sum(row[level] for row, level in zip(gains, c, strict=True)) for c in choices if sum(SIZES[level] for level in c) == most]
    assert result.spent == sum(result.sizes) == most
    assert sum(row[SIZES.index(size)] for row, size in zip(gains, result.sizes, strict=True)) == max(totals)


@given(influence=st.lists(st.floats(0.0, 3.0), min_size=2, max_size=8), steps=st.integers(0, 20))
def test_concave_gains_are_what_greedy_marginal_gains_reach(influence: list[float], steps: int) -> None:
    """With sizes 1, 2, ... one member at a time goes where it helps most."""
    sizes = tuple(range(1, 6))
    steps = min(steps, 4 * len(influence))
    gains = diversity_gains(influence, sizes)
    level = [0] * len(influence)
    for _ in range(steps):
        best = max((s for s in range(len(level)) if level[s] < 4), key=lambda s: gains[s, level[s] + 1] - gains[s, level[s]])
        level[best] += 1
    result = allocate_by_gain(gains, len(influence) + steps, sizes)
    reached = sum(gains[s, sizes.index(size)] for s, size in enumerate(result.sizes))
    assert reached == pytest.approx(sum(gains[s, index] for s, index in enumerate(level)), abs=1e-9)


def test_ranks_do_not_see_how_unequal_influences_are() -> None:
    plain, extreme = np.arange(9.0), np.exp(2.0 * np.arange(9.0))
    assert allocate_by_ranks(plain, 27).sizes == allocate_by_ranks(extreme, 27).sizes
    assert allocate_by_ranks(plain, 27).sizes == (1, 1, 3, 3, 3, 3, 3, 5, 5)
    assert allocate_published(extreme).sizes != allocate_published(plain).sizes


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: allocate_published(np.ones(4), 3),
            ExperimentError,
            "a budget of 3 members for 4 scenarios is below one member",
        ),
        (lambda: allocate_by_ranks(np.ones(4), 7, (2, 3)), ExperimentError, "below the smallest population for each scenario; at least 8"),
        (lambda: allocate_by_gain(np.ones((2, 3)), 1, SIZES), ExperimentError, "a budget of 1 member for 2 scenarios"),
        (lambda: allocate_by_gain(np.ones((2, 2)), 6, SIZES), ExperimentError, r"gains of shape \(2, 2\)"),
        (lambda: allocate_published([0.1, np.nan]), NumericalError, "the influence of scenario 1 is not finite"),
        (lambda: allocate_published([]), ExperimentError, "one number for each scenario"),
        (lambda: allocate_published([0.1], 3, (0, 3)), ExperimentError, "different sizes of at least 1"),
        (lambda: allocate_published([0.1], 3, (3, 3)), ExperimentError, "different sizes of at least 1"),
        (lambda: rank_among_all(np.ones((2, 3)), (1, 2), SIZES), ExperimentError, "the allocation gives a scenario 2 members"),
        (lambda: rank_among_all(np.ones((2, 2)), (1, 3), SIZES), ExperimentError, r"values of shape \(2, 2\)"),
        (lambda: rank_among_all([[1.0, np.inf, 0.0]], (1,), SIZES), NumericalError, "a value of scenario 0"),
        (lambda: rank_with_interval(np.ones((1, 2, 3)), (1, 3), SIZES), ExperimentError, "at least 2 replicates"),
        (lambda: rank_with_interval(np.ones((3, 2, 3)), (1, 3), SIZES, keep=4), ExperimentError, "the best 4 of 3 replicates"),
    ],
)
def test_impossible_allocations_are_refused_in_one_line(call, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def enumerate_ranks(values: np.ndarray, allocation: tuple[int, ...]) -> tuple[int, int, int]:
    """Total, better and tied, by looking at every allocation."""
    totals = [
        sum(values[s, level] for s, level in enumerate(choice))
        for choice in product(range(3), repeat=len(values))
        if sum(SIZES[level] for level in choice) == sum(allocation)
    ]
    own = sum(values[s, SIZES.index(size)] for s, size in enumerate(allocation))
    return len(totals), sum(total > own for total in totals), sum(total == own for total in totals)


@given(
    values=st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=1, max_size=6),
    data=st.data(),
)
def test_the_rank_is_that_of_enumeration_ties_included(values: list[list[int]], data: st.DataObject) -> None:
    allocation = tuple(data.draw(st.sampled_from(SIZES)) for _ in values)
    table = np.array(values, dtype=np.float64)
    total, better, tied = enumerate_ranks(np.array(values), allocation)
    exact = rank_among_all(0.1 * table, allocation, SIZES)
    assert (exact.total, exact.better, exact.tied, exact.exact) == (total, better, tied, True)
    assert exact.rank == better + (tied + 1) / 2
    assert exact.value == pytest.approx(0.1 * sum(table[s, SIZES.index(size)] for s, size in enumerate(allocation)))


def test_sixteen_scenarios_have_five_million_allocations() -> None:
    """The central trinomial coefficient of 16; the largest gains in order are best of all."""
    gains = np.arange(16.0)[:, None] ** 2 * np.array([0.0, 1.0, 1.5])[None, :]
    best = allocate_by_gain(gains, 48, SIZES)
    rank = rank_among_all(gains, best.sizes, SIZES)
    assert rank.total == 5_196_627
    assert rank.better == 0
    assert rank.value == pytest.approx(rank.best)
    worst = allocate_by_gain(-gains, 48, SIZES)
    assert rank_among_all(gains, worst.sizes, SIZES).percentile > 0.999
    equal = rank_among_all(np.ones((16, 3)), best.sizes, SIZES)
    assert (equal.better, equal.tied, equal.percentile) == (0, 5_196_627, 0.5)


def test_the_grid_agrees_with_enumeration_to_its_tolerance() -> None:
    rng = np.random.default_rng(0)
    for trial in range(5):
        values = rng.normal(size=(10, 3)).cumsum(axis=1)
        allocation = tuple(rng.permutation([1, 1, 1, 3, 3, 3, 3, 5, 5, 5]).tolist())
        exact = rank_among_all(values, allocation, SIZES)
        grid = rank_among_all(values, allocation, SIZES, limit_half=1)
        assert exact.exact
        assert not grid.exact, trial
        assert grid.total == exact.total
        assert grid.better - 1 <= exact.better <= grid.better + grid.tied + 1
        assert grid.tied < 0.01 * grid.total
        assert grid.best == pytest.approx(exact.best)
        assert grid.percentile == pytest.approx(exact.percentile, abs=0.005)


def test_forty_scenarios_are_counted_without_enumeration() -> None:
    """Gains linear in the size and equal for all scenarios: all allocations tie, so the percentile is that of chance."""
    flat = rank_among_all(np.tile([1.0, 3.0, 5.0], (40, 1)), (3,) * 40, SIZES)
    assert not flat.exact
    assert flat.total > 10**17
    assert flat.percentile == pytest.approx(0.5, abs=1e-9)
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 3)).cumsum(axis=1)
    best = rank_among_all(values, allocate_by_gain(values, 120, SIZES).sizes, SIZES)
    assert best.percentile < 1e-3


def test_random_allocations_have_uniform_percentiles() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(12, 3))
    drawn = [rank_among_all(values, tuple(rng.permutation([1] * 4 + [3] * 4 + [5] * 4).tolist()), SIZES) for _ in range(200)]
    percentiles = np.array([rank.percentile for rank in drawn])
    assert (percentiles >= 0.0).all()
    assert (percentiles <= 1.0).all()
    assert percentiles.std() == pytest.approx(12**-0.5, abs=0.08)


def test_the_interval_of_a_rank_widens_with_noise() -> None:
    rng = np.random.default_rng(3)
    truth = np.arange(6.0)[:, None] * np.array([0.0, 1.0, 1.6])[None, :]
    allocation = allocate_by_gain(truth, 18, SIZES).sizes
    sharp = rank_with_interval(truth + 0.1 * rng.normal(size=(20, 6, 3)), allocation, SIZES, resamples=100)
    noisy = rank_with_interval(truth + 20.0 * rng.normal(size=(20, 6, 3)), allocation, SIZES, resamples=100)
    assert sharp.high - sharp.low < noisy.high - noisy.low
    assert sharp.rank.percentile < 0.05
    assert sharp.replicates == 20


def test_selecting_the_best_samples_rewards_spread() -> None:
    """All cells have the same mean, large populations vary more: the selection makes them look better."""
    rng = np.random.default_rng(4)
    samples = rng.normal(size=(60, 6, 3)) * np.array([0.1, 0.1, 3.0])
    allocation = (1, 1, 1, 5, 5, 5)
    all_samples = rank_with_interval(samples, allocation, SIZES, resamples=20)
    best = rank_with_interval(samples, allocation, SIZES, keep=30, resamples=20)
    assert best.rank.percentile < 0.1 < all_samples.rank.percentile
    by_hand = np.sort(samples, axis=0)[30:].mean(axis=0)
    assert best.rank == rank_among_all(by_hand, allocation, SIZES)


def test_conditions_have_the_published_or_equal_lengths() -> None:
    published = population_conditions("published")
    assert [(c.name, c.members, c.total_steps) for c in published] == [
        ("SP", 1, 5_000_000),
        ("PP3", 3, 30_000_000),
        ("PP5", 5, 50_000_000),
    ]
    equal = population_conditions("equal", scale=0.01)
    assert {c.steps_per_member for c in equal} == {100_000}
    co_play = fictitious_co_play(3, scale=0.1)
    assert (co_play.name, co_play.partners, co_play.total_steps) == ("FCP3", 9, 4 * 500_000)
    with pytest.raises(ExperimentError, match="are none; at least one step"):
        population_conditions("published", scale=1e-9)
    with pytest.raises(ExperimentError, match="beside published lengths"):
        population_conditions("published", steps_per_member=5)
