"""Rules of the kitchen as tables: what an interaction does, how pots cook, and what a soup pays.

An item is a number: nothing, onion, tomato, dish, and from :data:`DISH` + 1 on soups, one for each contents.  A pot is a number too:
``contents * span + tick + 1``, with tick -1 while nothing cooks, and 0 for an empty pot.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.games.kitchen_layouts import COUNTER, DISHES, HATCH, ONIONS, POT, TOMATOES, LayoutRules
from netagents.experiment.kitchen_settings import KitchenSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOTHING, ONION, TOMATO, DISH = range(4)
MOST = 3
"""Ingredients that a pot takes."""

CONTENTS = tuple((total - tomatoes, tomatoes) for total in range(MOST + 1) for tomatoes in range(total + 1))
"""Onions and tomatoes of each contents; the first is empty."""

ITEMS = DISH + len(CONTENTS)
"""Number of items; soup of contents c is item ``DISH + c``."""

KIND_COUNT = 7

INTO_POT, USEFUL_DISH, SOUP = 3, 3, 5
"""Shaped rewards."""

DELIVERY, COOK_TIME, BONUS = 20.0, 20, 2.0


class KitchenRules(NamedTuple):
    """Tables of one set of rules.

    A case is ``(kind * ITEMS + item in the hand) * objects + what is at the target``, the target's item on counters, its number for
    pots, and 0 elsewhere.

    Attributes:
        objects: how many numbers an object may have.
        span: numbers per contents of a pot.
        times: steps that each contents cooks.
        put, hold: of each case, the object and the item in the hand afterwards.
        paid: of each case, the sparse reward.
        points: of each case, the shaped reward, but for useful dishes.
        takes_dish: of each case, whether a dish is taken from the dispenser.
        cook: of each pot, its number at the end of the step.
        at_work: of each pot, whether a dish will soon be needed: it cooks, is ready, or holds 1 or 2 ingredients.
    """

    objects: int
    span: int
    times: tuple[int, ...]
    put: IntArray
    hold: IntArray
    paid: FloatArray
    points: IntArray
    takes_dish: NDArray[np.bool_]
    cook: IntArray
    at_work: IntArray


def make_rules(settings: KitchenSettings, layout: LayoutRules) -> KitchenRules:
    """The tables of these settings; what they leave open, the layout says."""
    times = _cook_times(settings, layout)
    span = max(times) + 2
    objects = max(ITEMS, len(CONTENTS) * span)
    shape = (KIND_COUNT, ITEMS, objects)
    hold = np.broadcast_to(np.arange(ITEMS)[:, None], shape).copy()
    put = np.broadcast_to(np.arange(objects), shape).copy()
    paid, points, takes_dish = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    for item in range(1, ITEMS):
        hold[COUNTER, item, NOTHING], put[COUNTER, item, NOTHING] = NOTHING, item
        hold[COUNTER, NOTHING, item], put[COUNTER, NOTHING, item] = item, NOTHING
    for kind, item in ((ONIONS, ONION), (TOMATOES, TOMATO), (DISHES, DISH)):
        hold[kind, NOTHING] = item
    takes_dish[DISHES, NOTHING] = True
    for contents, value in enumerate(_values(settings, layout)):
        if contents > 0:
            hold[HATCH, DISH + contents], paid[HATCH, DISH + contents] = NOTHING, value
    for contents, (onions, tomatoes) in enumerate(CONTENTS):
        idle, ready = contents * span, contents * span + times[contents] + 1
        if onions + tomatoes < MOST:
            for item, more in ((ONION, (onions + 1, tomatoes)), (TOMATO, (onions, tomatoes + 1))):
                hold[POT, item, idle], put[POT, item, idle], points[POT, item, idle] = NOTHING, CONTENTS.index(more) * span, INTO_POT
        if contents > 0:
            hold[POT, DISH, ready], put[POT, DISH, ready], points[POT, DISH, ready] = DISH + contents, 0, SOUP
            if settings.dynamics == "new":
                put[POT, NOTHING, idle] = idle + 1
    cook, at_work = _pots(settings.dynamics == "old", times, span, objects)
    flat = (put.reshape(-1), hold.reshape(-1), paid.reshape(-1), points.reshape(-1), takes_dish.reshape(-1))
    return KitchenRules(objects, span, times, *flat, cook, at_work)


def _pots(starts_alone: bool, times: tuple[int, ...], span: int, objects: int) -> tuple[IntArray, IntArray]:
    cook, at_work = np.arange(objects), np.zeros(objects, dtype=np.int64)
    for (contents, held), tick in product(enumerate(CONTENTS), range(-1, max(times) + 1)):
        pot = contents * span + tick + 1
        if contents == 0 or tick > times[contents]:
            continue
        begins = tick < 0 and starts_alone and sum(held) == MOST
        if begins:
            cook[pot] = pot + 2  # it starts at tick 0, and cooks in the same step
        elif 0 <= tick < times[contents]:
            cook[pot] = pot + 1
        at_work[pot] = tick >= 0 or sum(held) < MOST
    return cook, at_work


def _cook_times(settings: KitchenSettings, layout: LayoutRules) -> tuple[int, ...]:
    per_item = settings.ingredient_times
    if per_item is None and settings.cook_time is None:
        per_item = layout.ingredient_times
    if per_item is None:
        return (settings.cook_time or COOK_TIME,) * len(CONTENTS)
    return tuple(onions * per_item[0] + tomatoes * per_item[1] for onions, tomatoes in CONTENTS)


def _values(settings: KitchenSettings, layout: LayoutRules) -> list[float]:
    per_item = settings.ingredient_values
    if per_item is None and settings.delivery is None:
        per_item = layout.ingredient_values
    orders = _orders_of(layout.orders if settings.orders is None else settings.orders)
    bonus = _orders_of(layout.bonus_orders if settings.bonus_orders is None else settings.bonus_orders)
    values = []
    for contents in CONTENTS:
        plain = DELIVERY if settings.delivery is None else settings.delivery
        value = plain if per_item is None else contents[0] * per_item[0] + contents[1] * per_item[1]
        values.append(value * (BONUS if contents in bonus else 1.0) if contents in orders else 0.0)
    return values


def _orders_of(orders: tuple[str, ...]) -> set[tuple[int, int]]:
    return {(order.count("O"), order.count("T")) for order in orders}
