"""Traffic demand as SUMO reads it: vehicles from each end of a road network to every other, as independent random arrivals."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from netagents.experiment.traffic_settings import DemandSettings
from netagents.topology.road_network import RoadNetwork

END = 10_000_000
"""Second at which flows end: never, within an episode."""


def demand_file(network: RoadNetwork, demand: DemandSettings, begin: int) -> str:
    """An additional file of SUMO with one flow for each way in and way out that are joined by roads.

    In each second a vehicle of a flow appears with the same chance, so that ``vehicles_per_hour`` enter on each road on average.
    """
    flows: list[str] = []
    for number, entry in enumerate(network.entries):
        reached = set(_reached(network, entry))
        goals = [road for road in network.exits if road in reached and network.roads[road][1] != network.roads[entry][0]]
        chance = demand.vehicles_per_hour / 3_600.0 / max(len(goals), 1)
        for goal in goals:
            flows.append(
                f'<flow id="from{number}to{len(flows)}" from={quoteattr(entry)} to={quoteattr(goal)} begin="{begin}" end="{END}" '
                f'probability="{chance!r}" departLane="best" departSpeed="max"/>'
            )
    return "<additional>\n" + "\n".join(flows) + "\n</additional>\n"


def _reached(network: RoadNetwork, start: str) -> Iterator[str]:
    """Roads that can be reached from a road, junction by junction."""
    onward: dict[str, list[str]] = {}
    for road, (begin, _) in network.roads.items():
        onward.setdefault(begin, []).append(road)
    visited_roads, open_ends = {start}, [start]
    while open_ends:
        road = open_ends.pop()
        yield road
        for following in onward.get(network.roads[road][1], ()):
            if following not in visited_roads:
                visited_roads.add(following)
                open_ends.append(following)
