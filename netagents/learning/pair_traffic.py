"""Traffic between pairs of agents: what each pair's link carries per iteration, as the run's ledger will count it."""

from __future__ import annotations

from collections import defaultdict

from netagents.learning.protocol.relay_routes import Routes
from netagents.learning.protocol.setup import Setup
from netagents.messages import NEIGHBOUR_KINDS, Kind, payload_bytes
from netagents.messages.run_facts import Traffic

Pair = tuple[int, int]


def traffic_of(kind: Kind, setup: Setup, agent: int) -> Traffic:
    """What one agent sends of a kind per iteration to each receiver, by the kind's row; of kinds of an audit, per audited iteration."""
    if kind in NEIGHBOUR_KINDS and kind not in setup.kind_reach:
        return ()
    return kind.row.traffic(setup, agent) if kind.row.traffic is not None else ()


def pair_payload(setup: Setup, routing: str | None = None) -> dict[Pair, int]:
    """Payload bytes per iteration between two agents, both directions together, on the links that a routing uses.

    With direct routing these are the sums of a run's ledger over its two directions; with relay routing each message counts on every
    edge of its tree.  Policies that move between seats of a population are left out: a lottery decides where to; and so are audits, which
    most iterations do not have.

    Args:
        setup: of the experiment.
        routing: ``direct`` or ``relay``; None is that of the experiment.

    Returns:
        Pair (i, j), i < j -> bytes.
    """
    routes = Routes(setup) if (routing or setup.experiment.routing) == "relay" else None
    pairs: defaultdict[Pair, int] = defaultdict(int)
    for agent in range(setup.n):
        for kind in NEIGHBOUR_KINDS:
            if kind in (Kind.POLICY_PARAMETERS, Kind.BRANCH_STATE) or not setup.out_neighbours(kind, agent):
                continue
            payload = sum(times * payload_bytes(message) for message, times in traffic_of(kind, setup, agent))
            if not payload:
                continue
            if routes is None:
                for other in setup.out_neighbours(kind, agent):
                    pairs[min(agent, other), max(agent, other)] += payload
                continue
            for node, place in routes.tree(kind, agent).items():
                for child in place.children:
                    pairs[min(node, child), max(node, child)] += payload
    return dict(pairs)
