"""Classes of agents that differ in nothing but their place: what holds of one of a class holds of all, so that one of them is looked at."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from netagents.messages import RadiusKind

if TYPE_CHECKING:
    from netagents.learning.protocol.setup import Setup


def agent_classes(setup: Setup) -> tuple[list[int], list[int]]:
    """The class of each agent, and the lowest agent of each class.

    Agents of one class have the same settings, algorithm and role, and equal spaces in all of their neighbourhoods, in order.  Who has a
    role or an incentive of its own is a class by itself.
    """
    spaces: dict[Hashable, int] = {}
    both = zip(setup.spec.observation_spaces, setup.spec.action_spaces, strict=True)
    tokens = [spaces.setdefault(pair, len(spaces)) for pair in both]
    alike = len(spaces) == 1
    special = {*setup.pay, *setup.frozen, *setup.advised, *setup.populations}
    reaches = list({id(setup.reach[kind]): setup.reach[kind] for kind in RadiusKind}.values())
    numbers: dict[Hashable, int] = {}
    classes: list[int] = []
    lowest: list[int] = []
    for agent in range(setup.n):
        key: Hashable = agent
        if agent not in special:
            windows = [reach.window(agent) for reach in reaches]
            around = tuple([len(window) if alike else tuple([tokens[j] for j in window]) for window in windows])
            own = id(setup.agents[agent]), id(setup.algorithms[agent]), setup.signal_travels[agent]
            key = (own, tokens[agent], around)
        number = numbers.setdefault(key, len(numbers))
        if number == len(lowest):
            lowest.append(agent)
        classes.append(number)
    return classes, lowest
