"""Who takes part in a run, as the server sees it: nodes that gather, agents that are started again, agents that are lost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from netagents import __version__
from netagents.environments.specification_json import spec_to_json
from netagents.errors import DeadlineError, NetagentsError, NodeFailedError, ProtocolError
from netagents.learning import Setup
from netagents.messages import (
    ENVIRONMENT,
    MONITOR,
    DropCounts,
    Envelope,
    Failed,
    Heartbeat,
    Hello,
    Kind,
    RelayStats,
    Snapshot,
    Stop,
    node_name,
)
from netagents.nodes.bootstrap.node_addresses import socket_path
from netagents.nodes.bootstrap.node_keys import known_users
from netagents.nodes.bootstrap.run_shapes import action_shapes
from netagents.nodes.bootstrap.welcome import REFUSED, write_welcome
from netagents.nodes.clocks.clock_inbox import make_inbox
from netagents.nodes.process.injected_faults import faulty_feed, link_layer
from netagents.nodes.process.node_process import ProcessContext, watched_descriptors
from netagents.nodes.process.rollback import AgentLostError, AgentRestartedError
from netagents.nodes.server.company import Company, needs_company
from netagents.nodes.server.lost_agents import LostAgents
from netagents.nodes.server.node_reports import NodeReports
from netagents.records.recorder import Recorder
from netagents.wire.codec import Codec
from netagents.wire.security.key_bundles import role_name
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.handshake import OtherRunError, Phase, Reply
from netagents.wire.session.rendezvous import Rendezvous
from netagents.wire.transport.transport import LinkSettings, open_transport

States = Mapping[int, Mapping[str, NDArray[Any]]]
"""Per agent every named array."""


class Participants:
    """The nodes of one run and the server's links to them.

    Args:
        context: of the process.
        setup: what all nodes share.
        recorder: where the records go.
        run: 8 bytes that name the run.
        listen: address.
        first: the iteration to begin with.
        states: every agent's named arrays before that iteration; empty at the beginning of a run.
        links: keys and the host to be reached by.
        lines: folder of the lines to the launcher; None when there is none.

    Attributes:
        endpoint: where nodes reach the server.
        transport, exchange: all its links, and the messages over them.
        company: those with whom it steps, where some may be late, silent or lost; None in a plain run.
        accounts: what nodes told about themselves.
        first: the iteration to begin with, and to go back to when an agent is started again.
        recorded: the first iteration that is not recorded, to go back to when an agent is lost.
    """

    def __init__(
        self,
        context: ProcessContext,
        setup: Setup,
        recorder: Recorder,
        run: bytes,
        listen: str,
        first: int,
        states: States,
        links: LinkSettings,
        lines: Path | None,
    ) -> None:
        self._context, self._setup, self._recorder = context, setup, recorder
        self.first = self.recorded = first
        self._states = states
        experiment = setup.experiment
        self.transport = open_transport(listen, links)
        listener = self.transport.listen(listen)
        path = socket_path(listener.endpoint)
        if path is not None:
            context.own(path)
        self.endpoint = listener.endpoint
        allowed = dict.fromkeys((Kind.ACTION, Kind.REPORT, Kind.SNAPSHOT), tuple(range(setup.n)))
        inbox = make_inbox(setup, ENVIRONMENT, run, allowed, first)
        inbox.identify(known_users(links))
        codec = Codec()
        codec.expect(action_shapes(setup))
        self._losses = LostAgents(experiment, lines, self._lose)
        self.exchange = Exchange(
            ENVIRONMENT,
            listener,
            inbox,
            codec=codec,
            timeouts=experiment.timeouts,
            on_control=self._control,
            watched={**watched_descriptors(context), **self.transport.watched(), **self._losses.watched()},
            faults=faulty_feed(experiment, ENVIRONMENT),
            links=link_layer(experiment, ENVIRONMENT, listener, run, known_users(links)),
        )
        spec_text = json.dumps(spec_to_json(setup.spec))
        self._rendezvous = Rendezvous(
            run,
            __version__,
            setup.n,
            monitor=experiment.runtime.monitor,
            welcome=lambda _, peers: write_welcome(setup, spec_text, peers),
            iteration=first,
        )
        self._told: dict[int, Hello] = {}
        self._training = False
        self.accounts = NodeReports()
        self.company = Company(self.exchange, setup, self._losses.silent, recorder.newest_state) if needs_company(experiment) else None

    # -- start -----------------------------------------------------------------------------------------------------------

    def gather(self) -> None:
        """Wait until every node has said hello, is linked to its peers and is ready; then start them.

        Raises:
            DeadlineError: names the nodes that are missing.
        """
        rendezvous, timeouts = self._rendezvous, self._setup.experiment.timeouts
        self._context.log.phase("gathering")
        self.exchange.serve(lambda: rendezvous.phase is not Phase.HELLO, timeouts.seconds("join"), rendezvous.status)
        self.exchange.serve(lambda: rendezvous.phase is Phase.STARTED, timeouts.seconds("ready"), rendezvous.status)
        self.transport.finish_start()
        self._recorder.event("gathered", nodes=len(rendezvous.expected), pid=os.getpid())

    def begin(self) -> None:
        """From here on there is training, and who comes or is lost interrupts it; waits for all where they have to begin again.

        Raises:
            AgentRestartedError, AgentLostError: it has to begin once more; any wait of the training may raise them too.
            DeadlineError: names the nodes that did not get ready again.
        """
        self._training = True
        if self._rendezvous.phase is not Phase.STARTED:
            self._await_start()
        self._states = {}

    def _await_start(self) -> None:
        rendezvous = self._rendezvous
        self._context.log.phase("waiting for all to begin again")
        ready = self._setup.experiment.timeouts.seconds("ready")
        try:
            self.exchange.serve(lambda: rendezvous.phase is Phase.STARTED, ready, rendezvous.status)
        except DeadlineError as late:
            raise self.transport.failure() or late from None

    # -- what nodes say --------------------------------------------------------------------------------------------------

    def _control(self, envelope: Envelope, _user: str | None) -> None:
        message, sender = envelope.message, envelope.sender
        if isinstance(message, Failed):
            if envelope.run == self.exchange.inbox.run and sender in self._rendezvous.expected and sender != MONITOR:
                self._losses.failed(sender, message.line)
        elif isinstance(message, (Heartbeat, DropCounts, RelayStats)):
            if sender in self._rendezvous.expected:
                self.accounts.hear(sender, message)
                if isinstance(message, Heartbeat) and self.company is not None and self.company.answers is not None:
                    self.company.answers.hear(sender)
        elif isinstance(message, Hello) and message.endpoint.partition(":")[0] != self.endpoint.partition(":")[0]:
            self.exchange.inbox.malformed(f"{node_name(sender)} wants to be reached at '{message.endpoint[:200]}'")
        else:
            self._handshake(envelope)

    def _handshake(self, envelope: Envelope) -> None:
        message, sender = envelope.message, envelope.sender
        known = self._rendezvous.hellos.get(sender)
        try:
            replies = self._rendezvous.handle(envelope)
        except OtherRunError as error:
            self._context.log.logger.warning("dropped: %s", error)
            return
        except ProtocolError as error:
            if not isinstance(message, Hello):
                raise
            self._refuse(sender, message, error)
            return
        hello = self._rendezvous.hellos.get(sender)
        if hello is not None and hello != known:
            self.exchange.link(sender, self.transport.connect(hello.endpoint, role_name(sender)))
        anew = self._rendezvous.incarnation > self.exchange.incarnation
        if anew:
            trained = self._training and self.first > 0
            self._begin_again(self._recorder.directory.state_before(self.first, self._setup.n) if trained else self._states)
        self._answer(replies)
        if anew and self._training:
            raise AgentRestartedError(sender)

    def _refuse(self, sender: int, newcomer: Hello, error: ProtocolError) -> None:
        """A node that does not belong here is told why and leaves; those who do belong here go on."""
        self._context.log.logger.warning("refused: %s", error)
        envelope = Envelope(self.exchange.inbox.run, 0, ENVIRONMENT, Kind.STOP, 0, 0, Stop(f"{REFUSED}{error}"))
        try:
            link = self.transport.connect(newcomer.endpoint, role_name(sender))
        except NetagentsError as unreachable:
            self._context.log.logger.warning("it cannot be told: %s", unreachable)
            return
        link.try_send(Codec().encode(envelope))
        link.close()

    def _answer(self, replies: list[Reply]) -> None:
        for reply in replies:
            self.exchange.send(reply.message, reply.kind, self.first if reply.kind is Kind.WELCOME else 0, 0, (reply.receiver,))
            if reply.kind is Kind.WELCOME:
                self._send_state(reply.receiver)

    def _send_state(self, agent: int) -> None:
        """After its welcome an agent is told what it knew, once: a repeated welcome only crossed the first one on its way."""
        hello, state = self._rendezvous.hellos[agent], self._states.get(agent)
        if state is not None and self._told.get(agent) != hello:
            self._told[agent] = hello
            self.exchange.send(Snapshot(state), Kind.SNAPSHOT, self.first - 1, 0, (agent,))

    # -- those who are started again or lost -----------------------------------------------------------------------------

    def _begin_again(self, states: States) -> None:
        """Everybody speaks under a new incarnation from here on, about the first iteration that is not done for good."""
        self._states = states
        self.exchange.restart(self.first, self._rendezvous.incarnation)
        self._rendezvous.iteration = self.first
        self._told.clear()

    def _lose(self, agent: int, why: str) -> None:
        """Go on without an agent: all others begin anew, without it, the first iteration that is not recorded."""
        company, rendezvous = self.company, self._rendezvous
        if company is None or agent not in rendezvous.expected or agent < 0:
            return
        if not any(other >= 0 for other in rendezvous.expected - {agent}):
            raise NodeFailedError(f"no agent is left; the last one {why}", where=node_name(agent))
        if agent in self.exchange.linked:
            self.exchange.offer(Stop(f"{REFUSED}the run goes on without {node_name(agent)}, which {why}"), Kind.STOP, 0, 0, agent)
        replies = rendezvous.lose(agent)
        self.first = max(self.first, self.recorded)
        company.lose(agent, why, self.first)
        self._recorder.event("lost", agent=agent, iteration=self.first, stand_in=self._setup.experiment.failures.stand_in, line=why)
        self._context.log.logger.warning("%s %s; the run goes on without it from iteration %d", node_name(agent), why, self.first)
        if rendezvous.incarnation > self.exchange.incarnation:
            self._begin_again(self._states)
        self._answer(replies)
        if self._training:
            raise AgentLostError(agent)

    # -- end -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End all links; the last words still leave."""
        self._losses.close()
        self.exchange.close()
        self.transport.close()
