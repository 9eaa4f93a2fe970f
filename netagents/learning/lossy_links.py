"""Lossy links of an experiment: what each loses by its models, and below which rate a run is refused.

What must arrive is sent again until it is acknowledged.  Where most transmissions or acknowledgements are lost, that takes so long at
every step that a run makes no progress to speak of; it is refused before it starts.
"""

from __future__ import annotations

from collections.abc import Iterator

from netagents.errors import ExperimentError
from netagents.experiment import Experiment
from netagents.experiment.link_fault_settings import LinkFault, acts_in
from netagents.learning.protocol.relay_routes import Routes, neighbours_used
from netagents.learning.protocol.setup import Setup
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, node_name

LEAST_ANSWERED = 0.25
"""Share of transmissions that arrive and whose acknowledgement arrives, below which re-sending is given up: half lost each way."""


def loss_of(experiment: Experiment, sender: int, receiver: int, iteration: int) -> float:
    """Probability that one transmission on a directed link is lost in an iteration, all models of the link together."""
    arrives = 1.0
    for fault in experiment.faults:
        if isinstance(fault, LinkFault) and acts_in(fault, iteration) and fault.applies_to(sender, receiver):
            arrives *= 1.0 - fault.loss
    return 1.0 - arrives


def lossy_iterations(experiment: Experiment) -> list[int]:
    """The iterations at which what links lose changes: the first one of each set of models that act together."""
    windows = {fault.start for fault in experiment.faults if isinstance(fault, LinkFault) and fault.loss > 0.0}
    ends = {fault.until for fault in experiment.faults if isinstance(fault, LinkFault) and fault.loss > 0.0}
    last = experiment.learning.iterations
    return sorted(start for start in windows | {end for end in ends if end is not None} if start < last)


def links(setup: Setup) -> Iterator[tuple[int, int]]:
    """Every pair of nodes with a link, each once; the environment server has one with every agent."""
    routes = Routes(setup) if setup.experiment.routing == "relay" else None
    for agent in range(setup.n):
        yield ENVIRONMENT, agent
        if routes is not None:
            peers = set().union(*neighbours_used(routes.places(agent), agent))
        else:
            peers = {j for kind in NEIGHBOUR_KINDS for j in (*setup.in_neighbours(kind, agent), *setup.out_neighbours(kind, agent))}
        yield from ((agent, peer) for peer in sorted(peers) if peer > agent)


def check_losses(setup: Setup) -> None:
    """Refuse links that lose so much that re-sending is given up.

    Where a run goes on without agents (``failures.agent: continue_without``), messages are given up one by one instead.

    Raises:
        ExperimentError: names the link, what it loses each way, and the rate that is allowed.
    """
    experiment = setup.experiment
    iterations = [] if experiment.does_without else lossy_iterations(experiment)
    if not iterations:
        return
    for first, second in links(setup):
        for iteration in iterations:
            there, back = loss_of(experiment, first, second, iteration), loss_of(experiment, second, first, iteration)
            both_ways = (1.0 - there) * (1.0 - back)
            if both_ways < LEAST_ANSWERED:
                raise ExperimentError(
                    f"{node_name(first)} -> {node_name(second)} loses {there:.0%} and {back:.0%} on the way back: {both_ways:.0%} of what "
                    f"is sent would be acknowledged, and below {LEAST_ANSWERED:.0%} sending again is given up",
                    where="faults",
                    fix="lose at most 50% both ways or 75% one way, or use failures.agent: continue_without",
                )
