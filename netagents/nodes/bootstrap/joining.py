"""How a node becomes part of a run: it knows an address, says hello, is welcomed, links to its peers and waits for the start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from netagents import __version__
from netagents.errors import DeadlineError, ProtocolError
from netagents.experiment import Timeouts
from netagents.learning import Setup, with_imports
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.messages import ENVIRONMENT, Envelope, Heartbeat, Kind, Snapshot, Stop
from netagents.nodes.bootstrap.foreign_code import refuse_foreign_code
from netagents.nodes.bootstrap.membership import Membership, State
from netagents.nodes.bootstrap.node_addresses import found_address, own_address, socket_path
from netagents.nodes.bootstrap.node_keys import known_users, link_settings
from netagents.nodes.bootstrap.run_shapes import shapes_of
from netagents.nodes.bootstrap.welcome import REFUSED, read_welcome
from netagents.nodes.process.endings import watch
from netagents.nodes.process.injected_faults import faulty_feed, link_layer
from netagents.nodes.process.node_process import ProcessContext
from netagents.nodes.process.rollback import IterationUndoLog, RollbackError
from netagents.wire.codec import Codec
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.pauses import waiting_clock
from netagents.wire.relay_exchange import Places, RelayExchange
from netagents.wire.security.key_bundles import role_name
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.handshake import NodeHandshake, Phase, Reply, StrangerError
from netagents.wire.session.inbox import UNKNOWN_RUN, Inbox
from netagents.wire.session.receiver import NOTE_SECONDS
from netagents.wire.session.stop_request import StopReceivedError
from netagents.wire.transport.transport import LinkSettings, Listener, Transport, open_transport

HELLO_INTERVAL = 0.5
"""Seconds after which a node that was not welcomed says hello again."""


@dataclass(frozen=True)
class Part:
    """What a node takes in, and whom it links to.

    Attributes:
        inbox: what it takes in.
        speaks_to: the agents it has links to. hears: the agents that have links to it.
        places: with relay routing, where it stands in the trees of those whose messages it hands on or needs.
    """

    inbox: Inbox
    speaks_to: frozenset[int] = frozenset()
    hears: frozenset[int] = frozenset()
    places: Places | None = None


Plan = Callable[[Setup], Part]
"""From the setup to a node's part in the run."""


def join(context: ProcessContext, index: int, arguments: Mapping[str, str], plan: Plan) -> Membership:
    """Join the run whose server listens at ``arguments["join"]``.

    Args:
        context: of the process.
        index: node index.
        arguments: ``join`` (address), ``run`` (16 hexadecimal digits; absent when started by hand), and optional ``listen`` (address),
            ``advertise`` (host that others reach it by), ``keys`` (folder), ``allow_imports`` (run code that the experiment names).
        plan: what this kind of node takes in, and whom it links to.

    Raises:
        DeadlineError: not welcomed, linked or started in time.
        ProtocolError: another version or run.
        SecurityError: keys that do not fit, or foreign code that nobody allowed.
        StopReceivedError, EndRequestedError, ParentLostError: the run ended before it began.
    """
    scale = float(arguments.get("timeout_scale", 1.0))
    address = found_address(arguments["join"], Timeouts(scale=scale).seconds("join"), context.log.logger.info)
    settings = link_settings(arguments, index)
    transport = open_transport(address, settings)
    try:
        return _Joining(context, index, {**arguments, "join": address}, transport, settings).run(plan)
    except BaseException:
        transport.close()
        raise


class _Joining:
    def __init__(
        self, context: ProcessContext, index: int, arguments: Mapping[str, str], transport: Transport, settings: LinkSettings
    ) -> None:
        self.context, self.index, self.transport = context, index, transport
        self.users, self.allow_imports = known_users(settings), bool(arguments.get("allow_imports"))
        # Given by whoever starts it again; a fresh name keeps what was meant for its forerunner away.
        incarnation = int(arguments.get("incarnation", 0))
        name = f"{context.role}.{incarnation}" if incarnation else context.role
        self.listener: Listener = transport.listen(arguments.get("listen") or own_address(arguments["join"], name))
        context.log.logger.info("listening at %s", self.listener.endpoint)
        path = socket_path(self.listener.endpoint)
        if path is not None:
            context.own(path)
        run = bytes.fromhex(arguments["run"]) if "run" in arguments else UNKNOWN_RUN
        self.handshake = NodeHandshake(index, self.listener.endpoint, __version__, os.getpid(), run)
        # Until it is welcomed a node knows no settings but these defaults.
        self.timeouts = Timeouts(scale=float(arguments.get("timeout_scale", 1.0)))
        self.codec = Codec()
        self.first_process = incarnation == 0
        self.window, self.ages = IterationUndoLog(), AgeCounts()
        self.exchange = self._exchange(Inbox(run, {}), None)
        self.exchange.incarnation = incarnation
        self.speaks_to: frozenset[int] = frozenset()
        self.hears: frozenset[int] = frozenset()
        self.endpoints: dict[int, str] = {}
        self.exchange.link(ENVIRONMENT, transport.connect(arguments["join"], role_name(ENVIRONMENT)))

    def run(self, plan: Plan) -> Membership:
        handshake, log = self.handshake, self.context.log
        log.phase("joining")
        deadline = waiting_clock() + self.timeouts.seconds("join")
        next_note = waiting_clock() + NOTE_SECONDS
        while handshake.phase is Phase.HELLO:
            if waiting_clock() >= next_note:
                next_note += NOTE_SECONDS
                log.logger.info("%s", handshake.status(deadline - waiting_clock()))
            self._send(handshake.hello())
            # Up to the welcome and no further: what follows it is for the inbox that is yet to be made.
            self.exchange.pump(HELLO_INTERVAL, lambda: handshake.phase is not Phase.HELLO)
            if handshake.phase is Phase.HELLO and waiting_clock() > deadline:
                self.exchange.serve(lambda: False, 0.0, handshake.status)
        if handshake.welcome is None:
            raise ProtocolError("welcomed without a welcome", where=self.context.role)
        setup = read_welcome(handshake.welcome)
        refuse_foreign_code(setup.experiment, allowed=self.allow_imports)
        setup = with_imports(setup)
        self.timeouts = setup.experiment.timeouts
        part = plan(setup)
        if self.index >= 0:
            self.codec.expect(shapes_of(setup, self.index))
        inbox, self.speaks_to, self.hears = part.inbox, part.speaks_to, part.hears
        inbox.run = handshake.run
        feed = faulty_feed(setup.experiment, self.index)
        layer = link_layer(setup.experiment, self.index, self.listener, handshake.run, self.users)
        inbox.dropped.update(self.exchange.inbox.dropped)
        welcomed, self.exchange = self.exchange, self._exchange(inbox, feed, part.places, layer)
        self.exchange.adopt(welcomed)
        first, state, lost = self.enter(None)
        fresh = first == 0 and self.first_process
        return Membership(self.index, setup, self.exchange, self.transport, first, state, self.enter, fresh, self.window, self.ages, lost)

    def enter(self, welcome: Envelope | None) -> tuple[int, State, frozenset[int]]:
        """Link to all peers and wait for the start; begins again as often as somebody is restarted meanwhile.

        Args:
            welcome: a new one to take first.

        Returns:
            The first iteration, an agent's state before it, and the agents that the run goes on without.
        """
        while True:
            if welcome is not None:
                self.handshake.begin_again(welcome)
            try:
                return self.handshake.iteration, self._link(), self._lost()
            except RollbackError as again:
                welcome = again.envelope

    def _lost(self) -> frozenset[int]:
        """The agents that the newest Welcome no longer names."""
        assert self.handshake.welcome is not None
        return (self.speaks_to | self.hears) - self.handshake.welcome.peers.keys()

    def _link(self) -> State:
        handshake, exchange = self.handshake, self.exchange
        assert handshake.welcome is not None
        exchange.restart(handshake.iteration, handshake.incarnation)
        lost = self._lost()
        # Over a modelled link even who only listens has to acknowledge.
        answers = set() if exchange.links is None else {peer for peer in self.hears if exchange.links.concerns(peer)}
        for peer in sorted((self.speaks_to | answers) - lost):
            endpoint = handshake.welcome.peers[peer]
            if self.endpoints.get(peer) != endpoint:
                self.endpoints[peer] = endpoint
                exchange.link(peer, self.transport.connect(endpoint, role_name(peer)))
        state = self._resumed_state()
        self.context.log.phase("linking")
        for reply in handshake.link(self.speaks_to - lost, self.hears - lost):
            self._send(reply)
        ready = self.timeouts.seconds("ready")
        try:
            exchange.serve(lambda: handshake.phase is Phase.STARTED, ready / 2, handshake.status)
        except DeadlineError:
            # After a restart a link that cannot be secured is only logged: its peer may be started again, and then all link anew.  But the
            # node that knows the reason must not leave it to others to fail without one.
            failure = self.transport.failure()
            if failure is not None:
                raise failure from None
            exchange.serve(lambda: handshake.phase is Phase.STARTED, ready / 2, handshake.status)
        self.transport.settle()
        return state

    def _resumed_state(self) -> State:
        """An agent's state before the first iteration: kept, or sent by the server right after the welcome."""
        kept = self.window.before(self.handshake.iteration)
        if kept is not None:
            return kept[0]
        before = self.handshake.iteration - 1
        if before < 0 or self.index < 0:
            return None
        (snapshot,) = self.exchange.receive(before, Kind.SNAPSHOT, 0, (ENVIRONMENT,), self.timeouts.seconds("ready"))
        return snapshot.arrays if isinstance(snapshot, Snapshot) else None

    def _exchange(self, inbox: Inbox, faults: FaultyFeed | None, places: Places | None = None, links: LinkLayer | None = None) -> Exchange:
        inbox.identify(self.users)
        make = Exchange if places is None else partial(RelayExchange, places=places)
        return make(
            self.index,
            self.listener,
            inbox,
            codec=self.codec,
            timeouts=self.timeouts,
            on_control=self._control,
            watched={**watch(self.context), **self.transport.watched()},
            faults=faults,
            links=links,
        )

    def _control(self, envelope: Envelope, _user: str | None) -> None:
        if isinstance(envelope.message, Stop):
            if self.handshake.run in (envelope.run, UNKNOWN_RUN):
                if envelope.message.reason.startswith(REFUSED):
                    raise ProtocolError(envelope.message.reason.removeprefix(REFUSED))
                raise StopReceivedError(envelope.message.reason)
            return
        if isinstance(envelope.message, Heartbeat):
            self.exchange.offer(Heartbeat(self.ages.counts), Kind.HEARTBEAT, 0, 0, ENVIRONMENT)
            return
        if self.handshake.supersedes(envelope):
            raise RollbackError(envelope)
        try:
            replies = self.handshake.handle(envelope)
        except StrangerError as error:
            self.context.log.logger.warning("dropped: %s", error)
            return
        for reply in replies:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.exchange.send(reply.message, reply.kind, 0, 0, (reply.receiver,))
