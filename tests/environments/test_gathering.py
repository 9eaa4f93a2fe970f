"""Gathering: rewards, sight and tables against direct counting, and what exact methods say about it."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from environment_references import graph

from netagents.environments.games.gathering import Gathering
from netagents.environments.games.scripted import gather_at_zero, meet, scripted_returns, sight_counts, uniform
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact import ExactValues, JointModel, best_response, observed_policy
from netagents.experiment.games import GatheringSettings
from netagents.testing import check_environment


def gathering(n=3, **settings):
    return Gathering(graph(n, [(i, j) for i in range(n) for j in range(i)]), GatheringSettings(**settings))


@pytest.mark.parametrize("settings", [{}, {"cells": 5, "observation": "cell"}, {"cells": 7, "sight": 3, "slip": 0.5}])
def test_it_keeps_the_contract_and_its_tables_are_those_of_its_steps(settings):
    check_environment(gathering(**settings))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_everybody_earns_how_many_others_stand_on_the_most_crowded_cell(n):
    environment = gathering(n, cells=5, sight=1)
    rng = np.random.default_rng(0)
    state, actions, noise = rng.integers(5, size=(200, n)), rng.integers(3, size=(n, 200)), rng.random((200, n))
    outcome = environment.step(state, list(actions), noise)
    for b in range(200):
        cells = [(s + (0 if u < 0.05 else a - 1)) % 5 for s, a, u in zip(state[b], actions[:, b], noise[b], strict=True)]
        assert outcome.state[b].tolist() == cells
        assert outcome.rewards[b].tolist() == [(max(Counter(cells).values()) - 1) / (n - 1)] * n


def test_what_an_agent_observes_is_how_many_others_stand_where_and_not_where_it_is():
    environment = gathering()
    counts = sight_counts(environment)
    # Nobody, one or two of two others in five cells: 1 + 5 + 15.
    assert counts.shape == (21, 5) == (environment.spec.observations[0].size, 5)
    states = np.array(list(product(range(12), repeat=3)))
    for i, observations in enumerate(environment.observe(states)):
        for cells, number in zip(states[::7].tolist(), observations[::7].tolist(), strict=True):
            around = [sum(cells[j] == (cells[i] + step) % 12 for j in range(3) if j != i) for step in (-2, -1, 0, 1, 2)]
            assert counts[number].tolist() == around
    turned = environment.observe((states + 5) % 12)
    assert all(np.array_equal(old, new) for old, new in zip(environment.observe(states), turned, strict=True))


def test_the_oracle_takes_three_agents_on_twelve_cells_and_its_values_turn_with_the_ring():
    environment = gathering()
    model = JointModel(environment.kernel(), environment.spec.discount)
    assert (model.S, model.A) == (1728, 27)
    sights = environment.spec.observations[0].size
    scripts = meet(environment, [np.arange(sights)] * 3, np.zeros((sights, 3)))
    policy = observed_policy(environment, model, [np.eye(3)[script] for script in scripts])
    value = float(model.initial @ ExactValues(model, policy).values(model.rewards)[0])
    rewards = model.rewards
    together = best_response(model, policy, (0, 1, 2), rewards[0])
    own = best_response(model, policy, (0,), rewards[0])
    worst = best_response(model, policy, (0,), -rewards[1:].mean(axis=0))
    # A full-sighted team does best, a best response does no worse than the script, an adversary takes from the others.
    assert together.value > own.value > value > -worst.value > 0.0
    # No position on the ring is special.
    for values in (together.values, own.values, worst.values):
        turned = values.reshape(12, 12, 12)[np.ix_(*[(np.arange(12) + 1) % 12] * 3)]
        np.testing.assert_allclose(turned.reshape(-1), values, rtol=1e-9)
    # Where all stand on one cell, staying is best: 1 / (1 - gamma), less the steps in which a slip... cannot happen to who stays.
    assert together.values[0] == pytest.approx(20.0, rel=1e-9)
    # Three opposite agents need four steps: two walk to the third; the first reward of one comes with the fourth move.
    opposite = together.values.reshape(12, 12, 12)[0, 4, 8]
    assert 0.95**3 * 20.0 * 0.9 < opposite < 0.95**3 * 20.0 + 0.5 * (1 + 0.95 + 0.95**2)


def test_backwards_over_the_horizon_agrees_with_playing_it():
    environment = gathering(cells=6, observation="cell")
    model = JointModel(environment.kernel(), environment.spec.discount)
    cells = np.arange(6)
    tables = [np.eye(3)[script] for script in gather_at_zero(environment, [cells] * 3, np.zeros((6, 3)))]
    policy = observed_policy(environment, model, tables)
    plan = best_response(model, policy, (1,), -model.rewards[0], horizon=8)
    rng = np.random.default_rng(3)
    copies = 20_000
    state, total = environment.reset(rng.random((copies, 3))), np.zeros(copies)
    for step in range(8):
        actions = gather_at_zero(environment, environment.observe(state), np.zeros((copies, 3)))
        actions[1] = plan.actions[step][np.ravel_multi_index(tuple(state.T), (6, 6, 6))]
        outcome = environment.step(state, actions, rng.random((copies, 3)))
        total += 0.95**step * outcome.rewards[:, 0]
        state = outcome.state
    assert -plan.value == pytest.approx(total.mean(), abs=5.0 * total.std() / np.sqrt(copies))


def test_scripts_leave_random_agents_behind():
    for script, settings in ((meet, {}), (gather_at_zero, {"observation": "cell"})):
        environment = gathering(**settings)
        assert scripted_returns(environment, script, 500, seed=0).mean() > 16.5
        assert scripted_returns(environment, uniform, 500, seed=0).mean() < 3.0


def test_what_does_not_fit_is_named():
    with pytest.raises(EnvironmentMismatchError, match=r"environment\.sight: a sight of 6 goes round a ring of 12 cells; use at most 5"):
        gathering(sight=6)
    with pytest.raises(EnvironmentMismatchError, match="needs somebody to meet"):
        gathering(1)
    with pytest.raises(CapacityError, match="use fewer agents or a smaller sight"):
        gathering(20, cells=50, sight=3)
    with pytest.raises(CapacityError, match="exact kernel of environment 'gathering'"):
        gathering(5).kernel()
