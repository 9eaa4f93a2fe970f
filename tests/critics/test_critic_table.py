"""A table of visited keys behaves like the full one; visits are windowed; the longest unvisited entries leave first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.critics import CriticTable, WindowKeys
from netagents.critics.temporal_difference import batch_td, compact

WINDOW = WindowKeys((0, 1), (2, 3), (2, 2))


def table(full_limit: int, visited_limit: int = 1 << 20, window: int = 3) -> CriticTable:
    return CriticTable(WINDOW, 2, full_limit, visited_limit, window)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_visited_keys_and_the_full_table_learn_the_same_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    full, visited = table(1000), table(1)
    assert full.full
    assert not visited.full
    for iteration in range(8):
        keys = rng.integers(0, WINDOW.total, 11 * 4)
        alive = np.ones((10, 4), dtype=bool)
        bootstrap = (rng.random((10, 4)) < 0.9).astype(float)
        signal = rng.normal(size=(10, 4))
        for critic in (full, visited):
            batch = compact(critic, keys, 10, 4, alive, bootstrap, iteration)
            batch_td(critic, 1, batch, signal, 0.9, 3)
        every = np.arange(WINDOW.total)
        seen = visited.find(every) >= 0
        assert np.array_equal(full.visits(full.find(every)), visited.visits(visited.find(every)))
        assert np.array_equal(full.values[:, every[seen]], visited.values[:, visited.find(every[seen])])
        assert full.entries == visited.entries == seen.sum()


def test_visits_count_within_the_window_only() -> None:
    critic = table(1000, window=2)
    key = np.array([5])
    for iteration in (0, 1, 2, 3):
        critic.visit(key, np.array([10]), iteration)
    assert critic.visits(critic.find(key)).tolist() == [40]
    critic.visit(np.array([6]), np.array([1]), 5)
    assert critic.visits(critic.find(key)).tolist() == [20]
    critic.visit(np.array([6]), np.array([1]), 9)
    assert critic.visits(critic.find(key)).tolist() == [0]
    assert critic.age(critic.find(key), 9).tolist() == [6]


def test_the_longest_unvisited_entries_leave_first_and_are_counted() -> None:
    critic = table(1, visited_limit=8)
    for iteration in range(8):
        slots = critic.visit(np.array([iteration]), np.array([1]), iteration)
        critic.values[:, slots] = iteration
    critic.visit(np.array([20]), np.array([1]), 8)
    assert critic.evicted == 5
    kept = [key for key in range(24) if critic.find(np.array([key]))[0] >= 0]
    assert kept == [5, 6, 7, 20]
    assert critic.values[0, critic.find(np.array([5, 6, 7, 20]))].tolist() == [5, 6, 7, 0]


@pytest.mark.parametrize("full_limit", [1000, 1])
def test_a_restored_table_goes_on_as_if_nothing_had_happened(full_limit: int) -> None:
    rng = np.random.default_rng(3)
    original, restored = table(full_limit), table(full_limit)
    for iteration in range(6):
        keys = rng.integers(0, WINDOW.total, 9 * 4)
        signal = rng.normal(size=(8, 4))
        for critic in (original, restored):
            if critic is restored and iteration < 3:
                continue
            batch = compact(critic, keys, 8, 4, np.ones((8, 4), dtype=bool), np.ones((8, 4)), iteration)
            batch_td(critic, 0, batch, signal, 0.9, 2)
        if iteration == 2:
            restored.restore({name: array.copy() for name, array in original.arrays().items()})
    for name, array in original.arrays().items():
        assert np.array_equal(array, restored.arrays()[name]), name
