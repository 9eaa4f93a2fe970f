"""The kitchen: step by step that of a slow second implementation; what cooks see, whom they reach, and what a script earns."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from environment_references import graph, line
from kitchen_reference import COMPASS, KitchenReference

from netagents.environments.games.kitchen import ACTIONS, INTERACT, NORTH, STAY, Kitchen
from netagents.environments.games.kitchen_hand_overs import HandOvers
from netagents.environments.games.kitchen_layouts import LAYOUTS, rooms_in_a_row
from netagents.environments.games.kitchen_rules import CONTENTS, DISH
from netagents.environments.games.kitchen_sight import ITEM_FEATURES, SITE_FEATURES
from netagents.environments.games.scripted import scripted_returns, uniform
from netagents.environments.games.scripted_kitchen import cook
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.kitchen_settings import KitchenSettings, ShapingSettings
from netagents.testing import EnvironmentWarning, check_environment

NAMES = [None, "onion", "tomato", "dish", *(("soup", *held) for held in CONTENTS[1:])]


def kitchen(n=2, **settings):
    return Kitchen(graph(n, [(i, j) for i in range(n) for j in range(i)]), KitchenSettings(**settings))


def as_reference(environment, row, reference):
    """A copy's cooks, counters and pots as the reference keeps them."""
    n, plan, span = environment.spec.n, environment.plan, environment.rules.span
    places = [tuple(cell) for cell in plan.floor.tolist()]
    cooks = [
        {"place": places[pose // 4], "facing": COMPASS[pose % 4], "hand": NAMES[item]}
        for pose, item in zip(row[:n].tolist(), row[n : 2 * n].tolist(), strict=True)
    ]
    lying = row[2 * n : 2 * n + len(plan.counters)].tolist()
    counters = {tuple(place): NAMES[item] for place, item in zip(plan.counters.tolist(), lying, strict=True) if item}
    filled = row[2 * n + len(plan.counters) :][: len(plan.pots)].tolist()
    pots = {tuple(place): (*CONTENTS[pot // span], pot % span - 1) for place, pot in zip(plan.pots.tolist(), filled, strict=True) if pot}
    expected = {place: (pot["items"].count("onion"), pot["items"].count("tomato"), pot["tick"]) for place, pot in reference.pots.items()}
    return (cooks, counters, pots), (reference.cooks, reference.counters, expected)


CASES = [
    ("cramped_room", "old", "freeze_all", 2),
    ("coordination_ring", "new", "pairwise", 2),
    ("counter_circuit", "new", "freeze_all", 2),
    ("multiplayer_schelling", "new", "freeze_all", 4),
    ("multiplayer_schelling", "old", "pairwise", 4),
    ("crowd", "old", "pairwise", 9),
    ("rooms", "old", "freeze_all", 4),
]
CROWD = "XXOXPXX/O123  T/X456  S/X789  D/XXXDXXX"


@pytest.mark.parametrize(("layout", "dynamics", "collisions", "n"), CASES)
def test_every_step_is_that_of_the_reference(layout, dynamics, collisions, n):
    text = {"crowd": CROWD, "rooms": rooms_in_a_row(n, 1, 3)}.get(layout) or LAYOUTS[layout]
    where = {"grid": CROWD} if layout == "crowd" else {"layout": layout}
    fast = {"cook_time": 3, "orders": ("OOO",), "bonus_orders": (), "delivery": 20.0}
    shaping = ShapingSettings(until_iteration=10)
    environment = kitchen(n, **where, dynamics=dynamics, collisions=collisions, rewards="own", shaping=shaping, **fast)
    copies = 30
    references = [KitchenReference(text, n, old=dynamics == "old", pairwise=collisions == "pairwise", cook_time=3) for _ in range(copies)]
    rng = np.random.default_rng(n)
    state = environment.reset(np.zeros((copies, 0)))
    paid = dishes = stopped = lying = 0
    for _ in range(400):
        joint = rng.choice(ACTIONS, size=(n, copies), p=[0.14, 0.14, 0.14, 0.14, 0.04, 0.4])
        if layout != "rooms":
            # Cooks that know what to do, so that pots are filled.
            joint = np.where(rng.random((n, copies)) < 0.7, cook(environment, environment.observe(state), np.ones((copies, n))), joint)
        outcome = environment.step(state, list(joint), np.zeros((copies, 0)))
        points = environment.shaping(outcome.state, 0)
        for b, reference in enumerate(references):
            before = [each["place"] for each in reference.cooks]
            rewards, shaped = reference.step(joint[:, b].tolist())
            actual, expected = as_reference(environment, outcome.state[b], reference)
            assert actual == expected
            assert outcome.rewards[b].tolist() == rewards
            assert points[b].tolist() == shaped
            paid += any(rewards)
            dishes += 3 in shaped
            stopped += before == [each["place"] for each in reference.cooks]
            lying += bool(reference.counters)
        state = outcome.state
    # The comparison saw things on counters, pots at work, cooks who did not move and, in the cramped room, soups delivered.
    assert lying > 100
    assert stopped > 100
    assert dishes > 20 or layout == "rooms"
    if layout == "cramped_room":
        assert paid > 50


def test_a_soup_takes_as_long_as_the_rules_say():
    environment = kitchen(1)
    state = environment.reset(np.zeros((1, 0)))
    idle = environment.rules.span * CONTENTS.index((2, 0))
    state[:, environment._cooking] = idle
    state[0, 0] = 4 * [tuple(cell) for cell in environment.plan.floor.tolist()].index((1, 2)) + NORTH  # below the pot
    state[0, 1] = 1
    state = environment.step(state, [np.array([INTERACT])], np.zeros((1, 0))).state  # step t: the third onion
    state[0, 1] = DISH
    for _ in range(19):
        state = environment.step(state, [np.array([INTERACT])], np.zeros((1, 0))).state
        assert state[0, 1] == DISH  # steps t + 1 to t + 19 are too early
    state = environment.step(state, [np.array([INTERACT])], np.zeros((1, 0))).state
    assert state[0, 1] == DISH + CONTENTS.index((3, 0))


def test_one_collision_stops_everybody_or_only_those_who_collide():
    grid = "XXXXXXX/O12  3P/D     S/XXXXXXX"
    for collisions, third_moves in (("freeze_all", False), ("pairwise", True)):
        environment = kitchen(3, grid=grid, collisions=collisions)
        state = environment.reset(np.zeros((1, 0)))
        after = environment.step(state, [np.array([2]), np.array([STAY]), np.array([1])], np.zeros((1, 0))).state
        assert after[0, 0] == state[0, 0] + 2  # turned east, did not move
        assert after[0, 1] == state[0, 1]
        assert (after[0, 2] // 4 != state[0, 2] // 4) == third_moves


@pytest.mark.parametrize(
    ("n", "settings"),
    [
        (2, {}),
        (1, {"shaping": ShapingSettings(until_iteration=5)}),
        (2, {"observation": "local"}),
        (9, {"layout": "multiplayer_schelling", "random_start": True, "graph": "proximity", "radius": 20}),
        (4, {"layout": "corridor", "collisions": "pairwise", "graph": "proximity", "dynamics": "new"}),
        (5, {"layout": "rooms", "rewards": "own", "observation": "local", "sight": 1}),
        (3, {"layout": "rooms", "room_width": 3, "rewards": "own", "observation": "local"}),
    ],
)
def test_it_keeps_the_contract(n, settings):
    check_environment(kitchen(n, **settings), steps=30)


def test_in_a_row_of_rooms_a_cook_reaches_the_next_rooms_only():
    environment = kitchen(5, layout="rooms", rewards="own", observation="local", sight=1)
    assert environment.spec.state_scopes == ((0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4))
    assert kitchen(5, layout="rooms").spec.state_scopes == ((0, 1, 2, 3, 4),) * 5


def test_items_go_from_room_to_room_and_a_soup_is_delivered():
    environment = Kitchen(line(3), KitchenSettings(layout="rooms", cook_time=1))
    state = environment.reset(np.zeros((1, 0)))
    south, east, west, wait, use = 1, 2, 3, STAY, INTERACT
    # The cooks start in the middle row: onions to their left, a pot to the right of the last, a row further down dishes and the hatch.
    take, give = [west, use, east, use], [wait] * 4
    onion = [[*take, *give, *give], [*give, *take, *give], [*give, *give, *take]]
    dish = [[south, *take, *give, *give], [wait, *give, *take, *give], [wait, *give, *give, *take]]
    dish[1][0] = dish[2][0] = south
    plans = [[step for _ in range(3) for step in each] for each in onion]
    rewards = []
    north = NORTH
    for number, each in enumerate(dish):
        # The last cook takes the dish down there, the soup above, and comes back.
        plans[number] += each[: 1 + 4 * (number + 1)] if number < 2 else [*each[:9], west, use, north, east, use, south, east, use]
    for step in range(max(map(len, plans))):
        actions = [np.array([plan[step] if step < len(plan) else wait]) for plan in plans]
        outcome = environment.step(state, actions, np.zeros((1, 0)))
        state = outcome.state
        rewards.append(outcome.rewards[0].tolist())
    assert rewards[-1] == [20.0, 20.0, 20.0]
    assert np.sum(rewards) == 60.0


def handed(environment, plays, copies=1):
    """Hand-overs and ingredients put into pots along joint actions ``(T, n, B)``, or those that a function of the state gives."""
    state, recorded, filled = environment.reset(np.zeros((copies, 0))), HandOvers(environment, copies), 0
    for play in plays:
        actions = play(state) if callable(play) else list(play)
        after = environment.step(state, actions, np.zeros((copies, 0))).state
        recorded.record(state, actions, after)
        filled += int((after[:, -environment.spec.n :] == 3).sum())
        state = after
    return recorded, filled


def test_a_counter_circuit_with_hand_off_is_told_from_one_without():
    environment = kitchen(2, layout="counter_circuit_o_1order", shaping=ShapingSettings(until_iteration=1))
    north, south, use = NORTH, 1, INTERACT
    # Agent 0 below the middle counters gets onions from below, agent 1 above takes them from the counter and fills a pot.
    below, above = [south, use, north, use] * 3, [STAY] * 3 + [south, use, north, use] * 3
    plays = [[[below[step] if step < 12 else STAY], [above[step] if step < 15 else STAY]] for step in range(16)]
    recorded, filled = handed(environment, np.array(plays))
    assert filled == 3
    assert recorded.between_cooks.tolist() == [3]
    assert recorded.counts[0].tolist() == [[0, 3], [0, 0]]
    # The script carries everything round.
    rng = np.random.default_rng(0)
    alone = [lambda state: cook(environment, environment.observe(state), rng.random((20, 2)))] * 200
    recorded, filled = handed(environment, alone, copies=20)
    assert filled > 20
    assert recorded.between_cooks.sum() < 0.1 * filled


def test_hand_overs_within_a_step_and_things_taken_back_are_counted():
    environment = kitchen(2, grid="XXXXXX\nO1X2PX\nXDXSXX\nXXXXXX")
    give, take, east, west = [[INTERACT], [STAY]], [[INTERACT], [INTERACT]], 2, 3
    plays = np.array([[[west], [west]], give, [[east], [STAY]], take])
    recorded, _ = handed(environment, plays)
    assert recorded.counts[0].tolist() == [[0, 1], [0, 0]]  # agent 1 took it in the step in which agent 0 put it down
    plays = np.array([[[west], [STAY]], give, [[east], [STAY]], give, give])
    recorded, _ = handed(environment, plays)
    assert recorded.counts[0].tolist() == [[1, 0], [0, 0]]
    assert recorded.between_cooks.tolist() == [0]


def test_cooks_near_each_other_are_neighbours_and_the_freeze_rule_is_told():
    environment = kitchen(2, layout="large_room", graph="proximity", radius=3, collisions="pairwise")
    assert environment.notes == ()
    state = environment.reset(np.zeros((1, 0)))  # cooks at (1, 5) and (5, 1) of row, column
    assert not environment.graph(state).any()
    cells = [tuple(cell) for cell in environment.plan.floor.tolist()]
    state[0, 0] = 4 * cells.index((4, 2))
    assert environment.graph(state)[0].tolist() == [[False, True], [True, False]]
    coupled = kitchen(2, layout="large_room", graph="proximity", radius=3)
    with pytest.warns(EnvironmentWarning, match="radius 3 is below the kitchen's diameter of 4.*collisions: pairwise"):
        check_environment(coupled)
    assert kitchen(2, layout="large_room", graph="proximity", radius=4).notes == ()
    assert "topology is not complete" in Kitchen(line(4), KitchenSettings(layout="multiplayer_schelling")).notes[0]
    assert Kitchen(line(4), KitchenSettings(layout="rooms")).notes == ()  # nobody meets anybody there


def test_a_window_shows_what_is_around_the_cook_and_nothing_of_itself():
    environment = kitchen(2, observation="local", sight=1)
    state = environment.reset(np.zeros((1, 0)))
    cells = [tuple(cell) for cell in environment.plan.floor.tolist()]
    state[0, :4] = [4 * cells.index((1, 1)), 4 * cells.index((2, 2)) + 3, 1, DISH]  # the other one looks west
    state[:, environment._cooking] = environment.rules.span * CONTENTS.index((1, 0))
    view = environment.observe(state)[0][0]
    window, own = view[: -(4 + ITEM_FEATURES + SITE_FEATURES)].reshape(3, 3, -1), view[-(4 + ITEM_FEATURES + SITE_FEATURES) :]
    kinds, bodies = window[..., 1:7], window[..., 1 + SITE_FEATURES :]
    assert kinds[0].argmax(axis=1).tolist() == [0, 0, 4]  # counter, counter, pot
    assert window[0, 2, 1 + SITE_FEATURES - 5] == pytest.approx(1 / 3)
    assert kinds[1, 0, 1] == 1.0  # onions to the left
    assert not kinds[1, 1].any()
    assert bodies[1, 1].tolist() == [0.0] * 11
    assert bodies[2, 2].tolist() == [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    assert bodies.sum() == bodies[2, 2].sum()
    assert own[:10].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert own[10] == 1.0  # a counter in front
    # At a corner of the kitchen a wider window looks beyond it.
    wide = kitchen(2, observation="local", sight=2).observe(state)[0][0][: -(4 + ITEM_FEATURES + SITE_FEATURES)].reshape(5, 5, -1)
    assert wide[0, :, 0].all()
    assert wide[:, 0, 0].all()
    assert wide[..., 0].sum() == 9


def test_the_full_view_is_the_whole_state_from_ones_own_side():
    environment = kitchen(2)
    rng = np.random.default_rng(0)
    state = environment.reset(np.zeros((300, 0)))
    for _ in range(120):
        joint = cook(environment, environment.observe(state), rng.random((300, 2)) * 0.5)
        state = environment.step(state, joint, np.zeros((300, 0))).state
    distinct = np.unique(state[:, : environment._blank], axis=0)
    padded = np.hstack([distinct, np.zeros((len(distinct), 3), dtype=np.int64)])
    for view in environment.observe(padded):
        assert view.min() >= 0.0
        assert view.max() <= 1.0
        assert len(np.unique(view, axis=0)) == len(distinct) > 50
    first, second = environment.observe(padded)
    swapped = padded.copy()
    swapped[:, :4] = padded[:, [1, 0, 3, 2]]
    np.testing.assert_array_equal(environment.observe(swapped)[0], second)
    np.testing.assert_array_equal(environment.observe(swapped)[1], first)


def test_shaped_rewards_fall_to_nothing_and_are_no_part_of_the_rewards():
    environment = kitchen(2, shaping=ShapingSettings(weight=2.0, until_iteration=4))
    state = environment.reset(np.zeros((1, 0)))
    state[0, -2:] = [3, 5]
    weights = [environment.shaping(state, iteration) for iteration in range(6)]
    assert [None if each is None else each.tolist() for each in weights] == [
        [[6.0, 10.0]],
        [[4.5, 7.5]],
        [[3.0, 5.0]],
        [[1.5, 2.5]],
        None,
        None,
    ]
    assert kitchen(2).shaping(state, 0) is None


def test_orders_times_and_values_are_those_of_the_layout_or_ones_own():
    circuit = kitchen(2, layout="counter_circuit", dynamics="new").rules
    # Onions 21, tomatoes 13; 15 and 7 steps; onion-tomato soup is wanted and pays twice.
    values = circuit.paid.reshape(7, -1, circuit.objects)[6, DISH:, 0]
    assert dict(zip(CONTENTS, values.tolist(), strict=True)) == {
        **dict.fromkeys(CONTENTS, 0.0),
        (1, 1): 68.0,
        (1, 2): 47.0,
        (2, 1): 55.0,
    }
    assert circuit.times[CONTENTS.index((1, 2))] == 29
    own = kitchen(2, orders=("OOO", "TTT"), bonus_orders=("TTT",), delivery=3.0, cook_time=2).rules
    values = own.paid.reshape(7, -1, own.objects)[6, DISH:, 0]
    assert [values[CONTENTS.index(held)] for held in ((3, 0), (0, 3), (2, 1))] == [3.0, 6.0, 0.0]
    with pytest.raises(EnvironmentMismatchError, match="old dynamics never cook them; use dynamics: new, or orders of three"):
        kitchen(2, layout="counter_circuit")


def test_cooks_start_on_different_cells_of_their_own_rooms():
    environment = kitchen(2, layout="forced_coordination", random_start=True)
    noise = np.random.default_rng(0).random((500, *environment.spec.reset_noise))
    cells = environment.reset(noise)[:, :2] // 4
    areas = environment.plan.areas
    assert (areas[cells] == areas[environment.plan.starts]).all()
    assert [len(np.unique(column)) for column in cells.T] == [(areas == areas[start]).sum() for start in environment.plan.starts]
    crowded = kitchen(6, random_start=True)
    cells = np.sort(crowded.reset(np.random.default_rng(0).random((50, 6)))[:, :6] // 4, axis=1)
    assert (cells == np.arange(6)).all()


def test_the_script_delivers_soups_and_random_cooks_do_not():
    environment = kitchen(2)
    scripted, random = (scripted_returns(environment, script, 100, seed=0) for script in (cook, uniform))
    assert scripted.mean() > 180.0
    assert random.mean() < 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scripted_returns(kitchen(1), cook, 20, seed=0).mean() > 150.0
    with pytest.raises(EnvironmentMismatchError, match="use observation: full"):
        scripted_returns(kitchen(2, observation="local"), cook, 2, seed=0)
