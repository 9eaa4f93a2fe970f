"""The statistics of a handful of seeds, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from netagents.studies.statistics import Interval, fit_power_law, interquartile_mean, knee, probability_of_improvement, summarise


def test_the_interquartile_mean_is_scipys_trimmed_mean_where_quarters_are_whole() -> None:
    samples = np.random.default_rng(0).normal(size=40)
    assert float(interquartile_mean(samples)) == pytest.approx(stats.trim_mean(samples, 0.25))
    # Five seeds: a quarter of 5 is 1.25 seeds, so the second and fourth count three quarters.
    assert float(interquartile_mean(np.array([9.0, 1.0, 2.0, 3.0, -50.0]))) == pytest.approx((0.75 * 1.0 + 2.0 + 0.75 * 3.0) / 2.5)
    assert float(interquartile_mean(np.array([4.0]))) == 4.0


def test_an_interval_covers_the_mean_of_normal_samples_most_of_the_time() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        _, low, high = summarise(generator.normal(size=20))
        covered += low <= 0.0 <= high
    assert covered >= 85


def test_nothing_known_of_one_seed_is_said_about_chance() -> None:
    value, low, high = summarise([3.0])
    assert value == 3.0
    assert np.isnan(low)
    assert np.isnan(high)


def test_the_knee_is_the_first_radius_that_nothing_larger_beats() -> None:
    rising = [Interval(1.0, 0.9, 1.1), Interval(2.0, 1.9, 2.1), Interval(2.05, 1.95, 2.15)]
    assert knee(rising, 0.1) == 1
    assert knee(rising, 2.0) == 0
    late = [Interval(1.0, 0.9, 1.1), Interval(1.0, 0.9, 1.1), Interval(3.0, 2.9, 3.1)]
    assert knee(late, 0.1) == 2
    assert knee([Interval(2.0, 1.9, 2.1), Interval(1.0, 0.9, 1.1)], 0.1) == 0


def test_improvement_counts_ties_as_half() -> None:
    assert probability_of_improvement(np.array([1.0, 2.0]), np.array([1.0])) == 0.75


def test_a_power_law_is_found_again() -> None:
    x = np.array([1.0, 3.0, 10.0, 30.0])
    law = fit_power_law(x, 7.0 * x**2)
    assert law.exponent == pytest.approx(2.0)
    assert law.low == pytest.approx(2.0)
    assert np.isnan(fit_power_law([1.0, 2.0], [1.0, 4.0]).low)
