"""The picture of traffic: roads, vehicles on the lanes that lead to signals, and which of these have green."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.environments.picture import Marker, Picture, Tile, agent_colour
from netagents.topology.road_network import Lane, Point, RoadNetwork

WIDE = 18.0
"""Cells of the longer side of a picture."""

ROAD, GRASS, MOVING, STANDING = "#8b8f94", "#e3e8d8", "#f5f2ea", "#c0392b"
GREEN, RED = "#009e73", "#a33b2a"

GAP, LIGHT = 7.5, 14.0
"""Metres from one drawn vehicle to the next, and from the end of a lane to the light that is drawn for it."""


class TrafficMap:
    """Where everything of a road network is in its picture.

    Args:
        network: the roads.
        lanes: of each agent, the lanes that lead to its signal.
    """

    def __init__(self, network: RoadNetwork, lanes: Sequence[Sequence[str]]) -> None:
        points = np.array([point for lane in network.lanes.values() for point in lane.shape])
        low, high = points.min(axis=0), points.max(axis=0)
        self._scale = (WIDE - 1.0) / float(max((high - low).max(), 1.0))
        self._left, self._top = float(low[0]), float(high[1])
        self.width, self.height = ((high - low) * self._scale + 1.0).tolist()
        self._lanes = [[network.lanes[name] for name in names] for names in lanes]
        self._roads = [tile for lane in network.lanes.values() for tile in self._road(lane)]
        ends = [np.mean([self._at(lane.shape[-1]) for lane in each], axis=0).tolist() for each in self._lanes]
        self._signals: list[Point] = [(x, y) for x, y in ends]

    def picture(
        self, counts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], green: Sequence[NDArray[np.bool_]], caption: str
    ) -> Picture:
        """Vehicles that stand and all vehicles per lane, and which lanes have green, of each agent."""
        markers = []
        for lanes, (queues, vehicles), go in zip(self._lanes, counts, green, strict=True):
            for lane, standing, whole, free in zip(lanes, queues.tolist(), vehicles.tolist(), go.tolist(), strict=True):
                markers.append(Marker(*self._along(lane, LIGHT), GREEN if free else RED, radius=0.14))
                for number in range(min(int(max(whole, standing)), int(lane.length / GAP))):
                    colour = STANDING if number < standing else MOVING
                    # Those that stand are drawn behind the line, the others further back.
                    back = LIGHT + GAP * (number + 1.0) if number < standing else lane.length * (number + 1.0) / (whole + 1.0)
                    markers.append(Marker(*self._along(lane, min(back, lane.length)), colour, radius=0.12))
        markers += [Marker(x, y, agent_colour(i), agent=i, radius=0.3) for i, (x, y) in enumerate(self._signals)]
        return Picture(self.width, self.height, self._roads, markers, GRASS, caption)

    def _at(self, point: Point) -> Point:
        return (point[0] - self._left) * self._scale + 0.5, (self._top - point[1]) * self._scale + 0.5

    def _along(self, lane: Lane, back: float) -> Point:
        """The place so many metres before the end of a lane."""
        for end, begin in zip(lane.shape[::-1], lane.shape[-2::-1], strict=False):
            piece = math.dist(begin, end)
            if back <= piece and piece > 0.0:
                share = back / piece
                return self._at((end[0] + share * (begin[0] - end[0]), end[1] + share * (begin[1] - end[1])))
            back -= piece
        return self._at(lane.shape[0])

    def _road(self, lane: Lane) -> list[Tile]:
        """A strip for each straight piece along an axis, small squares for what is aslant."""
        wide = max(3.2 * self._scale, 0.12)
        tiles = []
        for one, other in zip(lane.shape, lane.shape[1:], strict=False):
            (x, y), (u, v) = self._at(one), self._at(other)
            if min(abs(x - u), abs(y - v)) < 0.02:
                tiles.append(Tile(min(x, u) - wide / 2, min(y, v) - wide / 2, ROAD, width=abs(x - u) + wide, height=abs(y - v) + wide))
            else:
                pieces = max(int(math.dist((x, y), (u, v)) / wide), 1)
                for k in range(pieces + 1):
                    share = k / pieces
                    tiles.append(Tile(x + share * (u - x) - wide / 2, y + share * (v - y) - wide / 2, ROAD, width=wide, height=wide))
        return tiles
