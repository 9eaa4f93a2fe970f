"""Matrix games on a grid: step by step those of a slow second implementation, with the published payoffs and the published anchor."""

from __future__ import annotations

import numpy as np
import pytest
from environment_references import graph
from game_references import MatrixGridReference

from netagents.environments.games.matrix_grid import AWAY, CELL, COOLING, FROZEN, HEADING, INVENTORY, PARTNER, MatrixGrid
from netagents.environments.games.matrix_grid_maps import MAPS
from netagents.environments.games.matrix_grid_sight import OTHER, OWN, SIDE, SIZE, unpack
from netagents.environments.games.scripted import collect_and_interact, scripted_returns, uniform
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.games import MatrixGridSettings
from netagents.testing import check_environment

PUBLISHED = {
    "chicken": [[3, 2], [5, 0]],
    "stag_hunt": [[4, 0], [2, 2]],
    "prisoners_dilemma": [[3, 0], [5, 1]],
    "pure_coordination": [[1, 0], [0, 1]],
}


def players_of(n):
    return graph(n, [(i, j) for i in range(n) for j in range(i)])


def unpacked(environment, row):
    """One copy as the reference keeps it."""
    n, columns = environment.spec.n, environment.grid.columns
    fields = row[: 8 * n].reshape(8, n)
    players = [
        {
            "place": None if fields[AWAY, i] else divmod(int(fields[CELL, i]), columns),
            "heading": int(fields[HEADING, i]),
            "held": fields[INVENTORY : INVENTORY + 2, i].tolist(),
            "cooling": int(fields[COOLING, i]),
            "frozen": int(fields[FROZEN, i]),
            "away": int(fields[AWAY, i]),
            "partner": int(fields[PARTNER, i]),
        }
        for i in range(n)
    ]
    rows = row[8 * n : -1].reshape(3, -1).T.tolist()
    return players, [dict(zip(("class", "gone", "hits"), each, strict=True)) for each in rows]


def without_heading_of_the_absent(players):
    return [{**player, "heading": 0 if player["away"] else player["heading"]} for player in players]


@pytest.mark.parametrize(
    ("game", "name", "n"),
    [("chicken", "small", 2), ("stag_hunt", "medium", 3), ("prisoners_dilemma", "large", 4), ("pure_coordination", "obstacle", 6)],
)
def test_every_step_is_that_of_the_reference(game, name, n):
    settings = MatrixGridSettings(game=game, map=name, regeneration=0.1)
    environment = MatrixGrid(players_of(n), settings)
    reference = MatrixGridReference(MAPS[name], PUBLISHED[game], settings)
    copies, rng = 6, np.random.default_rng(n)
    state = environment.reset(rng.random((copies, *environment.spec.reset_noise)))
    paid, destroyed = 0, 0
    for _ in range(400):
        # Many beams, so that players meet and resources break.
        actions = rng.choice(8, size=(copies, n), p=[0.02, 0.3, 0.05, 0.05, 0.05, 0.09, 0.09, 0.35])
        noise = rng.random((copies, *environment.spec.step_noise))
        outcome = environment.step(state, list(actions.T), noise)
        for b in range(copies):
            players, resources = unpacked(environment, state[b])
            hits = sum(resource["hits"] for resource in resources)
            rewards = reference.step(players, resources, actions[b].tolist(), noise[b].tolist())
            found_players, found_resources = unpacked(environment, outcome.state[b])
            assert without_heading_of_the_absent(found_players) == without_heading_of_the_absent(players)
            assert found_resources == resources
            np.testing.assert_allclose(outcome.rewards[b], rewards, rtol=1e-14)
            paid += any(rewards)
            destroyed += hits > sum(resource["hits"] for resource in resources)
        state = outcome.state
    # The comparison saw interactions and broken resources.
    assert paid > 5
    assert destroyed > 5


@pytest.mark.parametrize("name", MAPS)
def test_it_keeps_the_contract(name):
    check_environment(MatrixGrid(players_of(2), MatrixGridSettings(map=name, random_end=True)), steps=60)


def test_uniformly_random_players_earn_the_published_fifty_on_the_small_chicken_map():
    environment = MatrixGrid(players_of(2), MatrixGridSettings())
    returns = scripted_returns(environment, uniform, copies=200, seed=0)
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    # "About 50 per player and 2 000 steps"; this implementation gives 52.7.
    assert returns.mean() - 3 * error > 45.0
    assert returns.mean() + 3 * error < 60.0


@pytest.mark.parametrize("game", PUBLISHED)
def test_the_script_earns_more_than_twice_what_random_players_do(game):
    environment = MatrixGrid(players_of(2), MatrixGridSettings(game=game))
    random, scripted = (
        scripted_returns(environment, script, copies=400, seed=1, horizon=300) for script in (uniform, collect_and_interact)
    )
    gap = scripted.mean() - 1.5 * random.mean()
    assert gap > 3.0 * np.sqrt(scripted.var() / 400 + 2.25 * random.var() / 400)


def test_a_player_sees_three_cells_ahead_one_behind_and_two_to_each_side_in_its_own_frame():
    environment = MatrixGrid(players_of(2), MatrixGridSettings())
    state = environment.reset(np.zeros((1, *environment.spec.reset_noise)))
    fields = environment._players(state)
    for heading in range(4):
        fields[0, CELL] = [1 * 6 + 1, 2 * 6 + 1]  # agent 0 in the upper left corner, agent 1 one cell south of it, looking north
        fields[0, HEADING] = [heading, 0]
        layers, held, ready = unpack(environment.observe(state)[0])
        window = layers[0].reshape(SIDE, SIDE, -1)
        # South of agent 0 is ahead when it looks south (2), to its right when it looks east (1), and so on.
        ahead, right = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}[heading]
        assert window[3 - ahead, 2 + right, OTHER + (0 - heading) % 4] == 1.0
        assert window[..., OTHER:].sum() == 1.0
        # Looking north from row 1, three rows of the window are wall or beyond it.
        if heading == 0:
            assert window[:3, :, 0].all()
        # The resource of class 2 at (2, 2) is one south and one east.
        south, east = (1, 1)
        turned = {0: (-south, east), 1: (east, south), 2: (south, -east), 3: (-east, -south)}[heading]
        assert window[3 - turned[0], 2 + turned[1], 2] == 1.0
        assert held.tolist() == [[1.0, 1.0]]
        assert ready.tolist() == [True]
        assert layers[0, OWN].tolist() == [0.0] * 7
    assert environment.observe(state)[0].shape == (1, SIZE)


def test_copies_end_at_random_only_where_asked_for_and_as_the_sheet_says():
    environment = MatrixGrid(players_of(2), MatrixGridSettings(random_end=True, game="stag_hunt"))
    copies = 4000
    state = environment.reset(np.random.default_rng(0).random((copies, *environment.spec.reset_noise)))
    noise = np.random.default_rng(1).random((copies, *environment.spec.step_noise))
    still = [np.zeros(copies, dtype=np.int64)] * 2
    ends = {}
    for step in (899, 999, 1049, 1099, 2499):
        state[:, -1] = step
        ends[step + 1] = environment.step(state, still, noise).truncated.mean()
    assert ends[900] == ends[1050] == 0.0
    assert ends[1000] == ends[1100] == pytest.approx(0.1, abs=0.02)
    assert ends[2500] == 1.0
    state[:, -1] = 4999
    assert not MatrixGrid(players_of(2), MatrixGridSettings()).step(state, still, noise).truncated.any()


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("WWWW\nWn?W\nWWWW", "environment.layout, line 2, column 3: unknown character '?'; a map has W, n, 1, 2, a and blank"),
        ("WWWW\nWnnW\nW1 W\nWW W", "environment.layout, line 4, column 3: a gap in the wall around the map; surround the map with W"),
        ("WWWWW\nWn 1W\nWWWWW", "environment.layout: 1 start cells for 2 players; mark more cells with n, or use fewer agents"),
        ("WWWWW\nW   W\nW1 2W\nWWWWW", "environment.layout: 0 start cells for 2 players; mark more cells with n, or use fewer agents"),
        ("WWWWW\nWn nW\nWWWWW", "environment.layout: no resources; mark cells with 1, 2 or a"),
        (
            "WWWWWWW\nWnnW 1W\nWWWWWWW",
            "environment.layout, line 2, column 6: no way leads here from the first start; open the walls around it",
        ),
    ],
    ids=["character", "gap", "players", "no start", "no resource", "unreachable"],
)
def test_a_bad_map_gets_one_line(layout, message):
    with pytest.raises(EnvironmentMismatchError) as caught:
        MatrixGrid(players_of(2), MatrixGridSettings(layout=layout))
    assert str(caught.value) == message


def test_it_needs_two_players():
    with pytest.raises(EnvironmentMismatchError, match="needs somebody to play with"):
        MatrixGrid(graph(1, []))
