"""What relay routing puts on links between neighbours: each message once per edge of its tree, and the bundles around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from netagents.learning import Setup
from netagents.learning.protocol.relay_routes import Routes, neighbours_used
from netagents.messages import Bundle, Envelope, Kind, Message
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes

BYTES_PER_ENTRY = 4
"""What a bundle says of each frame that it holds."""


class SentMessages(NamedTuple):
    """What an agent sends to its out-neighbours per iteration: a kind, how often, and the payload and framed bytes of one message."""

    kind: Kind
    times: int
    payload: int
    framed: int
    frames: int


@dataclass(frozen=True)
class RelayCost:
    """Per iteration, over all links between neighbours.

    Attributes:
        crossings: kind -> messages, payload and framed bytes, once per link; exactly what agents count.
        handed_on: of these messages, those that travel in bundles: all but an origin's own to its neighbours.
        handed_frames, handed_framed: frames of those, and their bytes. usual: framed bytes of the message that is handed on most often.
        phases: (link, kind, step) that hand something on: so many bundles there are at least, if each holds all that it could.
        sockets: connections per agent: (mean, largest), the server's included. links: pairs of neighbours that are connected.
        busiest: messages and framed bytes that the busiest agent sends and receives, the server's left out.
        hops: the farthest that a kind travels.
    """

    crossings: dict[Kind, tuple[int, int, int]]
    handed_on: int
    handed_frames: int
    handed_framed: int
    usual: int
    phases: int
    sockets: tuple[float, int]
    links: int
    busiest: tuple[int, int]
    hops: dict[Kind, int]

    @property
    def messages(self) -> int:
        """Crossings of links."""
        return sum(messages for messages, _, _ in self.crossings.values())

    @property
    def payload(self) -> int:
        """Payload bytes of all crossings."""
        return sum(payload for _, payload, _ in self.crossings.values())

    def framed(self, bundles: float) -> float:
        """Framed bytes of all crossings when what is handed on travels in so many bundles."""
        whole = sum(framed for _, _, framed in self.crossings.values())
        return whole - self.handed_framed + self.bundle_bytes(bundles)

    def bundle_bytes(self, bundles: float) -> float:
        """Bytes of so many bundles that hold all that is handed on, headers included."""
        if bundles == 0:
            return 0.0
        each = max(1, round(self.handed_frames / bundles))
        return self.handed_framed + BYTES_PER_ENTRY * self.handed_frames + bundles * bundle_overhead(each, each * self.usual)

    @property
    def framed_range(self) -> tuple[float, float]:
        """The same when bundles hold all that they can, and when each holds one message; waking up decides which."""
        return self.framed(self.phases), self.framed(self.handed_on)


def predict_relay(setup: Setup, demand: Callable[[int], Sequence[SentMessages]]) -> RelayCost:
    """What relay routing costs.

    Args:
        setup: of the experiment.
        demand: what an agent sends per iteration.
    """
    n, routes = setup.n, Routes(setup)
    crossings: defaultdict[Kind, list[int]] = defaultdict(lambda: [0, 0, 0])
    sent, moved = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    bundled: dict[tuple[int, int, Kind], int] = {}
    handed_on = handed_frames = handed_framed = 0
    hops: dict[Kind, int] = {}
    often: defaultdict[int, int] = defaultdict(int)
    for origin in range(n):
        for each in demand(origin):
            tree = routes.tree(each.kind, origin)
            for node, place in tree.items():
                count = len(place.children) * each.times
                if count == 0:
                    continue
                row = crossings[each.kind]
                for at, size in enumerate((1, each.payload, each.framed)):
                    row[at] += count * size
                for end in (node, *place.children):
                    share = count if end == node else each.times
                    sent[end] += share
                    moved[end] += share * each.framed
                if node != origin:
                    handed_on += count
                    handed_frames += count * each.frames
                    handed_framed += count * each.framed
                    often[each.framed] += count
                    for child in place.children:
                        key = (node, child, each.kind)
                        bundled[key] = max(bundled.get(key, 0), each.times)
            farthest = max((setup.topology.hops.distance(origin, node) for node in tree), default=0)
            hops[each.kind] = max(hops.get(each.kind, 0), farthest)
    linked = [frozenset[int]().union(*neighbours_used(routes.places(agent), agent)) for agent in range(n)]
    degrees = [len(each) + 1 for each in linked]
    busiest = int(np.argmax(moved)) if n else 0
    return RelayCost(
        crossings={kind: (row[0], row[1], row[2]) for kind, row in sorted(crossings.items())},
        handed_on=handed_on,
        handed_frames=handed_frames,
        handed_framed=handed_framed,
        usual=max(often, key=lambda framed: often[framed], default=0),
        phases=sum(bundled.values()),
        sockets=(float(np.mean(degrees)), max(degrees)),
        links=sum(len(each) for each in linked) // 2,
        busiest=(int(sent[busiest]), int(moved[busiest])),
        hops=hops,
    )


def frames_of(message: Message, kind: Kind, agent: int) -> tuple[int, int]:
    """Framed bytes and number of frames of a message of ``agent``."""
    frames = Codec().encode(Envelope(bytes(8), 0, agent, kind, 0, 0, message))
    return frame_bytes(frames), len(frames)


def bundle_overhead(frames: int, nbytes: int) -> int:
    """What a bundle takes besides its frames and their entries, for most agents."""
    bundle = Bundle(np.zeros(frames, np.int32), np.zeros(1, np.int64), np.zeros(nbytes, np.uint8))
    return frame_bytes(Codec().encode(Envelope(bytes(8), 0, 40, Kind.BUNDLE, 0, 0, bundle))) - nbytes - BYTES_PER_ENTRY * frames
