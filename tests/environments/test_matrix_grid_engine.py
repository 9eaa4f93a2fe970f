"""Matrix games on a grid against Melting Pot's own engine (packages ``dmlab2d`` and ``dm-meltingpot``), step by step.

The engine draws its own random numbers, so each of its steps is looked for among all outcomes that ours allows from the same state: every
order of moves and beams, every free start.  What comes back by chance is read from the engine, and how often is tested afterwards.  The
packages are in no extra: dm-meltingpot brings tensorflow, which the games do not need.  ``make test-adapters`` installs what they need.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import types

import numpy as np
import pytest
from environment_references import graph

from netagents.environments.games.matrix_grid import AWAY, CELL, COOLING, FROZEN, HEADING, INVENTORY, MatrixGrid
from netagents.environments.games.matrix_grid_maps import MAPS
from netagents.environments.games.matrix_grid_sight import OTHER, OWN, SIDE, unpack
from netagents.environments.games.scripted import scripted_returns, uniform
from netagents.experiment.games import MatrixGridSettings

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("dmlab2d") is None or importlib.util.find_spec("meltingpot") is None,
        reason="the packages dmlab2d and dm-meltingpot are missing: make test-adapters",
    ),
    pytest.mark.timeout(1_800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

STEPS, EPISODES = 2_500, 60
"""Steps that are compared in each case, and episodes of 900 steps whose returns are."""

PLACES = 12
"""Equal parts of [0, 1) that hit every one of 1, 2, 3, 4 or 6 free starts."""


class Engine:
    """A substrate of Melting Pot on one of our maps, read in the numbers of our joint state."""

    def __init__(self, game, grid_map, environment, seed):
        # The package imports tensorflow at its top, for bots that nobody needs here: only its parts are imported.
        if "meltingpot" not in sys.modules:
            package = types.ModuleType("meltingpot")
            package.__path__ = importlib.util.find_spec("meltingpot").submodule_search_locations
            sys.modules["meltingpot"] = package
        from meltingpot.utils.substrates import builder

        # Pure coordination has three classes there; with two it is the engine's rules under other payoffs.
        own = game if game != "pure_coordination" else "chicken"
        module = importlib.import_module(f"meltingpot.configs.substrates.{own}_in_the_matrix__repeated")
        definition = module.build(roles=["default"] * environment.spec.n, config=None)
        definition["simulation"]["map"] = MAPS[grid_map]
        if own != game:
            for component in definition["simulation"]["scene"]["components"]:
                if component["component"] == "TheMatrix":
                    component["kwargs"].update(matrix=[[1, 0], [0, 1]], columnPlayerMatrix=[[1, 0], [0, 1]])
        for thing in definition["simulation"]["gameObjects"]:
            if thing["name"] == "avatar":
                thing["components"].append(
                    {"component": "LocationObserver", "kwargs": {"objectIsAvatar": True, "alsoReportOrientation": True}}
                )
        self.actions = [{key: np.array(value) for key, value in action.items()} for action in module.ACTION_SET]
        self.environment = environment
        self.players = range(1, environment.spec.n + 1)
        self.world = builder.builder(definition, env_seed=seed)

    def reset(self):
        """What can be seen after a reset, and the classes of the resources by the colours of their cells."""
        observed = self.world.reset().observation
        rows, columns = np.divmod(self.environment.grid.resources, self.environment.grid.columns)
        cells = observed["WORLD.RGB"].reshape(self.environment.grid.rows, 8, -1, 8, 3).mean(axis=(1, 3))[rows, columns]
        known = self.environment.grid.classes
        first, second = (cells[known == kind].mean(axis=0) for kind in (0, 1))
        classes = (np.abs(cells - second).sum(axis=1) < np.abs(cells - first).sum(axis=1)).astype(int)
        assert (classes[known >= 0] == known[known >= 0]).all()
        return self.observations(observed), classes

    def step(self, joint):
        """What can be seen after a step, and whether the episode ended."""
        words = {f"{i}.{key}": value for i, action in zip(self.players, joint, strict=True) for key, value in self.actions[action].items()}
        step = self.world.step(words)
        return self.observations(step.observation), bool(step.last())

    def observations(self, observed):
        columns = self.environment.grid.columns
        text = observed["GLOBAL.TEXT"].item().decode().replace("\n", "")

        def of(name):
            return np.stack([observed[f"{i}.{name}"] for i in self.players])

        return {
            "cells": of("POSITION") @ np.array([1, columns]),
            "headings": of("ORIENTATION"),
            "inventories": of("INVENTORY").astype(int),
            "ready": of("READY_TO_SHOOT"),
            "rewards": of("REWARD"),
            # 1: there, 0: not there, -1: beneath a beam or a player, who may have taken what came back just now.
            "resources": np.array([{"r": 1, " ": 0}.get(text[cell], -1) for cell in self.environment.grid.resources]),
            "pictures": of("RGB"),
            "beams": "B" in text,
        }


def start(environment, observations, classes):
    """Our joint state, ``(1, numbers)``, of what the engine shows after a reset."""
    state = environment.reset(np.zeros((1, *environment.spec.reset_noise)))
    players, resources = environment._players(state), environment._resources(state)
    players[0, CELL], players[0, HEADING] = observations["cells"], observations["headings"]
    resources[0, 0] = classes
    return state


def possible_noise(environment, states, observations):
    """Copies of states and noise, ``(K, ...)`` each: all orders and all free starts, with what the engine shows of all else."""
    n = environment.spec.n
    orders = [np.argsort(order) / n for order in itertools.permutations(range(n))]
    due = (environment._players(states)[:, AWAY] == 1).any(axis=0)
    places = [(np.arange(PLACES) + 0.5) / PLACES if here else [0.0] for here in due]
    looks = (observations["headings"] + 0.5) / 4
    depleted = environment._resources(states)[:, 1].max(axis=0) > environment.settings.regeneration_delay
    back = [
        {1: [0.0], 0: [1.0]}.get(there, [0.0, 1.0] if late else [1.0])
        for there, late in zip(observations["resources"].tolist(), depleted, strict=True)
    ]
    rows = [
        np.concatenate([*both, place, looks, remaining, [1.0]])
        for both in itertools.product(orders, orders)
        for place in itertools.product(*places)
        for remaining in itertools.product(*back)
    ]
    return np.repeat(states, len(rows), axis=0), np.tile(np.stack(rows), (len(states), 1))


def agrees(environment, after, rewards, observations):
    """Which of our outcomes, ``(K,)``, look like the engine's."""
    players, resources = environment._players(after), environment._resources(after)
    here = players[:, AWAY] == 0
    same = ((resources[:, 1] == 0) == observations["resources"]) | (observations["resources"] < 0)
    equal = same.all(axis=1) & np.isclose(rewards, observations["rewards"], rtol=1e-12).all(axis=1)
    equal &= ((players[:, CELL] == observations["cells"]) | ~here).all(axis=1)
    equal &= ((players[:, HEADING] == observations["headings"]) | ~here).all(axis=1)
    equal &= ((1 - players[:, COOLING] / 2 == observations["ready"]) | ~here).all(axis=1)
    held = (players[:, INVENTORY : INVENTORY + 2].swapaxes(1, 2) == observations["inventories"]).all(axis=2)
    # The engine gives a winner who shot a new inventory at once, ours when both are paid; in between nothing can be done with it.
    renewed = (observations["inventories"] == 1).all(axis=1) & (players[:, FROZEN] > 0)
    return equal & (held | renewed).all(axis=1)


@pytest.mark.parametrize(
    ("game", "name", "n"),
    [
        ("chicken", "small", 2),
        ("chicken", "small", 3),
        ("stag_hunt", "medium", 2),
        ("prisoners_dilemma", "large", 2),
        ("pure_coordination", "obstacle", 2),
    ],
)
def test_every_step_of_the_engine_is_one_of_ours(game, name, n):
    environment = MatrixGrid(graph(n, [(i, j) for i in range(n) for j in range(i)]), MatrixGridSettings(game=game, map=name))
    engine, rng = Engine(game, name, environment, seed=1), np.random.default_rng(0)
    count = dict.fromkeys(("steps", "payments", "destroyed", "could come back", "came back", "starts"), 0)
    looks: dict[bytes, tuple[float, ...]] = {}
    while count["steps"] < STEPS:
        observations, classes = engine.reset()
        states, ended = start(environment, observations, classes), False
        while not ended and count["steps"] < STEPS:
            # Half of the time all actions alike, half of the time many beams, so that players meet and resources break.
            chances = [0.125] * 8 if count["steps"] % 1_000 < 500 else [0.02, 0.3, 0.05, 0.05, 0.05, 0.09, 0.09, 0.35]
            joint = rng.choice(8, size=n, p=chances)
            observations, ended = engine.step(joint)
            before, noise = possible_noise(environment, states, observations)
            outcome = environment.step(before, list(np.repeat(joint[:, None], len(before), axis=1)), noise)
            fits = agrees(environment, outcome.state, outcome.rewards, observations)
            output = {key: value.tolist() for key, value in observations.items() if key not in ("pictures", "beams")}
            assert fits.any(), f"{count}: {joint} from {states.tolist()} gave {output}, not {np.unique(outcome.state, axis=0).tolist()}"
            players, resources = environment._players(states), environment._resources(states)
            if not (players[:, AWAY] > 0).all():
                waits = (resources[:, 1] > environment.settings.regeneration_delay + 1).all(axis=0) & (observations["resources"] >= 0)
                waits &= ~np.isin(environment.grid.resources, players[0, CELL])
                count["could come back"] += int(waits.sum())
                count["came back"] += int((waits & (observations["resources"] == 1)).sum())
            count["steps"] += 1
            count["payments"] += int(bool(observations["rewards"].any()))
            count["destroyed"] += int((resources[0, 2] > environment._resources(outcome.state[fits])[0, 2]).sum())
            count["starts"] += int((players[0, AWAY] == 1).sum())
            states = np.unique(outcome.state[fits], axis=0)
            if len(states) == 1 and not observations["beams"]:
                compare_sights(environment, states, observations["pictures"], looks)
    assert min(count["payments"], count["destroyed"], count["starts"]) >= 1, count
    # Wall, two classes of resources, and others.
    assert set(looks.values()) == {(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)}, looks.values()
    chance = environment.settings.regeneration
    spread = np.sqrt(count["could come back"] * chance * (1 - chance))
    assert abs(count["came back"] - chance * count["could come back"]) < 4.5 * spread, count


def compare_sights(environment, state, pictures, looks):
    """What a cell of a picture looks like in the engine always means the same in ours: grows ``looks``, from pixels to meanings."""
    for i, observed in enumerate(environment.observe(state)):
        if environment._players(state)[0, AWAY, i]:
            continue
        cells = pictures[i].reshape(SIDE, 8, SIDE, 8, 3).swapaxes(1, 2).reshape(SIDE * SIDE, -1)
        for cell, layers in enumerate(unpack(observed)[0][0]):
            # Where others look cannot be seen in the engine's pictures.
            meaning = (*layers[:OTHER].tolist(), float(layers[OTHER:].sum()))
            if cell != OWN and cells[cell].any():  # floor and what lies beyond the map are black
                assert looks.setdefault(cells[cell].tobytes(), meaning) == meaning


def test_random_players_earn_in_the_engine_what_they_earn_here():
    environment = MatrixGrid(graph(2, [(0, 1)]), MatrixGridSettings())
    engine, rng = Engine("chicken", "small", environment, seed=7), np.random.default_rng(1)
    totals = []
    for _ in range(EPISODES):
        engine.reset()
        total = 0.0
        for joint in rng.integers(8, size=(900, 2)):
            words = {
                f"{i}.{key}": value
                for i, action in zip(engine.players, joint, strict=True)
                for key, value in engine.actions[action].items()
            }
            observed = engine.world.step(words).observation
            total += float(observed["1.REWARD"] + observed["2.REWARD"]) / 2
        totals.append(total)
    returns = scripted_returns(environment, uniform, copies=400, seed=3, horizon=900)
    error = np.sqrt(np.var(totals, ddof=1) / len(totals) + returns.var(ddof=1) / len(returns))
    assert abs(np.mean(totals) - returns.mean()) < 4 * error, (np.mean(totals), returns.mean(), error)
