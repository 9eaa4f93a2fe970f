"""From settings to the graph they describe, and from a graph to the settings that store it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import assert_never

from netagents.experiment.topology_settings import (
    AccessGridSettings,
    BalancedTreeSettings,
    CompleteSettings,
    EdgeFileSettings,
    EdgesSettings,
    ErdosRenyiSettings,
    GridSettings,
    KingGridSettings,
    LineSettings,
    RandomGeometricSettings,
    RingSettings,
    ScaleFreeSettings,
    SmallWorldSettings,
    StarSettings,
    TopologySettings,
    TorusSettings,
)
from netagents.topology import generators
from netagents.topology.graph import Topology


def build_topology(settings: TopologySettings, base: Path | None = None, seed: int = 0) -> Topology:
    """The graph that the settings describe.

    Args:
        settings: the group ``topology`` of an experiment.
        base: the folder that relative paths start from, usually the experiment file's; the current one by default.
        seed: the run's seed, for random graphs whose settings name none.

    Raises:
        TopologyError: a file is missing or wrong, or the parameters give no graph that agents can live on.
    """
    match settings:
        case LineSettings():
            return generators.line(settings.n)
        case RingSettings():
            return generators.ring(settings.n)
        case GridSettings():
            return generators.grid(settings.rows, settings.columns)
        case KingGridSettings():
            return generators.king_grid(settings.rows, settings.columns)
        case TorusSettings():
            return generators.torus(settings.rows, settings.columns)
        case AccessGridSettings():
            return generators.access_grid(settings.rows, settings.columns, settings.users)
        case StarSettings():
            return generators.star(settings.n)
        case CompleteSettings():
            return generators.complete(settings.n)
        case BalancedTreeSettings():
            return generators.balanced_tree(settings.branching, settings.height)
        case ErdosRenyiSettings() | SmallWorldSettings() | ScaleFreeSettings() | RandomGeometricSettings():
            from netagents.topology.random_graphs import random_graph

            return random_graph(settings, seed)
        case EdgeFileSettings():
            from netagents.topology.graph_files import read_topology

            return read_topology(settings.path, base)
        case EdgesSettings():
            return Topology(settings.n, settings.edges, labels=settings.labels, positions=settings.positions)
    assert_never(settings)


def stored_settings(settings: TopologySettings, topology: Topology) -> TopologySettings:
    """Settings that give the same graph without a file and whatever the version of networkx.

    Files and random graphs are stored edge by edge, everything else as it was described.

    Args:
        settings: what ``topology`` was built from.
        topology: the graph.
    """
    match settings:
        case ErdosRenyiSettings() | SmallWorldSettings() | ScaleFreeSettings() | RandomGeometricSettings() | EdgeFileSettings():
            plain = topology.labels == tuple(str(i) for i in range(topology.n))
            labels = () if plain else topology.labels
            source = re.sub(r"[^\w. -]", "_", Path(settings.path).name)[:100] if isinstance(settings, EdgeFileSettings) else settings.kind
            return EdgesSettings(n=topology.n, edges=topology.edges, labels=labels, positions=topology.positions, source=source)
        case _:
            return settings
