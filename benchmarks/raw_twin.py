"""The raw twin: the same messages over bare pyzmq sockets, with nothing learned, decoded or checked.

It moves what a lockstep run moves (one Step and one Action per agent and step, one State per neighbour and step, and the messages
of the iteration's other phases), with the same sockets (a bound PULL per node, a PUSH per peer, one I/O thread each, ipc), so its
time is what any runtime on these sockets must pay.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zmq


@dataclass(frozen=True)
class Exchange:
    """One message per pair: ``size`` bytes from each agent to everyone in its audience."""

    size: int
    audience: tuple[tuple[int, ...], ...]
    heard: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Traffic:
    """What one iteration moves.

    Attributes:
        n: agents. steps: executed steps H; one more Step (and State) closes the batch.
        step_size, action_size: bytes between server and agent, per step.
        state: per step, between agents. phases: once per iteration, between agents, in order.
        report_size: bytes of the report that rides with the first action.
    """

    n: int
    steps: int
    step_size: int
    action_size: int
    state: Exchange
    phases: tuple[Exchange, ...]
    report_size: int


@dataclass(frozen=True)
class Timing:
    """Seconds: the lockstep steps alone (steps - 1 of them per iteration), and whole iterations."""

    step_seconds: float
    total_seconds: float


def run_twin(traffic: Traffic, iterations: int) -> Timing:
    """Move the traffic of ``iterations`` iterations and time it at the server."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="twin-") as directory:
        agents = [context.Process(target=_agent, args=(traffic, iterations, index, directory)) for index in range(traffic.n)]
        for agent in agents:
            agent.start()
        try:
            return _server(traffic, iterations, directory)
        finally:
            for agent in agents:
                agent.join(10)
                if agent.is_alive():
                    agent.kill()


def _sockets(
    context: zmq.Context[zmq.Socket[bytes]], directory: str, own: str, peers: Sequence[str]
) -> tuple[zmq.Socket[bytes], dict[str, zmq.Socket[bytes]]]:
    inbox = context.socket(zmq.PULL)
    inbox.bind(f"ipc://{directory}/{own}")
    links = {}
    for peer in peers:
        links[peer] = context.socket(zmq.PUSH)
        links[peer].connect(f"ipc://{directory}/{peer}")
    return inbox, links


def _wait_for(directory: str, names: Sequence[str]) -> None:
    deadline = time.monotonic() + 30.0
    while not all(Path(directory, name).exists() for name in names):
        if time.monotonic() > deadline:
            raise TimeoutError("the twin's agents did not start within 30 s")
        time.sleep(0.01)


class _Counter:
    """Takes messages off an inbox until so many of a tag have come; a tag is the first byte."""

    def __init__(self, inbox: zmq.Socket[bytes]) -> None:
        self._inbox = inbox
        self._counts = [0] * 256
        self._poller = zmq.Poller()
        self._poller.register(inbox, zmq.POLLIN)

    def take(self, tag: int, count: int) -> None:
        counts = self._counts
        while counts[tag] < count:
            self._poller.poll(30_000)
            while True:
                try:
                    counts[self._inbox.recv(zmq.NOBLOCK)[0]] += 1
                except zmq.Again:
                    break
        counts[tag] -= count


_STEP, _ACTION, _STATE, _REPORT, _PHASE = 1, 2, 3, 4, 10


def _server(traffic: Traffic, iterations: int, directory: str) -> Timing:
    names = [f"a{index}" for index in range(traffic.n)]
    with zmq.Context() as context:
        inbox, links = _sockets(context, directory, "server", names)
        _wait_for(directory, names)
        counter = _Counter(inbox)
        step = bytes([_STEP]) + os.urandom(traffic.step_size - 1)
        in_steps = 0.0
        for link in links.values():
            link.send(step)
        counter.take(_REPORT, traffic.n)
        began = time.perf_counter()
        for _ in range(iterations):
            for link in links.values():
                link.send(step)
            mark = 0.0
            for executed in range(traffic.steps):
                counter.take(_ACTION, traffic.n)
                if executed == 0:
                    mark = time.perf_counter()
                for link in links.values():
                    link.send(step)
            in_steps += time.perf_counter() - mark
        counter.take(_REPORT, iterations * traffic.n)
        total = time.perf_counter() - began
        for socket in (inbox, *links.values()):
            socket.close(linger=1000)
    return Timing(in_steps, total)


def _agent(traffic: Traffic, iterations: int, index: int, directory: str) -> None:
    names = {f"a{peer}" for exchange in (traffic.state, *traffic.phases) for peer in exchange.audience[index]}
    with zmq.Context() as context:
        inbox, links = _sockets(context, directory, f"a{index}", ["server", *sorted(names)])
        _wait_for(directory, ["server", *names])
        counter = _Counter(inbox)
        action = bytes([_ACTION]) + os.urandom(traffic.action_size - 1)
        report = bytes([_REPORT]) + os.urandom(traffic.report_size - 1)
        state = bytes([_STATE]) + os.urandom(max(traffic.state.size - 1, 0))
        bodies = [bytes([_PHASE + number]) + os.urandom(max(phase.size - 1, 0)) for number, phase in enumerate(traffic.phases)]
        server = links["server"]
        audience = [links[f"a{peer}"] for peer in traffic.state.audience[index]]
        heard = len(traffic.state.heard[index])
        phases = [
            (_PHASE + number, body, [links[f"a{peer}"] for peer in phase.audience[index]], len(phase.heard[index]))
            for number, (body, phase) in enumerate(zip(bodies, traffic.phases, strict=True))
        ]
        counter.take(_STEP, 1)
        server.send(report)
        for _ in range(iterations):
            for step in range(traffic.steps + 1):
                counter.take(_STEP, 1)
                for link in audience:
                    link.send(state)
                counter.take(_STATE, heard)
                if step < traffic.steps:
                    server.send(action)
            for tag, body, receivers, count in phases:
                for link in receivers:
                    link.send(body)
                counter.take(tag, count)
            server.send(report)
        for socket in (inbox, *links.values()):
            socket.close(linger=1000)
