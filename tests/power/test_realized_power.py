"""Realized power read from a table: exact where visited, unknown where an alternative was never played."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.critics import CriticTable, WindowKeys
from netagents.power import realized_power

KEYS = WindowKeys((0, 1, 2), (2, 2, 2), (2, 3, 2))


def visited(rng: np.random.Generator, full: bool, visits: int = 5) -> CriticTable:
    table = CriticTable(KEYS, 1, 10_000 if full else 1, 10_000, 10)
    everything = np.arange(KEYS.total)
    slots = table.visit(everything, np.full(KEYS.total, visits), 0)
    table.values[0, slots] = rng.normal(size=KEYS.total)
    return table


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0, 1, 2]))
def test_it_is_the_loss_against_the_worst_action_of_the_member(seed: int, full: bool, member: int) -> None:
    rng = np.random.default_rng(seed)
    table = visited(rng, full)
    q = table.values[0, table.find(np.arange(KEYS.total))].reshape(2, 2, 2, 2, 3, 2)
    loss = q - q.min(axis=3 + member, keepdims=True)
    keys = np.unique(rng.integers(0, KEYS.total, 20))
    counts = rng.integers(1, 9, len(keys))
    reading = realized_power(table, 0, keys, counts, member, 5, 3)
    assert reading.power == pytest.approx(np.average(loss.reshape(-1)[keys], weights=counts), rel=1e-12)
    assert reading.known == 1.0
    assert reading.age == 3.0


def test_an_action_that_was_rarely_played_makes_the_visit_unknown_not_zero() -> None:
    rng = np.random.default_rng(0)
    table = visited(rng, full=True, visits=4)
    reading = realized_power(table, 0, np.array([0, 1]), np.array([3, 4]), 1, 5, 0)
    assert reading.known == 0.0
    assert np.isnan(reading.power)
    assert np.isnan(reading.age)


def test_known_visits_alone_are_averaged() -> None:
    table = CriticTable(WindowKeys((0, 1), (1, 1), (2, 2)), 1, 100, 100, 10)
    table.visit(np.array([0, 1, 2]), np.array([9, 9, 9]), 0)
    table.values[0, :4] = [5.0, 2.0, 1.0, 0.0]
    # Keys are 2 * a_0 + a_1.  For member 1: keys 0 and 1 are each other's alternative; key 2's alternative 3 was never met.
    reading = realized_power(table, 0, np.array([0, 1, 2]), np.array([2, 2, 4]), 1, 5, 0)
    assert reading.power == pytest.approx((2 * 3.0 + 2 * 0.0) / 4)
    assert reading.known == pytest.approx(0.5)
