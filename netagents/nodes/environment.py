"""The environment server's process: rendezvous, owner of time and of the joint state, and writer of the records."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents import __version__
from netagents.environments.facts import spec_to_json
from netagents.environments.session import EnvironmentSession, Returns
from netagents.errors import DeadlineError, NetagentsError, NodeFailedError, ProtocolError, exit_code_of
from netagents.experiment.clock import FreeRunningSettings
from netagents.learning import Ledger, Outgoing, Setup, make_record
from netagents.learning.checkpointing import checkpoint_due
from netagents.learning.prepare import prepare
from netagents.messages import (
    ENVIRONMENT,
    MONITOR,
    Action,
    Carried,
    Envelope,
    Failed,
    Hello,
    Kind,
    Message,
    Report,
    Sign,
    Snapshot,
    Step,
    Stop,
    Tally,
    node_name,
)
from netagents.nodes.accounts import Accounts
from netagents.nodes.addresses import announce, socket_path
from netagents.nodes.company import Company, needs_company, staleness
from netagents.nodes.endings import EndRequestedError, ParentLostError, watch
from netagents.nodes.faults import faulty_feed, link_layer
from netagents.nodes.forms import forms_of_actions
from netagents.nodes.free_running import World
from netagents.nodes.inboxes import make_inbox
from netagents.nodes.keys import known_users, link_settings
from netagents.nodes.losses import Losses
from netagents.nodes.process import ProcessContext
from netagents.nodes.recovery import AgentLostError, AgentRestartedError
from netagents.nodes.refusals import refusals, refusals_line
from netagents.nodes.view import to_digest
from netagents.nodes.welcome import REFUSED, write_welcome
from netagents.records.recorder import Recorder
from netagents.records.run_directory import RunDirectory
from netagents.wire.codec import Codec
from netagents.wire.exchange import Exchange
from netagents.wire.handshake import Phase, Rendezvous, Reply, StrangerError
from netagents.wire.security import role_name
from netagents.wire.transport import LinkSettings, open_transport

FINISHED = "finished"
"""The reason of a Stop that ends a whole run."""

Receive = Callable[[int, Kind, int, Sequence[int]], list[Message]]
States = Mapping[int, Mapping[str, NDArray[Any]]]
"""Per agent every named array."""


def run_environment(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """The role: gather everybody, step the dynamics, record, send everybody home.

    Args:
        context: of the process.
        arguments: ``run_directory`` (made before), ``listen`` (address), ``announce`` (optional file in which to say the real one) and
            ``resume_from`` (optional iteration to go on with) and ``lines`` (optional folder of the lines to the launcher).
    """
    directory = RunDirectory.open(Path(arguments["run_directory"]))
    prepared = prepare(directory.experiment())
    links = link_settings(arguments, ENVIRONMENT)
    first = int(arguments["resume_from"]) if "resume_from" in arguments else None
    states = directory.state_before(first, prepared.setup.n) if first else {}
    with Recorder(directory, prepared.setup, resume_from=first) as recorder:
        listen, lines = str(arguments["listen"]), Path(arguments["lines"]) if "lines" in arguments else None
        server = EnvironmentServer(context, prepared.setup, recorder, directory.run_id, listen, first or 0, states, links, lines)
        if "announce" in arguments:
            announce(server.endpoint, context.own(Path(arguments["announce"])))
        try:
            server.gather()
            server.train(prepared.setup.session(prepared.environment))
            server.stop(FINISHED)
            recorder.close("finished")
        except EndRequestedError as error:
            context.log.leaving(error)
            server.stop("interrupted")
            recorder.close("interrupted", line="ended by SIGTERM", code=143)
        except ParentLostError as error:
            server.stop(str(error))
            recorder.close("interrupted", line=str(error), tables=False)
        except Exception as error:
            server.stop(f"{node_name(ENVIRONMENT)} failed")
            line = str(error) if isinstance(error, NetagentsError) else f"{type(error).__name__}: {error}"
            recorder.close("failed", line=line, code=exit_code_of(error), role=context.role)
            raise
        finally:
            server.close()


class EnvironmentServer:
    """The server of one run.

    Args:
        context: of the process.
        setup: what all nodes share.
        recorder: where the records go.
        run: 8 bytes that name the run.
        listen: address.
        first: the iteration to begin with.
        states: every agent's named arrays before that iteration; empty at the beginning of a run.
        links: keys and the host to be reached by; default: neither.
        lines: folder of the lines to the launcher; None when there is none.
    """

    def __init__(
        self,
        context: ProcessContext,
        setup: Setup,
        recorder: Recorder,
        run: bytes,
        listen: str,
        first: int = 0,
        states: States | None = None,
        links: LinkSettings | None = None,
        lines: Path | None = None,
    ) -> None:
        self._context, self._setup, self._recorder = context, setup, recorder
        self._agents = tuple(range(setup.n))
        self._first, self._states = first, states or {}
        experiment = setup.experiment
        links = links or LinkSettings()
        self._transport = open_transport(listen, links)
        listener = self._transport.listen(listen)
        path = socket_path(listener.endpoint)
        if path is not None:
            context.own(path)
        self.endpoint = listener.endpoint
        allowed = dict.fromkeys((Kind.ACTION, Kind.REPORT, Kind.SNAPSHOT), self._agents)
        inbox = make_inbox(setup, ENVIRONMENT, run, allowed, first)
        inbox.identify(known_users(links))
        codec = Codec()
        codec.expect(forms_of_actions(setup))
        self._losses = Losses(experiment, lines, self._lose)
        self._exchange = Exchange(
            ENVIRONMENT,
            listener,
            inbox,
            codec=codec,
            timeouts=experiment.timeouts,
            on_control=self._control,
            watched={**watch(context), **self._transport.watched(), **self._losses.watched()},
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
        self._recorded = first
        self._training = False
        self._accounts = Accounts()
        self._world: World | None = None
        self._loop = self._train_freely if isinstance(experiment.clock, FreeRunningSettings) else self._train
        self._company = Company(self._exchange, setup, self._losses.silent, recorder.newest_state) if needs_company(experiment) else None
        self._send = self._exchange.send if self._company is None else self._company.send
        self._receive: Receive = self._exchange.receive if self._company is None else self._company.receive
        self._ledger = Ledger(lambda _: 0)
        self._pages: dict[int, tuple[Returns, NDArray[np.int64]]] = {}
        self._sample_seconds = 0.0

    # -- start -----------------------------------------------------------------------------------------------------------

    def gather(self) -> None:
        """Wait until every node has said hello, is linked to its peers and is ready; then start them.

        Raises:
            DeadlineError: names the nodes that are missing.
        """
        rendezvous, timeouts = self._rendezvous, self._setup.experiment.timeouts
        self._context.log.phase("gathering")
        self._exchange.serve(lambda: rendezvous.phase is not Phase.HELLO, timeouts.seconds("join"), rendezvous.status)
        self._exchange.serve(lambda: rendezvous.phase is Phase.STARTED, timeouts.seconds("ready"), rendezvous.status)
        self._transport.settle()
        self._recorder.event("gathered", nodes=len(rendezvous.expected), pid=os.getpid())

    def _control(self, envelope: Envelope, _user: str | None) -> None:
        message, sender = envelope.message, envelope.sender
        if isinstance(message, Failed):
            if envelope.run == self._exchange.inbox.run and sender in self._rendezvous.expected and sender != MONITOR:
                self._losses.failed(sender, message.line)
            return
        if isinstance(message, (Sign, Tally, Carried)):
            if sender in self._rendezvous.expected:
                self._accounts.hear(sender, message)
                if isinstance(message, Sign) and self._company is not None and self._company.answers is not None:
                    self._company.answers.hear(sender)
            return
        if isinstance(message, Hello) and message.endpoint.partition(":")[0] != self.endpoint.partition(":")[0]:
            self._exchange.inbox.malformed(f"{node_name(sender)} wants to be reached at '{message.endpoint[:200]}'")
            return
        known = self._rendezvous.hellos.get(sender)
        try:
            replies = self._rendezvous.handle(envelope)
        except StrangerError as error:
            self._context.log.logger.warning("dropped: %s", error)
            return
        except ProtocolError as error:
            if not isinstance(message, Hello):
                raise
            self._refuse(sender, message, error)
            return
        hello = self._rendezvous.hellos.get(sender)
        if hello is not None and hello != known:
            self._exchange.link(sender, self._transport.connect(hello.endpoint, role_name(sender)))
        anew = self._rendezvous.incarnation > self._exchange.incarnation
        if anew:
            trained = self._training and self._first > 0
            self._begin_again(self._recorder.directory.state_before(self._first, self._setup.n) if trained else self._states)
        self._answer(replies)
        if anew and self._training:
            raise AgentRestartedError(sender)

    def _answer(self, replies: list[Reply]) -> None:
        for reply in replies:
            self._exchange.send(reply.message, reply.kind, self._first if reply.kind is Kind.WELCOME else 0, 0, (reply.receiver,))
            if reply.kind is Kind.WELCOME:
                self._send_state(reply.receiver)

    def _begin_again(self, states: States) -> None:
        """Everybody speaks under a new incarnation from here on, about the first iteration that is not done for good."""
        self._states = states
        self._exchange.restart(self._first, self._rendezvous.incarnation)
        self._rendezvous.iteration = self._first
        self._told.clear()

    def _lose(self, agent: int, why: str) -> None:
        """Go on without an agent: all others begin anew, without it, the first iteration that is not recorded."""
        company, rendezvous = self._company, self._rendezvous
        if company is None or agent not in rendezvous.expected or agent < 0:
            return
        if not any(other >= 0 for other in rendezvous.expected - {agent}):
            raise NodeFailedError(f"no agent is left; the last one {why}", where=node_name(agent))
        if agent in self._exchange.linked:
            self._exchange.offer(Stop(f"{REFUSED}the run goes on without {node_name(agent)}, which {why}"), Kind.STOP, 0, 0, agent)
        replies = rendezvous.lose(agent)
        self._first = max(self._first, self._recorded)
        company.lose(agent, why, self._first)
        self._ledger.leave_out(company.lost)
        self._recorder.event("lost", agent=agent, iteration=self._first, stand_in=self._setup.experiment.failures.stand_in, line=why)
        self._context.log.logger.warning("%s %s; the run goes on without it from iteration %d", node_name(agent), why, self._first)
        if rendezvous.incarnation > self._exchange.incarnation:
            self._begin_again(self._states)
        self._answer(replies)
        if self._training:
            raise AgentLostError(agent)

    def _send_state(self, agent: int) -> None:
        """After its welcome an agent is told what it knew, once: a repeated welcome only crossed the first one on its way."""
        hello, state = self._rendezvous.hellos[agent], self._states.get(agent)
        if state is not None and self._told.get(agent) != hello:
            self._told[agent] = hello
            self._exchange.send(Snapshot(state), Kind.SNAPSHOT, self._first - 1, 0, (agent,))

    def _refuse(self, sender: int, newcomer: Hello, error: ProtocolError) -> None:
        """A node that does not belong here is told why and leaves; those who do belong here go on."""
        self._context.log.logger.warning("refused: %s", error)
        envelope = Envelope(self._exchange.inbox.run, 0, ENVIRONMENT, Kind.STOP, 0, 0, Stop(f"{REFUSED}{error}"))
        try:
            link = self._transport.connect(newcomer.endpoint, role_name(sender))
        except NetagentsError as unreachable:
            self._context.log.logger.warning("it cannot be told: %s", unreachable)
            return
        link.try_send(Codec().encode(envelope))
        link.close()

    # -- training --------------------------------------------------------------------------------------------------------

    def train(self, session: EnvironmentSession) -> None:
        """All iterations; when an agent was started again, from the newest checkpoint on."""
        self._training = True
        while True:
            try:
                if self._rendezvous.phase is not Phase.STARTED:
                    self._await_start()
                self._states = {}
                self._loop(session)
            except AgentRestartedError as restarted:
                self._context.log.logger.warning("%s; all go back to iteration %d", restarted, self._first)
                self._recorder.event("restarted", agent=restarted.agent, iteration=self._first, incarnation=self._exchange.incarnation)
                self._forget_attempt()
            except AgentLostError:
                self._forget_attempt()
            else:
                return

    def _forget_attempt(self) -> None:
        """What was counted of iterations that begin anew."""
        self._pages.clear()
        self._ledger = Ledger(lambda _: 0)
        if self._company is not None:
            self._ledger.leave_out(self._company.lost)
            self._company.begin_again()

    def _await_start(self) -> None:
        rendezvous = self._rendezvous
        self._context.log.phase("waiting for all to begin again")
        ready = self._setup.experiment.timeouts.seconds("ready")
        try:
            self._exchange.serve(lambda: rendezvous.phase is Phase.STARTED, ready, rendezvous.status)
        except DeadlineError as late:
            raise self._transport.failure() or late from None

    def _train(self, session: EnvironmentSession) -> None:
        """From the newest checkpoint on; every record is written as soon as its reports are in."""
        receive, agents, setup = self._receive, self._agents, self._setup
        iterations = setup.experiment.learning.iterations
        first = self._first
        for iteration in range(first, iterations):
            self._context.log.phase(f"iteration {iteration}")
            self._send_steps(iteration, 0, session.begin(iteration))
            began = 0.0
            for step in range(setup.steps):
                actions = receive(iteration, Kind.ACTION, step, agents)
                self._send_steps(iteration, step + 1, session.advance([action.actions for action in actions if isinstance(action, Action)]))
                if step == 0:
                    # The reports came with the first actions; everybody is busy with the next step while they are recorded.
                    if iteration > first:
                        self._record(iteration - 1)
                    began = perf_counter()
            self._sample_seconds += perf_counter() - began
            self._pages[iteration] = (session.returns(), self._ledger.close())
        self._record(iterations - 1)

    def _train_freely(self, session: EnvironmentSession) -> None:
        """The same on a timer: an iteration ends when all reports of it are in."""
        company = self._company
        assert company is not None
        if self._world is None:
            self._world = World(self._exchange, self._setup, company.send, company.missed, company.stand_in)
        for iteration in range(self._first, self._setup.experiment.learning.iterations):
            self._context.log.phase(f"iteration {iteration}")
            began = perf_counter()
            steps = self._world.run(session, iteration, [agent for agent in self._agents if agent not in company.lost])
            self._count_steps(iteration, steps, self._world.ticks)
            self._sample_seconds += perf_counter() - began
            self._pages[iteration] = (session.returns(), self._ledger.close())
            self._record(iteration)

    def _send_steps(self, iteration: int, step: int, messages: list[Step]) -> None:
        send = self._send
        for agent, message in enumerate(messages):
            send(message, Kind.STEP, iteration, step, (agent,))
        if step == 0:
            self._count_steps(iteration, messages, self._setup.steps)

    def _count_steps(self, iteration: int, messages: Sequence[Step], steps: int) -> None:
        # All steps of an iteration are of one size.
        for agent, message in enumerate(messages):
            self._ledger.count(Outgoing(Kind.STEP, iteration, 0, message, (agent,)), times=steps + 1)

    def _record(self, iteration: int) -> None:
        reports = self._receive(iteration, Kind.REPORT, 0, self._agents)
        due = checkpoint_due(self._setup.experiment, iteration)
        snapshots = self._receive(iteration, Kind.SNAPSHOT, 0, self._agents) if due else []
        # From here on nothing is waited for, so that a restart finds an iteration recorded and kept, or neither.
        returns, ledger = self._pages.pop(iteration)
        if iteration < self._recorded:
            return  # after a restart, the same numbers once more
        self._recorded = iteration + 1
        typed = [report for report in reports if isinstance(report, Report)]
        record = make_record(iteration, returns.team, returns.discounted, typed, ledger, ENVIRONMENT)
        self._recorder.iteration(record)
        if due:
            states = {agent: snapshot.arrays for agent, snapshot in enumerate(snapshots) if isinstance(snapshot, Snapshot)}
            self._recorder.snapshot(iteration, states)
            self._first = iteration + 1
        if self._setup.experiment.runtime.monitor:
            self._exchange.offer(to_digest(record), Kind.DIGEST, iteration, 0, MONITOR)

    # -- end -------------------------------------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Send every node home, best effort, and write down what travelled."""
        # Counted before anybody is sent home, because links that end after that end as they should.
        refused = refusals(self._exchange.inbox, self._transport)
        if refused:
            self._context.log.logger.warning("refused in all: %s", refusals_line(refused))
        for node in sorted(self._exchange.linked):
            self._exchange.offer(Stop(reason), Kind.STOP, 0, 0, node)
        experiment = self._setup.experiment
        if reason == FINISHED and experiment.routing == "relay":
            self._accounts.await_carried(self._exchange, len(self._agents), experiment.timeouts.seconds("linger"))
        self._accounts.write(self._recorder, self._exchange, refused, self._sample_seconds)
        stale = staleness(self._accounts.ages, self._company, self._world)
        if stale:
            self._recorder.event("staleness", **stale)

    def close(self) -> None:
        """End all links; the last words still leave."""
        self._losses.close()
        self._exchange.close()
        self._transport.close()
