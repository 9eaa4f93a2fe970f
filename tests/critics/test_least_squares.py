"""Least squares solves the batch's own Bellman equation exactly and leaves everything else alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.critics import CriticTable, WindowKeys, batch_lstd, batch_td
from netagents.critics.temporal_difference import compact

WINDOW = WindowKeys((0, 1), (2, 3), (2, 2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_it_is_the_fixed_point_of_the_sweeps_for_all_columns_at_once(seed: int, full: bool) -> None:
    rng = np.random.default_rng(seed)
    exact, swept = (CriticTable(WINDOW, 2, 1000 if full else 1, 1000) for _ in range(2))
    start = rng.normal(size=(2, exact.values.shape[1]))
    exact.values[:], swept.values[:] = start, start
    keys = rng.integers(0, WINDOW.total, 8 * 3)
    alive = rng.random((7, 3)) < 0.9
    bootstrap = (rng.random((7, 3)) < 0.8).astype(float)
    signals = {0: rng.normal(size=(7, 3)), 1: rng.normal(size=(7, 3))}
    batches = [compact(table, keys, 7, 3, alive, bootstrap, 0) for table in (exact, swept)]
    batch_lstd(exact, signals, batches[0], 0.9)
    for column, signal in signals.items():
        batch_td(swept, {column: signal}, batches[1], 0.9, 600)
    assert exact.values == pytest.approx(swept.values, abs=1e-9)
    others = np.setdiff1d(np.arange(exact.values.shape[1]), batches[0].slots)
    assert np.array_equal(exact.values[:, others], start[:, others])


def test_a_batch_without_transitions_changes_nothing() -> None:
    table = CriticTable(WINDOW, 1, 1000, 1000)
    batch = compact(table, np.arange(4), 1, 2, np.zeros((1, 2), dtype=bool), np.ones((1, 2)), 0)
    batch_lstd(table, {0: np.ones((1, 2))}, batch, 0.9)
    assert batch_td(table, {0: np.ones((1, 2))}, batch, 0.9, 3) == {0: 0.0}
    assert not table.values.any()
