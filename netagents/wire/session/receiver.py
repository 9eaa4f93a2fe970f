"""Receiver of an exchange: one node's listener, decoder and inbox behind ``receive``.

It has the one blocking wait of a process.  A wait ends with the messages, with a control message or a watched descriptor (whose callbacks
may raise), or with a DeadlineError that names the phase, the step and the missing peers.
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
from netagents.wire.codec.message_template import MessageTemplate
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.pauses import LATE_SECONDS, SLICE_SECONDS, note_waking, paused_seconds, waiting_clock
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.steady_links import SteadyLinks, known_links
from netagents.wire.session.traffic import Traffic, count_traffic
from netagents.wire.transport.transport import LINK_SECONDS, Listener, Received, in_frames, single_frame
from netagents.wire.wait_marker import waits

_BATCH = 1024
_read_prefix = PREFIX.unpack_from
_NO_PREFIX = (0, -1, -1)
POLL_SECONDS = 0.1
"""Interval at which a waiting node polls its watched descriptors, such as that of its parent."""
NOTE_SECONDS = 10.0
"""Interval at which a waiting node logs for whom it waits."""

OnControl = Callable[[Envelope, str | None], None]
"""Called with each control message and its sender's authenticated name; its exceptions end the wait."""

_LATE = POLL_SECONDS + LATE_SECONDS
_log = logging.getLogger(__name__)


class Receiver:
    """Receives the messages of a node; :class:`netagents.wire.session.exchange.Exchange` describes the arguments."""

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
        # Other types of inbox need whole envelopes.
        self._reuses_acceptance = faults is None and type(inbox) is Inbox
        self.next_poll = 0.0
        """When to poll the watched descriptors again."""
        self._templates = self._codec.templates
        self._take_timeout = 0.0
        self._take = self._listener.take_function(self._take_timeout)
        self._links: dict[int, object | None] = {}  # sender -> the link over which its last message came

    @property
    def supports_rollouts(self) -> bool:
        """Whether a driver may take a whole rollout's messages: nothing is between links and inbox, which keeps each for its phase."""
        return self._reuses_acceptance and self.links is None

    # -- phases ----------------------------------------------------------------------------------------------------------

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int], timeout_seconds: float | None = None) -> list[Message]:
        """Wait for one ``kind`` message of (iteration, step) from each of ``senders``; returns them in that order.

        Args:
            timeout_seconds: instead of the ``exchange`` timeout.

        Raises:
            DeadlineError: names kind, iteration, step and the missing peers.
            ProtocolError: a message arrived twice.
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
        """Description of a wait, for the error that ended it: after a lost message all nodes wait, and the earliest wait identifies it."""
        position = (iteration, kind.row.pace.order, step, kind.row.phase)
        return Wait(position, self._describe_wait(iteration, kind, step, senders))

    def _await(self, iteration: int, kind: Kind, step: int, senders: Sequence[int], allowed: float) -> list[Message]:
        """The wait of every phase: asleep in the listener, interrupted every :data:`POLL_SECONDS` to poll the watched descriptors."""
        inbox = self.inbox
        limit = waiting_clock() + allowed
        next_note = waiting_clock() + NOTE_SECONDS
        while True:
            if self._faults is None:
                phase: dict[int, Any] = inbox.phase(iteration, kind, step)
                other = self.gather(iteration, step, {kind: phase}, kind, senders, limit=limit + paused_seconds())
                if other is not None:
                    self.process_other(other)
                messages = inbox.collect(iteration, kind, step, senders)
            else:
                messages = self._pump(min(limit, next_note), partial(inbox.collect, iteration, kind, step, senders))[1]
            if messages is not None:
                return messages
            now = waiting_clock()
            if now >= next_note:
                next_note = now + NOTE_SECONDS
                _log.info("waiting for %s, %.0f s left", self._describe_wait(iteration, kind, step, senders), max(0.0, limit - now))
            if now >= limit:
                raise DeadlineError(
                    f"waited {allowed:g} s for {self._describe_wait(iteration, kind, step, senders)}", where=node_name(self.node)
                )

    @waits("for messages")
    def gather(
        self,
        iteration: int,
        step: int,
        phases: Mapping[Kind, dict[int, Any]],
        awaited: Kind,
        senders: Sequence[int],
        *,
        limit: float = inf,
        raw: bool = False,
    ) -> Received | None:
        """Receive messages of a step until those of the awaited kind have arrived from all ``senders``, or anything else happens.

        A learning node spends most of its time on messages here, so it is one function: the listener's own call, the decoder's recognition
        of headers, and the inbox's earlier acceptance of a header.  It always waits for at least one message.  Where the transport
        tells links, it waits for the last sender first: then the messages of the others mostly are there, and have woken nobody.

        Args:
            phases: kind -> sender -> message; the messages are added here.
            limit: when to end, on the clock of ``perf_counter``; without a message it ends after :data:`POLL_SECONDS`.
            raw: add the template and frame of each message instead of the message.

        Returns: the message that is none of these, for :meth:`process_other`, if one has arrived.
        """
        traffic, inbox, templates, timeout_error = self.traffic, self.inbox, self._templates, self._listener.timeout_error
        awaited_phase, count = phases[awaited], len(senders)
        other: Received | None = None
        waited = decoded = 0.0
        now = perf_counter()
        timeout = POLL_SECONDS if limit - now > POLL_SECONDS else max(0.0, limit - now)
        if timeout != self._take_timeout:
            self._take_timeout, self._take = timeout, self._listener.take_function(timeout)
        take, paused = self._take, paused_seconds()
        links = self._links if self._listener.tells_links and timeout >= LINK_SECONDS else None
        take_from, missing = self._listener.take_from, list(senders)
        while True:
            if now >= self.next_poll:
                # Read before waits that note pauses themselves, as those over modelled links do: a pause must not count twice.
                paused = paused_seconds()
                self.poll_watched(now)
            link = None
            if links is not None:
                while missing and missing[-1] in awaited_phase:
                    missing.pop()
                link = links.get(missing[-1]) if missing else None
            try:
                received = take() if link is None else take_from(link)
            except timeout_error:
                self._links.clear()
                waited += perf_counter() - now
                note_waking(now - paused + timeout)
                break
            woken = perf_counter()
            waited += woken - now
            if woken - now > _LATE:
                note_waking(now - paused + timeout)
                paused = paused_seconds()
            first, user = (received, None) if isinstance(received, bytes) else single_frame(received)
            length, message_step, message_iteration = _read_prefix(first) if len(first) > HEAD else _NO_PREFIX
            template = templates.get(first[HEAD : HEAD + length]) if length <= REMEMBERED_BYTES else None
            if (
                template is None
                or template.size != len(first)
                or template.acceptance is not inbox.acceptance
                or template.user != user
                or message_step != step
                or message_iteration != iteration
                or (phase := phases.get(template.kind)) is None
                or template.sender in phase
            ):
                other = received
                break
            counter = template.counter
            counter[0] += 1
            counter[1] += template.size
            phase[template.sender] = (template, first) if raw else template.read(first)
            if link is None and links is not None:
                links[template.sender] = self._listener.last_link()
            now = perf_counter()
            decoded += now - woken
            if len(awaited_phase) >= count or now >= limit:
                break
        traffic.wait_seconds += waited
        traffic.serialise_seconds += decoded
        return other

    def steady_links(
        self, iteration: int, kind: Kind, senders: Sequence[int], messages: Mapping[int, tuple[MessageTemplate, bytes]]
    ) -> SteadyLinks | None:
        """Links that bring such messages at every step of an iteration, once a step's have come; None where not all are known."""
        links = known_links(self._links, senders, messages, self.inbox.acceptance)
        return SteadyLinks(self, self._listener, iteration, kind, links, messages) if links else None

    def process_other(self, other: Received) -> None:
        """Process a message that :meth:`gather` returned."""
        start = perf_counter()
        self.process(self._listener.complete(other))
        self.traffic.serialise_seconds += perf_counter() - start

    def poll_watched(self, now: float) -> None:
        """Call the callbacks of watched descriptors that are readable."""
        self.next_poll = now + POLL_SECONDS
        for descriptor in self._listener.wait(self._descriptors, 0.0).descriptors:
            self._watched[descriptor]()

    def _describe_wait(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> str:
        missing = self.inbox.missing(iteration, kind, step, senders)
        note = "" if self.links is None else self.links.describe_cuts(missing)
        return f"{kind.name.lower()} of iteration {iteration}, step {step} from {node_names(missing)}{note}"

    # -- control messages ------------------------------------------------------------------------------------------------

    def serve(self, is_complete: Callable[[], bool], timeout_seconds: float, describe: Callable[[float], str]) -> None:
        """Process control messages until ``done()``: the waits of the handshake and of the end of a run.

        Args:
            describe: from the seconds left to a description of the wait, for the log every :data:`NOTE_SECONDS` and for the error.

        Raises:
            DeadlineError: the time is over.
        """
        now = waiting_clock()
        limit, next_note = now + timeout_seconds, now + NOTE_SECONDS
        while not is_complete():
            received = self._pump(min(limit, next_note), lambda: None)[0]  # never complete: the wait is for control messages
            now = waiting_clock()
            if now < limit and now >= next_note and not is_complete():
                next_note = now + NOTE_SECONDS
                _log.info("%s", describe(limit - now))
            elif not received and now >= limit:
                if is_complete():
                    return
                raise DeadlineError(describe(0.0), where=node_name(self.node))

    def pump(self, timeout_seconds: float, is_complete: Callable[[], bool] | None = None) -> bool:
        """Wait once, at most ``timeout_seconds``, and process what has arrived, up to the message that makes ``done()`` true; returns False
        if nothing has arrived."""
        return self._pump(waiting_clock() + timeout_seconds, lambda: [] if is_complete is not None and is_complete() else None)[0]

    @waits("for messages")
    def _pump(self, limit: float, collect: Callable[[], list[Message] | None]) -> tuple[bool, list[Message] | None]:
        """Sleep once, at most until ``limit`` on the waiting clock, and process what has arrived until ``collect`` gives a phase.

        Returns: whether anything arrived before ``limit``, and the phase.
        """
        traffic, faults = self.traffic, self._faults
        now = perf_counter()
        held = inf if faults is None or (due := faults.next_due()) is None else due
        while True:
            start = waiting_clock()
            wake = min(limit, held - paused_seconds())
            asleep = min(SLICE_SECONDS, max(0.0, wake - start))
            ready = self._listener.wait(self._descriptors, asleep)
            note_waking(start + asleep)
            woken = perf_counter()
            if ready.messages or ready.descriptors or woken >= min(limit + paused_seconds(), held):
                break
        traffic.wait_seconds += woken - now
        for descriptor in ready.descriptors:
            self._watched[descriptor]()
        messages: list[Message] | None = None
        if ready.messages:
            take, process = self._listener.take, self.process
            # One by one, so that the rest stays if a callback raises; bounded, so that a flood cannot delay a deadline.
            for _ in range(_BATCH):
                received = take(0.0)
                if received is None:
                    break
                process(received)
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

    def process(self, received: Received) -> None:
        """Decode a message, count it and pass it on."""
        frames, user = in_frames(received)
        try:
            envelope = self._codec.decode(frames)
        except DecodeError as error:
            self.inbox.malformed(str(error))
            return
        count_traffic(self.traffic.received, envelope.kind, 1, frame_bytes(frames))
        self._dispatch(envelope, frames, user)

    def _dispatch(self, envelope: Envelope, frames: Sequence[Frame], user: str | None) -> None:
        if self._faults is not None:
            self._faults.push((envelope, user), perf_counter())
        elif self._deliver(envelope, user) and self._reuses_acceptance:
            self._codec.accept(frames, self.inbox.acceptance, user, self.traffic.received[envelope.kind])

    def _deliver(self, envelope: Envelope, user: str | None) -> bool:
        """Put a message into the inbox, or process a control message; returns whether the inbox accepted it."""
        if envelope.kind.row.pace is not Pace.CONTROL:
            return self.inbox.put(envelope, user)
        if self.inbox.accepts_control(envelope, user):
            self.on_control(envelope, user)
        return False
