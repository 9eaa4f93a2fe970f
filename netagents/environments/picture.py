"""Picture: what one copy of an environment looks like, as plain data that a terminal, a GIF or a page can show.

An environment that can be watched returns one from ``picture(state)``.  Lengths are in cells; x points to the right and y down, and the
picture covers [0, width] x [0, height].  Colours are ``#rrggbb``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

AGENT_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#5254a3", "#637939")
"""Colours by agent, repeated where there are more: those of Okabe and Ito, which colour-blind people can tell apart, and three more."""


def agent_colour(agent: int) -> str:
    """The colour of an agent."""
    return AGENT_COLOURS[agent % len(AGENT_COLOURS)]


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle with a corner at (x, y), and a short text in it: walls, things, places.

    Attributes:
        x, y: its upper left corner.
        colour: its fill.
        text: one to three characters.
        width, height: its sides.
    """

    x: float
    y: float
    colour: str
    text: str = ""
    width: float = 1.0
    height: float = 1.0


@dataclass(frozen=True, slots=True)
class Marker:
    """A disc around (x, y): an agent, or something that moves.

    Attributes:
        x, y: its centre.
        colour: its fill.
        agent: the number of the agent, which is written on it; None for what is no agent.
        text: one to three characters instead.
        radius: of the disc.
        heading: in which direction it looks, in rad, 0 to the right and a quarter turn (pi / 2) down; None for nowhere.
        badge: colour of a small disc in front, what it holds; empty for nothing.
    """

    x: float
    y: float
    colour: str
    agent: int | None = None
    text: str = ""
    radius: float = 0.36
    heading: float | None = None
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One copy at one step.

    Attributes:
        width, height: of the picture.
        tiles: drawn in this order, under all markers.
        markers: drawn in this order.
        background: colour where nothing is.
        caption: one line below.
    """

    width: float
    height: float
    tiles: Sequence[Tile] = ()
    markers: Sequence[Marker] = field(default=())
    background: str = "#f5f2ea"
    caption: str = ""
