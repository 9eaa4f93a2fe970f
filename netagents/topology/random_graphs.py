"""Random graphs by networkx, each a pure function of its parameters and a seed.

networkx is imported when a graph is drawn and not before: it takes longer to import than all of this room.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Any

from netagents.errors import TopologyError
from netagents.experiment.topology_settings import ErdosRenyiSettings, RandomGeometricSettings, ScaleFreeSettings, SmallWorldSettings
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.topology.graph import LIMIT_EDGES, Topology, too_many_edges

DRAWS = 100
"""How many graphs are drawn in search of a connected one."""

RandomSettings = ErdosRenyiSettings | SmallWorldSettings | ScaleFreeSettings | RandomGeometricSettings


def random_graph(settings: RandomSettings, seed: int) -> Topology:
    """The graph of these settings and this seed.

    Another version of networkx may draw another graph from the same seed, so records keep the edges, not the settings.

    Args:
        settings: one of the four kinds; its own ``seed`` wins over the run's.
        seed: the run's seed.

    Raises:
        TopologyError: too dense to be held, or never connected although ``connected`` is set.
    """
    seed = seed if settings.seed is None else settings.seed
    expected, draw, fix = _model(settings)
    if expected > LIMIT_EDGES:
        raise too_many_edges(expected)
    draws = DRAWS if settings.connected else 1
    for attempt in range(draws):
        # The whole seed of a draw is one number from the stream, because networkx does not say how many numbers it takes.
        number = int(stream(seed, ENVIRONMENT_OWNER, Purpose.TOPOLOGY, attempt).integers(1 << 63))
        topology = _from_networkx(draw(number), settings.kind)
        if topology.is_connected or not settings.connected:
            return topology
    raise TopologyError(
        f"none of {draws} {settings.kind} graphs of {settings.n} agents was connected", fix=f"{fix}, or set connected: false"
    )


def _model(settings: RandomSettings) -> tuple[float, Callable[[int], Any], str]:
    """How many edges to expect, how to draw a graph from a number, and what makes it more likely to be connected."""
    import networkx

    n = settings.n
    match settings:
        case ErdosRenyiSettings(p=p):
            fix = f"raise p above ln(n) / n = {log(n) / n:.3g}"
            # The fast generator takes time for the edges it makes, not for all pairs; it cannot make the two extremes.
            extreme = p in (0.0, 1.0)
            make = networkx.gnp_random_graph if extreme else networkx.fast_gnp_random_graph
            return p * n * (n - 1) / 2, lambda number: make(n, p, seed=number), fix
        case SmallWorldSettings(nearest=nearest, rewiring=rewiring):
            return n * nearest / 2, lambda number: networkx.watts_strogatz_graph(n, nearest, rewiring, seed=number), "raise nearest"
        case ScaleFreeSettings(attachments=m):
            return float(m * n), lambda number: networkx.barabasi_albert_graph(n, m, seed=number), "raise attachments"
        case RandomGeometricSettings(radius=radius):
            expected = min(1.0, pi * radius**2) * n * (n - 1) / 2
            fix = f"raise radius above sqrt(ln(n) / (pi n)) = {(log(n) / (pi * n)) ** 0.5:.3g}"
            return expected, lambda number: networkx.random_geometric_graph(n, radius, seed=number), fix


def _from_networkx(graph: Any, kind: str) -> Topology:
    n = graph.number_of_nodes()
    places = graph.nodes(data="pos")
    positions = tuple((float(places[i][0]), float(places[i][1])) for i in range(n)) if kind == "random_geometric" else None
    return Topology(n, tuple((int(i), int(j)) for i, j in graph.edges), kind, positions=positions)
