"""Exchange: one node's listener, senders, codec and inbox behind two calls, ``send`` and ``receive``.

:mod:`netagents.wire.session.receiver` has the receiving half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from netagents.errors import NetagentsError, ProtocolError
from netagents.experiment.timeouts import Timeouts
from netagents.messages import Envelope, Kind, Message, Stop, node_name
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import Frame, frame_bytes
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.session.channel import Channel
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.receiver import OnControl, Receiver
from netagents.wire.session.traffic import count_traffic
from netagents.wire.transport.transport import Listener, Sender

_REMEMBERED = 1024  # channels: where the graph moves, the receivers of a message change

FINISHED = "finished"
"""The reason of a Stop that ends a whole run."""


class StopReceivedError(NetagentsError):
    """The server asked this node to end; ``reason`` is ``finished`` or one line of explanation."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"asked to stop: {reason}")
        self.reason = reason


def stop_on_request(envelope: Envelope, _user: str | None) -> None:
    """The default for control messages: Stop raises :class:`StopReceivedError`, all others are ignored."""
    if isinstance(envelope.message, Stop):
        raise StopReceivedError(envelope.message.reason)


class Exchange(Receiver):
    """All of one node's communication.

    Args:
        node: index of this node.
        incarnation: of this node; higher after each restart.
        listener: where it receives.
        inbox: what it accepts; it also knows the run.
        codec: of this thread.
        timeouts: the deadlines of the run.
        on_control: called with each control message (Hello to Failed) of this run, or of a node that does not know the run yet.
        watched: descriptor -> called when it becomes readable or its other end closes, such as the parent's sentinel.
        faults: injected delivery faults; None in most runs.
        links: models of bad links over this listener; None in most runs.
    """

    def __init__(
        self,
        node: int,
        listener: Listener,
        inbox: Inbox,
        *,
        codec: Codec | None = None,
        timeouts: Timeouts | None = None,
        incarnation: int = 0,
        on_control: OnControl = stop_on_request,
        watched: Mapping[int, Callable[[], None]] | None = None,
        faults: FaultyFeed | None = None,
        links: LinkLayer | None = None,
    ) -> None:
        timeouts = timeouts or Timeouts()
        super().__init__(
            node, listener, inbox, codec=codec, timeouts=timeouts, on_control=on_control, watched=watched, faults=faults, links=links
        )
        self.incarnation = incarnation
        self._send_seconds = timeouts.seconds("send")
        self._senders: dict[int, Sender] = {}
        self._channels: dict[tuple[Kind, tuple[int, ...]], Channel] = {}

    def link(self, node: int, sender: Sender) -> None:
        """Make ``node`` reachable through ``sender``; an earlier link to it is aborted."""
        self._channels.clear()
        earlier = self._senders.pop(node, None)
        if earlier is not None:
            earlier.abort()
        self._senders[node] = sender if self.links is None else self.links.wrap(node, sender)

    def adopt(self, earlier: Exchange) -> None:
        """Take over the links and counters of an earlier exchange on the same listener."""
        for node, sender in earlier._senders.items():
            self.link(node, sender)
        self.traffic = earlier.traffic
        earlier._senders = {}
        earlier._channels = {}

    def restart(self, iteration: int, incarnation: int) -> None:
        """Begin again at ``iteration``: send and accept under this incarnation only, and discard waiting messages."""
        self.incarnation = incarnation
        self._channels.clear()
        self.inbox.restart(iteration, incarnation)
        if self.links is not None:
            self.links.restart(incarnation)

    @property
    def linked(self) -> frozenset[int]:
        """The nodes that can be reached."""
        return frozenset(self._senders)

    # -- sending ---------------------------------------------------------------------------------------------------------

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        """Encode once and send to every receiver.

        Raises:
            ProtocolError: there is no link to a receiver, or the message violates the schema.
            DeadlineError: a receiver's queue stayed full; names it.
        """
        self.channel(kind, tuple(receivers)).send(message, iteration, step)

    def channel(self, kind: Kind, receivers: tuple[int, ...]) -> Channel:
        """The channel to some receivers for one kind of message, valid until a link or the incarnation changes.

        Raises:
            ProtocolError: there is no link to a receiver.
        """
        channel = self._channels.get((kind, receivers))
        if channel is not None and channel.origin[0] is self.inbox.run:
            return channel
        for receiver in receivers:
            if receiver not in self._senders:
                raise ProtocolError(f"no link to {node_name(receiver)} for {kind.name.lower()}", where=node_name(self.node))
        if len(self._channels) >= _REMEMBERED:
            self._channels.clear()
        peers = [(receiver, self._senders[receiver]) for receiver in receivers]
        origin = (self.inbox.run, self.incarnation, self.node)
        channel = self._channels[kind, receivers] = Channel(origin, kind, peers, self._codec, self.traffic, self._send_seconds)
        return channel

    def offer(self, message: Message, kind: Kind, iteration: int, step: int, receiver: int) -> bool:
        """Send to one receiver if its queue has space; otherwise drop and count the message, and return False."""
        sender = self._senders.get(receiver)
        frames = self._encode(message, kind, iteration, step)
        if sender is None or not sender.try_send(frames):
            self.traffic.copies_dropped += 1
            return False
        count_traffic(self.traffic.sent, kind, 1, frame_bytes(frames))
        return True

    def _encode(self, message: Message, kind: Kind, iteration: int, step: int) -> list[Frame]:
        started = perf_counter()
        frames = self._codec.frames(self.inbox.run, self.incarnation, self.node, kind, iteration, step, message)
        self.traffic.serialise_seconds += perf_counter() - started
        return frames

    # -- end -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End all links; messages already sent get the linger time to leave."""
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()
        self._channels.clear()
        self._listener.close()

    def abort(self) -> None:
        """End all links at once."""
        for sender in self._senders.values():
            sender.abort()
        self._senders.clear()
        self._channels.clear()
        self._listener.close()
