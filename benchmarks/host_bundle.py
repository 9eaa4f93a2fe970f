"""Links between two hosts: one per pair of agents, or one per pair of hosts, for which a process on each host bundles.

``python -m benchmarks.host_bundle`` has ten agents on either side exchange one message per step with a partner on the other, over tcp with
keys: directly, and through two bundlers, which agents reach over Unix sockets.  Both ways are measured in turn.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import zmq

PAIRS, STEPS, NBYTES, ROUNDS = 10, 300, 650, 7


def _socket(context: zmq.Context[zmq.Socket[bytes]], keys: tuple[bytes, bytes] | None, server: bool) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.PAIR)
    if keys is not None:
        public, secret = keys
        # One pair of keys serves both ends; who may connect is no part of what is measured.
        socket.curve_publickey, socket.curve_secretkey = public, secret
        if server:
            socket.curve_server = True
        else:
            socket.curve_serverkey = public
    return socket


def _agent(address: str, binds: bool, keys: tuple[bytes, bytes] | None, ready: Connection) -> None:
    socket = _socket(zmq.Context(), keys, binds)
    (socket.bind if binds else socket.connect)(address)
    message = bytes(NBYTES)
    socket.send(message)
    socket.recv()
    ready.send(time.monotonic())
    for _ in range(STEPS):
        socket.send(message)
        socket.recv()
    ready.send(time.monotonic())


def _bundler(local: list[str], address: str, binds: bool, keys: tuple[bytes, bytes]) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    far = _socket(context, keys, binds)
    (far.bind if binds else far.connect)(address)
    near = [_socket(context, None, False) for _ in local]
    for socket, place in zip(near, local, strict=True):
        socket.bind(place)
    for _ in range(STEPS + 1):
        far.send_multipart([socket.recv() for socket in near])
        for socket, message in zip(near, far.recv_multipart(), strict=True):
            socket.send(message)


def measure(bundled: bool, folder: Path) -> tuple[float, float]:
    """Seconds, and processor seconds of all processes, per step."""
    keys = zmq.curve_keypair()
    context = multiprocessing.get_context("fork")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    processes, ends = [], []
    far = [f"tcp://127.0.0.1:{port}" for port in _free_ports(PAIRS)]
    local = {side: [f"ipc://{folder}/{side}{pair}" for pair in range(PAIRS)] for side in ("left", "right")}
    for side in ("left", "right"):
        if bundled:
            processes.append(context.Process(target=_bundler, args=(local[side], far[0], side == "left", keys)))
        for pair in range(PAIRS):
            here, there = context.Pipe(duplex=False)
            plan = (local[side][pair], False, None, there) if bundled else (far[pair], side == "left", keys, there)
            processes.append(context.Process(target=_agent, args=plan))
            ends.append(here)
    for process in processes:
        process.start()
    times = [(end.recv(), end.recv()) for end in ends]
    for process in processes:
        process.join(60)
        process.terminate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (max(end for _, end in times) - max(begin for begin, _ in times)) / STEPS, used / STEPS


def _free_ports(count: int) -> list[int]:
    import socket

    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def main() -> None:
    """Measure in turn and print medians."""
    rows: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for bundled in rows:
            with tempfile.TemporaryDirectory() as folder:
                rows[bundled].append(measure(bundled, Path(folder)))
    for bundled, each in rows.items():
        wall, used = ([1e3 * row[place] for row in each] for place in (0, 1))
        name = "one link per pair of hosts" if bundled else "one link per pair of agents"
        spread = f"{min(used):.2f} to {max(used):.2f}"
        print(f"{name}: {statistics.median(used):.2f} ms of processors per step ({spread}), {statistics.median(wall):.2f} ms per step")
    ratios = sorted(bundle[1] / direct[1] for direct, bundle in zip(rows[False], rows[True], strict=True))
    print(
        f"ratio of processor time, in pairs: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}, n = {len(ratios)}"
    )
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
