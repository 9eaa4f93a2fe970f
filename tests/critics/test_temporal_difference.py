"""Batch TD: its fixed point, its agreement with sequential TD, terminal states and ended copies."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.critics import CriticTable, WindowKeys
from netagents.critics.temporal_difference import batch_td, compact


def chain(rng: np.random.Generator, steps: int, copies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A random 4-key Markov chain with rewards: keys (steps + 1, copies), rewards, its transition matrix and mean rewards."""
    transition = rng.dirichlet(np.ones(4), size=4)
    reward = rng.normal(size=4)
    keys = np.empty((steps + 1, copies), dtype=np.int64)
    keys[0] = rng.integers(0, 4, copies)
    for step in range(steps):
        cumulative = np.cumsum(transition[keys[step]], axis=1)
        keys[step + 1] = np.minimum((rng.random(copies)[:, None] >= cumulative).sum(axis=1), 3)
    return keys, reward[keys[:-1]], transition, reward


def critic() -> CriticTable:
    return CriticTable(WindowKeys((0,), (2,), (2,)), 1, 100, 100)


def test_many_sweeps_solve_the_empirical_bellman_equation_of_the_batch() -> None:
    keys, signal, _, _ = chain(np.random.default_rng(1), 50, 8)
    table = critic()
    batch = compact(table, keys.reshape(-1), 50, 8, np.ones((50, 8), dtype=bool), np.ones((50, 8)), 0)
    change = batch_td(table, {0: signal}, batch, 0.9, 400)[0]
    counts = np.zeros((4, 4))
    np.add.at(counts, (keys[:-1].reshape(-1), keys[1:].reshape(-1)), 1.0)
    empirical = counts / counts.sum(axis=1, keepdims=True)
    mean = np.array([signal[keys[:-1] == key].mean() for key in range(4)])
    assert table.values[0] == pytest.approx(np.linalg.solve(np.eye(4) - 0.9 * empirical, mean), rel=1e-10)
    assert change < 1e-12


def test_batch_td_agrees_with_sequential_td_within_its_error() -> None:
    rng = np.random.default_rng(2)
    keys, signal, transition, reward = chain(rng, 40_000, 1)
    exact = np.linalg.solve(np.eye(4) - 0.9 * transition, reward)
    sequential = np.zeros(4)
    h = 2.0 / (1.0 - np.sqrt(0.9)) / 0.15
    for step in range(40_000):
        rate = h / (step + 2 * h)
        z, ahead = keys[step, 0], keys[step + 1, 0]
        sequential[z] += rate * (signal[step, 0] + 0.9 * sequential[ahead] - sequential[z])
    table = critic()
    batch = compact(table, keys.reshape(-1), 40_000, 1, np.ones((40_000, 1), dtype=bool), np.ones((40_000, 1)), 0)
    batch_td(table, {0: signal}, batch, 0.9, 300)
    scale = np.ptp(exact)
    assert np.abs(table.values[0] - exact).max() < 0.15 * scale
    assert np.abs(sequential - exact).max() < 0.3 * scale


def test_nothing_is_bootstrapped_past_a_terminal_state_nor_learned_after_an_end() -> None:
    table = critic()
    keys = np.array([[0], [1], [2], [3]])
    signal = np.array([[1.0], [1.0], [50.0]])
    alive = np.array([[True], [True], [False]])
    bootstrap = np.array([[1.0], [0.0], [1.0]])
    batch = compact(table, keys.reshape(-1), 3, 1, alive, bootstrap, 0)
    batch_td(table, {0: signal}, batch, 0.5, 10)
    assert table.values[0].tolist() == [1.5, 1.0, 0.0, 0.0]
    assert table.entries == 2
