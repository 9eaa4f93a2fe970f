"""Steady links: links of which each brings one message of a known form at every step of an iteration.

This is where a learning node spends its time, so nothing is done here that the step's first message has settled: a message whose prefix
and header are, byte by byte, those that its sender's accepted message had is accepted, and anything else is left to
:meth:`netagents.wire.session.receiver.Receiver.gather`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from netagents.messages import Kind
from netagents.wire.codec.frames import HEAD, PREFIX
from netagents.wire.codec.message_template import MessageTemplate
from netagents.wire.pauses import LATE_SECONDS, note_waking, paused_seconds
from netagents.wire.transport.transport import LINK_SECONDS, Listener, Received
from netagents.wire.wait_marker import waits

if TYPE_CHECKING:
    from netagents.wire.session.receiver import Receiver

_write_prefix, _read_prefix = PREFIX.pack, PREFIX.unpack_from


class SteadyLinks:
    """Takes the messages of one kind, link after link, the last sender first.

    Made by :meth:`netagents.wire.session.receiver.Receiver.steady_links`; valid until a message came that was none of these.

    Args:
        receiver: of the node.
        listener: of the node, which tells links.
        iteration: of the messages.
        kind: of the messages.
        links: sender -> link, in the order of senders.
        messages: sender -> template and frame of its last message.
    """

    def __init__(
        self,
        receiver: Receiver,
        listener: Listener,
        iteration: int,
        kind: Kind,
        links: Mapping[int, object],
        messages: Mapping[int, tuple[MessageTemplate, bytes]],
    ) -> None:
        self._receiver, self._listener, self._iteration, self._kind = receiver, listener, iteration, kind
        self._senders = tuple(links)
        self._entries = []
        for sender in reversed(self._senders):
            template, frame = messages[sender]
            length = _read_prefix(frame)[0]
            packet = listener.packet_function(links[sender])
            self._entries.append((packet, length, frame[HEAD : HEAD + length], template.size, sender, template, links[sender]))
        self._bytes = sum(template.size for template, _ in messages.values())
        self._late = LATE_SECONDS + LINK_SECONDS * len(self._entries)

    @waits("for messages")
    def gather(self, step: int, phases: Mapping[Kind, dict[int, Any]]) -> Received | None:
        """As :meth:`netagents.wire.session.receiver.Receiver.gather`, with template and frame of each message."""
        receiver, iteration, phase = self._receiver, self._iteration, phases[self._kind]
        if phase:
            return receiver.gather(iteration, step, phases, self._kind, self._senders, raw=True)
        start = perf_counter()
        if start >= receiver.next_poll:
            receiver.poll_watched(start)
        other: Received | None = None
        for packet, length, header, size, sender, template, link in self._entries:
            try:
                frame = packet()
            except OSError:  # nothing in time, or not now
                break
            if len(frame) != size or not frame.startswith(_write_prefix(length, step, iteration) + header):
                other = self._listener.complete_from(link, frame)
                break
            phase[sender] = template, frame
        woken = perf_counter()
        receiver.traffic.wait_seconds += woken - start
        if woken - start > self._late:
            note_waking(start - paused_seconds() + self._late - LATE_SECONDS)
        count = len(phase)
        counter = receiver.traffic.received[self._kind]
        counter[0] += count
        if count == len(self._entries):
            counter[1] += self._bytes
            return None
        counter[1] += sum(template.size for template, _ in phase.values())
        return other if other is not None else receiver.gather(iteration, step, phases, self._kind, self._senders, raw=True)


def known_links(
    links: Mapping[int, object | None], senders: Sequence[int], messages: Mapping[int, tuple[MessageTemplate, bytes]], acceptance: object
) -> dict[int, object]:
    """The link of each sender, in their order; empty where one is not known, or a message was not accepted under the rules of now."""
    links_of_senders: dict[int, object] = {}
    for sender in senders:
        link = links.get(sender)
        if link is None or sender not in messages:
            return {}
        template = messages[sender][0]
        # On these links the kernel says who sends, and messages name no user.
        if template.acceptance is not acceptance or template.user is not None:
            return {}
        links_of_senders[sender] = link
    return links_of_senders
