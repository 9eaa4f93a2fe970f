"""Process of the monitor: it watches and computes; no result or record depends on it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from netagents.learning import Setup
from netagents.messages import ENVIRONMENT, MONITOR, Digest, Envelope, Kind
from netagents.monitoring.sinks.sink_host import open_sinks
from netagents.nodes.bootstrap.joining import NodePlan, join
from netagents.nodes.bootstrap.membership import Membership
from netagents.nodes.monitor.progress_view import PowerMonitor, ProgressView, from_digest, make_view
from netagents.nodes.process.node_process import EndRequestedError, ParentLostError, ProcessContext
from netagents.wire.session.exchange import StopReceivedError
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import UNKNOWN_RUN
from netagents.wire.transport.transport import LinkSettings, Sender, open_transport

PROGRESS_SECONDS = 5.0
"""Seconds between two lines of progress."""


class DigestInbox(Inbox):
    """Inbox of digests, in order of arrival, possibly with gaps: a full queue drops digests at the server."""

    def __init__(self) -> None:
        super().__init__(UNKNOWN_RUN, {Kind.DIGEST: (ENVIRONMENT,)})
        self.digests: list[tuple[int, Digest]] = []

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        """Accept digests of this run from the server, and nothing else."""
        forged = user != self._users.get(ENVIRONMENT)
        if forged or envelope.run != self.run or envelope.sender != ENVIRONMENT or not isinstance(envelope.message, Digest):
            return self.refuse(envelope, user)
        self.digests.append((envelope.iteration, envelope.message))
        return True


def run_monitor(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """The role ``monitor``: join, turn digests into views, leave at the end of the run.

    Args:
        context: of the process.
        arguments: ``view`` (optional endpoint for views), ``progress`` (log the progress of the run), and those of
            :func:`netagents.nodes.bootstrap.joining.join`.
    """
    inbox = DigestInbox()
    membership: Membership | None = None
    viewer: Sender | None = None
    transport = None
    try:
        membership = join(context, MONITOR, arguments, lambda _: NodePlan(inbox))
        if arguments.get("view"):
            transport = open_transport(arguments["view"], LinkSettings(queue=16, insecure="insecure" in arguments))
            viewer = transport.connect(arguments["view"])
        context.log.phase("watching")
        watch_run(membership, inbox, viewer, ProgressLines(context) if arguments.get("progress") else None)
    except (StopReceivedError, EndRequestedError, ParentLostError) as ended:
        context.log.leaving(ended)
    finally:
        if viewer is not None:
            viewer.close()
        if transport is not None:
            transport.close()
        if membership is not None:
            membership.leave()


class ProgressLines:
    """Logs the progress every :data:`PROGRESS_SECONDS`, for readers of logs alone."""

    def __init__(self, context: ProcessContext) -> None:
        self._logger, self._next = context.log.logger, 0.0

    def show(self, view: ProgressView) -> None:
        """Log the view, unless the last line was just before, and what is wrong at once."""
        for line in view.notices:
            self._logger.warning("%s", line)
        if time.monotonic() >= self._next or view.iteration == view.total:
            self._next = time.monotonic() + PROGRESS_SECONDS
            self._logger.info("iteration %d of %d, return %.2f", view.iteration, view.total, view.team_return)


def watch_run(membership: Membership, inbox: DigestInbox, viewer: Sender | None, lines: ProgressLines | None = None) -> None:
    """Turn every digest into a view and write it to the sinks, until the server's Stop."""
    setup: Setup = membership.setup
    power = PowerMonitor(setup)
    total = setup.experiment.learning.iterations
    expected, dropped = membership.first_iteration, 0
    sinks = open_sinks(setup.experiment, inbox.run.hex(), setup.topology.labels)
    try:
        while True:
            membership.exchange.pump(60.0)
            for iteration, digest in inbox.digests:
                dropped += iteration - expected
                expected = iteration + 1
                record = from_digest(iteration, setup.metric_names, digest)
                view = make_view(power, record, total, dropped)
                if viewer is not None:
                    # A slow viewer loses views and never delays the run.
                    viewer.try_send([view.to_json()])
                if lines is not None:
                    lines.show(view)
                if sinks:
                    sinks.write(record, power.concentration(power.matrix(record.power)))
            inbox.digests.clear()
            membership.send_drop_counts()
    finally:
        sinks.close()
