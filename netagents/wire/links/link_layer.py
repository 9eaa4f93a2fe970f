"""Link layer between a node's exchange and its transport: it emulates bad links, and delivers reliably over them.

It works on directly connected pairs, over every transport.  A sender asks the link's model about each transmission and omits those that
are lost; the delay of the others travels in the header, and the receiver holds the message for that time.  Kinds that must arrive are
numbered, acknowledged and retransmitted (:mod:`netagents.wire.links.reliable_delivery`).  Acknowledgements travel with messages of the
other direction, or alone if there is none for a moment.

Timers run while a node waits, not while it computes.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DeadlineError, DecodeError
from netagents.experiment.link_fault_settings import FaultSettings
from netagents.messages import Kind, Pace
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import Frame
from netagents.wire.links.link_cost_counter import CostCounter
from netagents.wire.links.link_end import LinkEnd, link_name
from netagents.wire.links.link_header import ACKNOWLEDGEMENT, LinkHeader, is_link_header, read_link_header
from netagents.wire.links.link_model import LinkModel, link_faults
from netagents.wire.links.reliable_delivery import Subject
from netagents.wire.pauses import note_waking, waiting_clock
from netagents.wire.transport.message_history import LinkAction, LinkEvent, link_event
from netagents.wire.transport.transport import Listener, ReceivedFrames, Sender, WaitResult

RELIABLE_KINDS = frozenset(kind for kind in Kind if kind.row.must_arrive)
"""The kinds that lockstep needs: all but copies for the monitor."""

_BATCH = 256


class LinkLayer:
    """All modelled links of one node.

    Args:
        node: index of this node.
        listener: of the transport.
        faults: of the experiment; only models of links are used here.
        seed: of the run.
        run: its 8 bytes.
        deadline: seconds after which an unacknowledged message is an error.
        reliable: the kinds that are acknowledged and retransmitted.  Of other kinds only the first message of each iteration is, because
            no older message of the iteration can replace it.
        users: the authenticated name of each peer, where links have keys.
        gives_up: such a message is dropped instead, because other parts handle silent nodes.
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
        gives_up: bool = False,
    ) -> None:
        self.node = node
        self.listener = LinkListener(self, listener)
        self._incarnation = 0
        self._faults = link_faults(faults)
        self._seed, self._run, self._deadline = seed, run, deadline
        self._reliable, self._users = frozenset(reliable), dict(users or {})
        self._ends: dict[int, LinkEnd] = {}
        self._models: dict[int, LinkModel] = {}
        self._codec = Codec()
        self._held: list[tuple[float, int, LinkHeader, ReceivedFrames]] = []
        self._arrivals = 0
        self._ready: deque[ReceivedFrames] = deque()
        self._costs = CostCounter()
        self._history = history
        self._gives_up = gives_up

    # -- interface for the node ---------------------------------------------------------------------------------------------

    def is_modelled(self, peer: int) -> bool:
        """Whether the link with ``peer`` has a model in either direction."""
        if peer not in self._models:
            self._models[peer] = LinkModel(self._faults, self.node, peer, self._seed)
        return not (self._models[peer].ideal and LinkModel(self._faults, peer, self.node, self._seed).ideal)

    def wrap(self, peer: int, raw: Sender) -> Sender:
        """A sender to ``peer`` over its model; ``raw`` itself if no fault applies to the pair.

        The count of transmissions continues on a new link with a restarted peer.
        """
        if not self.is_modelled(peer):
            return raw
        model = self._models[peer]
        end = LinkEnd(model, raw, self._run, self._incarnation, self._deadline, self._costs, gives_up=self._gives_up)
        self._ends[peer] = end
        return LinkSender(self, peer, end)

    def restart(self, incarnation: int) -> None:
        """Begin again under a new incarnation: unacknowledged messages are dropped, and sequence numbers begin at 0."""
        self._incarnation = incarnation
        for end in self._ends.values():
            end.restart(incarnation)

    def costs(self) -> NDArray[np.int64]:
        """Costs of the links so far: of outgoing ones, and duplicates of incoming ones."""
        return self._costs.rows()

    def describe_cuts(self, peers: Collection[int]) -> str:
        """The partitions that cut the links with ``peers`` now, to be appended to the description of a wait."""
        now = waiting_clock()
        cut: dict[int, list[str]] = {}
        for peer in sorted(peers):
            end = self._ends.get(peer)
            number = None if end is None else end.model.cut_by(end.iteration, now)
            if number is not None:
                cut.setdefault(number, []).append(link_name(peer, self.node))
        return "".join(f"; faults.{number} cuts {_listed(links)}" for number, links in cut.items())

    # -- sending ---------------------------------------------------------------------------------------------------------------

    def send(self, peer: int, end: LinkEnd, frames: Sequence[Frame]) -> bool:
        """Send a message of the exchange; False while the window is full."""
        envelope = self._codec.decode(frames)
        kind = envelope.kind
        if kind.row.pace is Pace.CONTROL:
            return end.raw.try_send(frames)
        reliable = kind in self._reliable or end.is_first(kind, envelope.iteration)
        if not end.accepts(reliable=reliable):
            return False
        for each in self._ends.values():
            each.iteration = max(each.iteration, envelope.iteration)
        if self._history is not None:
            self._history(link_event(LinkAction.SENT, peer, envelope, frames))
        end.send(frames, Subject(kind, envelope.iteration, envelope.step), waiting_clock(), reliable=reliable)
        return True

    # -- receiving ----------------------------------------------------------------------------------------------------------------

    def wait(self, inner: Listener, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        """Sleep until a message is ready for the exchange, a descriptor is readable or the time is over, and run all timers."""
        limit = waiting_clock() + timeout_seconds
        while True:
            self._receive_all(inner)
            now = waiting_clock()
            wake = now if self._ready else min(limit, self._next_due(limit))
            waited = inner.wait(descriptors, max(0.0, wake - now))
            note_waking(max(now, wake))
            if waited.messages or not self._ready:
                self._receive_all(inner)
            if self._ready or waited.descriptors or waiting_clock() >= limit:
                return WaitResult(bool(self._ready), waited.descriptors)

    def next_ready(self, inner: Listener) -> ReceivedFrames | None:
        """The next message that has arrived for the exchange."""
        if not self._ready:
            self._receive_all(inner)
        return self._ready.popleft() if self._ready else None

    def _run_timers(self, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            _, _, header, received = heapq.heappop(self._held)
            end = self._ends.get(header.sender)
            for ready in () if end is None else end.receive(header, received, now):
                self._ready.append(ready)
                self._note_delivery(header.sender, ready)
        for end in self._ends.values():
            end.run_timers(now)

    def _next_due(self, limit: float) -> float:
        due = self._held[0][0] if self._held else limit
        for end in self._ends.values():
            moment = end.next_due()
            if moment is not None and moment < due:
                due = moment
        return due

    def _receive_all(self, inner: Listener) -> None:
        for _ in range(_BATCH):
            received = inner.receive(0.0)
            if received is None:
                break
            now = waiting_clock()
            try:
                header = self._header(received)
            except DecodeError:
                header = None
            if header is None:
                self._ready.append(received)  # it bypasses the model, or the codec will refuse it
                continue
            self._arrivals += 1
            heapq.heappush(self._held, (now + header.hold, self._arrivals, header, ReceivedFrames(received.frames[1:], received.user)))
        self._run_timers(waiting_clock())

    def _header(self, received: ReceivedFrames) -> LinkHeader | None:
        """The header of a message over a modelled link of this run, if its sender is authentic; None for all others."""
        first = received.frames[0] if received.frames else b""
        if not is_link_header(first):
            return None
        header = read_link_header(first)
        known = header.sender in self._ends and header.run == self._run and self._users.get(header.sender) == received.user
        return header if known and (header.content == ACKNOWLEDGEMENT) == (len(received.frames) == 1) else None

    def _note_delivery(self, peer: int, received: ReceivedFrames) -> None:
        if self._history is not None:
            with contextlib.suppress(DecodeError):  # the exchange counts it
                envelope = self._codec.decode(received.frames)
                self._history(link_event(LinkAction.DELIVERED, peer, envelope, received.frames))

    def forget(self, peer: int, end: LinkEnd) -> None:
        """Drop the link with ``peer``, whose sender was closed."""
        if self._ends.get(peer) is end:
            del self._ends[peer]


class LinkListener(Listener):
    """Listener of the exchange; made by :class:`LinkLayer`."""

    def __init__(self, layer: LinkLayer, inner: Listener) -> None:
        self.endpoint = inner.endpoint
        self._layer, self._inner = layer, inner

    def take(self, timeout_seconds: float) -> ReceivedFrames | None:
        if timeout_seconds > 0.0:
            self.wait((), timeout_seconds)
        return self._layer.next_ready(self._inner)

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        return self._layer.wait(self._inner, descriptors, timeout_seconds)

    def close(self) -> None:
        self._inner.close()


class LinkSender(Sender):
    """Sender of the exchange; made by :meth:`LinkLayer.wrap`."""

    def __init__(self, layer: LinkLayer, peer: int, end: LinkEnd) -> None:
        self.endpoint = end.raw.endpoint
        self._layer, self._peer, self._end = layer, peer, end

    def try_send(self, frames: Sequence[Frame]) -> bool:
        return self._layer.send(self._peer, self._end, frames)

    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        limit = waiting_clock() + timeout_seconds
        while not self.try_send(frames):
            remaining = limit - waiting_clock()
            if remaining <= 0.0:
                raise DeadlineError(
                    f"waited {timeout_seconds:g} s to send: the peer does not acknowledge",
                    where=self.endpoint,
                    fix="look at the peer's log",
                )
            self._layer.listener.wait((), min(remaining, 0.01))

    def close(self) -> None:
        self._layer.forget(self._peer, self._end)
        self._end.raw.close()

    def abort(self) -> None:
        self._layer.forget(self._peer, self._end)
        self._end.raw.abort()


def _listed(links: Sequence[str], most: int = 6) -> str:
    more = f" and {len(links) - most} more" if len(links) > most else ""
    return ", ".join(links[:most]) + more
