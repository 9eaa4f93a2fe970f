"""Exchange with relay routing: an agent has links to neighbours only and forwards messages, in bundles, along each origin's tree.

Its interface is that of :class:`netagents.wire.session.exchange.Exchange`: ``send`` reaches all out-neighbours, ``receive`` waits for the
origins' messages.  A message goes to the origin's neighbours in its tree (:mod:`netagents.topology.relay_trees`); each receiver keeps it
if it needs it, and forwards its bytes, unchanged, to its own children.  After one wake-up, all messages to one neighbour travel as one
bundle.

A link authenticates the forwarder and not the origin.  So a message is accepted only from the parent in the tree of its origin and kind,
and anything else is dropped and counted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from netagents.errors import DeadlineError, DecodeError
from netagents.messages import Bundle, Envelope, Kind, Message, RelayStats, node_name, node_names, payload_bytes
from netagents.topology import TreeNode
from netagents.wire.codec.frames import Frame, frame_bytes
from netagents.wire.pauses import waiting_clock
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.radius_admission import Drop
from netagents.wire.session.traffic import count_traffic, counters

TreeNodes = Mapping[Kind, Mapping[int, TreeNode]]
"""Kind -> origin -> this node's position in the tree of the origin's messages."""

LARGEST_BUNDLE = 16 << 20
"""Bytes after which the next bundle begins."""

_RETRY_SECONDS = 0.005
_DRAINED = 1024
_STEPS = 1 << 31
_LONGEST_HOP = 3_600_000_000_000  # nanoseconds; the clocks of two hosts may differ by any amount


@dataclass
class RelayCounts:
    """Counts of what a node sent over its links to neighbours, and received over them.

    Attributes:
        kinds: kind -> [messages, payload bytes], its own and forwarded messages, once per link.
        bundles: number sent. bundle_bytes: their bytes, with headers.
        taken: messages received in bundles. hop_nanoseconds: time of their last hop, summed.
    """

    kinds: defaultdict[Kind, list[int]] = field(default_factory=counters)
    bundles: int = 0
    bundle_bytes: int = 0
    taken: int = 0
    hop_nanoseconds: int = 0

    def message(self) -> RelayStats:
        """The counts as a message."""
        rows = [[kind, *counted] for kind, counted in sorted(self.kinds.items())]
        totals = [self.bundles, self.bundle_bytes, self.taken, self.hop_nanoseconds]
        return RelayStats(np.array(rows, np.int64).reshape(-1, 3), np.array(totals, np.int64))


@dataclass
class _Queue:
    """Frames that wait for one neighbour since ``since``."""

    since: float
    sizes: list[int] = field(default_factory=list)
    content: list[Frame] = field(default_factory=list)
    nbytes: int = 0


class RelayExchange(Exchange):
    """An exchange over links to neighbours only.

    Args:
        tree_nodes: this node's position in every tree that contains it, its own included.
    """

    def __init__(self, *arguments: Any, tree_nodes: TreeNodes, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.relay_counts = RelayCounts()
        self._tree_nodes = tree_nodes
        self._queues: dict[int, list[_Queue]] = {}
        self._last: dict[tuple[Kind, int], int] = {}

    def restart(self, iteration: int, incarnation: int) -> None:
        super().restart(iteration, incarnation)
        self._queues.clear()
        self._last.clear()

    @property
    def supports_rollouts(self) -> bool:
        return False

    # -- sending ---------------------------------------------------------------------------------------------------------

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        tree_nodes = self._tree_nodes.get(kind)
        if tree_nodes is not None and receivers:
            receivers = tree_nodes[self.node].children
            count_traffic(self.relay_counts.kinds, kind, len(receivers), len(receivers) * payload_bytes(message))
        super().send(message, kind, iteration, step, receivers)

    def _flush_queues(self) -> None:
        """Send what waits for neighbours; if a queue is full, the rest waits for the next call, at most for the ``send`` timeout.

        Raises:
            DeadlineError: a neighbour's queue stayed full; names it.
        """
        for neighbour, queues in list(self._queues.items()):
            sender = self._senders.get(neighbour)
            while queues:
                queue = queues[0]
                frames = self._encode(_bundle(queue), Kind.BUNDLE, self.inbox.iteration, 0)
                if sender is None or not sender.try_send(frames):
                    waited = waiting_clock() - queue.since
                    if waited > self._send_seconds:
                        what = f"waited {waited:.3g} s to hand messages on to {node_name(neighbour)}: it is gone or does not read"
                        raise DeadlineError(what, where=node_name(self.node), fix="look at that agent's log")
                    break
                queues.pop(0)
                size = frame_bytes(frames)
                count_traffic(self.traffic.sent, Kind.BUNDLE, 1, size)
                self.relay_counts.bundles += 1
                self.relay_counts.bundle_bytes += size
            if not queues:
                del self._queues[neighbour]

    def _enqueue(self, neighbour: int, frames: Sequence[Frame]) -> None:
        queues = self._queues.setdefault(neighbour, [])
        if not queues or queues[-1].nbytes >= LARGEST_BUNDLE:
            queues.append(_Queue(waiting_clock()))
        queue = queues[-1]
        for index, frame in enumerate(frames):
            nbytes = frame_bytes((frame,))
            queue.sizes.append(-nbytes - 1 if index else nbytes)
            queue.content.append(frame)
            queue.nbytes += nbytes

    # -- receiving--------------------------------------------------------------------------------------------------------

    def _await(self, iteration: int, kind: Kind, step: int, senders: Sequence[int], allowed: float) -> list[Message]:
        limit = waiting_clock() + allowed
        collect = partial(self.inbox.collect, iteration, kind, step, senders)
        while True:
            received, messages = self._pump(limit, collect)
            if messages is not None:
                return messages
            if not received:
                raise DeadlineError(
                    f"waited {allowed:g} s for {self._describe_wait(iteration, kind, step, senders)}", where=node_name(self.node)
                )

    def _pump(self, limit: float, collect: Callable[[], list[Message] | None]) -> tuple[bool, list[Message] | None]:
        while True:
            # Retry soon while a neighbour's queue is full.
            until = min(limit, waiting_clock() + _RETRY_SECONDS) if self._queues else limit
            received, messages = super()._pump(until, collect)
            if messages is not None:
                # Forward what has arrived before this node computes.
                for _ in range(_DRAINED):
                    frames = self._listener.receive(0.0)
                    if frames is None:
                        break
                    self.process(frames)
            self._flush_queues()
            if received or until == limit:
                return received, messages

    def _dispatch(self, envelope: Envelope, frames: Sequence[Frame], user: str | None) -> None:
        if envelope.kind is Kind.BUNDLE:
            self._open_bundle(envelope, user)
        elif envelope.kind in self._tree_nodes:
            self._receive_relayed(envelope, frames, envelope.sender, user)
        else:
            self._accept(envelope, user)

    def _open_bundle(self, envelope: Envelope, user: str | None) -> None:
        """Process each message of a bundle as one from its forwarder."""
        bundle, inbox = envelope.message, self.inbox
        assert isinstance(bundle, Bundle)
        if envelope.run != inbox.run:
            inbox.reject(Drop.OTHER_RUN, envelope)
            return
        try:
            bundled = _unbundle(bundle)
        except ValueError as error:
            inbox.malformed(f"bundle of {node_name(envelope.sender)}: {error}")
            return
        delay = min(max(0, time.time_ns() - int(bundle.sent[0])), _LONGEST_HOP)
        for frames in bundled:
            try:
                inner = self._codec.decode(frames)
            except DecodeError as error:
                inbox.malformed(str(error))
                continue
            if inner.kind not in self._tree_nodes:
                inbox.reject(Drop.WRONG_KIND, envelope)
            elif self._receive_relayed(inner, frames, envelope.sender, user):
                self.relay_counts.taken += 1
                self.relay_counts.hop_nanoseconds += delay

    def _receive_relayed(self, envelope: Envelope, frames: Sequence[Frame], forwarder: int, user: str | None) -> bool:
        """Forward and keep a message from a neighbour, its own or another agent's; returns False if it was refused."""
        kind, origin = envelope.kind, envelope.sender
        tree_node = self._tree_nodes[kind].get(origin)
        rejection = self._rejection(envelope, tree_node, forwarder, user)
        if rejection is not None:
            # The forwarder is responsible, whatever sender the message names.
            self.inbox.reject(rejection, envelope._replace(sender=forwarder))
            return False
        assert tree_node is not None
        self._last[kind, origin] = envelope.iteration * _STEPS + envelope.step
        for child in tree_node.children:
            self._enqueue(child, frames)
        if tree_node.children:
            count_traffic(self.relay_counts.kinds, kind, len(tree_node.children), len(tree_node.children) * payload_bytes(envelope.message))
        if tree_node.is_receiver:
            self._accept(envelope, self.inbox.user_of(origin))
        return True

    def _rejection(self, envelope: Envelope, tree_node: TreeNode | None, forwarder: int, user: str | None) -> Drop | None:
        """Why a message from this neighbour is refused; None if it is accepted."""
        if envelope.run != self.inbox.run:
            return Drop.OTHER_RUN
        if user != self.inbox.user_of(forwarder):
            return Drop.FORGED
        if envelope.incarnation != self.incarnation:
            return Drop.OTHER_INCARNATION
        if tree_node is None:
            return Drop.OUTSIDE_RADIUS
        if tree_node.parent != forwarder or envelope.sender == self.node:
            return Drop.OFF_ROUTE
        ahead = envelope.iteration - self.inbox.iteration
        if not -1 <= ahead <= 1:
            return Drop.PAST if ahead < 0 else Drop.FUTURE
        # Links keep order, and so does a path of links.
        if envelope.iteration * _STEPS + envelope.step <= self._last.get((envelope.kind, envelope.sender), -1):
            return Drop.DUPLICATE
        return None

    def _accept(self, envelope: Envelope, user: str | None) -> None:
        if self._faults is None:
            self._deliver(envelope, user)
        else:
            self._faults.push((envelope, user), perf_counter())

    def _describe_wait(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> str:
        tree_nodes = self._tree_nodes.get(kind, {})
        missing = self.inbox.missing(iteration, kind, step, senders)
        parents = {tree_nodes[sender].parent for sender in missing if sender in tree_nodes} - set(missing)
        route = f" by way of {node_names(parents)}" if parents else ""
        return super()._describe_wait(iteration, kind, step, senders) + route


def _bundle(queue: _Queue) -> Bundle:
    content = np.frombuffer(b"".join(queue.content), np.uint8)
    return Bundle(np.array(queue.sizes, np.int32), np.array([time.time_ns()], np.int64), content)


def _unbundle(bundle: Bundle) -> list[list[Frame]]:
    """The frames of each message in a bundle.

    Raises:
        ValueError: the sizes do not fit the content.
    """
    sizes = bundle.sizes.astype(np.int64)
    lengths = np.where(sizes < 0, -sizes - 1, sizes)
    if len(sizes) == 0 or sizes[0] < 0 or int(lengths.sum()) != len(bundle.content):
        raise ValueError(f"{len(sizes)} frames do not make up {len(bundle.content)} bytes")
    content = bundle.content.data
    bundled: list[list[Frame]] = []
    position = 0
    for size, length in zip(sizes.tolist(), lengths.tolist(), strict=True):
        # A copy, so that arrays are aligned as in messages that arrive directly.
        frame = bytes(content[position : position + length])
        position += length
        if size >= 0:
            bundled.append([frame])
        else:
            bundled[-1].append(frame)
    return bundled
