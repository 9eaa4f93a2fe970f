"""Values along trajectories of which a critic has evaluated only some keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.critics import CriticTable, WindowKeys
from netagents.critics.sampled_values import values_along
from netagents.critics.temporal_difference import batch_td, compact

GAMMA = 0.9


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_each_step_is_the_sum_of_signals_up_to_the_next_key_that_was_evaluated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps, copies = int(rng.integers(1, 9)), int(rng.integers(1, 4))
    values, signal = rng.normal(size=(steps + 1, copies)), rng.normal(size=(steps, copies))
    evaluated = rng.random((steps + 1, copies)) < 0.4
    last = rng.integers(0, 2 * steps, copies)  # the last step of the agent's part in each copy
    alive = np.arange(steps)[:, None] <= last
    terminal = np.arange(steps)[:, None] == np.where(rng.random(copies) < 0.5, last, -1)
    actual = values_along(np.where(evaluated, values, np.nan), evaluated, signal, alive, np.where(terminal, 0.0, 1.0), GAMMA)
    for b in range(copies):
        for t in range(steps):
            expected, weight, now = 0.0, 1.0, t
            while alive[t, b]:
                if evaluated[now, b]:
                    expected += weight * values[now, b]
                if evaluated[now, b] or now == steps or not alive[now, b]:
                    break
                expected += weight * signal[now, b]
                if terminal[now, b]:
                    break
                weight, now = weight * GAMMA, now + 1
            assert actual[t, b] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("full_limit", [100, 1])
def test_a_table_tells_values_from_empty_entries_until_it_is_reset(full_limit: int) -> None:
    keys = WindowKeys((0,), (4,), (2,))
    table = CriticTable(keys, 1, full_limit, 100)
    assert not table.evaluated(table.find(np.arange(8))).any()
    # Two steps of one copy: keys 1, 5 and, after the last step, 6.
    batch = compact(table, np.array([1, 5, 6]), 2, 1, np.ones((2, 1), dtype=np.bool_), np.ones((2, 1)), iteration=0)
    batch_td(table, {0: np.zeros((2, 1))}, batch, GAMMA, 3)
    # A value of zero is a value.
    assert np.flatnonzero(table.evaluated(table.find(np.arange(8)))).tolist() == [1, 5]
    table.reset()
    assert not table.evaluated(table.find(np.arange(8))).any()
