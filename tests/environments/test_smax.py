"""SMAX: the contract, and agreement with JaxMARL's own environment, one copy at a time.

What needs jaxmarl is skipped without it; ``make test-adapters`` installs it.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from netagents.environments import build_environment
from netagents.environments.adapters.scripted_battle import shoot_weakest, sight, uniform_legal
from netagents.environments.adapters.smax import ARMIES, FOREVER, OWN, STOP, UNIT, Smax
from netagents.environments.games.scripted import scripted_returns
from netagents.errors import EnvironmentMismatchError, MissingPackageError
from netagents.experiment.battle_settings import SmaxSettings
from netagents.experiment.topology_settings import CompleteSettings
from netagents.testing import check_environment
from netagents.testing.broken_rules import random_actions
from netagents.topology import build_topology

JAX = importlib.util.find_spec("jaxmarl") is not None


def with_jax(test):
    skip = pytest.mark.skipif(not JAX, reason="the package jaxmarl is missing: pip install 'netagents[jax]', or make test-adapters")
    quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
    return pytest.mark.timeout(900)(quiet(skip(test)))


def battle(name="3m", n=None, **settings) -> Smax:
    topology = build_topology(CompleteSettings(n=ARMIES[name][0] if n is None else n))
    return build_environment(SmaxSettings(map=name, **settings), topology)


def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setattr("netagents.environments.adapters.smax.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError) as error:
        battle()
    assert str(error.value) == "environment 'smax', map 3m: the package jaxmarl is not installed; pip install 'netagents[jax]'"
    assert error.value.exit_code == 15


def test_the_number_of_agents_is_that_of_the_map(monkeypatch):
    monkeypatch.setattr("netagents.environments.adapters.smax.importlib.util.find_spec", lambda _: object())
    with pytest.raises(EnvironmentMismatchError, match="3 agents for 4 marines; use a topology of 4 agents"):
        battle("4m_vs_3m", n=3)
    assert battle("27m_vs_30m").spec.action_spaces[0].size == 35


def test_scripts_shoot_at_the_weakest_in_range_walk_to_the_nearest_and_stop_when_dead(monkeypatch):
    monkeypatch.setattr("netagents.environments.adapters.smax.importlib.util.find_spec", lambda _: object())
    environment = battle()
    observations = np.zeros((4, UNIT * 5 + OWN))
    observations[:3, -OWN] = 1.0
    enemies = observations[:, UNIT * 2 : UNIT * 5].reshape(4, 3, UNIT)  # a view
    enemies[0, :, :3] = [[1.0, 0.1, 0.1], [0.4, 0.3, 0.0], [0.1, 0.7, 0.0]]  # the weakest is out of range
    enemies[1, :, :3] = [[0, 0, 0], [1.0, -0.9, 0.2], [1.0, 0.1, -0.7]]
    view = sight(environment, observations)
    assert view.in_range.tolist() == [[True, True, False], [False] * 3, [False] * 3, [False] * 3]
    actions = shoot_weakest(environment, [observations], np.zeros((4, 1)))[0]
    assert actions.tolist() == [STOP + 2, 2, 1, STOP]  # shoot, south, east, stop
    drawn = [uniform_legal(environment, [observations], np.full((4, 1), u))[0] for u in np.linspace(0, 0.999, 400)]
    assert [sorted(set(column)) for column in np.array(drawn).T.tolist()] == [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [4]]


@with_jax
@pytest.mark.parametrize("name", ["3m", "4m_vs_3m", "8m"])
def test_the_contract_holds_on_each_map(name):
    check_environment(battle(name), batch=3, steps=3)


@with_jax
def test_steps_are_those_of_jaxmarl_played_alone():
    import jax
    import jax.numpy as jnp
    from jaxmarl.environments.smax import HeuristicEnemySMAX
    from jaxmarl.environments.smax.smax_env import Scenario

    environment, copies = battle("4m_vs_3m"), 3
    reference = HeuristicEnemySMAX(scenario=Scenario(jnp.zeros((7,), dtype=jnp.uint8), 4, 3, False, False), max_steps=FOREVER)
    rng = np.random.default_rng(0)
    noise = rng.random((copies, 2))
    keys = [jnp.array(np.floor(each * 2.0**32).astype(np.uint32)) for each in noise]
    state, others = environment.reset(noise), [reference.reset(key) for key in keys]
    observations = [each[0] for each in others]
    others = [each[1] for each in others]
    deaths = shots = 0
    for _ in range(25):
        masks, view = environment.action_masks(state), environment.observe(state)
        facts = environment._jax.facts(state)
        places, alive = facts.places, facts.alive
        graph = environment.graph(state)
        for b in range(copies):
            legal = reference.get_avail_actions(others[b])
            for i, agent in enumerate(reference.agents):
                assert np.array_equal(masks[i][b], np.asarray(legal[agent], dtype=bool))
                assert np.allclose(view[i][b], observations[b][agent], atol=1e-5)
            for i in range(4):
                for j in range(4):
                    near = i != j and alive[b, i] and alive[b, j] and np.linalg.norm(places[b, i] - places[b, j]) <= 9.0
                    assert graph[b, i, j] == near
        actions = (
            shoot_weakest(environment, view, rng.random((copies, 4))) if rng.random() < 0.8 else random_actions(environment, state, rng)
        )
        shots += sum(int((each > STOP).sum()) for each in actions)
        noise = rng.random((copies, 2))
        outcome = environment.step(state, actions, noise)
        for b in range(copies):
            key = jnp.array(np.floor(noise[b] * 2.0**32).astype(np.uint32))
            settings = {agent: jnp.int32(actions[i][b]) for i, agent in enumerate(reference.agents)}
            observations[b], others[b], rewards, dones, _ = reference.step_env(key, others[b], settings)
            assert np.allclose(outcome.rewards[b], [rewards[agent] for agent in reference.agents], atol=1e-6)
            assert outcome.terminated[b] == bool(dones["__all__"])
            row = np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in jax.tree.leaves(others[b])])
            assert np.allclose(outcome.state[b, 1:], row, atol=1e-4)
            # Theirs goes on from our state, so that rounding does not grow from step to step.
            others[b] = jax.tree.unflatten(jax.tree.structure(others[b]), [part[b] for part in environment._jax._rows(outcome.state)])
        state = outcome.state
    deaths = int((~environment._jax.facts(state).alive).sum())
    assert deaths > 3
    assert shots > 20


@with_jax
def test_shooting_at_the_weakest_beats_random_play_and_wins_battles():
    environment = battle()
    random = scripted_returns(environment, uniform_legal, 64, 0, 40)
    scripted = scripted_returns(environment, shoot_weakest, 64, 0, 40)
    assert scripted.mean() > random.mean() + 0.8
    assert scripted.max() <= 2.0 + 1e-5  # all their health, and a victory, once
