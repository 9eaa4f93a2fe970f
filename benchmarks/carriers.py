"""Carriers of the raw twin's messages: bare sockets of ZeroMQ, of the kernel, and processes of MPI and gloo.

A message's first byte is its tag.  Every carrier takes messages as its library does it best: ZeroMQ's and datagram sockets give whatever
comes next, the others wait for one sender after another, the last first.
"""

from __future__ import annotations

import select
import socket
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from benchmarks.traffic import Traffic

SERVER = -1
_SECONDS = 30.0
_MOST_BYTES = 1 << 17
_SOCKET_BYTES = 1 << 20


class Carrier(ABC):
    """The links of one process.

    Args:
        directory: for socket files.
        own: index of this process, :data:`SERVER` or an agent's.
        peers: those it sends to or hears.
        traffic: that it will carry.
    """

    def __init__(self, directory: str, own: int, peers: Sequence[int], traffic: Traffic) -> None:
        self.directory, self.own, self.peers, self.traffic = directory, own, tuple(peers), traffic

    @abstractmethod
    def send_function(self, peer: int) -> Callable[[bytes], object]:
        """A function that sends a message to ``peer``."""

    @abstractmethod
    def take(self, tag: int, senders: Sequence[int]) -> None:
        """Wait until a message with this tag is there from each sender."""

    @abstractmethod
    def close(self) -> None:
        """Close all links."""


def _await_files(directory: str, nodes: Sequence[int]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not all(Path(directory, str(node)).exists() for node in nodes):
        if time.monotonic() > deadline:
            raise TimeoutError("the twin's processes did not start within 30 s")
        time.sleep(0.01)


class ZmqCarrier(Carrier):
    """A bound PULL socket, a PUSH socket per peer, one I/O thread, ``ipc``: the sockets of the transport ``ipc``."""

    def __init__(self, directory: str, own: int, peers: Sequence[int], traffic: Traffic) -> None:
        super().__init__(directory, own, peers, traffic)
        self._context = zmq.Context()
        self._inbox = self._context.socket(zmq.PULL)
        self._inbox.bind(f"ipc://{directory}/{own}")
        _await_files(directory, peers)
        self._links = {}
        for peer in peers:
            self._links[peer] = self._context.socket(zmq.PUSH)
            self._links[peer].connect(f"ipc://{directory}/{peer}")
        self._counts = [0] * 256
        self._poller = zmq.Poller()
        self._poller.register(self._inbox, zmq.POLLIN)

    def send_function(self, peer: int) -> Callable[[bytes], object]:
        return self._links[peer].send

    def take(self, tag: int, senders: Sequence[int]) -> None:
        counts = self._counts
        while counts[tag] < len(senders):
            self._poller.poll(int(1000 * _SECONDS))
            while True:
                try:
                    counts[self._inbox.recv(zmq.NOBLOCK)[0]] += 1
                except zmq.Again:
                    break
        counts[tag] -= len(senders)

    def close(self) -> None:
        for each in (self._inbox, *self._links.values()):
            each.close(linger=1000)
        self._context.term()


class DatagramCarrier(Carrier):
    """One datagram socket per process, which all others send to: the least that the kernel can do.

    Linux queues only a few messages per receiver by default (``net.unix.max_dgram_qlen``); senders wait for room, which is no problem in
    lockstep.
    """

    def __init__(self, directory: str, own: int, peers: Sequence[int], traffic: Traffic) -> None:
        super().__init__(directory, own, peers, traffic)
        self._inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inbox.bind(f"{directory}/{own}")
        self._inbox.settimeout(_SECONDS)
        _await_files(directory, peers)
        self._links = {}
        for peer in peers:
            self._links[peer] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._links[peer].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            self._links[peer].connect(f"{directory}/{peer}")
        self._counts = [0] * 256
        self._inbox.setblocking(True)

    def send_function(self, peer: int) -> Callable[[bytes], object]:
        return self._links[peer].send

    def take(self, tag: int, senders: Sequence[int]) -> None:
        counts, receive = self._counts, self._inbox.recv
        while counts[tag] < len(senders):
            counts[receive(_MOST_BYTES)[0]] += 1
        counts[tag] -= len(senders)

    def close(self) -> None:
        for each in (self._inbox, *self._links.values()):
            each.close()


class PacketCarrier(Carrier):
    """A ``SOCK_SEQPACKET`` connection per pair and direction: the sockets of the transport ``unix``."""

    def __init__(self, directory: str, own: int, peers: Sequence[int], traffic: Traffic) -> None:
        super().__init__(directory, own, peers, traffic)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(f"{directory}/{own}.new")
        listening.listen(4096)
        Path(f"{directory}/{own}.new").rename(f"{directory}/{own}")
        _await_files(directory, peers)
        self._links = {}
        for peer in peers:
            self._links[peer] = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._links[peer].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            self._links[peer].connect(f"{directory}/{peer}")
            self._links[peer].send(str(own).encode())
        self._sources: dict[int, socket.socket] = {}
        poller = select.poll()
        poller.register(listening, select.POLLIN)
        for _ in peers:
            poller.poll(1000.0 * _SECONDS)
            source, _address = listening.accept()
            self._sources[int(source.recv(100))] = source
        listening.close()
        self._early: defaultdict[tuple[int, int], int] = defaultdict(int)

    def send_function(self, peer: int) -> Callable[[bytes], object]:
        return self._links[peer].send

    def take(self, tag: int, senders: Sequence[int]) -> None:
        early = self._early
        for sender in reversed(senders):
            if early and early[tag, sender]:
                early[tag, sender] -= 1
                continue
            receive = self._sources[sender].recv
            while (packet := receive(_MOST_BYTES)[0]) != tag:
                early[packet, sender] += 1

    def close(self) -> None:
        for each in (*self._links.values(), *self._sources.values()):
            each.close()


class MpiCarrier(Carrier):
    """Point-to-point messages of MPI; the server is the last rank.  Its receives spin, and yield the core where MPI was told to."""

    def __init__(self, directory: str, own: int, peers: Sequence[int], traffic: Traffic) -> None:
        super().__init__(directory, own, peers, traffic)
        from mpi4py import MPI

        self._world = MPI.COMM_WORLD
        self._byte = MPI.BYTE
        self._last = self._world.Get_size() - 1
        self._buffer = bytearray(_MOST_BYTES)
        self._sent: list[Any] = []
        self._wait_all = MPI.Request.Waitall

    def _rank(self, peer: int) -> int:
        return self._last if peer == SERVER else peer

    def send_function(self, peer: int) -> Callable[[bytes], object]:
        rank, start, byte, sent = self._rank(peer), self._world.Isend, self._byte, self._sent

        def send(message: bytes) -> None:
            # The receiver of a large message may be sending one to us, so nobody waits here.
            sent.append(start([message, byte], rank, message[0]))

        return send

    def take(self, tag: int, senders: Sequence[int]) -> None:
        for sender in reversed(senders):
            self._world.Recv([self._buffer, self._byte], self._rank(sender), tag)
        if len(self._sent) > 64:
            self._wait_all(self._sent)
            self._sent.clear()

    def close(self) -> None:
        self._wait_all(self._sent)
        self._world.Barrier()


class GlooCarrier(Carrier):
    """Point-to-point messages of gloo, as torch.distributed has it: tcp on loopback; the server is the last rank."""

    def __init__(self, directory: str, own: int, peers: Sequence[int], traffic: Traffic) -> None:
        super().__init__(directory, own, peers, traffic)
        import torch
        import torch.distributed as gloo

        torch.set_num_threads(1)
        self._torch, self._gloo, self._last = torch, gloo, traffic.n
        rank = self._rank(own)
        gloo.init_process_group("gloo", init_method=f"file://{directory}/gloo", rank=rank, world_size=traffic.n + 1)
        # gloo connects a pair when it first speaks.
        self._into = {tag: torch.empty(size, dtype=torch.uint8) for tag, size in traffic.sizes.items()}
        self._sent: list[tuple[Any, Any]] = []

    def _rank(self, peer: int) -> int:
        return self._last if peer == SERVER else peer

    def send_function(self, peer: int) -> Callable[[bytes], object]:
        rank, start, wrap, sent = self._rank(peer), self._gloo.isend, self._torch.frombuffer, self._sent
        kind = self._torch.uint8

        def send(message: bytes) -> None:
            content = wrap(bytearray(message), dtype=kind)
            sent.append((start(content, rank, tag=message[0]), content))

        return send

    def take(self, tag: int, senders: Sequence[int]) -> None:
        for sender in reversed(senders):
            self._gloo.recv(self._into[tag], self._rank(sender), tag=tag)
        if len(self._sent) > 64:
            self._finish()

    def _finish(self) -> None:
        for work, _ in self._sent:
            work.wait()
        self._sent.clear()

    def close(self) -> None:
        self._finish()
        self._gloo.barrier()
        self._gloo.destroy_process_group()


FORKED: Mapping[str, type[Carrier]] = {"ipc": ZmqCarrier, "unix": PacketCarrier, "datagrams": DatagramCarrier, "gloo": GlooCarrier}
"""Carriers whose processes are forked here; MPI starts its own."""
