"""Concentration of power: known distributions, invariances, and silence where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.power import concentration


def matrix(held: list[float]) -> np.ndarray:
    """A power matrix in which agent j holds held[j] in sum, spread evenly over the others."""
    n = len(held)
    power = np.repeat(np.array(held)[:, None] / (n - 1), n, axis=1)
    np.fill_diagonal(power, np.nan)
    return power


def test_equal_power_is_not_concentrated() -> None:
    result = concentration(matrix([3.0] * 5))
    assert result.top_share == pytest.approx(0.2)
    assert result.herfindahl == pytest.approx(0.2)
    assert result.gini == pytest.approx(0.0, abs=1e-12)


def test_one_holder_of_all_power_is_as_concentrated_as_it_gets() -> None:
    result = concentration(matrix([0.0, 7.0, 0.0, 0.0]))
    assert result.top_holder == 1
    assert result.top_share == 1.0
    assert result.herfindahl == 1.0
    assert result.gini == pytest.approx(0.75)
    assert result.largest == pytest.approx(7.0 / 3.0)


@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=12), st.floats(0.1, 10.0))
def test_shares_do_not_depend_on_units_and_gini_equals_its_definition(held: list[float], unit: float) -> None:
    one, other = concentration(matrix(held)), concentration(matrix([unit * h for h in held]))
    for name in ("top_share", "herfindahl", "gini"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-12)
    h = np.array(held)
    pairwise = np.abs(h[:, None] - h[None, :]).sum() / (2 * len(h) ** 2 * h.mean())
    assert one.gini == pytest.approx(pairwise, rel=1e-9, abs=1e-12)


def test_where_nothing_is_known_nothing_is_claimed() -> None:
    result = concentration(np.full((3, 3), np.nan))
    assert result.top_holder == -1
    assert np.isnan([result.top_share, result.herfindahl, result.gini, result.largest]).all()
