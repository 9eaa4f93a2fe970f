"""Graphs: generators, file formats, kappa-hop neighbourhoods."""

from netagents.topology.communication_reach import Reach, SelectedReach, agent_radii, spread_radius
from netagents.topology.graph import Topology
from netagents.topology.neighbourhoods import UNREACHABLE, Neighbourhoods
from netagents.topology.relay_trees import TreeNode, relay_tree
from netagents.topology.topology_builder import build_topology, stored_settings

__all__ = [
    "UNREACHABLE",
    "Neighbourhoods",
    "Reach",
    "SelectedReach",
    "Topology",
    "TreeNode",
    "agent_radii",
    "build_topology",
    "relay_tree",
    "spread_radius",
    "stored_settings",
]
