"""The kitchen against the public engine overcooked_ai (package ``overcooked``), state by state and reward by reward.

Skipped without the extra ``overcooked``, which brings opencv and pygame; ``make test-adapters`` installs it.  These tests run for some
minutes.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from environment_references import graph

from netagents.environments.games.kitchen import ACTIONS, Kitchen
from netagents.environments.games.kitchen_rules import CONTENTS, DISH, ONION, TOMATO
from netagents.experiment.kitchen_settings import KitchenSettings, ShapingSettings

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("overcooked") is None,
        reason="the package overcooked is missing: pip install 'netagents[overcooked]', or make test-adapters",
    ),
    pytest.mark.timeout(1_800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

COPIES, STEPS = 250, 400
"""100 000 joint steps per layout and dynamics."""

CASES = [
    *(
        (layout, dynamics, 2)
        for layout in (
            "cramped_room",
            "asymmetric_advantages",
            "coordination_ring",
            "forced_coordination",
            "counter_circuit_o_1order",
        )
        for dynamics in ("old", "new")
    ),
    ("multiplayer_schelling", "old", 4),
    ("multiplayer_schelling", "new", 4),
    ("counter_circuit", "new", 2),
]


class Engine:
    """The engine's world of one layout, read and written in the numbers of the kitchen's joint state."""

    def __init__(self, kitchen, layout, dynamics):
        from overcooked.mdp import Action, OvercookedGridworld

        self.world = OvercookedGridworld.from_layout_name(layout, old_dynamics=dynamics == "old")
        self.kitchen, self.actions = kitchen, Action.INDEX_TO_ACTION
        self.cells = [(int(column), int(row)) for row, column in kitchen.plan.floor]
        self.counters = [(int(column), int(row)) for row, column in kitchen.plan.counters]
        self.pots = [(int(column), int(row)) for row, column in kitchen.plan.pots]

    def row(self, state):
        """The engine's state, without the shaped points."""
        from overcooked.mdp.actions import Direction

        row = [4 * self.cells.index(cook.position) + Direction.DIRECTION_TO_INDEX[cook.orientation] for cook in state.players]
        row += [self.item(cook.held_object) for cook in state.players]
        lying = dict(state.objects)
        row += [self.item(lying.pop(place, None)) for place in self.counters]
        row += [self.pot(lying.pop(place, None)) for place in self.pots]
        assert not lying
        return [*row, 0]

    def contents(self, soup):
        return CONTENTS.index((soup.ingredients.count("onion"), soup.ingredients.count("tomato")))

    def item(self, held):
        if held is None:
            return 0
        if held.name != "soup":
            return {"onion": ONION, "tomato": TOMATO, "dish": DISH}[held.name]
        assert held.is_ready
        return DISH + self.contents(held)

    def pot(self, soup):
        return 0 if soup is None else self.contents(soup) * self.kitchen.rules.span + soup._cooking_tick + 1

    def state(self, row):
        """The engine's state of a row."""
        from overcooked.mdp.actions import Direction
        from overcooked.mdp.overcooked_mdp import ObjectState, SoupState

        rules, n = self.kitchen.rules, self.kitchen.spec.n

        def made(item, place):
            if item <= DISH:
                return ObjectState({ONION: "onion", TOMATO: "tomato", DISH: "dish"}[item], place)
            return SoupState.get_soup(place, *CONTENTS[item - DISH], finished=True)

        state = self.world.get_standard_start_state()
        for cook, pose, item in zip(state.players, row[:n], row[n : 2 * n], strict=True):
            cook.update_pos_and_or(self.cells[pose // 4], Direction.INDEX_TO_DIRECTION[pose % 4])
            if item:
                cook.set_object(made(item, cook.position))
        for place, item in zip(self.counters, row[2 * n :], strict=False):
            if item:
                state.add_object(made(item, place))
        for place, pot in zip(self.pots, row[2 * n + len(self.counters) :], strict=False):
            if pot:
                contents, tick = divmod(pot, rules.span)
                state.add_object(SoupState.get_soup(place, *CONTENTS[contents], cooking_tick=tick - 1))
        return state

    def step(self, state, joint):
        """The next state, sparse and shaped rewards by agent."""
        after, infos = self.world.get_state_transition(state, [self.actions[action] for action in joint])
        return after, infos["sparse_reward_by_agent"], infos["shaped_reward_by_agent"]


def random_rows(kitchen, copies, rng):
    """Cooks anywhere with anything, full and empty counters, pots in every phase."""
    n, plan, rules = kitchen.spec.n, kitchen.plan, kitchen.rules
    rows = kitchen.reset(np.zeros((copies, 0)))
    areas = plan.areas[plan.starts]
    for b in range(copies):
        for area in set(areas.tolist()):
            cooks = np.flatnonzero(areas == area)
            rows[b, cooks] = 4 * rng.choice(np.flatnonzero(plan.areas == area), size=len(cooks), replace=False) + rng.integers(
                4, size=len(cooks)
            )
    held = np.array([0, 0, ONION, TOMATO, DISH, DISH, *range(DISH + 1, DISH + len(CONTENTS)), DISH + CONTENTS.index((3, 0))])
    rows[:, n : 2 * n] = rng.choice(held, size=(copies, n))
    counters = kitchen._counted
    full = rng.random((copies, counters.stop - counters.start)) < 0.15
    rows[:, counters] = np.where(full, rng.choice(held[2:], size=full.shape), 0)
    pots = kitchen._cooking
    contents = rng.integers(len(CONTENTS), size=(copies, pots.stop - pots.start))
    times = np.array(rules.times)[contents]
    cooking = rng.random(contents.shape) < 0.6
    if kitchen.settings.dynamics == "old":
        cooking = np.array([sum(held) for held in CONTENTS])[contents] == 3
    tick = np.where(cooking, np.minimum(rng.integers(0, 30, size=times.shape), times), -1)
    rows[:, pots] = np.where(contents > 0, contents * rules.span + tick + 1, 0)
    return rows


@pytest.mark.parametrize(("layout", "dynamics", "n"), CASES, ids=[f"{layout}-{dynamics}" for layout, dynamics, _ in CASES])
def test_a_hundred_thousand_joint_steps_are_those_of_the_engine(layout, dynamics, n):
    settings = KitchenSettings(layout=layout, dynamics=dynamics, rewards="own", shaping=ShapingSettings(until_iteration=1))
    kitchen = Kitchen(graph(n, [(i, j) for i in range(n) for j in range(i)]), settings)
    engine = Engine(kitchen, layout, dynamics)
    rng = np.random.default_rng(0)
    state = kitchen.reset(np.zeros((COPIES, 0)))
    others = [engine.world.get_standard_start_state() for _ in range(COPIES)]
    assert state[0, :-n].tolist() == engine.row(others[0])
    # Every second copy starts in a random state, and is thrown into another one every 5 steps: deliveries are rare in random play.
    counts = {"deliveries": 0, "pots": 0, "dishes": 0, "soups": 0, "stopped": 0}
    for step in range(STEPS):
        if step % 5 == 0:
            state = state.copy()
            state[1::2] = random_rows(kitchen, len(state[1::2]), rng)
            for b in range(1, COPIES, 2):
                others[b] = engine.state(state[b].tolist())
                assert engine.row(others[b]) == state[b, :-n].tolist()
        joint = rng.choice(ACTIONS, size=(n, COPIES), p=[0.15, 0.15, 0.15, 0.15, 0.1, 0.3])
        after = kitchen.step(state, list(joint), np.zeros((COPIES, 0)))
        points = kitchen.shaping(after.state, 0)
        for b in range(COPIES):
            others[b], sparse, shaped = engine.step(others[b], joint[:, b].tolist())
            assert after.state[b, :-n].tolist() == engine.row(others[b]), (step, b)
            assert after.rewards[b].tolist() == sparse, (step, b)
            assert points[b].tolist() == shaped, (step, b)
        counts["deliveries"] += int((after.rewards > 0).sum())
        counts["soups"] += int((points == 5).sum())
        moved = (joint < 4).T & (kitchen._free.reshape(-1)[6 * state[:, :n] + joint.T] // 4 != after.state[:, :n] // 4)
        counts["stopped"] += int(moved.any(axis=1).sum())
        for name, taken in (("pots", state[:, n : 2 * n] != 0), ("dishes", state[:, n : 2 * n] == 0)):
            counts[name] += int(((points == 3) & taken).sum())
        state = after.state
    expected = set(counts) - ({"dishes"} if n != 2 else set())
    if layout in ("asymmetric_advantages", "forced_coordination"):
        expected -= {"stopped"}  # nobody meets anybody
    assert all(counts[name] > 10 for name in expected), counts
