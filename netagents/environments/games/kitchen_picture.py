"""The picture of a kitchen: cells, what lies on counters and is in pots, and cooks with what they hold."""

from __future__ import annotations

import math

import numpy as np

from netagents.environments.games.kitchen_layouts import COUNTER, DISHES, FLOOR, HATCH, ONIONS, POT, TOMATOES, Floorplan
from netagents.environments.games.kitchen_rules import CONTENTS, DISH, ITEMS, NOTHING, IntArray, KitchenRules
from netagents.environments.picture import Marker, Picture, Tile, agent_colour

COLOURS = {COUNTER: "#c9a97c", ONIONS: "#e8cf5a", TOMATOES: "#e2735c", DISHES: "#dfe8ee", POT: "#5b6066", HATCH: "#8fc38a"}
LETTERS = {COUNTER: "", ONIONS: "O", TOMATOES: "T", DISHES: "D", POT: "P", HATCH: "S"}
ITEM_COLOURS = ("", "#e8cf5a", "#e2735c", "#ffffff", *("#a05a2c",) * (ITEMS - DISH - 1))
ITEM_TEXTS = ("", "o", "t", "d", *("*",) * (ITEMS - DISH - 1))
HEADINGS = (-math.pi / 2, math.pi / 2, 0.0, math.pi)


def kitchen_picture(plan: Floorplan, rules: KitchenRules, poses: IntArray, hands: IntArray, counters: IntArray, pots: IntArray) -> Picture:
    """One copy: poses and hands ``(n,)``, counters ``(C,)`` and pots ``(P,)`` of the joint state."""
    rows, columns = plan.kinds.shape
    tiles = [
        Tile(float(column), float(row), COLOURS[int(plan.kinds[row, column])], LETTERS[int(plan.kinds[row, column])])
        for row, column in np.argwhere(plan.kinds != FLOOR).tolist()
    ]
    things = []
    for (row, column), item in zip(plan.counters.tolist(), counters.tolist(), strict=True):
        if item != NOTHING:
            things.append(Marker(column + 0.5, row + 0.5, ITEM_COLOURS[item], text=ITEM_TEXTS[item], radius=0.22))
    for (row, column), pot in zip(plan.pots.tolist(), pots.tolist(), strict=True):
        contents, tick = pot // rules.span, pot % rules.span - 1
        if contents == 0:
            continue
        onions, tomatoes = CONTENTS[contents]
        colour = ITEM_COLOURS[1 if onions >= tomatoes else 2]
        if tick >= rules.times[contents]:
            things.append(Marker(column + 0.5, row + 0.5, ITEM_COLOURS[DISH + contents], text="*", radius=0.34))
        else:
            # Contents while it fills, steps left while it cooks.
            text = f"{onions + tomatoes}/3" if tick < 0 else str(rules.times[contents] - tick)
            things.append(Marker(column + 0.5, row + 0.5, colour, text=text, radius=0.34))
    cooks = []
    for cook, (pose, item) in enumerate(zip(poses.tolist(), hands.tolist(), strict=True)):
        if pose >= 4 * len(plan.floor):
            continue  # taken out
        row, column = plan.floor[pose // 4].tolist()
        cooks.append(Marker(column + 0.5, row + 0.5, agent_colour(cook), agent=cook, heading=HEADINGS[pose % 4], badge=ITEM_COLOURS[item]))
    return Picture(float(columns), float(rows), tiles, [*things, *cooks])
