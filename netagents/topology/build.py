"""From settings to the graph they describe."""

from __future__ import annotations

from pathlib import Path

from netagents.errors import TopologyError
from netagents.experiment.topology import (
    AccessGridSettings,
    EdgeFileSettings,
    EdgesSettings,
    GridSettings,
    KingGridSettings,
    LineSettings,
    RingSettings,
    TopologySettings,
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
        case AccessGridSettings():
            return generators.access_grid(settings.rows, settings.columns, settings.users)
        case EdgesSettings():
            return Topology(settings.n, settings.edges)
        case EdgeFileSettings():
            raise TopologyError("graph files are not read yet")
