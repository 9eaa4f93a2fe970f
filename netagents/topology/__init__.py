"""Graphs: generators, file formats, kappa-hop neighbourhoods."""

from netagents.topology.build import build_topology, stored_settings
from netagents.topology.graph import Topology
from netagents.topology.neighbourhoods import UNREACHABLE, Neighbourhoods
from netagents.topology.reach import Reach, spread_radius

__all__ = ["UNREACHABLE", "Neighbourhoods", "Reach", "Topology", "build_topology", "spread_radius", "stored_settings"]
