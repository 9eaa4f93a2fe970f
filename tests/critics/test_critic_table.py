"""A table of visited keys behaves like the full one; the longest unvisited entries leave first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.critics import CriticTable, WindowKeys
from netagents.critics.temporal_difference import batch_td, compact
from netagents.errors import CapacityError

WINDOW = WindowKeys((0, 1), (2, 3), (2, 2))


def table(full_limit: int, visited_limit: int = 1 << 20) -> CriticTable:
    return CriticTable(WINDOW, 2, full_limit, visited_limit)


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
            batch_td(critic, {1: signal}, batch, 0.9, 3)
        every = np.arange(WINDOW.total)
        known = visited.find(every) >= 0
        assert np.array_equal(full.values[:, every[known]], visited.values[:, visited.find(every[known])])
        assert full.entries == visited.entries == known.sum()


def test_the_age_of_an_entry_counts_from_its_last_visit() -> None:
    critic = table(1000)
    for iteration in (0, 1, 3):
        critic.visit(np.array([5]), iteration)
    critic.visit(np.array([6]), 9)
    assert critic.age(np.array([5, 6]), 9).tolist() == [6, 0]


def test_the_longest_unvisited_entries_leave_first_and_are_counted() -> None:
    critic = table(1, visited_limit=8)
    for iteration in range(8):
        slots = critic.visit(np.array([iteration]), iteration)
        critic.values[:, slots] = iteration
    critic.visit(np.array([20]), 8)
    assert critic.evicted == 5
    survivors = [key for key in range(24) if critic.find(np.array([key]))[0] >= 0]
    assert survivors == [5, 6, 7, 20]
    assert critic.values[0, critic.find(np.array([5, 6, 7, 20]))].tolist() == [5, 6, 7, 0]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(6, 20))
def test_eviction_spares_the_present_batch_and_never_exceeds_its_limit(seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    critic, everything = table(1, visited_limit=limit), np.arange(WINDOW.total)
    # Beside it the same by hand: the iteration of each key's last visit, and what was written to it.
    last: dict[int, int] = {}
    written: dict[int, float] = {}
    for iteration in range(12):
        keys = np.sort(rng.choice(WINDOW.total, size=rng.integers(1, limit + 1), replace=False))
        before = set(last)
        slots = critic.visit(keys, iteration)
        assert (slots >= 0).all()
        assert len(set(slots.tolist())) == len(keys)
        values = rng.normal(size=len(keys))
        critic.values[0, slots] = values
        held = set(everything[critic.find(everything) >= 0].tolist())
        assert len(held) == critic.entries <= limit
        assert held >= set(keys.tolist())
        evicted = before - held
        assert not evicted or len(before | set(keys.tolist())) > limit
        # Nobody else left who was visited after somebody who stayed.
        stayed = before & held - set(keys.tolist())
        assert max((last[key] for key in evicted), default=-1) <= min((last[key] for key in stayed), default=99)
        last = {key: iteration_of for key, iteration_of in last.items() if key in held} | dict.fromkeys(keys.tolist(), iteration)
        written |= dict(zip(keys.tolist(), values.tolist(), strict=True))
        for key in held:
            slot = critic.find(np.array([key]))
            assert critic.values[0, slot].tolist() == [written[key]]
            assert critic.age(slot, iteration).tolist() == [iteration - last[key]]


def test_a_batch_of_more_keys_than_the_limit_is_refused() -> None:
    critic = table(1, visited_limit=4)
    with pytest.raises(CapacityError, match=r"a batch has 5 different keys of a critic that keeps 4.*set it to at least 5"):
        critic.visit(np.arange(5), 0)


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
            batch_td(critic, {0: signal}, batch, 0.9, 2)
        if iteration == 2:
            restored.restore({name: array.copy() for name, array in original.arrays().items()})
    for name, array in original.arrays().items():
        assert np.array_equal(array, restored.arrays()[name]), name


class Colliding(WindowKeys):
    """Wide keys whose fingerprints nearly all collide."""

    def fingerprint(self, keys: np.ndarray) -> np.ndarray:
        return super().fingerprint(keys) & 3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_wide_keys_are_told_apart_although_their_fingerprints_collide(seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = (range(18), [4] * 18, [9] * 18)
    honest, colliding = WindowKeys(*window), Colliding(*window)
    assert honest.words == 2
    tables = [CriticTable(keys, 1, 1, 40) for keys in (honest, colliding)]
    visited: dict[tuple[int, ...], int] = {}
    for iteration in range(6):
        rows = rng.integers(0, 2, (12, 3))
        columns = [rows[:, k % 3] for k in range(36)]
        for table in tables:
            keys = table.keys.encode(columns[:18], columns[18:])
            unique, inverse, counts = table.keys.distinct(keys)
            assert np.array_equal(unique[inverse], keys)
            slots = table.visit(unique, iteration)
            assert len(set(slots.tolist())) == len(unique)
            table.values[0, slots] += unique[:, 0] % 97 + counts
        for row in map(tuple, rows.tolist()):
            visited[row] = visited.get(row, 0) + 1
    everything = np.array(list(visited))
    columns = [everything[:, k % 3] for k in range(36)]
    read = []
    for table in tables:
        restored = CriticTable(table.keys, 1, 1, 40)
        restored.restore(table.arrays())
        slots = restored.find(table.keys.encode(columns[:18], columns[18:]))
        assert (slots >= 0).all()
        assert restored.entries == len(visited)
        read.append(restored.values[0, slots])
        absent = table.keys.encode([np.full(1, 3)] * 18, [np.full(1, 8)] * 18)
        assert restored.find(absent).tolist() == [-1]
    assert np.array_equal(*read)
