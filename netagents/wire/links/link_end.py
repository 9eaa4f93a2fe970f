"""End of a modelled link: it transmits as the model decides, retransmits what must arrive, and acknowledges what has arrived."""

from __future__ import annotations

from collections.abc import Sequence

from netagents.errors import DeadlineError
from netagents.messages import Kind, node_name
from netagents.wire.codec.frames import Frame, frame_bytes
from netagents.wire.links.link_cost_counter import CostCounter
from netagents.wire.links.link_header import ACKNOWLEDGEMENT, BEST_EFFORT, LINK_HEADER_BYTES, LONGEST_HOLD, ORDERED, LinkHeader
from netagents.wire.links.link_model import LinkModel
from netagents.wire.links.reliable_delivery import Intake, Outbox, Pending, Subject
from netagents.wire.transport.transport import ReceivedFrames, Sender

ACKNOWLEDGE_WITHIN = 0.003
"""Seconds that an acknowledgement waits for a message to travel with."""


class LinkEnd:
    """The state of one link, without a clock: the caller gives the time.

    Args:
        model: of the outgoing direction; the peer has that of the other.
        raw: sender of the transport.
        run: 8 bytes.
        incarnation: of this node.
        deadline: seconds after which an unacknowledged message is an error.
        gives_up: such a message is dropped instead, and so is the oldest one of a full window.
        costs: counts everything.
    """

    def __init__(
        self, model: LinkModel, raw: Sender, run: bytes, incarnation: int, deadline: float, costs: CostCounter, *, gives_up: bool
    ) -> None:
        self.model, self.raw = model, raw
        self.outbox = Outbox()
        self.iteration = 0
        """The present iteration of this node; faults are active in some iterations only."""
        self._node, self._peer = model.sender, model.receiver
        self._run, self._incarnation, self._deadline, self._costs = run, incarnation, deadline, costs
        self._gives_up = gives_up
        self._opened: dict[Kind, int] = {}
        self._intake: Intake[ReceivedFrames] = Intake(0)
        self._best_effort = 0
        self._acknowledge_at: float | None = None
        self._echo = -1.0

    def restart(self, incarnation: int) -> None:
        """Begin again under a new incarnation: unacknowledged messages are dropped, and sequence numbers begin at 0."""
        self._incarnation, self.iteration = incarnation, 0
        self.outbox, self._best_effort = Outbox(), 0
        self._opened.clear()
        # The peer may have begun again earlier.
        if self._intake.incarnation < incarnation:
            self._renew(incarnation)

    # -- sending ---------------------------------------------------------------------------------------------------------------

    def accepts(self, *, reliable: bool) -> bool:
        """Whether there is room in the window."""
        return self._gives_up or not (reliable and self.outbox.full)

    def is_first(self, kind: Kind, iteration: int) -> bool:
        """Whether this is the first message of its kind in its iteration on this link."""
        return iteration > self._opened.get(kind, -1)

    def send(self, frames: Sequence[Frame], subject: Subject, now: float, *, reliable: bool) -> None:
        """Send a message for the first time."""
        self._costs.add(self._node, self._peer, messages=1)
        self._opened[subject.kind] = subject.iteration
        if reliable:
            if self._gives_up:
                self.outbox.excuse(now)
                self.outbox.give_up(now - self._deadline)
            item = self.outbox.add([bytes(frame) for frame in frames], subject, now)
            self.outbox.mark_sent(item, now, self._transmit(ORDERED, item.sequence, item.frames, now))
        else:
            self._transmit(BEST_EFFORT, self._best_effort, frames, now)
            self._best_effort += 1

    def run_timers(self, now: float) -> None:
        """Retransmit messages that are due, and send an acknowledgement that no message has carried.

        Raises:
            DeadlineError: a message was not acknowledged in time; names the link, the message, the tries and the partition.
        """
        self.outbox.excuse(now)
        if self._gives_up:
            self.outbox.give_up(now - self._deadline)
        for item in self.outbox.due(now):
            self._check_deadline(item, now)
            self._costs.add(self._node, self._peer, LINK_HEADER_BYTES + frame_bytes(item.frames), resent=1)
            self.outbox.mark_sent(item, now, self._transmit(ORDERED, item.sequence, item.frames, now))
        if self._acknowledge_at is not None and self._acknowledge_at <= now:
            self._costs.add(self._node, self._peer, acknowledgements=1)
            self._transmit(ACKNOWLEDGEMENT, 0, (), now)

    def next_due(self) -> float | None:
        """Time of the next timer; None while there is none."""
        resend, acknowledge = self.outbox.next_due(), self._acknowledge_at
        if resend is None or acknowledge is None:
            return acknowledge if resend is None else resend
        return min(resend, acknowledge)

    def _transmit(self, content: int, sequence: int, frames: Sequence[Frame], now: float) -> float:
        """Transmit once, with all pending acknowledgements; gives the seconds until the departure."""
        size = LINK_HEADER_BYTES + (frame_bytes(frames) if frames else 0)
        transmission = self.model.transmit(size, self.iteration, now)
        below, bits = self._intake.acknowledgement()
        waited = 0.0 if self._acknowledge_at is None else max(0.0, now - self._acknowledge_at + ACKNOWLEDGE_WITHIN)
        taken = 0
        for arrival in transmission.arrivals:
            hold, receiver_incarnation = min(arrival, LONGEST_HOLD), self._intake.incarnation
            header = LinkHeader(
                self._run,
                self._node,
                self._incarnation,
                content,
                hold,
                sequence,
                self.outbox.oldest,
                now,
                receiver_incarnation,
                below,
                bits,
                self._echo,
                waited,
            )
            # A full queue also loses the transmission.
            taken += self.raw.try_send([header.pack(), *frames])
        self._acknowledge_at, self._echo = None, -1.0
        self._costs.add(self._node, self._peer, size, transmissions=1, lost=int(taken == 0), doubled=int(taken > 1))
        return transmission.departure

    def _check_deadline(self, item: Pending, now: float) -> None:
        if now - item.first_sent < self._deadline:
            return
        raise never_acknowledged(self.model, item.subject, item.tries, self._deadline, self.model.cut_by(self.iteration, now))

    # -- receiving ----------------------------------------------------------------------------------------------------------------

    def receive(self, header: LinkHeader, received: ReceivedFrames, now: float) -> list[ReceivedFrames]:
        """Process what has arrived; gives the messages that can be delivered now, in order."""
        if header.incarnation < self._intake.incarnation:
            return []
        if header.incarnation > self._intake.incarnation:
            self._renew(header.incarnation)
        if header.receiver_incarnation == self._incarnation:
            self.outbox.mark_acknowledged(header.below, header.bits)
            if 0.0 <= header.echo <= now - header.acknowledgement_delay:
                self.outbox.round_trip.add_sample(now - header.acknowledgement_delay - header.echo)
        skipped = self._intake.skip(min(header.oldest, header.sequence)) if header.content == ORDERED else []
        if header.content == ACKNOWLEDGEMENT:
            return []
        if header.content == BEST_EFFORT:
            ready = [received] if self._intake.take_any(header.sequence) else None
        else:
            ready = self._intake.take(header.sequence, received)
            if self._acknowledge_at is None:
                self._acknowledge_at, self._echo = now + ACKNOWLEDGE_WITHIN, header.sent
        if ready is None:
            self._costs.add(self._peer, self._node, LINK_HEADER_BYTES + frame_bytes(received.frames), duplicates=1)
            return skipped
        return skipped + ready

    def _renew(self, incarnation: int) -> None:
        self._intake, self._acknowledge_at, self._echo = Intake(incarnation), None, -1.0


def link_name(sender: int, receiver: int) -> str:
    """Such as ``agent 2 -> environment``."""
    return f"{node_name(sender)} -> {node_name(receiver)}"


def never_acknowledged(link: LinkModel, subject: Subject, tries: int, deadline: float, cut_by: int | None) -> DeadlineError:
    """The error of an undelivered message; ``cut_by`` is the number of the partition that cuts the link."""
    cut = "" if cut_by is None else f"; faults.{cut_by} cuts it"
    return DeadlineError(
        f"{subject.kind.name.lower()} of iteration {subject.iteration}, step {subject.step} was sent {tries} times in {deadline:g} s "
        f"and never acknowledged{cut}",
        where=link_name(link.sender, link.receiver),
    )
