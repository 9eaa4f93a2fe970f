"""The picture of agents with finite local states: the graph, and on each node its agent in a shade that says its state."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netagents.environments.picture import Marker, Picture, Tile
from netagents.topology import Topology

LOW, HIGH = (0xF7, 0xE0, 0x8A), (0x00, 0x4C, 0x7A)
"""Colours, red, green and blue, of state 0 and of the last one."""

EDGE = "#b5b1a6"

WIDE, MARGIN = 14.0, 0.8
"""Cells of the longer side of a picture, at most, and room around the nodes."""


def graph_picture(topology: Topology, states: Sequence[int], sizes: Sequence[int]) -> Picture:
    """The graph of the agents and the state of each: light for 0, dark for its last state, with the sum of all below.

    Args:
        topology: the graph; nodes without positions stand in a circle.
        states: (n,) local states.
        sizes: (n,) how many local states each agent has.
    """
    places, width, height = _places(topology)
    marks = [mark for i, j in topology.edges for mark in _edge(places[i], places[j])]
    tiles = [mark for mark in marks if isinstance(mark, Tile)]
    markers = [mark for mark in marks if isinstance(mark, Marker)]
    for agent, ((x, y), state, size) in enumerate(zip(places, states, sizes, strict=True)):
        markers.append(Marker(x, y, _shade(state / max(size - 1, 1)), agent=agent, radius=0.38))
    return Picture(width, height, tiles, markers, caption=f"sum of states {sum(states)}")


def _places(topology: Topology) -> tuple[list[tuple[float, float]], float, float]:
    """Where nodes are, at least a cell apart as far as the largest picture allows, and its sides."""
    n = topology.n
    points = topology.positions
    if points is None:
        points = tuple((math.sin(2 * math.pi * k / n), math.cos(2 * math.pi * k / n)) for k in range(n))
    left, top = min(x for x, _ in points), max(y for _, y in points)
    spans = [max(p[axis] for p in points) - min(p[axis] for p in points) for axis in (0, 1)]
    near = min((math.dist(points[i], points[j]) for i, j in topology.edges), default=max(*spans, 1.0))
    scale = min(1.3 / max(near, 1e-9), (WIDE - 2 * MARGIN) / max(*spans, 1e-9))
    width, height = (max(span * scale + 2 * MARGIN, 2.0) for span in spans)
    return [((x - left) * scale + MARGIN, (top - y) * scale + MARGIN) for x, y in points], width, height


def _edge(one: tuple[float, float], other: tuple[float, float]) -> list[Tile | Marker]:
    """A strip along an axis, or a row of dots."""
    (x, y), (u, v) = one, other
    if min(abs(x - u), abs(y - v)) < 0.02:
        return [Tile(min(x, u) - 0.03, min(y, v) - 0.03, EDGE, width=abs(x - u) + 0.06, height=abs(y - v) + 0.06)]
    dots = max(2, int(math.dist(one, other) / 0.18))
    return [Marker(x + k / dots * (u - x), y + k / dots * (v - y), EDGE, radius=0.045) for k in range(1, dots)]


def _shade(share: float) -> str:
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in zip(LOW, HIGH, strict=True))
