"""Layouts of kitchens: the shipped ones, rooms in a row, and one line with line and column for a bad one."""

from __future__ import annotations

import pytest
from environment_references import graph
from pydantic import ValidationError

from netagents.environments.games.kitchen import Kitchen
from netagents.environments.games.kitchen_layouts import LAYOUTS, read_layout, rooms_in_a_row
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.kitchen_settings import KitchenSettings


def kitchen(n, **settings):
    return Kitchen(graph(n, [(i, j) for i in range(n) for j in range(i)]), KitchenSettings(**settings))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_shipped_layout_is_read(name):
    plan = kitchen(4 if name == "multiplayer_schelling" else 2, layout=name, dynamics="new").plan
    rows = LAYOUTS[name].split("/")
    assert plan.kinds.shape == (len(rows), len(rows[0]))
    assert len({len(row) for row in rows}) == 1
    for cook, cell in enumerate(plan.floor[plan.starts].tolist()):
        assert rows[cell[0]][cell[1]] == str(cook + 1)
    assert len(plan.pots) == LAYOUTS[name].count("P")


def test_rooms_in_a_row_are_divided_by_counters():
    assert rooms_in_a_row(3, 2, 4).split("\n") == ["XXXXXXXXXX", "O  X  X  P", "O  X  X  P", "X1 X2 X3 X", "D  X  X  S", "XXXXXXXXXX"]
    plan = kitchen(4, layout="rooms", room_width=2).plan
    assert len(set(plan.areas.tolist())) == 4
    assert kitchen(9, layout="rooms").spec.n == 9


def test_cooks_without_a_digit_start_on_free_floor():
    plan = read_layout(LAYOUTS["cramped_room"], 6, "here")
    assert sorted(plan.starts.tolist()) == list(range(6))
    assert plan.floor[plan.starts[:2]].tolist() == [[2, 1], [1, 3]]
    assert len(read_layout(LAYOUTS["multiplayer_schelling"], 2, "here").starts) == 2


@pytest.mark.parametrize(
    ("n", "grid", "message"),
    [
        (
            2,
            "XXPXX\nO1 2S\nX ?DX\nXXXXX",
            "environment.grid, line 3, column 3: unknown character '?'; a kitchen has X, O, T, D, P, S, 1 to 9 and ",
        ),
        (
            2,
            "XXPXX\nO1 2S\nXD X \nXXX X",
            "environment.grid, line 3, column 5: floor at the border; surround the floor",
        ),
        (
            2,
            "XXPXX\nO1 2S\nXD   \nXXXXX",
            "environment.grid, line 3, column 5: floor at the border; surround the floor",
        ),
        (2, "XXP\nO1 2S\nXDXXX", "environment.grid, line 2, column 4: floor at the border"),
        (2, "XXPXX\nO1 1S\nXDXXX", "environment.grid, line 2, column 4: start 1 is drawn twice; use each digit once"),
        (2, "XXPXX\nO   S\nXDXXX", "environment.grid: no start cells; mark where cooks start with 1, 2, ..."),
        (4, "XXPXX\nO1 2S\nXDXXX", "environment.grid: 4 cooks on 3 cells of floor; use at most 3 agents, or a larger"),
        (
            10,
            "XXPXXXXXXXXXX\nO1         2S\nXDXXXXXXXXXXX",
            "environment.grid: 10 cooks at once; use at most 9 agents, or a larger kitchen",
        ),
        (
            2,
            "XXPXX\nO1 2S\nXDXXX\nXXXPX",
            "environment.grid, line 4, column 4: no cook can reach this pot; put it next to floor that",
        ),
        (1, "XPXXXXX\nO1DX PX\nXSXXXXX", "environment.grid, line 2, column 6: no cook can reach this pot"),
        (
            2,
            "XXPXX\nO1 2X\nXDXXX",
            "environment.grid: no soup can be made: a hatch (S) cannot be reached; let cooks reach all",
        ),
        (2, "XXXXX\nX1 2X\nXDSXX", "environment.grid: no soup can be made: ingredients (O or T) and a pot (P) cannot be reached"),
        (2, "X\nX\nX", "environment.grid: a kitchen of 3 x 1 cells; draw 3 to 100 cells per side, counters included"),
    ],
    ids=["character", "border", "edge", "ragged", "twice", "no start", "crowd", "ten", "pot", "other room", "hatch", "two missing", "size"],
)
def test_a_bad_layout_gets_one_line(n, grid, message):
    with pytest.raises(EnvironmentMismatchError) as caught:
        kitchen(n, grid=grid)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_two_rooms_without_a_shared_counter_cannot_make_a_soup_and_with_one_they_can():
    apart = "XXXXXXXXX\nO1DXXXS2P\nXXXXXXXXX"
    with pytest.raises(EnvironmentMismatchError, match="no soup can be made"):
        kitchen(2, grid=apart)
    assert len(kitchen(2, grid="XXXXXXX\nO1 X 2P\nXDXXXSX\nXXXXXXX").plan.counters) > 0


def test_settings_that_exclude_each_other_are_named():
    with pytest.raises(ValidationError, match="delivery and ingredient_values exclude each other"):
        KitchenSettings(delivery=3.0, ingredient_values=(1.0, 2.0))
    with pytest.raises(ValidationError, match="with dynamics old only soups of three ingredients cook"):
        KitchenSettings(orders=("OO",))
    with pytest.raises(ValidationError, match="write the ingredients of one soup"):
        KitchenSettings(orders=("OXO",), dynamics="new")
