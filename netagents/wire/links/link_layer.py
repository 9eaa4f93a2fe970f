"""The link layer: between a node's exchange and its transport, it makes links bad as the experiment says, and reliable in spite of it.

It stands on directly connected pairs and works over every transport.  A sender asks the link's model what becomes of each transmission
and leaves out what is lost; how long the rest is on its way travels along, and the receiver holds it for so long.  Kinds of
messages that must arrive are numbered, acknowledged and sent again (:mod:`netagents.wire.links.reliable_delivery`);
acknowledgements ride on whatever goes the other way, and travel alone when nothing does for a moment.

Nothing happens while a node computes: timers are looked at when it waits, which is also when it could do something with what came.
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
"""What lockstep cannot do without: everything but copies for the monitor."""

_BATCH = 256


class LinkLayer:
    """All modelled links of one node.

    Args:
        node: index of this node.
        listener: of the transport.
        faults: of the experiment; only models of links count here.
        seed: of the run.
        run: its 8 bytes.
        deadline: seconds after which a message that nobody acknowledged is an error.
        reliable: the kinds that are acknowledged and sent again.  All others are sent once, but for the first of each iteration:
            an iteration has no past to fall back on.
        users: the authenticated name of each peer, where links have keys.
        gives_up: after that time it is given up instead, because others see to who is silent.
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

    # -- what the node asks for --------------------------------------------------------------------------------------------

    def is_modelled(self, peer: int) -> bool:
        """Whether the link with ``peer`` has a model in either direction, which both ends know."""
        if peer not in self._models:
            self._models[peer] = LinkModel(self._faults, self.node, peer, self._seed)
        return not (self._models[peer].ideal and LinkModel(self._faults, peer, self.node, self._seed).ideal)

    def wrap(self, peer: int, raw: Sender) -> Sender:
        """A sender to ``peer`` over its model; ``raw`` itself where no fault concerns the pair.

        On the new link with a peer that was started again, transmissions are counted on.
        """
        if not self.is_modelled(peer):
            return raw
        model = self._models[peer]
        end = LinkEnd(model, raw, self._run, self._incarnation, self._deadline, self._costs, gives_up=self._gives_up)
        self._ends[peer] = end
        return LinkSender(self, peer, end)

    def restart(self, incarnation: int) -> None:
        """Everybody begins again under a new incarnation: what is on its way is forgotten, and numbers begin at 0."""
        self._incarnation = incarnation
        for end in self._ends.values():
            end.restart(incarnation)

    def costs(self) -> NDArray[np.int64]:
        """What the links cost so far: outgoing ones, and what came twice on incoming ones."""
        return self._costs.rows()

    def describe_cuts(self, peers: Collection[int]) -> str:
        """What the models do to the links with ``peers`` at the moment, to go behind the word that one of them is awaited."""
        now = waiting_clock()
        cut: dict[int, list[str]] = {}
        for peer in sorted(peers):
            end = self._ends.get(peer)
            number = None if end is None else end.model.cut_by(end.iteration, now)
            if number is not None:
                cut.setdefault(number, []).append(link_name(peer, self.node))
        return "".join(f"; faults.{number} cuts {_listed(links)}" for number, links in cut.items())

    # -- out ---------------------------------------------------------------------------------------------------------------

    def send(self, peer: int, end: LinkEnd, frames: Sequence[Frame]) -> bool:
        """Sends what the exchange gives; False while a whole window of messages is not acknowledged."""
        envelope = self._codec.decode(frames)
        kind = envelope.kind
        if kind.row.pace is Pace.CONTROL:
            return end.raw.try_send(frames)
        reliable = kind in self._reliable or end.is_first(kind, envelope.iteration)
        if not end.accepts(reliable=reliable):
            return False
        for every in self._ends.values():
            every.iteration = max(every.iteration, envelope.iteration)
        if self._history is not None:
            self._history(link_event(LinkAction.SENT, peer, envelope, frames))
        end.send(frames, Subject(kind, envelope.iteration, envelope.step), waiting_clock(), reliable=reliable)
        return True

    # -- in ----------------------------------------------------------------------------------------------------------------

    def wait(self, inner: Listener, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        """Sleeps until something is ready for the exchange, a descriptor is readable or the time is up, and does all that is due."""
        limit = waiting_clock() + timeout_seconds
        while True:
            self._take_in(inner)
            now = waiting_clock()
            wake = now if self._ready else min(limit, self._next_due(limit))
            waited = inner.wait(descriptors, max(0.0, wake - now))
            note_waking(max(now, wake))
            if waited.messages or not self._ready:
                self._take_in(inner)
            if self._ready or waited.descriptors or waiting_clock() >= limit:
                return WaitResult(bool(self._ready), waited.descriptors)

    def next_ready(self, inner: Listener) -> ReceivedFrames | None:
        """The next message for the exchange, of those that have arrived."""
        if not self._ready:
            self._take_in(inner)
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

    def _take_in(self, inner: Listener) -> None:
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
                self._ready.append(received)  # around the model, or something for the codec to refuse
                continue
            self._arrivals += 1
            heapq.heappush(self._held, (now + header.hold, self._arrivals, header, ReceivedFrames(received.frames[1:], received.user)))
        self._run_timers(waiting_clock())

    def _header(self, received: ReceivedFrames) -> LinkHeader | None:
        """The header of a message that came over a modelled link of this run from who it says it is from; None for all others."""
        first = received.frames[0] if received.frames else b""
        if not is_link_header(first):
            return None
        header = read_link_header(first)
        known = header.sender in self._ends and header.run == self._run and self._users.get(header.sender) == received.user
        return header if known and (header.content == ACKNOWLEDGEMENT) == (len(received.frames) == 1) else None

    def _note_delivery(self, peer: int, received: ReceivedFrames) -> None:
        if self._history is not None:
            with contextlib.suppress(DecodeError):  # which the exchange counts
                envelope = self._codec.decode(received.frames)
                self._history(link_event(LinkAction.DELIVERED, peer, envelope, received.frames))

    def forget(self, peer: int, end: LinkEnd) -> None:
        """A sender was closed: nobody waits for acknowledgements from ``peer`` any more."""
        if self._ends.get(peer) is end:
            del self._ends[peer]


class LinkListener(Listener):
    """What the exchange listens at; made by :class:`LinkLayer`."""

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
    """What the exchange sends through; made by :meth:`LinkLayer.wrap`."""

    def __init__(self, layer: LinkLayer, peer: int, end: LinkEnd) -> None:
        self.endpoint = end.raw.endpoint
        self._layer, self._peer, self._end = layer, peer, end

    def try_send(self, frames: Sequence[Frame]) -> bool:
        return self._layer.send(self._peer, self._end, frames)

    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        limit = waiting_clock() + timeout_seconds
        while not self.try_send(frames):
            left = limit - waiting_clock()
            if left <= 0.0:
                raise DeadlineError(
                    f"waited {timeout_seconds:g} s to send: the peer does not acknowledge",
                    where=self.endpoint,
                    fix="look at the peer's log",
                )
            self._layer.listener.wait((), min(left, 0.01))

    def close(self) -> None:
        self._layer.forget(self._peer, self._end)
        self._end.raw.close()

    def abort(self) -> None:
        self._layer.forget(self._peer, self._end)
        self._end.raw.abort()


def _listed(links: Sequence[str], most: int = 6) -> str:
    more = f" and {len(links) - most} more" if len(links) > most else ""
    return ", ".join(links[:most]) + more
