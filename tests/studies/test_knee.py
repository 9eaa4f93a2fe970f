"""The knee of a curve, and the exponent of a power law, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from netagents.intervals import Interval
from netagents.records.column_table import ColumnTable
from netagents.studies.knee import knee
from netagents.studies.sample_complexity import SampleComplexity, fit_power_law


def gains(*values: tuple[float, float, float], n: int = 5) -> list[Interval]:
    return [Interval(*value, n) for value in values]


def test_the_knee_is_the_first_radius_that_nothing_larger_beats() -> None:
    rising = gains((1.0, 0.9, 1.1), (2.0, 1.9, 2.1), (2.05, 1.95, 2.15))
    assert knee(rising, 0.1) == 1
    assert knee(rising, 2.0) == 0
    assert knee(gains((1.0, 0.9, 1.1), (1.0, 0.9, 1.1), (3.0, 2.9, 3.1)), 0.1) == 2
    assert knee(gains((2.0, 1.9, 2.1), (1.0, 0.9, 1.1)), 0.1) == 0


def test_there_is_no_knee_below_five_runs_nor_where_a_higher_value_may_be_chance() -> None:
    rising = ((1.0, 0.9, 1.1), (2.0, 1.9, 2.1))
    assert knee(gains(*rising, n=4), 0.1) is None
    assert knee(gains(*rising, n=1), 0.1) is None
    assert knee(gains((1.0, 0.5, 1.5), (2.0, 1.4, 2.6)), 0.1) is None
    assert knee([], 0.1) is None
    assert knee(gains((np.nan, np.nan, np.nan), (2.0, 1.9, 2.1)), 0.1) is None


def test_a_power_law_is_found_again_with_the_interval_of_a_regression() -> None:
    x = np.array([1.0, 3.0, 10.0, 30.0])
    law = fit_power_law(list(x), list(7.0 * x**2))
    assert (law.value, law.n) == (pytest.approx(2.0), 4)
    assert law.low == pytest.approx(2.0)
    assert np.isnan(fit_power_law([1.0, 2.0], [1.0, 4.0]).low)
    noisy = 7.0 * x**1.5 * np.array([1.1, 0.8, 1.3, 0.9])
    reference = stats.linregress(np.log(x), np.log(noisy))
    half = stats.t.ppf(0.975, 2) * reference.stderr
    law = fit_power_law([*x, 4.0], [*noisy, np.nan])
    assert law == pytest.approx((reference.slope, reference.slope - half, reference.slope + half, 4))


def test_samples_are_told_with_seeds_and_intervals_and_the_exponent_is_called_what_it_is() -> None:
    columns = {"agents": [3] * 6, "kappa": [0] * 6, "level": [0.5] * 3 + [0.25] * 3, "seed": [0, 1, 2] * 2}
    table = ColumnTable(
        {name: np.array(values) for name, values in columns.items()} | {"samples": np.array([100.0, 110, 90, 400, 440, np.nan])}
    )
    study = SampleComplexity(table, {(3, 0): fit_power_law([2.0, 2.0, 2.0, 4.0, 4.0], [100, 110, 90, 400, 440])})
    text = study.text()
    assert "100 [75, 125] (n = 3)" in text
    assert "(n = 2)" in text
    assert "theory" not in text
    assert "3 seeds: too few to say which radius needs fewer samples" in text
