"""Intervals cover what they say, by simulation, and no difference is called one without evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from netagents import intervals
from netagents.intervals import (
    ENOUGH,
    Interval,
    interquartile_mean,
    leader,
    leader_sentence,
    mean_interval,
    mean_intervals,
    median_interval,
    order,
    run_interval,
    run_intervals,
    significant,
    standard_half_width,
)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Any]


def two_modes(share: float, apart: float) -> Draw:
    return lambda rng, size: np.where(rng.random(size) < share, apart, 0.0) + rng.normal(size=size)


POPULATIONS: dict[str, Draw] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed": lambda rng, size: rng.lognormal(size=size),
    "half in each of two modes": two_modes(0.5, 4.0),
    "one in five fails": two_modes(0.8, 6.0),
    "two far modes": two_modes(0.5, 10.0),
    "two far modes, one rarer": two_modes(0.7, 10.0),
}
REPEATS = 4000


def written() -> dict[tuple[str, int], float]:
    """The coverage that the module's docstring states, by population and number of runs."""
    assert intervals.__doc__ is not None
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", intervals.__doc__, re.MULTILINE)
    cells = {int(k): [float(cell.strip(" *%")) / 100.0 for cell in row.split("|")] for k, row in rows}
    return {(name, k): shares[at] for k, shares in cells.items() for at, name in enumerate(POPULATIONS)}


def population_middle(draw: Draw) -> float:
    """The interquartile mean of the population, from a million samples of it."""
    ordered = np.sort(draw(np.random.default_rng(5), (1_000_000,)))
    return float(ordered[250_000:750_000].mean())


def coverage(draw: Draw, k: int, interval: Callable[[Floats], tuple[Floats, Floats, Floats]]) -> float:
    truth = population_middle(draw)
    _, low, high = interval(draw(np.random.default_rng(k), (k, REPEATS)))
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("k", [3, 5, 8])
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_interval_of_few_runs_covers_what_the_module_says(name: str, k: int) -> None:
    assert coverage(POPULATIONS[name], k, run_intervals) == pytest.approx(written()[name, k], abs=0.015)


def test_the_interval_covers_92_percent_except_where_runs_end_in_two_places() -> None:
    table = written()
    assert len(table) == 4 * len(POPULATIONS)
    assert {place for place, share in table.items() if share < 0.92} == {
        ("half in each of two modes", 3),
        ("two far modes", 3),
        ("two far modes, one rarer", 3),
        ("two far modes, one rarer", 5),
        ("two far modes", 10),
    }


@pytest.mark.parametrize("name", POPULATIONS)
def test_the_bootstrap_of_ten_runs_covers_what_the_module_says(name: str) -> None:
    draw = POPULATIONS[name]
    truth, rng = population_middle(draw), np.random.default_rng(10)
    # One by one: within one call all columns share the rows that are drawn.
    results = [run_interval(draw(rng, (10,)), seed) for seed in range(600)]
    covered = float(np.mean([each.low <= truth <= each.high for each in results]))
    assert covered == pytest.approx(written()[name, 10], abs=0.03)


def test_a_percentile_bootstrap_would_fail_the_same_test() -> None:
    def bootstrap(values: Floats) -> tuple[Floats, Floats, Floats]:
        drawn = values[np.random.default_rng(0).integers(0, len(values), (1000, len(values)))]
        low, high = np.percentile(interquartile_mean(np.moveaxis(drawn, 1, -1)), [2.5, 97.5], axis=0)
        return interquartile_mean(values.T), low, high

    assert coverage(POPULATIONS["normal"], 3, bootstrap) < 0.8
    assert coverage(POPULATIONS["skewed"], 5, bootstrap) < 0.92


def test_the_interval_of_few_means_is_students() -> None:
    values = np.random.default_rng(2).normal(size=(7, 5))
    mean, low, high = mean_intervals(values)
    expected = stats.t.interval(0.95, 6, loc=values.mean(axis=0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose([mean, low, high], [values.mean(axis=0), *expected], rtol=1e-12)
    assert coverage(POPULATIONS["normal"], 3, mean_intervals) == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_many_means_repeats_and_is_close_to_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(size=(400, 3))
    mean, low, high = mean_intervals(values)
    half = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(400)
    assert np.array_equal(mean_intervals(values)[1], low)
    np.testing.assert_allclose([low, high], [mean - half, mean + half], atol=0.01)
    rng = np.random.default_rng(3)
    covered = [interval.low <= 3.0 <= interval.high for interval in (mean_interval(rng.normal(3.0, 2.0, 60), seed) for seed in range(200))]
    assert np.mean(covered) >= 0.9


@pytest.mark.parametrize("k", range(1, 25))
def test_the_interquartile_mean_is_rliables_at_every_number_of_runs(k: int) -> None:
    samples = np.random.default_rng(k).normal(size=(3, k))
    np.testing.assert_allclose(interquartile_mean(samples), stats.trim_mean(samples, 0.25, axis=-1), rtol=1e-13)


@pytest.mark.parametrize(("n", "level"), [(3, 0.75), (5, 0.9375), (7, 0.984375), (9, 0.9609375), (15, 0.9648)])
def test_the_interval_of_a_median_has_the_level_of_its_order_statistics(n: int, level: float) -> None:
    draw = np.random.default_rng(n).lognormal(size=(20_000, n))
    covered = np.mean([low <= 1.0 <= high for _, low, high, _ in map(median_interval, draw[:4000])])
    assert covered == pytest.approx(level, abs=0.015)
    assert median_interval(draw[0]).value == np.median(draw[0])


def test_what_one_sample_says_about_chance_is_nothing() -> None:
    for interval in (run_interval([3.0]), mean_interval([3.0]), median_interval([3.0])):
        assert (interval.value, interval.n, interval.known) == (3.0, 1, False)
    assert run_interval([]).n == 0
    assert np.isnan(standard_half_width(1.0, 1))
    assert run_interval([1.0, np.nan, 3.0]).n == 2


def test_an_interval_is_written_with_its_edges_and_its_number() -> None:
    assert Interval(3.588, 3.581, 3.6, 5).text() == "3.59 [3.58, 3.60] (n = 5)"
    assert Interval(3.588, 3.581, 3.6, 5).text(number=significant) == "3.588 [3.581, 3.6] (n = 5)"
    assert Interval(3.588, 3.581, 3.6, 5).text(1, count=False) == "3.6 [3.6, 3.6]"
    assert run_interval([3.0]).text() == "3.00 (n = 1)"


def test_nothing_is_called_a_difference_below_five_runs_or_where_intervals_overlap() -> None:
    low, high = Interval(1.0, 0.9, 1.1, 5), Interval(2.0, 1.9, 2.1, 5)
    assert (order(high, low), order(low, high)) == ("higher", "lower")
    assert order(high, low, floor=1.5) == "not told apart"
    assert order(high, Interval(1.5, 1.0, 1.95, 5)) == "not told apart"
    assert order(high._replace(n=ENOUGH - 1), low) == order(high, low._replace(n=1)) == "too few"
    assert leader([low, high]) == 1
    assert leader([low, high, Interval(1.9, 1.5, 2.3, 5)]) is None
    assert leader([low, high._replace(n=4)]) is None
    assert leader([high]) is None


def test_equal_populations_are_rarely_called_different() -> None:
    rng = np.random.default_rng(8)
    pairs = [(run_interval(rng.normal(size=5)), run_interval(rng.normal(size=5))) for _ in range(1500)]
    assert np.mean([order(first, second) in ("higher", "lower") for first, second in pairs]) < 0.02


def test_a_sentence_about_groups_has_numbers_intervals_and_its_reason() -> None:
    low, high = Interval(1.0, 0.9, 1.1, 5), Interval(2.0, 1.9, 2.1, 5)
    assert leader_sentence(["a", "b"], [low, high], "final return") == (
        "Highest final return beyond chance: b with 2 [1.9, 2.1] (n = 5); next is a with 1 [0.9, 1.1] (n = 5)."
    )
    few = leader_sentence(["a", "b"], [low._replace(n=3), high._replace(n=3)], "final return")
    assert few.startswith("Too few seeds to tell whose final return is highest (n = 3, 5 at least): b with 2 [")
    assert "These seeds do not tell whose" in leader_sentence(["a", "b"], [low, low._replace(value=1.05)], "final return")


def test_values_whose_squares_are_no_numbers_have_an_unbounded_interval_and_no_warning() -> None:
    interval = mean_interval([1e300, -1e300, 0.0])
    assert (interval.low, interval.high) == (-np.inf, np.inf)
    assert run_interval([1e300, -1e300, 0.0]).high == np.inf
