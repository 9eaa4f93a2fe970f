"""Refuses faults of agents and links that the run does not have, and links that lose too much."""

from __future__ import annotations

from collections.abc import Iterable

from netagents.errors import ExperimentError
from netagents.experiment.agent_fault_settings import AgentFault
from netagents.experiment.link_fault_settings import DelayFault, FaultSettings, LinkFault, PartitionFault, SwapFault
from netagents.learning.lossy_links import check_losses
from netagents.learning.protocol.relay_routes import Routes, neighbours_used
from netagents.learning.protocol.setup import Setup
from netagents.messages import NEIGHBOUR_KINDS, node_name


def check_faults(setup: Setup) -> None:
    """Refuse a fault that could never act because it names what is not there.

    Raises:
        ExperimentError: an agent is out of range, two ends have no link, or a link loses too much.
    """
    for number, fault in enumerate(setup.experiment.faults):
        beyond = max((node for node in _nodes(fault)), default=0)
        if beyond >= setup.n:
            raise ExperimentError(f"there is no agent {beyond}", where=f"faults.{number}", fix=f"agents are 0 to {setup.n - 1}")
        if isinstance(fault, PartitionFault) and fault.server != "none" and any(len(set(group)) == setup.n for group in fault.groups):
            raise ExperimentError(
                "the partition cuts nothing: all agents stand in one group", where=f"faults.{number}.groups", fix="leave some out"
            )
        if isinstance(fault, LinkFault) and not isinstance(fault.edges, str):
            for first, second in fault.edges:
                if not linked(setup, first, second):
                    raise ExperimentError(
                        f"{node_name(first)} and {node_name(second)} have no link: {_why_not(setup)}",
                        where=f"faults.{number}.edges",
                        fix="name two that talk to each other",
                    )
    check_losses(setup)


def linked(setup: Setup, first: int, second: int) -> bool:
    """Whether messages pass between two nodes, in either direction; -1 is the environment server, which talks to everyone."""
    if first < 0 or second < 0:
        return first != second
    if setup.experiment.routing == "relay":
        return second in frozenset().union(*neighbours_used(Routes(setup).places(first), first))
    return any(second in setup.out_neighbours(kind, first) or first in setup.out_neighbours(kind, second) for kind in NEIGHBOUR_KINDS)


def _why_not(setup: Setup) -> str:
    if setup.experiment.routing == "relay":
        return "neither hands on what the other says"
    return "neither is within a radius of the other"


def _nodes(fault: FaultSettings) -> Iterable[int]:
    """Every node that a fault names."""
    if isinstance(fault, LinkFault):
        pairs = () if isinstance(fault.edges, str) else fault.edges
        return [*(node for pair in pairs for node in pair), *(fault.agents or ())]
    if isinstance(fault, PartitionFault):
        return [agent for group in fault.groups for agent in group]
    if isinstance(fault, DelayFault):
        return ()
    if isinstance(fault, AgentFault):
        return (fault.agent,)
    if isinstance(fault, SwapFault):
        return (*fault.senders, fault.receiver)
    return (fault.sender, fault.receiver)
