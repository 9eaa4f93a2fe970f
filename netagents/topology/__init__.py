"""Graphs: generators, file formats, kappa-hop neighbourhoods."""

from netagents.topology.build import build_topology, stored_settings
from netagents.topology.graph import Topology
from netagents.topology.neighbourhoods import UNREACHABLE, Neighbourhoods
from netagents.topology.reach import Reach, spread_radius
from netagents.topology.relay_trees import Place, relay_tree

__all__ = [
    "UNREACHABLE",
    "Neighbourhoods",
    "Place",
    "Reach",
    "Topology",
    "build_topology",
    "relay_tree",
    "spread_radius",
    "stored_settings",
]
