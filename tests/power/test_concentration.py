"""Concentration of power: known distributions, invariances, and silence where too little is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.measures.power import PowerMatrix, assemble, concentration


def matrix(values: Any, error: float = 0.0, **changed: Any) -> PowerMatrix:
    """A power matrix whose entries are all near and known, with an error relative to each."""
    values = np.array(values, dtype=np.float64)
    n = len(values)
    rows = [
        np.array([[j, values[j, i], error * abs(values[j, i]), 1.0, 50.0, 1.0] for j in range(n) if j != i and np.isfinite(values[j, i])])
        for i in range(n)
    ]
    rows = [row.reshape(-1, 6) for row in rows]
    for (j, i), reading in changed.get("readings", {}).items():
        rows[i] = np.concatenate([rows[i][rows[i][:, 0] != j], [[j, *reading]]])
    impossible = changed.get("impossible", np.zeros((n, n), dtype=bool))
    return assemble(rows, 1.0 - np.eye(n), [1] * n, impossible)


def holding(held: list[float], error: float = 0.0) -> PowerMatrix:
    """One in which agent j holds held[j] in sum, spread evenly over the others."""
    n = len(held)
    return matrix(np.repeat(np.array(held)[:, None] / (n - 1), n, axis=1), error)


def test_equal_power_is_not_concentrated() -> None:
    result = concentration(holding([3.0] * 5))
    assert result.top_share == pytest.approx(0.2)
    assert result.herfindahl == pytest.approx(0.2)
    assert result.gini == pytest.approx(0.0, abs=1e-12)
    assert result.leaders == (0, 1, 2, 3, 4)


def test_one_holder_of_all_power_is_as_concentrated_as_it_gets() -> None:
    result = concentration(holding([0.0, 7.0, 0.0, 0.0]))
    assert (result.top_holder, result.leaders, result.top_error) == (1, (1,), 0.0)
    assert result.top_share == 1.0
    assert result.herfindahl == 1.0
    assert result.gini == pytest.approx(0.75)
    assert result.largest == pytest.approx(7.0 / 3.0)
    assert result.covered == 1.0


@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=12), st.floats(0.1, 10.0))
def test_shares_do_not_depend_on_units_and_gini_equals_its_definition(held: list[float], unit: float) -> None:
    one, other = concentration(holding(held)), concentration(holding([unit * h for h in held]))
    for name in ("top_share", "herfindahl", "gini"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-12)
    h = np.array(held)
    pairwise = np.abs(h[:, None] - h[None, :]).sum() / (2 * len(h) ** 2 * h.mean())
    assert one.gini == pytest.approx(pairwise, rel=1e-9, abs=1e-12)


def test_where_nothing_is_known_nothing_is_claimed() -> None:
    result = concentration(matrix(np.full((3, 3), np.nan)))
    assert (result.top_holder, result.leaders, result.covered) == (-1, (), 0.0)
    assert np.isnan([result.top_share, result.herfindahl, result.gini, result.largest]).all()


def test_an_entry_whose_error_is_large_or_of_which_little_is_known_enters_no_share() -> None:
    certain = (1.0, 0.1, 1.0, 50.0, 1.0)
    for doubtful in ((9.0, 4.0, 1.0, 50.0, 1.0), (9.0, 0.1, 0.5, 50.0, 1.0)):
        read = matrix(np.full((3, 3), 1.0), 0.1, readings={(0, 1): doubtful, (1, 2): certain})
        assert not read.reliable[0, 1]
        assert read.reliable[1, 2]
        result = concentration(read)
        assert result.held.tolist() == pytest.approx([1.0, 2.0, 2.0])
        # It may hold more than all others together: nothing is said about shares.
        assert result.top_holder == -1
        assert np.isnan(result.top_share)


def test_a_doubtful_entry_that_can_hold_little_leaves_the_rest_known() -> None:
    values = np.array([[np.nan, 8.0, 8.0], [1.0, np.nan, 1.0], [1.0, 1.0, np.nan]])
    result = concentration(matrix(values, 0.1, readings={(2, 1): (0.1, 0.4, 1.0, 50.0, 1.0)}))
    assert result.covered == pytest.approx(19.0 / 19.5)
    assert (result.top_holder, result.leaders) == (0, (0,))
    assert result.top_share == pytest.approx(16.0 / 19.0)
    assert result.top_error > 1.6 / 19.0


def test_a_pair_of_which_nothing_is_known_may_hold_as_much_as_the_largest() -> None:
    values = np.array([[np.nan, 1.0, 1.0], [1.0, np.nan, np.nan], [1.0, 1.0, np.nan]])
    result = concentration(matrix(values))
    assert result.covered == pytest.approx(5.0 / 6.0)
    assert 1 in result.leaders


def test_nobody_is_named_alone_who_is_not_told_from_the_others() -> None:
    assert concentration(holding([10.0, 9.0, 1.0], error=0.02)).leaders == (0,)
    assert concentration(holding([10.0, 9.0, 1.0], error=0.08)).leaders == (0, 1)


def test_noise_between_those_that_cannot_influence_each_other_is_no_power() -> None:
    impossible = np.zeros((3, 3), dtype=bool)
    impossible[2, 0] = True
    result = concentration(matrix(np.full((3, 3), 1.0), 0.0, impossible=impossible))
    assert result.held.tolist() == [2.0, 2.0, 1.0]


def test_readings_below_zero_hold_nothing() -> None:
    read = matrix([[np.nan, -0.2, -0.1], [3.0, np.nan, 1.0], [-0.3, 0.0, np.nan]])
    result = concentration(read)
    assert result.held.tolist() == pytest.approx([0.0, 4.0, 0.0])
    assert (result.top_holder, result.top_share, result.herfindahl) == (1, 1.0, 1.0)
    assert result.gini == pytest.approx(2 / 3)
