"""The receiving half of an exchange: one node's listener, decoder and inbox behind ``receive``.

It holds the one blocking wait of a process.  A wait ends with the messages, with a control message or a watched descriptor (both
answered by callbacks that may raise), or with a DeadlineError that names the phase, the step and the missing peers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from time import perf_counter
from typing import Any

from netagents.errors import DeadlineError, DecodeError, NetagentsError, Wait
from netagents.experiment.timeouts import Timeouts
from netagents.messages import Envelope, Kind, Message, Pace, node_name, node_names
from netagents.wire.codec import Codec
from netagents.wire.codec.decoder import REMEMBERED_BYTES
from netagents.wire.codec.frames import HEAD, PREFIX, Frame, frame_bytes
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.pauses import LATE_SECONDS, SLICE_SECONDS, note_waking, paused_seconds, waiting_clock
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.stop_request import OnControl
from netagents.wire.session.traffic import Traffic, tally
from netagents.wire.transport.transport import Listener, Received, ReceivedFrames, in_frames
from netagents.wire.wait_marker import waits

_BATCH = 1024
_read_prefix = PREFIX.unpack_from
_NO_PREFIX = (0, -1, -1)
GLANCE_SECONDS = 0.1
"""How long a node that waits for messages may take to notice anything else, such as a lost parent."""

NOTE_SECONDS = 10.0
"""After which a node that still waits says in its log for whom, and again."""

_LATE = GLANCE_SECONDS + LATE_SECONDS
_log = logging.getLogger(__name__)


def _nothing() -> None:
    """What a wait for control messages collects."""


class Receiver:
    """How messages come to a node; :class:`netagents.wire.session.exchange.Exchange` has the arguments."""

    def __init__(
        self,
        node: int,
        listener: Listener,
        inbox: Inbox,
        *,
        codec: Codec | None,
        timeouts: Timeouts,
        on_control: OnControl,
        watched: Mapping[int, Callable[[], None]] | None,
        faults: FaultyFeed | None,
        links: LinkLayer | None,
    ) -> None:
        self.node = node
        self.inbox = inbox
        self.on_control = on_control
        self.traffic = Traffic()
        self.links = links
        self._listener = listener if links is None else links.listener
        self._codec = codec or Codec()
        self._exchange_seconds = timeouts.seconds("exchange")
        self._watched = dict(watched or {})
        self._descriptors = tuple(self._watched)
        self._faults = faults
        # An inbox of another kind wants to see whole envelopes.
        self._lets_in_again = faults is None and type(inbox) is Inbox
        self.next_glance = 0.0
        """When to look at what else is watched."""
        self._layouts = self._codec.layouts
        self._patience = 0.0
        self._take = self._listener.taking(self._patience)

    @property
    def plain(self) -> bool:
        """Whether nothing stands between the links and the inbox, and that keeps every message for its exact phase."""
        return self._lets_in_again and self.links is None

    # -- phases ----------------------------------------------------------------------------------------------------------

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
            error.wait = self.wait(iteration, kind, step, senders)
            raise

    def wait(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> Wait:
        """What was waited for, for whatever ended the wait: when a message is lost, all wait in the end, and the earliest tells which."""
        place = (iteration, int(kind.row.pace is not Pace.STEP), step, kind.row.phase)
        return Wait(place, self._what(iteration, kind, step, senders))

    def _await(self, iteration: int, kind: Kind, step: int, senders: Sequence[int], allowed: float) -> list[Message]:
        """The wait of every phase: asleep in the listener, and at most :data:`GLANCE_SECONDS` away from a look at what else is watched."""
        inbox = self.inbox
        limit = waiting_clock() + allowed
        next_note = waiting_clock() + NOTE_SECONDS
        while True:
            if self._faults is None:
                phase: dict[int, Any] = inbox.phase(iteration, kind, step)
                other = self.gather(iteration, step, {kind: phase}, kind, len(senders), limit=limit + paused_seconds())
                if other is not None:
                    self.settle(other)
                messages = inbox.collect(iteration, kind, step, senders)
            else:
                messages = self._pump(min(limit, next_note), partial(inbox.collect, iteration, kind, step, senders))[1]
            if messages is not None:
                return messages
            now = waiting_clock()
            if now >= next_note:
                next_note = now + NOTE_SECONDS
                _log.info("waiting for %s, %.0f s left", self._what(iteration, kind, step, senders), max(0.0, limit - now))
            if now >= limit:
                raise DeadlineError(f"waited {allowed:g} s for {self._what(iteration, kind, step, senders)}", where=node_name(self.node))

    @waits("for messages")
    def gather(
        self,
        iteration: int,
        step: int,
        phases: Mapping[Kind, dict[int, Any]],
        awaited: Kind,
        count: int,
        *,
        limit: float = inf,
        unread: bool = False,
    ) -> Received | None:
        """Takes messages of a step off the door until ``count`` of the awaited kind are there, or anything else happens.

        This is where a node spends its time with the wire while it learns, so it is one function: the listener's own call, the decoder's
        recognition, and what the inbox knows about a message whose like was let in before.  One message is waited for in any case.

        Args:
            phases: where to put them, by kind and sender.
            limit: when to end, on the clock of ``perf_counter``; silence ends it after :data:`GLANCE_SECONDS` already.
            unread: put in a message's layout and frame instead of the message.

        Returns:
            What came that was none of them, for :meth:`settle`.
        """
        traffic, inbox, layouts, nothing = self.traffic, self.inbox, self._layouts, self._listener.nothing
        wanted = phases[awaited]
        other: Received | None = None
        waited = decoded = 0.0
        now = perf_counter()
        patience = GLANCE_SECONDS if limit - now > GLANCE_SECONDS else max(0.0, limit - now)
        if patience != self._patience:
            self._patience, self._take = patience, self._listener.taking(patience)
        take = self._take
        while True:
            if now >= self.next_glance:
                self._glance(now)
            try:
                received = take()
            except nothing:
                waited += perf_counter() - now
                note_waking(now - paused_seconds() + patience)
                break
            woken = perf_counter()
            waited += woken - now
            if woken - now > _LATE:
                note_waking(now - paused_seconds() + patience)
            first, user = (received, None) if isinstance(received, bytes) else _alone(received)
            length, at, its = _read_prefix(first) if len(first) > HEAD else _NO_PREFIX
            layout = layouts.get(first[HEAD : HEAD + length]) if length <= REMEMBERED_BYTES else None
            if (
                layout is None
                or layout.size != len(first)
                or layout.door is not inbox.door
                or layout.user != user
                or at != step
                or its != iteration
                or (phase := phases.get(layout.kind)) is None
                or layout.sender in phase
            ):
                other = received
                break
            counted = layout.counted
            counted[0] += 1
            counted[1] += layout.size
            phase[layout.sender] = (layout, first) if unread else layout.read(first)
            now = perf_counter()
            decoded += now - woken
            if len(wanted) >= count or now >= limit:
                break
        traffic.wait_seconds += waited
        traffic.serialise_seconds += decoded
        return other

    def settle(self, other: Received) -> None:
        """Puts a message where it belongs, or answers it."""
        began = perf_counter()
        self.take_in(self._listener.complete(other))
        self.traffic.serialise_seconds += perf_counter() - began

    def _glance(self, now: float) -> None:
        """Answers the descriptors that are watched besides the messages."""
        self.next_glance = now + GLANCE_SECONDS
        for descriptor in self._listener.wait(self._descriptors, 0.0).descriptors:
            self._watched[descriptor]()

    def _what(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> str:
        missing = self.inbox.missing(iteration, kind, step, senders)
        note = "" if self.links is None else self.links.note(missing)
        return f"{kind.name.lower()} of iteration {iteration}, step {step} from {node_names(missing)}{note}"

    # -- control messages ------------------------------------------------------------------------------------------------

    def serve(self, done: Callable[[], bool], timeout_seconds: float, describe: Callable[[float], str]) -> None:
        """Answers control messages until ``done()``: the waits of the handshake and of the end of a run.

        Args:
            describe: given the seconds left, says what is being waited for; the log gets it every :data:`NOTE_SECONDS`, and it becomes the
                text of the error.

        Raises:
            DeadlineError: the time was up.
        """
        now = waiting_clock()
        limit, next_note = now + timeout_seconds, now + NOTE_SECONDS
        while not done():
            came = self._pump(min(limit, next_note), _nothing)[0]
            now = waiting_clock()
            if now < limit and now >= next_note and not done():
                next_note = now + NOTE_SECONDS
                _log.info("%s", describe(limit - now))
            elif not came and now >= limit:
                if done():
                    return
                raise DeadlineError(describe(0.0), where=node_name(self.node))

    def pump(self, timeout_seconds: float, done: Callable[[], bool] | None = None) -> bool:
        """One wait of at most ``timeout_seconds``, and what is there afterwards, up to the message that makes ``done()`` true; False
        when nothing came."""
        return self._pump(waiting_clock() + timeout_seconds, _nothing if done is None else lambda: [] if done() else None)[0]

    @waits("for messages")
    def _pump(self, limit: float, collect: Callable[[], list[Message] | None]) -> tuple[bool, list[Message] | None]:
        """Sleeps once, then takes in what is there until ``collect`` gives a phase.

        Args:
            limit: when to end, on the waiting clock.
            collect: gives a phase that is complete.

        Returns:
            Whether anything came before ``limit`` passed, and the phase.
        """
        traffic, faults = self.traffic, self._faults
        now = perf_counter()
        held = inf if faults is None or (due := faults.next_due()) is None else due
        while True:
            began = waiting_clock()
            wake = min(limit, held - paused_seconds())
            asleep = min(SLICE_SECONDS, max(0.0, wake - began))
            ready = self._listener.wait(self._descriptors, asleep)
            note_waking(began + asleep)
            woken = perf_counter()
            if ready.messages or ready.descriptors or woken >= min(limit + paused_seconds(), held):
                break
        traffic.wait_seconds += woken - now
        for descriptor in ready.descriptors:
            self._watched[descriptor]()
        messages: list[Message] | None = None
        if ready.messages:
            take, take_in = self._listener.take, self.take_in
            # One by one, so that a callback that raises leaves the rest where it is; bounded, so that a flood cannot hide a deadline.
            for _ in range(_BATCH):
                received = take(0.0)
                if received is None:
                    break
                take_in(received)
                messages = collect()
                if messages is not None:
                    traffic.serialise_seconds += perf_counter() - woken
                    return True, messages
            traffic.serialise_seconds += perf_counter() - woken
        if faults is not None:
            for envelope, user in faults.each_due(perf_counter()):
                self._deliver(envelope, user)
            messages = collect()
        return woken < limit + paused_seconds() or ready.messages or bool(ready.descriptors), messages

    # -- each message ----------------------------------------------------------------------------------------------------

    def take_in(self, received: Received) -> None:
        """Decodes a message, counts it and puts it where it belongs."""
        frames, user = in_frames(received)
        try:
            envelope = self._codec.decode(frames)
        except DecodeError as error:
            self.inbox.malformed(str(error))
            return
        tally(self.traffic.received, envelope.kind, 1, frame_bytes(frames))
        self._place(envelope, frames, user)

    def _place(self, envelope: Envelope, frames: Sequence[Frame], user: str | None) -> None:
        if self._faults is not None:
            self._faults.push((envelope, user), perf_counter())
        elif self._deliver(envelope, user) and self._lets_in_again:
            self._codec.admit(frames, self.inbox.door, user, self.traffic.received[envelope.kind])

    def _deliver(self, envelope: Envelope, user: str | None) -> bool:
        """Puts a message into the inbox, or answers a control message; whether the inbox took it."""
        if envelope.kind.row.pace is not Pace.CONTROL:
            return self.inbox.put(envelope, user)
        if self.inbox.admits(envelope, user):
            self.on_control(envelope, user)
        return False


def _alone(received: ReceivedFrames) -> tuple[bytes, str | None]:
    """The frame of a message that has only this one, and its user; else a frame that no message has."""
    frames, user = received
    return (first, user) if len(frames) == 1 and type(first := frames[0]) is bytes else (b"", None)
