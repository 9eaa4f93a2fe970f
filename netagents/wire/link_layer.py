"""The link layer: between a node's exchange and its transport, it makes links bad as the experiment says, and reliable in spite of it.

It stands on directly connected pairs and works over every transport.  A sender asks the link's model what becomes of each transmission
and leaves out what is lost; how long the rest is on its way travels along, and the receiver holds it for so long.  Kinds of
messages that must arrive are numbered, acknowledged and sent again (:mod:`netagents.wire.reliable`); acknowledgements ride on whatever
goes the other way, and travel alone when nothing does for :data:`ACKNOWLEDGE_WITHIN` seconds.

Nothing happens while a node computes: timers are looked at when it waits, which is also when it could do something with what came.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DeadlineError, DecodeError
from netagents.experiment.faults import FaultSettings
from netagents.messages import Kind, node_name
from netagents.wire.codec import Codec
from netagents.wire.frames import Frame, frame_bytes
from netagents.wire.history import LinkEvent, What, link_event
from netagents.wire.link_costs import CostCounter
from netagents.wire.link_header import (
    ACKNOWLEDGEMENT,
    BEST_EFFORT,
    LINK_HEADER_BYTES,
    LONGEST_HOLD,
    ORDERED,
    LinkHeader,
    is_link_header,
    read_link_header,
)
from netagents.wire.link_model import LinkModel, link_faults
from netagents.wire.reliable import LONGEST_TIMEOUT, Intake, Outbox, Pending, Subject
from netagents.wire.transport import Listener, ReceivedFrames, Sender, Waited

ACKNOWLEDGE_WITHIN = 0.003
"""Seconds that an acknowledgement waits for a message to ride on."""

RELIABLE_KINDS = frozenset(kind for kind in Kind if kind >= Kind.STEP) - {Kind.DIGEST}
"""What lockstep cannot do without: everything but copies for the monitor."""

_BATCH = 256


class _Link:
    """Both directions between this node and a peer: the model is of the way there, the peer has that of the way back."""

    def __init__(self, model: LinkModel, raw: Sender) -> None:
        self.model, self.raw = model, raw
        self.outbox = Outbox()
        self.best_effort = 0
        self.intake: Intake[ReceivedFrames] = Intake(0)
        self.acknowledge_at: float | None = None
        self.echo = -1.0
        self.abandoned = False


class LinkLayer:
    """All modelled links of one node.

    Args:
        node: index of this node.
        listener: of the transport.
        faults: of the experiment; only models of links count here.
        seed: of the run.
        run: its 8 bytes.
        deadline: seconds after which a message that nobody acknowledged is an error; ``timeouts.exchange``.
        reliable: the kinds that are acknowledged and sent again.  All others are sent once.
        users: the authenticated name of each peer, where links have keys.
        history: called with everything that is sent, and delivered to the exchange, over modelled links.
    """

    def __init__(
        self,
        node: int,
        listener: Listener,
        faults: Sequence[FaultSettings],
        *,
        seed: int,
        run: bytes,
        deadline: float,
        reliable: Collection[Kind] = RELIABLE_KINDS,
        users: Mapping[int, str] | None = None,
        history: Callable[[LinkEvent], None] | None = None,
    ) -> None:
        self.node = node
        self.listener = LinkListener(self, listener)
        self.incarnation = 0
        self._faults = link_faults(faults)
        self._seed, self._run, self._deadline = seed, run, deadline
        self._reliable, self._users = frozenset(reliable), dict(users or {})
        self._links: dict[int, _Link] = {}
        self._models: dict[int, LinkModel] = {}
        self._iteration = 0
        self._codec = Codec()
        self._held: list[tuple[float, int, LinkHeader, ReceivedFrames]] = []
        self._arrivals = 0
        self._ready: deque[ReceivedFrames] = deque()
        self._costs = CostCounter()
        self._history = history

    # -- what the node asks for --------------------------------------------------------------------------------------------

    def wrap(self, peer: int, raw: Sender) -> Sender:
        """A sender to ``peer`` over its model; ``raw`` itself where no fault concerns the pair, which both ends know."""
        model = self._models.get(peer)
        if model is None:
            # A peer that was started again has a new link, on which transmissions are counted on.
            model = self._models[peer] = LinkModel(self._faults, self.node, peer, self._seed)
        if model.ideal and LinkModel(self._faults, peer, self.node, self._seed).ideal:
            return raw
        self._links[peer] = link = _Link(model, raw)
        return LinkSender(self, peer, link)

    def restart(self, incarnation: int) -> None:
        """Everybody begins again under a new incarnation: what is on its way is forgotten, and numbers begin at 0."""
        self.incarnation = incarnation
        self._iteration = 0
        for link in self._links.values():
            link.outbox, link.best_effort = Outbox(), 0
            if link.intake.incarnation < incarnation:
                link.intake, link.acknowledge_at, link.echo = Intake(incarnation), None, -1.0

    def abandon(self, peer: int) -> None:
        """Gives up on a peer that is gone for good, until it is linked again: what it has not acknowledged is no error."""
        link = self._links.get(peer)
        if link is not None:
            link.abandoned, link.outbox = True, Outbox()

    def costs(self) -> NDArray[np.int64]:
        """What the links cost so far: outgoing ones, and what came twice on incoming ones."""
        return self._costs.rows()

    def note(self, peers: Collection[int]) -> str:
        """What the models do to the links with ``peers`` at the moment, to go behind the word that one of them is awaited."""
        now = perf_counter()
        cut: dict[int, list[str]] = {}
        for peer in sorted(peers):
            link = self._links.get(peer)
            number = None if link is None else link.model.cut_by(self._iteration, now)
            if number is not None:
                cut.setdefault(number, []).append(_link_name(peer, self.node))
        return "".join(f"; faults.{number} cuts {_listed(links)}" for number, links in cut.items())

    # -- out ---------------------------------------------------------------------------------------------------------------

    def send(self, peer: int, link: _Link, frames: Sequence[Frame]) -> bool:
        """Sends what the exchange gives; False while a whole window of messages is not acknowledged."""
        envelope = self._codec.decode(frames)
        kind = envelope.kind
        if kind < Kind.STEP:
            return link.raw.try_send(frames)
        self._iteration = max(self._iteration, envelope.iteration)
        now = perf_counter()
        if kind in self._reliable and link.outbox.full:
            return False
        if self._history is not None:
            self._history(link_event(What.SENT, peer, envelope, frames))
        if kind not in self._reliable or link.abandoned:
            self._costs.add(self.node, peer, messages=1)
            self._transmit(peer, link, BEST_EFFORT, link.best_effort, frames, now)
            link.best_effort += 1
            return True
        self._costs.add(self.node, peer, messages=1)
        item = link.outbox.add([bytes(frame) for frame in frames], Subject(kind, envelope.iteration, envelope.step), now)
        item_leaves = self._transmit(peer, link, ORDERED, item.sequence, item.frames, now)
        link.outbox.sent(item, now, item_leaves)
        return True

    def _transmit(self, peer: int, link: _Link, carries: int, sequence: int, frames: Sequence[Frame], now: float) -> float:
        """One transmission; gives the seconds until it leaves."""
        size = LINK_HEADER_BYTES + frame_bytes(frames) if frames else LINK_HEADER_BYTES
        passage = link.model.transmit(size, self._iteration, now)
        below, bits = link.intake.acknowledgement()
        owed, echo = link.acknowledge_at, link.echo
        waited = 0.0 if owed is None else max(0.0, now - owed + ACKNOWLEDGE_WITHIN)
        link.acknowledge_at, link.echo = None, -1.0
        taken = 0
        for arrival in passage.arrivals:
            header = LinkHeader(
                self._run,
                self.node,
                self.incarnation,
                carries,
                min(arrival, LONGEST_HOLD),
                sequence,
                now,
                link.intake.incarnation,
                below,
                bits,
                echo,
                waited,
            )
            # A full queue is one more way to be lost.
            taken += link.raw.try_send([header.pack(), *frames])
        self._costs.add(self.node, peer, size, transmissions=1, lost=int(taken == 0), doubled=int(taken > 1))
        return passage.leaves

    def _resend(self, now: float) -> None:
        for peer, link in self._links.items():
            for item in link.outbox.due(now):
                self._check_deadline(peer, link, item, now)
                self._costs.add(self.node, peer, LINK_HEADER_BYTES + frame_bytes(item.frames), resent=1)
                link.outbox.sent(item, now, self._transmit(peer, link, ORDERED, item.sequence, item.frames, now))
            if link.acknowledge_at is not None and link.acknowledge_at <= now:
                self._costs.add(self.node, peer, acknowledgements=1)
                self._transmit(peer, link, ACKNOWLEDGEMENT, 0, (), now)

    def _check_deadline(self, peer: int, link: _Link, item: Pending, now: float) -> None:
        # Who slept through the deadline has not listened either, and sends once more before it gives up.
        if now - item.first_sent < self._deadline or now - item.last_sent > 2.0 * LONGEST_TIMEOUT:
            return
        kind, iteration, step = item.subject
        number = link.model.cut_by(self._iteration, now)
        cut = "" if number is None else f"; faults.{number} cuts it"
        raise DeadlineError(
            f"{kind.name.lower()} of iteration {iteration}, step {step} was sent {item.tries} times in {self._deadline:g} s "
            f"and never acknowledged{cut}",
            where=_link_name(self.node, peer),
        )

    # -- in ----------------------------------------------------------------------------------------------------------------

    def wait(self, inner: Listener, descriptors: Sequence[int], timeout_seconds: float) -> Waited:
        """Sleeps until something is ready for the exchange, a descriptor is readable or the time is up, and does all that is due."""
        limit = perf_counter() + timeout_seconds
        while True:
            self._take_in(inner)
            now = perf_counter()
            wake = now if self._ready else min(limit, self._next_due(limit))
            waited = inner.wait(descriptors, max(0.0, wake - now))
            if waited.messages or not self._ready:
                self._take_in(inner)
            if self._ready or waited.descriptors or perf_counter() >= limit:
                return Waited(bool(self._ready), waited.descriptors)

    def next_ready(self, inner: Listener) -> ReceivedFrames | None:
        """The next message for the exchange, of those that have arrived."""
        if not self._ready:
            self._take_in(inner)
        return self._ready.popleft() if self._ready else None

    def _work(self, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            _, _, header, received = heapq.heappop(self._held)
            self._arrived(header, received, now)
        self._resend(now)

    def _next_due(self, limit: float) -> float:
        due = self._held[0][0] if self._held else limit
        for link in self._links.values():
            resend = link.outbox.next_due()
            due = min(due, limit if resend is None else resend, limit if link.acknowledge_at is None else link.acknowledge_at)
        return due

    def _take_in(self, inner: Listener) -> None:
        for _ in range(_BATCH):
            received = inner.receive(0.0)
            if received is None:
                break
            now = perf_counter()
            try:
                header = self._header(received)
            except DecodeError:
                header = None
            if header is None:
                self._ready.append(received)  # around the model, or something for the codec to refuse
                continue
            self._arrivals += 1
            heapq.heappush(self._held, (now + header.hold, self._arrivals, header, ReceivedFrames(received.frames[1:], received.user)))
        self._work(perf_counter())

    def _header(self, received: ReceivedFrames) -> LinkHeader | None:
        """The header of a message that came over a modelled link of this run from who it says it is from; None for all others."""
        first = received.frames[0] if received.frames else b""
        if not is_link_header(first):
            return None
        header = read_link_header(first)
        known = header.sender in self._links and header.run == self._run and self._users.get(header.sender) == received.user
        return header if known and (header.carries == ACKNOWLEDGEMENT) == (len(received.frames) == 1) else None

    def _arrived(self, header: LinkHeader, received: ReceivedFrames, now: float) -> None:
        peer, link = header.sender, self._links.get(header.sender)
        if link is None or header.incarnation < link.intake.incarnation:
            return
        if header.incarnation > link.intake.incarnation:
            link.intake = Intake(header.incarnation)
        if header.heard == self.incarnation:
            link.outbox.acknowledged(header.below, header.bits)
            if 0.0 <= header.echo <= now - header.waited:
                link.outbox.round_trip.measured(now - header.waited - header.echo)
        if header.carries == ACKNOWLEDGEMENT:
            return
        if header.carries == BEST_EFFORT:
            ready = [received] if link.intake.take_any(header.sequence) else None
        else:
            ready = link.intake.take(header.sequence, received)
            if link.acknowledge_at is None:
                link.acknowledge_at, link.echo = now + ACKNOWLEDGE_WITHIN, header.sent
        if ready is None:
            self._costs.add(peer, self.node, LINK_HEADER_BYTES + frame_bytes(received.frames), duplicates=1)
            return
        self._ready.extend(ready)
        if self._history is not None:
            for given in ready:
                self._note_delivery(peer, given)

    def _note_delivery(self, peer: int, received: ReceivedFrames) -> None:
        with contextlib.suppress(DecodeError):  # which the exchange counts
            envelope = self._codec.decode(received.frames)
            self._history(link_event(What.DELIVERED, peer, envelope, received.frames))  # type: ignore[misc]

    def forget(self, peer: int, link: _Link) -> None:
        """A sender was closed: nobody waits for acknowledgements from ``peer`` any more."""
        if self._links.get(peer) is link:
            del self._links[peer]


class LinkListener(Listener):
    """What the exchange listens at; made by :class:`LinkLayer`."""

    def __init__(self, layer: LinkLayer, inner: Listener) -> None:
        self.endpoint = inner.endpoint
        self._layer, self._inner = layer, inner

    def receive(self, timeout_seconds: float) -> ReceivedFrames | None:
        if timeout_seconds > 0.0:
            self.wait((), timeout_seconds)
        return self._layer.next_ready(self._inner)

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> Waited:
        return self._layer.wait(self._inner, descriptors, timeout_seconds)

    def close(self) -> None:
        self._inner.close()


class LinkSender(Sender):
    """What the exchange sends through; made by :meth:`LinkLayer.wrap`."""

    def __init__(self, layer: LinkLayer, peer: int, link: _Link) -> None:
        self.endpoint = link.raw.endpoint
        self._layer, self._peer, self._link = layer, peer, link

    def try_send(self, frames: Sequence[Frame]) -> bool:
        return self._layer.send(self._peer, self._link, frames)

    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        limit = perf_counter() + timeout_seconds
        while not self.try_send(frames):
            left = limit - perf_counter()
            if left <= 0.0:
                raise DeadlineError(
                    f"waited {timeout_seconds:g} s to send: the peer does not acknowledge",
                    where=self.endpoint,
                    fix="look at the peer's log",
                )
            self._layer.listener.wait((), min(left, 0.01))

    def close(self) -> None:
        self._layer.forget(self._peer, self._link)
        self._link.raw.close()

    def abort(self) -> None:
        self._layer.forget(self._peer, self._link)
        self._link.raw.abort()


def _link_name(sender: int, receiver: int) -> str:
    return f"{node_name(sender)} -> {node_name(receiver)}"


def _listed(links: Sequence[str], most: int = 6) -> str:
    more = f" and {len(links) - most} more" if len(links) > most else ""
    return ", ".join(links[:most]) + more
