"""The exchange: one node's listener, senders, codec and inbox behind two calls, ``send`` and ``receive``.

It holds the one blocking wait of a process.  A wait ends with the messages, with a control message or a watched descriptor (both
answered by callbacks that may raise), or with a DeadlineError that names the phase, the step and the missing peers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter

from netagents.errors import DeadlineError, DecodeError, NetagentsError, ProtocolError, Wait
from netagents.experiment.timeouts import Timeouts
from netagents.messages import Envelope, Kind, Message, Stop, node_name, node_names
from netagents.wire.codec import Codec
from netagents.wire.faulty import FaultyFeed
from netagents.wire.frames import frame_bytes
from netagents.wire.inbox import Inbox
from netagents.wire.link_layer import LinkLayer
from netagents.wire.traffic import Traffic, tally
from netagents.wire.transport import Listener, ReceivedFrames, Sender

_FIRST_LEARNING_KIND = Kind.STEP
_SAMPLING = (Kind.STEP, Kind.STATE, Kind.ACTION)
_ORDER = (*_SAMPLING, Kind.TRACE, Kind.SHADOW_REWARD, Kind.TRUNCATED_Q, Kind.REPORT, Kind.SNAPSHOT, Kind.DIGEST)
_BATCH = 1024
_GLANCE_SECONDS = 0.1
"""How long a node that waits for messages may take to notice anything else, such as a lost parent."""


class StopReceivedError(NetagentsError):
    """The server asked this node to end; ``reason`` is ``finished`` or one line of explanation."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"asked to stop: {reason}")
        self.reason = reason


def _nothing() -> None:
    """What a wait for control messages collects."""


OnControl = Callable[[Envelope, str | None], None]
"""Called with each control message and its sender's authenticated name; what it raises leaves the wait."""


def stop_on_request(envelope: Envelope, _user: str | None) -> None:
    """The default for control messages: Stop ends the wait with :class:`StopReceivedError`, everything else is ignored."""
    if isinstance(envelope.message, Stop):
        raise StopReceivedError(envelope.message.reason)


class Exchange:
    """All of one node's communication.

    Args:
        node: index of this node.
        incarnation: of this node; a restarted node has a higher one.
        listener: where it receives.
        inbox: what it takes in; it also knows the run.
        codec: of this thread.
        timeouts: the deadlines of the run.
        on_control: called with each control message (Hello to Failed) of this run, or of a node that does not know the run yet.
        watched: descriptor -> what to call when it becomes readable or its other end is gone, such as the parent's sentinel.
        faults: injected delivery faults, None outside tests and studies.
        links: models of bad links over this listener, likewise; what is linked from then on goes through them.
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
        self.node = node
        self.incarnation = incarnation
        self.inbox = inbox
        self.on_control = on_control
        self.traffic = Traffic()
        self._listener = listener if links is None else links.listener
        self._codec = codec or Codec()
        self._timeouts = timeouts or Timeouts()
        self._exchange_seconds = self._timeouts.seconds("exchange")
        self._send_seconds = self._timeouts.seconds("send")
        self._watched = dict(watched or {})
        self._descriptors = tuple(self._watched)
        self._faults = faults
        # An inbox of another kind may want to see whole envelopes.
        self._directly = faults is None and type(inbox) is Inbox
        self.links = links
        self._senders: dict[int, Sender] = {}
        self._next_glance = 0.0

    def link(self, node: int, sender: Sender) -> None:
        """Makes ``node`` reachable through ``sender``; an earlier link to it is aborted."""
        earlier = self._senders.pop(node, None)
        if earlier is not None:
            earlier.abort()
        self._senders[node] = sender if self.links is None else self.links.wrap(node, sender)

    def adopt(self, earlier: Exchange) -> None:
        """Takes over the links and counters of an exchange on the same listener, which is not used any more."""
        for node, sender in earlier._senders.items():
            self.link(node, sender)
        self.traffic = earlier.traffic
        earlier._senders = {}

    def restart(self, iteration: int, incarnation: int) -> None:
        """Begins again at ``iteration``: speaks and listens under this incarnation only, and forgets what waits."""
        self.incarnation = incarnation
        self.inbox.restart(iteration, incarnation)
        if self.links is not None:
            self.links.restart(incarnation)

    @property
    def linked(self) -> frozenset[int]:
        """The nodes that can be reached."""
        return frozenset(self._senders)

    # -- out -------------------------------------------------------------------------------------------------------------

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        """Encodes once and sends to every receiver.

        Raises:
            ProtocolError: there is no link to a receiver, or the message breaks the schema.
            DeadlineError: a receiver's queue stayed full; names it.
        """
        frames = self._encode(message, kind, iteration, step)
        senders = self._senders
        for receiver in receivers:
            sender = senders.get(receiver)
            if sender is None:
                raise ProtocolError(f"no link to {node_name(receiver)} for {kind.name.lower()}", where=node_name(self.node))
            if not sender.try_send(frames):
                try:
                    sender.send(frames, self._send_seconds)
                except DeadlineError as error:
                    what = f"{kind.name.lower()} of iteration {iteration}, step {step} could not be sent to {node_name(receiver)}"
                    raise DeadlineError(
                        f"{what}: {error.what}",
                        where=sender.endpoint,
                        fix=error.fix,
                    ) from None
        tally(self.traffic.sent, kind, len(receivers), len(receivers) * frame_bytes(frames))

    def offer(self, message: Message, kind: Kind, iteration: int, step: int, receiver: int) -> bool:
        """Sends to an observer if that needs no waiting; otherwise the message is dropped and counted, and False comes back."""
        sender = self._senders.get(receiver)
        frames = self._encode(message, kind, iteration, step)
        if sender is None or not sender.try_send(frames):
            self.traffic.copies_dropped += 1
            return False
        tally(self.traffic.sent, kind, 1, frame_bytes(frames))
        return True

    def _encode(self, message: Message, kind: Kind, iteration: int, step: int) -> list[bytes | memoryview]:
        started = perf_counter()
        frames = self._codec.frames(self.inbox.run, self.incarnation, self.node, kind, iteration, step, message)
        self.traffic.serialise_seconds += perf_counter() - started
        return frames

    # -- in --------------------------------------------------------------------------------------------------------------

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int], timeout_seconds: float | None = None) -> list[Message]:
        """Waits for one ``kind`` message of (iteration, step) from each of ``senders``; returns them in that order.

        Args:
            timeout_seconds: instead of the ``exchange`` timeout.

        Raises:
            DeadlineError: names kind, iteration, step and the missing peers.
            ProtocolError: a message came twice.
            StopReceivedError: with the default ``on_control``.
        """
        inbox = self.inbox
        if iteration > inbox.iteration:
            inbox.advance(iteration)
        messages = inbox.collect(iteration, kind, step, senders)
        if messages is not None:
            return messages
        try:
            return self._await(iteration, kind, step, senders, self._exchange_seconds if timeout_seconds is None else timeout_seconds)
        except NetagentsError as error:
            # Whatever ended the wait: when a message is lost, all wait in the end, and the earliest wait tells which one it was.
            place = (iteration, 0 if kind in _SAMPLING else 1, step, _ORDER.index(kind))
            error.wait = Wait(place, self._what(iteration, kind, step, senders))
            raise

    def _await(self, iteration: int, kind: Kind, step: int, senders: Sequence[int], allowed: float) -> list[Message]:
        """The wait of every phase: asleep in the listener, and at most :data:`_GLANCE_SECONDS` away from a look at what else is watched."""
        traffic, inbox, receive, take = self.traffic, self.inbox, self._listener.receive, self._take
        inbox.expect(iteration, kind, step, senders)
        now = perf_counter()
        limit = now + allowed
        while True:
            if self._faults is None:
                left = limit - now
                received = receive(left if left < _GLANCE_SECONDS else _GLANCE_SECONDS)
                woken = perf_counter()
                traffic.wait_seconds += woken - now
                now = woken
                if received is not None:
                    take(received)
                    messages = inbox.collect(iteration, kind, step, senders) if inbox.ripe else None
                    now = perf_counter()
                    traffic.serialise_seconds += now - woken
                    if messages is not None:
                        return messages
                if now >= self._next_glance:
                    self._glance(now)
            else:
                messages = self._pump(limit, partial(inbox.collect, iteration, kind, step, senders))[1]
                now = perf_counter()
                if messages is not None:
                    return messages
            if now >= limit:
                raise DeadlineError(f"waited {allowed:g} s for {self._what(iteration, kind, step, senders)}", where=node_name(self.node))

    def _glance(self, now: float) -> None:
        """Answers the descriptors that are watched besides the messages."""
        self._next_glance = now + _GLANCE_SECONDS
        for descriptor in self._listener.wait(self._descriptors, 0.0).descriptors:
            self._watched[descriptor]()

    def _what(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> str:
        missing = self.inbox.missing(iteration, kind, step, senders)
        note = "" if self.links is None else self.links.note(missing)
        return f"{kind.name.lower()} of iteration {iteration}, step {step} from {node_names(missing)}{note}"

    def serve(self, done: Callable[[], bool], timeout_seconds: float, describe: Callable[[float], str]) -> None:
        """Answers control messages until ``done()``: the waits of the handshake and of the end of a run.

        Args:
            describe: given the seconds left, says what is being waited for; it becomes the text of the error.

        Raises:
            DeadlineError: the time was up.
        """
        limit = perf_counter() + timeout_seconds
        while not done():
            if not self._pump(limit, _nothing)[0]:
                if done():
                    return
                raise DeadlineError(describe(0.0), where=node_name(self.node))

    def pump(self, timeout_seconds: float, done: Callable[[], bool] | None = None) -> bool:
        """One wait of at most ``timeout_seconds``, and what is there afterwards, up to the message that makes ``done()`` true; False
        when nothing came."""
        return self._pump(perf_counter() + timeout_seconds, _nothing if done is None else lambda: [] if done() else None)[0]

    def _pump(self, limit: float, collect: Callable[[], list[Message] | None]) -> tuple[bool, list[Message] | None]:
        """Sleeps once, then takes in what is there until ``collect`` gives a phase.

        Returns:
            Whether anything came before ``limit`` passed, and the phase.
        """
        traffic, faults = self.traffic, self._faults
        now = perf_counter()
        wake = limit
        if faults is not None and (due := faults.next_due()) is not None:
            wake = min(limit, due)
        ready = self._listener.wait(self._descriptors, max(0.0, wake - now))
        woken = perf_counter()
        traffic.wait_seconds += woken - now
        for descriptor in ready.descriptors:
            self._watched[descriptor]()
        messages: list[Message] | None = None
        if ready.messages:
            receive, take = self._listener.receive, self._take
            # One by one, so that a callback that raises leaves the rest where it is; bounded, so that a flood cannot hide a deadline.
            for _ in range(_BATCH):
                received = receive(0.0)
                if received is None:
                    break
                take(received)
                messages = collect()
                if messages is not None:
                    traffic.serialise_seconds += perf_counter() - woken
                    return True, messages
            traffic.serialise_seconds += perf_counter() - woken
        if faults is not None:
            for envelope, user in faults.each_due(perf_counter()):
                self._deliver(envelope, user)
            messages = collect()
        return woken < limit or ready.messages or bool(ready.descriptors), messages

    def _take(self, received: ReceivedFrames) -> None:
        frames, user = received
        inbox = self.inbox
        known = self._codec.recognise(frames) if self._directly else None
        if known is not None:
            layout, iteration, step = known
            # Its like was found to be right and let in before, and nothing has changed since: what is left to see is its place in time.
            if layout.door is inbox.door and layout.user == user:
                tally(self.traffic.received, layout.kind, 1, layout.size)
                inbox.keep(layout.sender, layout.kind, iteration, step, layout.read(frames[0]))
                return
        try:
            envelope = self._codec.decode(frames)
        except DecodeError as error:
            inbox.malformed(str(error))
            return
        tally(self.traffic.received, envelope.kind, 1, frame_bytes(frames))
        if self._faults is not None:
            self._faults.push((envelope, user), perf_counter())
        elif self._deliver(envelope, user) and known is not None:
            layout.door, layout.user = inbox.door, user

    def _deliver(self, envelope: Envelope, user: str | None) -> bool:
        """Puts a message into the inbox, or answers a control message; whether the inbox took it."""
        if envelope.kind >= _FIRST_LEARNING_KIND:
            return self.inbox.put(envelope, user)
        if self.inbox.admits(envelope, user):
            self.on_control(envelope, user)
        return False

    # -- end -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends all links; last messages still get the linger time to leave."""
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()
        self._listener.close()

    def abort(self) -> None:
        """Ends all links at once."""
        for sender in self._senders.values():
            sender.abort()
        self._senders.clear()
        self._listener.close()
