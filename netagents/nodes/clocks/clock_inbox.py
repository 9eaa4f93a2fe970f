"""The inbox that fits a clock: exact phases in lockstep, shelves of the newest where something older will do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from netagents.experiment.clock_settings import BoundedStalenessSettings, FreeRunningSettings, LockstepSettings, WaitSettings
from netagents.learning import Setup
from netagents.learning.protocol.information_age import delays
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Kind
from netagents.nodes.clocks.free_running import AT_AGENTS, AT_SERVER, TICKS_KEPT
from netagents.wire.session.delayed_inbox import DelayedInbox
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.latest_inbox import LatestInbox

_WAITING = 64
_TICKS = 1 << 30
"""A free-running iteration may have so many ticks."""


def make_inbox(setup: Setup, node: int, run: bytes, allowed: Mapping[Kind, Collection[int]], iteration: int = 0) -> Inbox:
    """The inbox of an agent or of the server.

    Args:
        setup: what all nodes share.
        node: whose inbox.
        run: the id of the run.
        allowed: kind -> senders from which the node takes it.
        iteration: the first one.
    """
    clock, steps, n = setup.experiment.clock, setup.steps + 1, setup.n
    if isinstance(clock, FreeRunningSettings):
        at_server = node == ENVIRONMENT
        inbox = LatestInbox(run, allowed, iteration=iteration, steps=_TICKS, nodes=n, strict=False)
        return inbox.keep_latest(AT_SERVER if at_server else AT_AGENTS, _WAITING if at_server else TICKS_KEPT)
    if isinstance(clock, BoundedStalenessSettings) and node != ENVIRONMENT:
        inbox = LatestInbox(run, allowed, iteration=iteration, steps=steps, nodes=n, strict=False)
        return inbox.keep_latest(NEIGHBOUR_KINDS, max(_WAITING, clock.steps + 1))
    late = {} if node == ENVIRONMENT else {Kind.STATE: delays(setup, node)}
    if late.get(Kind.STATE):
        return DelayedInbox(run, allowed, iteration=iteration, delays=late, last=setup.steps, nodes=n, strict=False)
    # Whoever is late has the world's steps waiting, up to a whole iteration of them.
    patient = not isinstance(clock, LockstepSettings) or isinstance(clock.straggler, WaitSettings)
    waiting = _WAITING if patient else max(_WAITING, steps + 8)
    return Inbox(run, allowed, iteration=iteration, steps=steps, nodes=n, strict=False, most_waiting=waiting)
