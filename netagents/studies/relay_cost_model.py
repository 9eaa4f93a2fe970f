"""What relay routing puts on links between neighbours: each message once per edge of its tree, and the bundles around them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.learning import Setup
from netagents.messages import Bundle, Envelope, Kind
from netagents.studies.size_classes import SizeClasses
from netagents.topology import Topology
from netagents.topology.relay_trees import relay_parents
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes

BYTES_PER_ENTRY = 4
"""What a bundle says of each frame that it holds."""


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


def predict_relay(setup: Setup, classes: SizeClasses) -> RelayCost:
    """What relay routing costs.

    Args:
        setup: of the experiment.
        classes: of its agents.
    """
    n, edges_of = setup.n, _edges_by_kind(setup)
    crossings: dict[Kind, tuple[int, int, int]] = {}
    sent, moved = np.zeros(n), np.zeros(n)
    handed_on = handed_frames = handed_framed = phases = 0
    often: defaultdict[int, int] = defaultdict(int)
    hops: dict[Kind, int] = {}
    handing: dict[int, tuple[NDArray[np.bool_], NDArray[np.int64], int]] = {}
    for kind, messages in columns_by_kind(classes).items():
        edges = edges_of.get(kind, _NO_EDGES)
        if id(edges) not in handing:
            handing[id(edges)] = _handing_links(edges, n)
        beyond, place, count = handing[id(edges)]
        most = np.zeros(len(edges.origins), dtype=np.int64)
        row = np.zeros(3, dtype=np.int64)
        for each in messages:
            times, payload, framed, frames = (classes.per_agent(column)[edges.origins] for column in each)
            row += times.sum(), times @ payload, times @ framed
            for ends in (edges.parents, edges.children):
                sent += np.bincount(ends, times, n)
                moved += np.bincount(ends, times * framed, n)
            handed_on += int(times[beyond].sum())
            handed_frames += int(times[beyond] @ frames[beyond])
            handed_framed += int(times[beyond] @ framed[beyond])
            for size in np.unique(framed[beyond]).tolist():
                often[size] += int(times[beyond & (framed == size)].sum())
            most = np.maximum(most, times)
        if row[0]:
            crossings[kind] = (int(row[0]), int(row[1]), int(row[2]))
        # Of all origins whose messages a link hands on, the one with most decides.
        largest = np.zeros(count, dtype=np.int64)
        np.maximum.at(largest, place, most[beyond])
        phases += int(largest.sum())
        hops[kind] = int(edges.depths[most > 0].max(initial=0))
    distinct = list({id(edges): edges for edges in edges_of.values()}.values())
    pairs = np.unique(np.concatenate([np.minimum(e.parents, e.children) * n + np.maximum(e.parents, e.children) for e in distinct]))
    degrees = np.bincount(pairs // n, minlength=n) + np.bincount(pairs % n, minlength=n) + 1  # the server's, too
    busiest = int(np.argmax(moved)) if n else 0
    return RelayCost(
        crossings=dict(sorted(crossings.items())),
        handed_on=handed_on,
        handed_frames=handed_frames,
        handed_framed=handed_framed,
        usual=max(often, key=lambda framed: often[framed], default=0),
        phases=phases,
        sockets=(float(degrees.mean()), int(degrees.max())),
        links=len(pairs),
        busiest=(int(sent[busiest]), int(moved[busiest])),
        hops=hops,
    )


class _Edges(NamedTuple):
    """All edges of the relay trees of one kind: (edges,) each, ``depths`` in hops from the origin to the child."""

    origins: NDArray[np.int64]
    parents: NDArray[np.int64]
    children: NDArray[np.int64]
    depths: NDArray[np.int64]


_NO_EDGES = _Edges(*(np.zeros(0, dtype=np.int64) for _ in range(4)))


def _handing_links(edges: _Edges, n: int) -> tuple[NDArray[np.bool_], NDArray[np.int64], int]:
    """Which edges hand on what came from elsewhere, the number of the link that each of these belongs to, and how many links there are."""
    beyond = edges.parents != edges.origins
    links, place = np.unique(edges.parents[beyond] * n + edges.children[beyond], return_inverse=True)
    return beyond, place, len(links)


def _edges_by_kind(setup: Setup) -> dict[Kind, _Edges]:
    """The edges of each kind; kinds that travel along the same trees share them."""
    known: list[tuple[list[tuple[int, ...]], _Edges]] = []
    edges: dict[Kind, _Edges] = {}
    for kind in setup.kind_reach:
        out = [setup.out_neighbours(kind, origin) for origin in range(setup.n)]
        same = next((each for others, each in known if others == out), None)
        if same is None:
            same = _edges(setup.topology, out)
            known.append((out, same))
        edges[kind] = same
    return edges


def _edges(topology: Topology, out_neighbours: list[tuple[int, ...]]) -> _Edges:
    counts, parents, children, depths = list[int](), list[int](), list[int](), list[int]()
    for origin, near in enumerate(out_neighbours):
        tree = relay_parents(topology, origin, near)
        del tree[origin]
        counts.append(len(tree))
        parents += tree.values()
        children += tree
        depths += topology.hops.distances(origin, [*tree])
    origins = np.repeat(np.arange(len(counts)), counts)
    return _Edges(origins, *(np.array(each, dtype=np.int64) for each in (parents, children, depths)))


def columns_by_kind(classes: SizeClasses) -> dict[Kind, list[tuple[list[int], list[int], list[int], list[int]]]]:
    """Kind -> per message that an agent sends of it: times, payload, framed bytes and frames of each class, zeros where there is none."""
    each = [[[sent for sent in of_class if sent.kind is kind] for of_class in classes.to_neighbours] for kind in classes.exchanged]
    columns: dict[Kind, list[tuple[list[int], list[int], list[int], list[int]]]] = {}
    for kind, of_classes in zip(classes.exchanged, each, strict=True):
        for place in range(max(map(len, of_classes), default=0)):
            rows = [sent[place][1:] if place < len(sent) else (0, 0, 0, 0) for sent in of_classes]
            times, payload, framed, frames = (list(column) for column in zip(*rows, strict=True))
            columns.setdefault(kind, []).append((times, payload, framed, frames))
    return columns


def bundle_overhead(frames: int, nbytes: int) -> int:
    """What a bundle takes besides its frames and their entries, for most agents."""
    bundle = Bundle(np.zeros(frames, np.int32), np.zeros(1, np.int64), np.zeros(nbytes, np.uint8))
    return frame_bytes(Codec().encode(Envelope(bytes(8), 0, 40, Kind.BUNDLE, 0, 0, bundle))) - nbytes - BYTES_PER_ENTRY * frames
