"""Whom a cook can affect: scopes from the floorplan, and a note where the collision rule couples everybody."""

from __future__ import annotations

from collections import Counter

from netagents.environments.games.kitchen_layouts import FLOOR, Floorplan
from netagents.experiment.kitchen_settings import KitchenSettings
from netagents.topology import Topology

Cells = set[tuple[int, int]]


def meeting_cooks(plan: Floorplan) -> bool:
    """Whether two cooks share an area of floor, so that there can be collisions at all."""
    return max(Counter(plan.areas[plan.starts].tolist()).values()) > 1


def kitchen_scopes(plan: Floorplan, settings: KitchenSettings, cooks: int) -> tuple[tuple[int, ...], ...]:
    """For each cook, whose states and actions enter what it next observes or earns.

    Everybody's, unless each sees a window and earns its own deliveries, and no collision stops all: then those whose area, with the
    counters and pots around it, touches what the cook can see from its own area.
    """
    all_cooks = tuple(range(cooks))
    coupled = settings.collisions == "freeze_all" and meeting_cooks(plan)
    if settings.rewards == "team" or settings.observation == "full" or coupled:
        return (all_cooks,) * cooks
    touched = [_touched(plan, cook) for cook in all_cooks]
    scopes = []
    for cook in all_cooks:
        visible_cells = set(touched[cook])
        for row, column in _area(plan, cook):
            reach = range(-settings.sight, settings.sight + 1)
            visible_cells |= {(row + down, column + right) for down in reach for right in reach}
        scopes.append(tuple(other for other in all_cooks if other == cook or touched[other] & visible_cells))
    return tuple(scopes)


def coupling_note(plan: Floorplan, settings: KitchenSettings, topology: Topology) -> tuple[str, ...]:
    """What to know where cooks are neighbours of some only, and yet any collision stops all."""
    if settings.collisions != "freeze_all" or topology.n < 2 or not meeting_cooks(plan):
        return ()
    diameter = int((plan.floor.max(axis=0) - plan.floor.min(axis=0)).max())
    if settings.graph == "proximity" and settings.radius < diameter:
        limited = f"radius {settings.radius} is below the kitchen's diameter of {diameter}"
    elif any(len(topology.neighbours(cook)) < topology.n - 1 for cook in range(topology.n)):
        limited = "the topology is not complete"
    else:
        return ()
    return (
        f"{limited}, but with collisions freeze_all every cook's action can stop every other one, near or far; "
        "use collisions: pairwise for influence that fades with distance",
    )


def _area(plan: Floorplan, cook: int) -> list[tuple[int, int]]:
    cells = plan.floor[plan.areas == plan.areas[plan.starts[cook]]]
    return [(int(row), int(column)) for row, column in cells]


def _touched(plan: Floorplan, cook: int) -> Cells:
    """Cells that a cook can stand on, or put things on or into."""
    cells = _area(plan, cook)
    around = {(row + down, column + right) for row, column in cells for down, right in ((-1, 0), (1, 0), (0, 1), (0, -1))}
    return set(cells) | {cell for cell in around if plan.kinds[cell] != FLOOR}
