"""Bodies that were taken out: whoever stays goes on as if the environment had been made for one agent less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.environments.games.gathering import Gathering
from netagents.environments.games.kitchen import FACINGS, Kitchen
from netagents.environments.games.matrix_grid import AWAY, CELL, FIELDS, FROZEN, NOWHERE, PARTNER, MatrixGrid
from netagents.environments.games.predator_prey import PredatorPrey
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.games import MatrixGridSettings, PredatorPreySettings
from netagents.experiment.kitchen_settings import KitchenSettings
from netagents.testing import check_environment
from netagents.topology.generators import complete

B = 64


@pytest.mark.parametrize("collisions", ["freeze_all", "pairwise"])
@pytest.mark.parametrize("removed", [0, 2])
def test_a_kitchen_without_a_cook_is_the_kitchen_of_the_others(collisions: str, removed: int) -> None:
    settings: dict[str, Any] = {"layout": "cramped_room", "collisions": collisions, "rewards": "own", "random_start": True}
    three, two = (Kitchen(complete(n), KitchenSettings(**settings)) for n in (3, 2))
    rng = np.random.default_rng(removed)
    state = three.reset(rng.random((B, *three.spec.reset_noise)))
    nothing = np.zeros((B, 0))
    for _ in range(60):
        state = three.step(state, [rng.integers(0, 6, B) for _ in range(3)], nothing).state
    before, stay = state.copy(), [i for i in range(3) if i != removed]
    state = three.without_body(state, removed)
    assert not np.array_equal(before, state)
    columns = [*stay, *(3 + i for i in stay), *range(6, state.shape[1] - 3)]
    fewer = np.concatenate([state[:, columns], np.zeros((B, 2), dtype=np.int64)], axis=1)
    paid = 0.0
    for _ in range(200):
        actions = [rng.integers(0, 6, B) for _ in range(3)]
        after, alone = three.step(state, actions, nothing), two.step(fewer, [actions[i] for i in stay], nothing)
        state, fewer = after.state, alone.state
        assert np.array_equal(state[:, columns], fewer[:, :-2])
        assert np.array_equal(after.rewards[:, stay], alone.rewards)
        assert (state[:, removed] == FACINGS * (len(three.plan.floor) + removed)).all()
        paid += np.abs(np.diff(fewer[:, :2], axis=0)).sum()
    assert paid > 0  # cooks have moved


@pytest.mark.parametrize("observation", ["full", "local"])
def test_nobody_sees_a_cook_who_has_gone(observation: Any) -> None:
    kitchen = Kitchen(complete(2), KitchenSettings(layout="cramped_room", observation=observation, graph="proximity", radius=200))
    state = kitchen.reset(np.zeros((1, 0)))
    elsewhere = state.copy()
    elsewhere[:, 1] += FACINGS
    after = kitchen.without_body(state, 1)
    assert np.array_equal(after, kitchen.without_body(elsewhere, 1))
    observations, without = kitchen.observe(state)[0], kitchen.observe(after)[0]
    assert (without <= observations).all()
    assert (without < observations).any()
    near = kitchen.graph(after)
    assert near is not None
    assert not near.any()
    assert len(kitchen.picture(after).markers) == len(kitchen.picture(state).markers) - 1


@pytest.mark.parametrize("hunters", [1, 2])
def test_prey_do_not_notice_a_predator_who_has_gone(hunters: int) -> None:
    settings = PredatorPreySettings(side=4, prey=2, sight=1, hunters=hunters)
    three, two = PredatorPrey(complete(3), settings), PredatorPrey(complete(2), settings)
    rng = np.random.default_rng(0)
    state = three.without_body(three.reset(rng.random((B, 5))), 1)
    fewer, stay = state[:, [0, 2, 3, 4]], [0, 2]
    caught = 0.0
    for _ in range(40):
        actions, noise = [rng.integers(0, 5, B) for _ in range(3)], rng.random((B, 2, 3))
        after, alone = three.step(state, actions, noise), two.step(fewer, [actions[i] for i in stay], noise)
        state, fewer = after.state, alone.state
        assert np.array_equal(state[:, [0, 2, 3, 4]], fewer)
        assert np.array_equal(after.rewards[:, stay], alone.rewards)
        assert not after.rewards[:, 1].any()
        caught += alone.rewards.sum()
        layers = [view.reshape(B, 3, 9) for view in (three.observe(state)[0], two.observe(fewer)[0])]
        assert np.allclose(3 * layers[0][:, 0], 2 * layers[1][:, 0])
        assert np.array_equal(layers[0][:, 1:], layers[1][:, 1:])
        assert np.array_equal(three.graph(state)[:, 0, 2], two.graph(fewer)[:, 0, 1])
        assert not three.graph(state)[:, 1].any()
    assert caught > 0
    assert not three.observe(state)[1].any()
    assert len(three.picture(state).markers) == 4


def test_a_player_who_has_gone_does_not_come_back_and_keeps_nobody_frozen() -> None:
    grid = MatrixGrid(complete(2), MatrixGridSettings(respawn=3, freeze=4))
    rng = np.random.default_rng(0)
    state = grid.reset(rng.random((B, *grid.spec.reset_noise)))
    players = state[:, : FIELDS * 2].reshape(B, FIELDS, 2)
    players[:, FROZEN], players[:, PARTNER] = 4, [1, 0]
    state = grid.without_body(state, 1)
    paid = np.zeros((B, 2))
    for _ in range(12):
        after = grid.step(state, [rng.integers(0, 8, B) for _ in range(2)], rng.random((B, *grid.spec.step_noise)))
        state = after.state
        paid += after.rewards
        players = state[:, : FIELDS * 2].reshape(B, FIELDS, 2)
        assert (players[:, CELL, 1] == NOWHERE).all()
        assert (players[:, AWAY, 1] > 0).all()
        assert not grid.observe(state)[1].any()
    assert (paid[:, 0] > 0.0).all()
    assert not paid[:, 1].any()
    assert (players[:, FROZEN, 0] == 0).all()


def test_the_contract_is_checked_where_bodies_can_leave_and_refused_elsewhere() -> None:
    check_environment(Kitchen(complete(2), KitchenSettings(observation="local", graph="proximity", rewards="own")), batch=8, steps=3)
    check_environment(MatrixGrid(complete(3)), batch=8, steps=3)
    check_environment(PredatorPrey(complete(3)), batch=8, steps=3)
    ring = Gathering(complete(3))
    assert not ring.removable
    with pytest.raises(EnvironmentMismatchError, match="no agent can be taken out of environment 'gathering'"):
        ring.without_body(np.zeros((1, 3), dtype=np.int64), 0)

    class Ghosts(Gathering):
        def without_body(self, state: Any, agent: int) -> Any:  # noqa: ARG002 - it takes out nobody
            return state.copy()

    with pytest.raises(EnvironmentMismatchError, match=r"'removal': agent . was taken out and still acts on others"):
        check_environment(Ghosts(complete(3)))
