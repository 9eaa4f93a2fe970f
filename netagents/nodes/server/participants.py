"""Participants of a run and the server's links to them: nodes that gather, agents that are started again, agents that are lost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from netagents import __version__
from netagents.environments.specification_json import spec_to_json
from netagents.errors import DeadlineError, NodeFailedError, ProtocolError
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
from netagents.nodes.server.failure_policy import AgentEvent, FailurePolicy, PolicyAction
from netagents.nodes.server.heartbeats import HeartbeatMonitor
from netagents.nodes.server.irregularities import Irregularities
from netagents.nodes.server.launcher_pipes import LauncherPipes
from netagents.nodes.server.newcomers import Newcomers
from netagents.nodes.server.node_reports import NodeReports
from netagents.nodes.server.participation import MemberEvent, Participation, Rollback, Stage
from netagents.nodes.server.report_checks import ReportChecks
from netagents.nodes.server.tolerant_exchange import TolerantExchange, needs_tolerance
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
        pipes: folder of the pipes to the launcher; None when there is none.

    Attributes:
        endpoint: where nodes reach the server.
        transport, exchange: all its links, and the messages over them.
        policy: what is done about agents that fail.
        tolerant: the exchange where agents may be late, silent or lost; None in a plain run.
        participation: where the run stands, and the iteration at which all begin, or begin again.
        reports: what nodes told about themselves. checks: which of it cannot be. irregularities: what of it is recorded at once.
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
        pipes: Path | None,
    ) -> None:
        self._context, self._setup, self._recorder = context, setup, recorder
        self.participation = Participation(first)
        self._states = states
        experiment = setup.experiment
        self.transport = open_transport(listen, links)
        listener = self.transport.listen(listen)
        path = socket_path(listener.endpoint)
        if path is not None:
            context.own(path)
        self.endpoint = listener.endpoint
        audited = () if setup.branch_plan is None else (Kind.BRANCH_ACTION,)
        allowed = dict.fromkeys((Kind.ACTION, Kind.REPORT, Kind.SNAPSHOT, *audited), tuple(range(setup.n)))
        inbox = make_inbox(setup, ENVIRONMENT, run, allowed, first)
        inbox.identify(known_users(links))
        codec = Codec()
        codec.expect(action_shapes(setup))
        self.policy = FailurePolicy(experiment, setup.n)
        self._pipes = LauncherPipes(experiment, pipes, self._on_gone)
        self.exchange = Exchange(
            ENVIRONMENT,
            listener,
            inbox,
            codec=codec,
            timeouts=experiment.timeouts,
            on_control=self._control,
            watched={**watched_descriptors(context), **self.transport.watched(), **self._pipes.watched()},
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
        self._restored: dict[int, Hello] = {}
        self._newcomers = Newcomers(self.transport, links.linger_seconds, experiment.timeouts.seconds("ready"))
        self.reports, self.checks = NodeReports(), ReportChecks(setup)
        self.irregularities = Irregularities(recorder)
        self._waits = HeartbeatMonitor(self.exchange, self.policy, experiment.timeouts, self._carry_out, self.irregularities.overdue)
        self.tolerant = (
            TolerantExchange(self.exchange, setup, self.policy, self._waits, recorder.newest_state) if needs_tolerance(experiment) else None
        )

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
        if self._rendezvous.phase is not Phase.STARTED:
            self._await_start()
        self.participation.handle(MemberEvent.ALL_READY)
        self.policy.begin()
        self._states = {}

    def _await_start(self) -> None:
        rendezvous = self._rendezvous
        self._context.log.phase("waiting for all to begin again")

        def missing() -> list[int]:
            return [node for node in rendezvous.missing() if node >= 0]

        ready = self._setup.experiment.timeouts.seconds("ready")
        try:
            self._waits.serve(lambda: rendezvous.phase is Phase.STARTED, missing, ready, rendezvous.status)
        except DeadlineError as late:
            raise self.transport.failure() or late from None

    def leave(self) -> None:
        """Everybody is sent home: failures do not matter any more."""
        self.participation.handle(MemberEvent.STOP)

    # -- what nodes say --------------------------------------------------------------------------------------------------

    def _control(self, envelope: Envelope, _user: str | None) -> None:
        message, sender = envelope.message, envelope.sender
        if isinstance(message, Failed):
            if envelope.run == self.exchange.inbox.run and sender in self._rendezvous.expected and sender != MONITOR:
                self._on_failed(sender, message.line)
        elif isinstance(message, (Heartbeat, DropCounts, RelayStats)):
            if sender in self._rendezvous.expected:
                self._take_report(sender, message)
        elif isinstance(message, Hello) and message.endpoint.partition(":")[0] != self.endpoint.partition(":")[0]:
            self.exchange.inbox.malformed(f"{node_name(sender)} wants to be reached at '{message.endpoint[:200]}'")
        else:
            self._handshake(envelope)

    def _take_report(self, sender: int, message: Heartbeat | DropCounts | RelayStats) -> None:
        breach = self.checks.report_breach(sender, message)
        if breach is None:
            self.reports.take(sender, message)
            if isinstance(message, Heartbeat) and sender >= 0:
                self.policy.handle(sender, AgentEvent.HEARTBEAT)
        elif sender >= 0:
            self._on_misbehaved(sender, breach)
        else:
            self.exchange.inbox.malformed(f"{node_name(sender)} {breach}")

    def _handshake(self, envelope: Envelope) -> None:
        message, sender = envelope.message, envelope.sender
        known, incarnation = self._rendezvous.hellos.get(sender), self._rendezvous.incarnations.get(sender)
        try:
            if isinstance(message, Hello) and incarnation is not None and envelope.incarnation > incarnation:
                self._newcomers.count_process(sender)
            replies = self._rendezvous.handle(envelope)
        except OtherRunError as error:
            self._context.log.logger.warning("dropped: %s", error)
            return
        except ProtocolError as error:
            if not isinstance(message, Hello):
                raise
            self._newcomers.refuse(self.exchange.inbox.run, sender, message, error)
            return
        hello = self._rendezvous.hellos.get(sender)
        if hello is not None and (hello, self._rendezvous.incarnations[sender]) != (known, incarnation):
            self.exchange.link(sender, self.transport.connect(hello.endpoint, role_name(sender)))
        again = self._rendezvous.incarnation > self.exchange.incarnation
        rollback: tuple[Rollback, ...] = ()
        if again:
            if sender >= 0:
                self.policy.handle(sender, AgentEvent.HELLO_AGAIN)
            rollback = self._roll_back(MemberEvent.HELLO_AGAIN)
        self._answer(replies)
        if Rollback.INTERRUPT in rollback:
            raise AgentRestartedError(sender)

    def _answer(self, replies: list[Reply]) -> None:
        for reply in replies:
            self.exchange.send(
                reply.message, reply.kind, self.participation.first if reply.kind is Kind.WELCOME else 0, 0, (reply.receiver,)
            )
            if reply.kind is Kind.WELCOME:
                self._send_state(reply.receiver)

    def _send_state(self, agent: int) -> None:
        """After its welcome an agent is sent what it knew, once: a repeated welcome only crossed the first one on its way."""
        hello, state = self._rendezvous.hellos[agent], self._states.get(agent)
        if state is not None and self._restored.get(agent) != hello:
            self._restored[agent] = hello
            self.exchange.send(Snapshot(state), Kind.SNAPSHOT, self.participation.first - 1, 0, (agent,))

    # -- agents that fail ------------------------------------------------------------------------------------------------

    def _on_failed(self, agent: int, line: str) -> None:
        if self.participation.stage is not Stage.LEAVING:
            self._carry_out([(agent, self.policy.handle(agent, AgentEvent.FAILED))], line, note=f"failed: {line}")

    def _on_misbehaved(self, agent: int, reason: str) -> None:
        if self.participation.stage is not Stage.LEAVING:
            self._carry_out([(agent, self.policy.handle(agent, AgentEvent.MISBEHAVED))], reason)

    def expose(self, agent: int, reason: str) -> NoReturn:
        """An agent sent what no honest one could send: it has failed, and the policy decides what follows.

        Raises:
            NodeFailedError, AgentLostError: as the policy says; both name the agent.
            AgentRestartedError: a new process of it has come.
            DeadlineError: none came.
        """
        self._on_misbehaved(agent, reason)
        seconds = self._setup.experiment.timeouts.seconds("exchange")
        self.exchange.serve(
            lambda: False, seconds, lambda _: f"waited {seconds:g} s for a new process of {node_name(agent)}, which {reason}"
        )
        raise NodeFailedError(reason, where=node_name(agent))

    def _on_gone(self, ended: list[tuple[int, str]]) -> None:
        if self.participation.stage is not Stage.LEAVING:
            decisions = [(agent, reason, self.policy.handle(agent, AgentEvent.GONE)) for agent, reason in ended]
            self._carry_out_each([(agent, reason, reason, actions) for agent, reason, actions in decisions])

    def _carry_out(self, decisions: list[tuple[int, tuple[PolicyAction, ...]]], reason: str, note: str = "") -> None:
        self._carry_out_each([(agent, reason, note or reason, actions) for agent, actions in decisions])

    def _carry_out_each(self, decisions: list[tuple[int, str, str, tuple[PolicyAction, ...]]]) -> None:
        """Do what the policy says about each agent, also when the loop is left over the first.

        Args:
            decisions: the agent, why, what the log says, and the actions.

        Raises:
            NodeFailedError: the run ends.
            AgentLostError: the run goes on without one of them.
        """
        interruption: AgentLostError | None = None
        for agent, reason, note, actions in decisions:
            for action in actions:
                if action is PolicyAction.NOTE:
                    self._context.log.logger.warning("%s %s", node_name(agent), note)
                elif action is PolicyAction.REPORT:
                    self._pipes.report_silent(agent, self._rendezvous.incarnations.get(agent, 0), reason)
                elif action is PolicyAction.DROP:
                    interruption = self._drop(agent, reason) or interruption
                elif action is PolicyAction.FAIL:
                    raise NodeFailedError(note, where=node_name(agent))
        if interruption is not None:
            raise interruption

    def _drop(self, agent: int, reason: str) -> AgentLostError | None:
        """Go on without an agent: all others begin again, without it, the first iteration that is not recorded."""
        rendezvous = self._rendezvous
        if not any(other >= 0 for other in rendezvous.expected - {agent}):
            raise NodeFailedError(f"no agent is left; the last one {reason}", where=node_name(agent))
        if agent in self.exchange.linked:
            self.exchange.offer(Stop(f"{REFUSED}the run goes on without {node_name(agent)}, which {reason}"), Kind.STOP, 0, 0, agent)
        replies = rendezvous.lose(agent)
        again = rendezvous.incarnation > self.exchange.incarnation
        rollback = self._roll_back(MemberEvent.DROPPED, speak_anew=again)
        first = self.participation.first
        if self.tolerant is not None:
            self.tolerant.drop(agent, first)
        self._recorder.event("lost", agent=agent, iteration=first, stand_in=self._setup.experiment.failures.stand_in, line=reason)
        self._context.log.logger.warning("%s %s; the run goes on without it from iteration %d", node_name(agent), reason, first)
        self._answer(replies)
        return AgentLostError(agent) if Rollback.INTERRUPT in rollback else None

    def _roll_back(self, event: MemberEvent, *, speak_anew: bool = True) -> tuple[Rollback, ...]:
        """Everybody speaks under a new incarnation from here on, about the iteration at which all begin again."""
        rollback = self.participation.handle(event)
        first = self.participation.first
        if Rollback.RESTORE in rollback:
            self._states = self._recorder.directory.state_before(first, self._setup.n) if first > 0 else {}
        if speak_anew:
            self.exchange.restart(first, self._rendezvous.incarnation)
            self._rendezvous.iteration = first
            self._restored.clear()
        return rollback

    # -- end -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End all links; the last words still leave."""
        self._pipes.close()
        self.exchange.close()
        self.transport.close()
