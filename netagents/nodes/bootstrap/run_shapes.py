"""Expected shapes of a run's messages: what a node may receive from each peer, from the rows of the message kinds."""

from __future__ import annotations

from netagents.learning.protocol.setup import Setup
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Kind
from netagents.messages.array_fields import Alternatives
from netagents.wire.codec.decoder import ExpectedShapes


def shapes_of(setup: Setup, agent: int) -> ExpectedShapes:
    """What ``agent`` may receive from the server, and from its in-neighbours of each kind."""
    expected = {(kind, ENVIRONMENT): kind.row.expected(setup, agent) for kind in (Kind.STEP, Kind.BRANCH_STEP)}
    for kind in NEIGHBOUR_KINDS:
        expected |= {(kind, sender): kind.row.expected(setup, sender) for sender in setup.in_neighbours(kind, agent)}
    return _stated(expected)


def action_shapes(setup: Setup) -> ExpectedShapes:
    """What the server may receive from every agent."""
    kinds = (Kind.ACTION, Kind.BRANCH_ACTION)
    return _stated({(kind, agent): kind.row.expected(setup, agent) for kind in kinds for agent in range(setup.n)})


def _stated(expected: dict[tuple[Kind, int], Alternatives | None]) -> ExpectedShapes:
    return {key: alternatives for key, alternatives in expected.items() if alternatives is not None}
