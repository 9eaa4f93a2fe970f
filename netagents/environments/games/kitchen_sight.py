"""What a cook observes: the whole kitchen, or a window around itself; numbers in [0, 1].

Features of an item: onion, tomato, dish, soup, and a third of a soup's onions and of its tomatoes (6).  Of a pot: a third of its onions and
of its tomatoes, whether it cooks, the share of the cooking time that is over, and whether it is ready (5).  Of the cell in front: which
of the six kinds of cell without floor it is, and the features of what is there (17).  Of a cook who was taken out all are zero.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from netagents.environments.games.kitchen_layouts import COUNTER, FLOOR, POT, Floorplan
from netagents.environments.games.kitchen_rules import CONTENTS, DISH, ITEMS, KIND_COUNT, MOST, KitchenRules

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DIRECTIONS = np.array([[-1, 0], [1, 0], [0, 1], [0, -1]])
"""Row and column of a step north, south, east, west."""

ITEM_FEATURES, POT_FEATURES = 6, 5
SITE_FEATURES = KIND_COUNT - 1 + ITEM_FEATURES + POT_FEATURES


class _Tables:
    """Features by number, and the numbers of cells.

    A site's number is ``kind * objects + what is there``; that of a cell without anything is its kind's.
    """

    def __init__(self, plan: Floorplan, rules: KitchenRules, cooks: int) -> None:
        self.cooks = cooks
        self.items = _item_features()
        self.pots = _pot_features(rules)
        sites = np.zeros((KIND_COUNT, rules.objects, SITE_FEATURES))
        for kind in range(FLOOR + 1, KIND_COUNT):
            sites[kind, :, kind - 1] = 1.0
        sites[COUNTER, :ITEMS, KIND_COUNT - 1 : -POT_FEATURES] = self.items
        sites[POT, : len(self.pots), -POT_FEATURES:] = self.pots
        self.sites: FloatArray = sites.reshape(-1, SITE_FEATURES)
        self.facings = np.eye(4)
        columns = plan.kinds.shape[1]
        self.kinds = plan.kinds.reshape(-1) * rules.objects
        self.floor, self.changing = (cells @ np.array([columns, 1]) for cells in (plan.floor, np.concatenate([plan.counters, plan.pots])))
        steps = DIRECTIONS @ np.array([columns, 1])
        outside = np.full(4 * cooks, self.floor[0])  # floor has no features
        self.ahead = np.concatenate([(self.floor[:, None] + steps).reshape(-1), outside])
        """By pose, the cell in front."""

    def numbers(self, counters: IntArray, pots: IntArray) -> IntArray:
        """Number of every cell of every copy, ``(B, rows * columns)``."""
        grid = np.repeat(self.kinds[None], len(counters), axis=0)
        grid[:, self.changing] += np.concatenate([counters, pots], axis=1)
        return grid

    def front(self, grid: IntArray, poses: IntArray) -> FloatArray:
        """Features of the cells in front, ``(B, n, 17)``."""
        features: FloatArray = self.sites.take(np.take_along_axis(grid, self.ahead[poses], axis=1), axis=0)
        return features


class FullSight:
    """The whole kitchen: of each cook, oneself first and the others ascending, its cell, facing and hand; of each counter and pot that can
    be reached what is there; and the cell in front of oneself.

    Args:
        plan, rules: of the kitchen.
        cooks: n.
        sight: does not matter here.
    """

    def __init__(self, plan: Floorplan, rules: KitchenRules, cooks: int, sight: int) -> None:  # noqa: ARG002 - as LocalSight takes it
        self._tables = _Tables(plan, rules, cooks)
        inside = np.concatenate([np.repeat(np.eye(len(plan.floor)), 4, axis=0), np.tile(np.eye(4), (len(plan.floor), 1))], axis=1)
        self._poses = np.concatenate([inside, np.zeros((4 * cooks, inside.shape[1]))])
        cook = self._poses.shape[1] + ITEM_FEATURES
        self.size = cooks * cook + len(plan.counters) * ITEM_FEATURES + len(plan.pots) * POT_FEATURES + SITE_FEATURES

    def observe(self, poses: IntArray, hands: IntArray, counters: IntArray, pots: IntArray) -> list[FloatArray]:
        """Each cook's view, ``(B, size)``, from poses and hands ``(B, n)``, counters ``(B, C)`` and pots ``(B, P)``."""
        tables, copies = self._tables, len(poses)
        each = np.concatenate([self._poses.take(poses, axis=0), tables.items.take(hands, axis=0)], axis=2)
        things = [tables.items.take(counters, axis=0).reshape(copies, -1), tables.pots.take(pots, axis=0).reshape(copies, -1)]
        front = tables.front(tables.numbers(counters, pots), poses)
        views = []
        for cook in range(tables.cooks):
            order = [cook, *(other for other in range(tables.cooks) if other != cook)]
            views.append(np.concatenate([each[:, order].reshape(copies, -1), *things, front[:, cook]], axis=1))
        return views


class LocalSight:
    """A window of ``2 sight + 1`` cells per side around the cook, row by row: of each cell 1 if it is outside the kitchen, its kind and
    what is there, and of another cook who stands there 1, its facing and hand; then one's own facing, hand and cell in front.

    Args:
        plan, rules: of the kitchen.
        cooks: n.
        sight: cells to each side.
    """

    OUTSIDE = 1
    COOK = 1 + 4 + ITEM_FEATURES

    def __init__(self, plan: Floorplan, rules: KitchenRules, cooks: int, sight: int) -> None:
        self._tables = _Tables(plan, rules, cooks)
        side = 2 * sight + 1
        self.size = side * side * (self.OUTSIDE + SITE_FEATURES + self.COOK) + 4 + ITEM_FEATURES + SITE_FEATURES
        rows, columns = plan.kinds.shape
        padded = np.full((rows + 2 * sight, columns + 2 * sight), rows * columns)
        padded[sight : sight + rows, sight : sight + columns] = np.arange(rows * columns).reshape(rows, columns)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
        of_floor = windows[plan.floor[:, 0], plan.floor[:, 1]].reshape(len(plan.floor), -1)
        # Whoever was taken out sees what is outside the kitchen, and stands in a cell that nobody sees.
        self._windows = np.concatenate([of_floor, np.full((cooks, side * side), rows * columns)])
        self._places = np.concatenate([self._tables.floor, np.full(cooks, rows * columns + 1)])
        outside = np.zeros((1, self.OUTSIDE + SITE_FEATURES))
        outside[0, 0] = 1.0
        inside = np.concatenate([np.zeros((len(self._tables.sites), self.OUTSIDE)), self._tables.sites], axis=1)
        self._cells = np.concatenate([inside, outside])
        self._bodies = np.zeros((1 + 4 * ITEMS, self.COOK))  # nobody, then by facing and item
        for facing, item in product(range(4), range(ITEMS)):
            self._bodies[1 + facing * ITEMS + item] = np.concatenate([[1.0], np.eye(4)[facing], self._tables.items[item]])

    def observe(self, poses: IntArray, hands: IntArray, counters: IntArray, pots: IntArray) -> list[FloatArray]:
        """Each cook's view, ``(B, size)``, from poses and hands ``(B, n)``, counters ``(B, C)`` and pots ``(B, P)``."""
        tables, copies = self._tables, len(poses)
        grid = tables.numbers(counters, pots)
        front = tables.front(grid, poses)
        grid = np.concatenate([grid, np.full((copies, 2), len(self._cells) - 1)], axis=1)
        cells, facings = poses // 4, poses % 4
        places, rows = self._places[cells], np.arange(copies)
        bodies = np.zeros(grid.shape, dtype=np.int64)
        bodies[rows[:, None], places] = 1 + facings * ITEMS + hands
        views = []
        for cook in range(tables.cooks):
            window = self._windows[cells[:, cook]]
            others = np.take_along_axis(bodies, window, axis=1)
            others[:, others.shape[1] // 2] = 0
            parts = [self._cells.take(np.take_along_axis(grid, window, axis=1), axis=0), self._bodies.take(others, axis=0)]
            own = [tables.facings[facings[:, cook]], tables.items[hands[:, cook]], front[:, cook]]
            views.append(np.concatenate([np.concatenate(parts, axis=2).reshape(copies, -1), *own], axis=1))
        return views


def _item_features() -> FloatArray:
    features = np.zeros((ITEMS, ITEM_FEATURES))
    features[[1, 2, 3], [0, 1, 2]] = 1.0
    for contents, held in enumerate(CONTENTS[1:], start=1):
        features[DISH + contents] = [0.0, 0.0, 0.0, 1.0, held[0] / MOST, held[1] / MOST]
    return features


def _pot_features(rules: KitchenRules) -> FloatArray:
    features = np.zeros((len(CONTENTS) * rules.span, POT_FEATURES))
    for contents, held in enumerate(CONTENTS):
        time = rules.times[contents]
        for tick in range(-1, time + 1):
            cooks = contents > 0 and tick >= 0
            progress = tick / time if cooks else 0.0
            features[contents * rules.span + tick + 1] = [held[0] / MOST, held[1] / MOST, cooks, progress, cooks and tick == time]
    return features
