"""A scripted kitchen: the last cook brings dishes and soups, all others fill pots with onions, each by the shortest way."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.environments.games.kitchen import FACINGS, INTERACT, STAY, Kitchen
from netagents.environments.games.kitchen_layouts import DISHES, HATCH, ONIONS
from netagents.environments.games.kitchen_sight import DIRECTIONS, ITEM_FEATURES, POT_FEATURES, SITE_FEATURES
from netagents.errors import EnvironmentMismatchError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DISTRACTED = 0.1
"""Share of steps in which a cook acts at random, so that two in each other's way come apart."""


def cook(environment: Kitchen, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:
    """One step of all cooks; as :data:`netagents.environments.games.scripted.Script` says.

    A filler takes an onion and goes to the first pot that is not full; while there is none, it stays.  The last cook takes a dish, goes to
    a pot once one cooks, takes the soup and delivers it.  A single cook does both: a dish while any pot cooks, else onions.

    Raises:
        EnvironmentMismatchError: cooks do not see the whole kitchen.
    """
    if environment.settings.observation != "full":
        raise EnvironmentMismatchError("the script reads the whole kitchen", where="environment.observation", fix="use observation: full")
    n, floor, pots = environment.spec.n, len(environment.plan.floor), len(environment.plan.pots)
    to_onions, to_dishes, to_hatch = (ways_to(environment, np.argwhere(environment.plan.kinds == kind)) for kind in (ONIONS, DISHES, HATCH))
    to_pots = [ways_to(environment, environment.plan.pots[number : number + 1]) for number in range(pots)]
    actions = []
    for agent, observation in enumerate(observed):
        pose = FACINGS * np.argmax(observation[:, :floor], axis=1) + np.argmax(observation[:, floor : floor + FACINGS], axis=1)
        onion, _, dish, soup = (observation[:, floor + FACINGS : floor + FACINGS + ITEM_FEATURES].T > 0.5)[:4]
        state = observation[:, -SITE_FEATURES - pots * POT_FEATURES : -SITE_FEATURES].reshape(-1, pots, POT_FEATURES)
        cooks, taken = state[:, :, 2] > 0.5, state[:, :, :2].sum(axis=2)
        fills = ~cooks & (taken < 0.9)
        brings = np.full(len(observation), agent == n - 1) & (cooks.any(axis=1) | (n > 1))
        choice = np.where(brings, to_dishes[pose], to_onions[pose])
        # The last that fits counts, so from the last pot to the first, and things in hands after empty ones.
        choice = np.where(dish | onion, STAY, choice)
        for number in reversed(range(pots)):
            choice = np.where((onion & fills[:, number]) | (dish & cooks[:, number]), to_pots[number][pose], choice)
        choice = np.where(soup, to_hatch[pose], choice)
        drawn = noise[:, agent]
        actions.append(np.where(drawn < DISTRACTED, np.floor(drawn / DISTRACTED * INTERACT).astype(np.int64), choice))
    return actions


def ways_to(environment: Kitchen, targets: IntArray) -> IntArray:
    """The first action of a shortest way from each pose to using one of the cells, other cooks not counted: ``(F * 4,)``.

    Args:
        environment: the kitchen.
        targets: ``(k, 2)`` row and column of cells without floor.  From where none can be reached, the action is to stay.
    """
    cells = [tuple(cell) for cell in environment.plan.floor.tolist()]
    distance = dict.fromkeys(cells, -1)
    facing: dict[tuple[int, int], int] = {}
    queue: deque[tuple[int, int]] = deque()
    for target in targets:
        for direction, step in enumerate(DIRECTIONS):
            cell = (int(target[0] - step[0]), int(target[1] - step[1]))
            if distance.get(cell) == -1:
                distance[cell], facing[cell] = 0, direction
                queue.append(cell)
    while queue:
        cell = queue.popleft()
        for step in DIRECTIONS:
            other = (int(cell[0] - step[0]), int(cell[1] - step[1]))
            if distance.get(other) == -1:
                distance[other] = distance[cell] + 1
                queue.append(other)
    actions = np.full((len(cells), FACINGS), STAY, dtype=np.int64)
    for number, cell in enumerate(cells):
        if distance[cell] == 0:
            actions[number] = facing[cell]
            actions[number, facing[cell]] = INTERACT
        elif distance[cell] > 0:
            nearer = [distance.get((cell[0] + int(step[0]), cell[1] + int(step[1])), -1) == distance[cell] - 1 for step in DIRECTIONS]
            actions[number] = nearer.index(True)
    return actions.reshape(-1)
