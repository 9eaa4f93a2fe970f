"""Kitchen: Overcooked in numpy, with 1 to 9 cooks, for all copies at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import joint_actions, transition
from netagents.environments.games.kitchen_layouts import (
    LARGEST_SIDE,
    LAYOUTS,
    RULES,
    Floorplan,
    LayoutRules,
    read_layout,
    rooms_in_a_row,
)
from netagents.environments.games.kitchen_picture import kitchen_picture
from netagents.environments.games.kitchen_reach import coupling_note, kitchen_scopes
from netagents.environments.games.kitchen_rules import DISH, ITEMS, MOST, USEFUL_DISH, make_rules
from netagents.environments.games.kitchen_sight import DIRECTIONS, FullSight, LocalSight
from netagents.environments.networked_mdp import (
    BoolArray,
    Capabilities,
    EnvironmentSpec,
    FloatArray,
    IntArray,
    JointState,
    NetworkedMDP,
    Transition,
)
from netagents.environments.picture import Picture
from netagents.environments.spaces import Box, Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.kitchen_settings import KitchenSettings
from netagents.topology import Topology

NORTH, SOUTH, EAST, WEST, STAY, INTERACT = range(6)
ACTIONS = 6
FACINGS = 4


class Kitchen(NetworkedMDP):
    """Overcooked (arXiv 1910.05789), by the rules of the public engine overcooked_ai, for n = 1 to 9 cooks.

    Actions: north, south, east, west, stay, interact.  A step:

    1. cooks interact with the cell in front of them, agent 0 first: counters take and give one item, dispensers give onions, tomatoes and
       dishes, pots take up to three ingredients and give a ready soup to a dish, the hatch takes soups and pays;
    2. cooks turn and move at once; a collision (one cell for two, or an exchange of cells) stops everybody, or with
       ``collisions: pairwise`` those in it and whoever would walk into them;
    3. pots cook.

    The joint state is ``(B, 3 n + C + P + 1)`` int64: per cook its pose (4 x floor cell + facing), then per cook the item in its hand, then
    what lies on each counter and in each pot, then a column of zeros, then per cook the shaped points of the last step.  Cook i that was
    taken out is on a cell of its own, number F + i with F cells of floor, from where nothing can be reached.

    Args:
        topology: n cooks; who may talk.  For ``layout: rooms``, the line 0, 1, ... is the graph of the rooms.
        settings: layout, rules, rewards and what cooks observe.

    Raises:
        EnvironmentMismatchError: a layout that does not fit, or orders that can never be cooked.
    """

    def __init__(self, topology: Topology, settings: KitchenSettings | None = None) -> None:
        settings = settings or KitchenSettings()
        n = topology.n
        self.topology = topology
        self.settings = settings
        self.plan = _plan(settings, n)
        layout = RULES.get(settings.layout, LayoutRules()) if settings.grid is None else LayoutRules()
        self.rules = make_rules(settings, layout)
        orders = layout.orders if settings.orders is None else settings.orders
        if settings.dynamics == "old" and any(len(order) < MOST for order in orders):
            raise EnvironmentMismatchError(
                f"layout '{settings.layout}' has orders of fewer than {MOST} ingredients, and old dynamics never cook them",
                where="environment.dynamics",
                fix="use dynamics: new, or orders of three",
            )
        self._counters, self._pots = len(self.plan.counters), len(self.plan.pots)
        self._counted = slice(2 * n, 2 * n + self._counters)
        self._cooking = slice(self._counted.stop, self._counted.stop + self._pots)
        self._blank = self._cooking.stop
        self._width = self._blank + 1 + n
        self._objects = slice(2 * n, self._blank)
        self._make_moves()
        self._pairs = [np.array(side, dtype=np.int64) for side in zip(*combinations(range(n), 2), strict=True)] or [
            np.zeros(0, np.int64)
        ] * 2
        self._sight = (LocalSight if settings.observation == "local" else FullSight)(self.plan, self.rules, n, settings.sight)
        scopes = kitchen_scopes(self.plan, settings, n)
        self.notes = coupling_note(self.plan, settings, topology)
        self.spec = EnvironmentSpec(
            name="kitchen",
            state_spaces=(Box((self._sight.size,), -1.0, 1.0),) * n,
            action_spaces=(Discrete(ACTIONS),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(len(self.plan.floor) if settings.random_start else 0,),
            step_noise=(0,),
            reach_offset=0,
            state_scopes=scopes,
            action_scopes=scopes,
            capabilities=Capabilities(moving=settings.graph == "proximity"),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Empty hands, counters and pots; everybody faces north on the drawn cells or, with ``random_start``, anywhere within reach."""
        state = np.zeros((len(noise), self._width), dtype=np.int64)
        state[:, : self.spec.n] = FACINGS * self.plan.starts
        if self.settings.random_start:
            areas = self.plan.areas[self.plan.starts]
            for area in np.unique(areas):
                cells, cooks = np.flatnonzero(self.plan.areas == area), np.flatnonzero(areas == area)
                order = np.argsort(noise[:, cells], axis=1)[:, : len(cooks)]
                state[:, cooks] = FACINGS * cells[order]
        return state

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:  # noqa: ARG002 - nothing is random
        """One step; ``noise`` is ``(B, 0)``."""
        n = self.spec.n
        poses = np.ascontiguousarray(state[:, :n].T)
        keys = ACTIONS * poses + joint_actions(actions).T  # (n, B)
        after = state.copy()
        cases = self._interact(after, keys)
        after[:, :n] = self._move(poses, keys).T
        after[:, self._cooking] = self.rules.cook.take(after[:, self._cooking])
        if self.settings.shaping is not None:
            after[:, -n:] = self._points(state, after, cases).T
        paid = self.rules.paid.take(cases)
        if self.settings.rewards == "own":
            return transition(after, np.ascontiguousarray(paid.T))
        return transition(after, np.repeat(paid.sum(axis=0)[:, None], n, axis=1))

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """What each cook sees of the kitchen, ``(B, size)``; see :mod:`netagents.environments.games.kitchen_sight`."""
        n = self.spec.n
        return self._sight.observe(state[:, :n], state[:, n : 2 * n], state[:, self._counted], state[:, self._cooking])

    def graph(self, state: JointState) -> BoolArray | None:
        """With ``graph: proximity``, cooks within ``radius`` king's moves of each other: ``(B, n, n)``."""
        if self.settings.graph == "fixed":
            return None
        places = self._places[state[:, : self.spec.n] // FACINGS]
        near: BoolArray = np.abs(places[:, :, None] - places[:, None]).max(axis=3) <= self.settings.radius
        return near & ~np.eye(self.spec.n, dtype=np.bool_)

    def shaping(self, state: JointState, iteration: int) -> FloatArray | None:
        """Shaped points of the step that led to ``state``, times the weight of this iteration: ``(B, n)``."""
        shaping = self.settings.shaping
        if shaping is None or iteration >= shaping.until_iteration:
            return None
        weighted: FloatArray = state[:, -self.spec.n :] * (shaping.weight * (1.0 - iteration / shaping.until_iteration))
        return weighted

    def without_body(self, state: JointState, agent: int) -> JointState:
        """A cook leaves the kitchen with what it holds."""
        after = state.copy()
        after[:, agent] = FACINGS * (len(self.plan.floor) + agent)
        after[:, self.spec.n + agent] = 0
        return after

    def picture(self, state: JointState) -> Picture:
        """The kitchen of the first copy, seen from above."""
        n = self.spec.n
        return kitchen_picture(self.plan, self.rules, state[0, :n], state[0, n : 2 * n], state[0, self._counted], state[0, self._cooking])

    def targets(self, keys: IntArray) -> IntArray:
        """Which counter an interaction is with, of each ``ACTIONS * pose + action``; -1 where it is with none."""
        sites = self._sites.take(keys) - self._counted.start
        return np.where((sites >= 0) & (sites < self._counters), sites, -1)

    def _make_moves(self) -> None:
        """Tables by ``ACTIONS * pose + action``: the pose if the way is free, the pose if not, and the interaction's target."""
        plan, n = self.plan, self.topology.n
        numbers = {tuple(cell): number for number, cell in enumerate(plan.floor.tolist())}
        sites = {tuple(cell): 2 * n + number for number, cell in enumerate([*plan.counters.tolist(), *plan.pots.tolist()])}
        # Whoever was taken out is far from everything, and from others who were.
        outside = np.full((n, 2), -10 * LARGEST_SIDE) * (1 + np.arange(n))[:, None]
        self._places = np.concatenate([plan.floor, outside])
        shape = (len(self._places), FACINGS, ACTIONS)
        self._free, self._held = (np.repeat(np.arange(shape[0] * FACINGS), ACTIONS).reshape(shape) for _ in range(2))
        self._sites, self._cases = np.full(shape, self._blank), np.zeros(shape, dtype=np.int64)
        for number, cell in enumerate(plan.floor):
            for facing in range(FACINGS):
                self._free[number, facing] = self._held[number, facing] = FACINGS * number + facing
                self._held[number, facing, :FACINGS] = FACINGS * number + np.arange(FACINGS)
                for action, direction in enumerate(DIRECTIONS):
                    to = numbers.get(tuple((cell + direction).tolist()), number)
                    self._free[number, facing, action] = FACINGS * to + action
                target = tuple((cell + DIRECTIONS[facing]).tolist())
                self._sites[number, facing, INTERACT] = sites.get(target, self._blank)
                self._cases[number, facing, INTERACT] = plan.kinds[target] * ITEMS * self.rules.objects

    def _interact(self, after: IntArray, keys: IntArray) -> IntArray:
        """Everybody in turn, agent 0 first, into ``after``; gives each one's case of the rules, ``(n, B)``."""
        n, rules, flat = self.spec.n, self.rules, after.reshape(-1)
        targets = self._sites.take(keys) + np.arange(0, flat.size, self._width)
        cases = self._cases.take(keys)
        for cook in range(n):
            target, case = targets[cook], cases[cook]
            case += rules.objects * after[:, n + cook]
            case += flat.take(target)
            flat[target] = rules.put.take(case)
            after[:, n + cook] = rules.hold.take(case)
        return cases

    def _move(self, poses: IntArray, keys: IntArray) -> IntArray:
        """The poses after everybody's move, ``(n, B)``."""
        free, held = self._free.take(keys), self._held.take(keys)
        targets, cells = free // FACINGS, poses // FACINGS
        if self.settings.collisions == "freeze_all":
            one, two = self._pairs
            exchanged = (targets[one] == cells[two]) & (cells[one] == targets[two])
            return np.where(((targets[one] == targets[two]) | exchanged).any(axis=0), held, free)
        stuck = np.zeros(targets.shape, dtype=np.bool_)
        apart = ~np.eye(len(targets), dtype=np.bool_)[..., None]
        for _ in range(len(targets)):
            exchanged = (targets[:, None] == cells[None]) & (cells[:, None] == targets[None])
            clashes = (((targets[:, None] == targets[None]) | exchanged) & apart).any(axis=1) & ~stuck
            if not clashes.any():
                break
            stuck |= clashes
            targets = np.where(stuck, cells, targets)
        return np.where(stuck, held, free)

    def _points(self, before: IntArray, after: IntArray, cases: IntArray) -> IntArray:
        """Shaped points, ``(n, B)``.  As in the engine, dishes count for two cooks only: where no dish lies on a counter and the other one
        has none or more pots are at work than that, counted for agent 1 after agent 0's interaction.
        """
        n = self.spec.n
        points = self.rules.points.take(cases)
        if n != 2:
            return points
        taken = self.rules.takes_dish.take(cases)
        if taken.any():
            at_work = self.rules.at_work.take(before[:, self._cooking]).sum(axis=1)
            for cook, state in enumerate((before, after)):
                lying = (state[:, self._counted] == DISH).any(axis=1)
                useful = ~lying & ((state[:, n + 1 - cook] == DISH) < at_work)
                points[cook] += USEFUL_DISH * (taken[cook] & useful)
        return points


def _plan(settings: KitchenSettings, cooks: int) -> Floorplan:
    if settings.grid is not None:
        return read_layout(settings.grid, cooks, "environment.grid")
    if settings.layout == "rooms":
        text = rooms_in_a_row(min(cooks, 9), settings.room_width, settings.room_height)
    else:
        text = LAYOUTS[settings.layout]
    return read_layout(text, cooks, f"layout '{settings.layout}'")
