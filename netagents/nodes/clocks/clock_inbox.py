"""Inbox for each clock: exact phases in lockstep, the latest messages where older ones are acceptable."""

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
"""Largest number of ticks of a free-running iteration."""


def make_inbox(setup: Setup, node: int, run: bytes, allowed: Mapping[Kind, Collection[int]], iteration: int = 0) -> Inbox:
    """The inbox of an agent or of the server.

    Args:
        setup: common to all nodes.
        node: owner of the inbox.
        run: id of the run.
        allowed: kind -> senders from which the node accepts it.
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
    aged = {} if node == ENVIRONMENT else {Kind.STATE: delays(setup, node)}
    if aged.get(Kind.STATE):
        return DelayedInbox(run, allowed, iteration=iteration, delays=aged, last=setup.steps, nodes=n, strict=False)
    # The steps of a whole iteration may wait for a late agent.
    in_step = not isinstance(clock, LockstepSettings) or isinstance(clock.straggler, WaitSettings)
    waiting = _WAITING if in_step else max(_WAITING, steps + 8)
    branches = 0 if setup.branch_plan is None else setup.branch_plan.messages
    return Inbox(run, allowed, iteration=iteration, steps=max(steps, branches), nodes=n, strict=False, most_waiting=waiting)
