"""Joining of a node: from the server's address by Hello, Welcome and links to its peers to the start of the run."""

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
from netagents.nodes.bootstrap.membership import AgentState, Membership
from netagents.nodes.bootstrap.node_addresses import own_address, resolve_address, socket_path
from netagents.nodes.bootstrap.node_keys import known_users, link_settings
from netagents.nodes.bootstrap.run_shapes import shapes_of
from netagents.nodes.bootstrap.welcome import REFUSED, read_welcome
from netagents.nodes.process.injected_faults import faulty_feed, link_layer
from netagents.nodes.process.node_process import ProcessContext, watched_descriptors
from netagents.nodes.process.rollback import IterationUndoLog, RollbackError
from netagents.wire.codec import Codec
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.pauses import waiting_clock
from netagents.wire.relay_exchange import RelayExchange, TreeNodes
from netagents.wire.security.key_bundles import role_name
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.exchange import Exchange, StopReceivedError
from netagents.wire.session.handshake import NodeHandshake, OtherRunError, Phase, Reply
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import UNKNOWN_RUN
from netagents.wire.session.receiver import NOTE_SECONDS
from netagents.wire.transport.transport import LinkSettings, Listener, Transport, open_transport

HELLO_INTERVAL = 0.5
"""Seconds between two Hellos of a node that is not welcomed yet."""


@dataclass(frozen=True)
class NodePlan:
    """The inbox and the links of a node.

    Attributes:
        inbox: what it accepts.
        out_peers: the agents that it has links to. in_peers: the agents that have links to it.
        tree_nodes: with relay routing, its positions in the trees of the messages that it forwards or needs.
    """

    inbox: Inbox
    out_peers: frozenset[int] = frozenset()
    in_peers: frozenset[int] = frozenset()
    tree_nodes: TreeNodes | None = None


MakePlan = Callable[[Setup], NodePlan]
"""From the setup to the plan of a node."""


def join(context: ProcessContext, index: int, arguments: Mapping[str, str], plan: MakePlan) -> Membership:
    """Join the run whose server listens at ``arguments["join"]``.

    Args:
        context: of the process.
        index: node index.
        arguments: ``join`` (address), ``run`` (16 hexadecimal digits; absent when started by hand), and optional ``listen`` (address),
            ``advertise`` (host under which others reach it), ``keys`` (folder), ``allow_imports`` (run code that the experiment names),
            ``timeout_scale`` and ``join_seconds`` (the run's ``timeouts.scale`` and scaled ``timeouts.join``, where a launcher knows them).
        plan: makes the inbox and the links of the node.

    Raises:
        DeadlineError: not welcomed, linked or started in time.
        ProtocolError: another version or run.
        SecurityError: wrong keys, or foreign code that is not allowed.
        StopReceivedError, EndRequestedError, ParentLostError: the run ended before it began.
    """
    address = resolve_address(arguments["join"], _timeouts_before_welcome(arguments).seconds("join"), context.log.logger.info)
    settings = link_settings(arguments, index)
    transport = open_transport(address, settings)
    try:
        return _Joining(context, index, {**arguments, "join": address}, transport, settings).run(plan)
    except BaseException:
        transport.close()
        raise


def _timeouts_before_welcome(arguments: Mapping[str, str]) -> Timeouts:
    """Until it is welcomed a node knows no settings but the defaults and what its launcher says."""
    scale = float(arguments.get("timeout_scale", 1.0))
    return Timeouts(scale=scale, join=float(arguments.get("join_seconds", Timeouts(scale=scale).seconds("join"))) / scale)


_LONGER = 1.25
"""By how much a node waits longer than the server does: the server sees who is missing, and must be the first to say so."""


class _Joining:
    def __init__(
        self, context: ProcessContext, index: int, arguments: Mapping[str, str], transport: Transport, settings: LinkSettings
    ) -> None:
        self.context, self.index, self.transport, self.arguments = context, index, transport, arguments
        self.users, self.allow_imports = known_users(settings), bool(arguments.get("allow_imports"))
        # The launcher gives it at a restart; a new name keeps messages for the earlier process away.
        incarnation = int(arguments.get("incarnation", 0))
        name = f"{context.role}.{incarnation}" if incarnation else context.role
        self.listener: Listener = transport.listen(arguments.get("listen") or own_address(arguments["join"], name))
        context.log.logger.info("listening at %s", self.listener.endpoint)
        path = socket_path(self.listener.endpoint)
        if path is not None:
            context.own(path)
        run = bytes.fromhex(arguments["run"]) if "run" in arguments else UNKNOWN_RUN
        self.handshake = NodeHandshake(index, self.listener.endpoint, __version__, os.getpid(), run)
        self.timeouts = _timeouts_before_welcome(arguments)
        self.codec = Codec()
        self.first_process = incarnation == 0
        self.undo_log, self.ages = IterationUndoLog(), AgeCounts()
        self.exchange = self._exchange(Inbox(run, {}), None)
        self.exchange.incarnation = incarnation
        self.out_peers: frozenset[int] = frozenset()
        self.in_peers: frozenset[int] = frozenset()
        self.endpoints: dict[int, str] = {}
        self.exchange.link(ENVIRONMENT, transport.connect(arguments["join"], role_name(ENVIRONMENT)))

    def run(self, plan: MakePlan) -> Membership:
        handshake, log = self.handshake, self.context.log
        log.phase("joining")
        # Both clocks began at about the same time where a launcher started both.
        longer = _LONGER if "join_seconds" in self.arguments else 1.0
        deadline = waiting_clock() + longer * self.timeouts.seconds("join")
        next_note = waiting_clock() + NOTE_SECONDS
        while handshake.phase is Phase.HELLO:
            if waiting_clock() >= next_note:
                next_note += NOTE_SECONDS
                log.logger.info("%s", handshake.status(deadline - waiting_clock()))
            self._send(handshake.hello())
            # Only up to the Welcome: what follows is for the inbox that is made from it.
            self.exchange.pump(HELLO_INTERVAL, lambda: handshake.phase is not Phase.HELLO)
            if handshake.phase is Phase.HELLO and waiting_clock() > deadline:
                self.exchange.serve(lambda: False, 0.0, handshake.status)
        if handshake.welcome is None:
            raise ProtocolError("the phase is WELCOMED without a Welcome", where=self.context.role)
        setup = read_welcome(handshake.welcome)
        refuse_foreign_code(setup.experiment, allowed=self.allow_imports)
        setup = with_imports(setup)
        self.timeouts = setup.experiment.timeouts
        node_plan = plan(setup)
        if self.index >= 0:
            self.codec.expect(shapes_of(setup, self.index))
        inbox, self.out_peers, self.in_peers = node_plan.inbox, node_plan.out_peers, node_plan.in_peers
        inbox.run = handshake.run
        feed = faulty_feed(setup.experiment, self.index)
        layer = link_layer(setup.experiment, self.index, self.listener, handshake.run, self.users)
        inbox.dropped.update(self.exchange.inbox.dropped)
        earlier, self.exchange = self.exchange, self._exchange(inbox, feed, node_plan.tree_nodes, layer)
        self.exchange.adopt(earlier)
        first, state, lost = self.enter(None)
        fresh = first == 0 and self.first_process
        return Membership(self.index, setup, self.exchange, self.transport, first, state, self.enter, fresh, self.undo_log, self.ages, lost)

    def enter(self, welcome: Envelope | None) -> tuple[int, AgentState, frozenset[int]]:
        """Link to all peers and wait for the start; begins again whenever a node is restarted meanwhile.

        Args:
            welcome: a new Welcome to accept first.

        Returns:
            The first iteration, an agent's state before it, and the lost agents.
        """
        while True:
            if welcome is not None:
                self.handshake.restart(welcome)
            try:
                return self.handshake.iteration, self._link(), self._lost()
            except RollbackError as rollback:
                welcome = rollback.envelope

    def _lost(self) -> frozenset[int]:
        """The peers that the newest Welcome no longer names."""
        assert self.handshake.welcome is not None
        return (self.out_peers | self.in_peers) - self.handshake.welcome.peers.keys()

    def _link(self) -> AgentState:
        handshake, exchange = self.handshake, self.exchange
        assert handshake.welcome is not None
        exchange.restart(handshake.iteration, handshake.incarnation)
        lost = self._lost()
        # Modelled links also need a link back, for acknowledgements.
        acknowledging = set() if exchange.links is None else {peer for peer in self.in_peers if exchange.links.is_modelled(peer)}
        for peer in sorted((self.out_peers | acknowledging) - lost):
            endpoint = handshake.welcome.peers[peer]
            if self.endpoints.get(peer) != endpoint:
                self.endpoints[peer] = endpoint
                exchange.link(peer, self.transport.connect(endpoint, role_name(peer)))
        state = self._resumed_state()
        self.context.log.phase("linking")
        for reply in handshake.link(self.out_peers - lost, self.in_peers - lost):
            self._send(reply)
        ready = self.timeouts.seconds("ready")
        try:
            exchange.serve(lambda: handshake.phase is Phase.STARTED, ready / 2, handshake.status)
        except DeadlineError:
            # After a restart a link that cannot be secured is only logged, because its peer may restart and then all link again.  But the
            # node that knows the reason must report it before others fail without one.
            failure = self.transport.failure()
            if failure is not None:
                raise failure from None
            exchange.serve(lambda: handshake.phase is Phase.STARTED, ready / 2, handshake.status)
        self.transport.finish_start()
        return state

    def _resumed_state(self) -> AgentState:
        """An agent's state before the first iteration: kept here, or sent by the server right after the Welcome."""
        state_before = self.undo_log.before(self.handshake.iteration)
        if state_before is not None:
            return state_before[0]
        before = self.handshake.iteration - 1
        if before < 0 or self.index < 0:
            return None
        (snapshot,) = self.exchange.receive(before, Kind.SNAPSHOT, 0, (ENVIRONMENT,), self.timeouts.seconds("ready"))
        return snapshot.arrays if isinstance(snapshot, Snapshot) else None

    def _exchange(
        self, inbox: Inbox, faults: FaultyFeed | None, tree_nodes: TreeNodes | None = None, links: LinkLayer | None = None
    ) -> Exchange:
        inbox.identify(self.users)
        make = Exchange if tree_nodes is None else partial(RelayExchange, tree_nodes=tree_nodes)
        return make(
            self.index,
            self.listener,
            inbox,
            codec=self.codec,
            timeouts=self.timeouts,
            on_control=self._control,
            watched={**watched_descriptors(self.context), **self.transport.watched()},
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
        except OtherRunError as error:
            self.context.log.logger.warning("dropped: %s", error)
            return
        for reply in replies:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.exchange.send(reply.message, reply.kind, 0, 0, (reply.receiver,))
