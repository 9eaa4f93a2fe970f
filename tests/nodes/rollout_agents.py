"""Agents for the tests of rollout drivers: they record what they receive, under either driver, and the messages that they receive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from netagents.experiment import Timeouts
from netagents.learning.protocol.requests import RolloutRequest
from netagents.messages import ENVIRONMENT, Action, Envelope, Kind, Message, State, Step, Stop
from netagents.nodes.agent.rollout_driver import drive_rollout
from netagents.wire import Exchange, Inbox, StopReceivedError, Transport
from netagents.wire.codec import Codec

RUN = b"run-id-8"
STEPS = 6
COPIES = 3
ITERATION = 3
NEIGHBOURS: dict[int, tuple[int, ...]] = {0: (1,), 1: (0, 2), 2: (1,), 3: ()}
Driver = Callable[[Exchange, RolloutRequest], None]


def whole_rollout(exchange: Exchange, request: RolloutRequest) -> None:
    assert exchange.supports_rollouts
    drive_rollout(exchange, request)


def step_by_step(exchange: Exchange, request: RolloutRequest) -> None:
    iteration, steps, out_neighbours, in_neighbours, own_index, _, _, observe, decide = request
    for step in range(steps + 1):
        (observed,) = exchange.receive(iteration, Kind.STEP, step, (ENVIRONMENT,))
        assert isinstance(observed, Step)
        observe(observed)
        exchange.send(State(observed.observation), Kind.STATE, iteration, step, out_neighbours)
        states: Any = exchange.receive(iteration, Kind.STATE, step, in_neighbours)
        window = [state.values.tobytes() for state in states]
        window.insert(own_index, observed.observation.tobytes())
        actions = decide(step, window)
        if step < steps:
            exchange.send(Action(np.frombuffer(actions, np.uint8)), Kind.ACTION, iteration, step, (ENVIRONMENT,))


class RecordingAgent:
    """An agent that records what it receives, and whose actions depend on all of it."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.observed: list[tuple[Any, ...]] = []
        self.decided: list[tuple[Any, ...]] = []

    def observe(self, observed: Step) -> None:
        rows = [array.reshape(-1, COPIES).tolist() for array in observed[:3]]
        self.observed += zip(*rows, strict=True)

    def decide(self, step: int, states: Sequence[bytes]) -> bytes:
        self.decided.append((step, [list(state) for state in states]))
        total = np.zeros(COPIES, int)
        for agent, state in enumerate(states):
            total += (agent + 1) * np.frombuffer(state, np.uint8)
        return ((total + step) % 5).astype(np.uint8).tobytes()

    def request(self, iteration: int) -> RolloutRequest:
        in_neighbours, values = NEIGHBOURS[self.index], np.empty(COPIES, np.uint8)
        own_index = sorted([*in_neighbours, self.index]).index(self.index)
        return RolloutRequest(
            iteration, STEPS, in_neighbours, in_neighbours, own_index, State(values), Action(values), self.observe, self.decide
        )


def node(transport: Transport, address: str, index: int, **options: Any) -> Exchange:
    allowed = {Kind.STEP: {ENVIRONMENT}, Kind.STATE: NEIGHBOURS[index]} if index >= 0 else {Kind.ACTION: NEIGHBOURS.keys()}
    inbox = Inbox(RUN, allowed, nodes=len(NEIGHBOURS), steps=STEPS + 1, strict=False)
    timeouts = options.pop("timeouts", Timeouts(exchange=5.0, send=0.5))
    return Exchange(index, transport.listen(address), inbox, timeouts=timeouts, **options)


def make_step(observation: np.ndarray, step: int) -> Step:
    return Step(observation, observation / 7.0 + step, np.zeros(COPIES, np.uint8))


class Delivery(NamedTuple):
    """Frames, and the link on which they arrive: of the server (-1), a neighbour or an unknown node (9)."""

    source: int
    frames: list[Any]


def delivery(
    sender: int, kind: Kind, step: int, message: Message, iteration: int = ITERATION, run: bytes = RUN, incarnation: int = 0
) -> Delivery:
    return Delivery(sender, Codec().encode(Envelope(run, incarnation, sender, kind, iteration, step, message)))


def state_of(sender: int, step: int, **changes: Any) -> Delivery:
    return delivery(sender, Kind.STATE, step, State(np.array([sender, step, 7], np.uint8)), **changes)


def step_of(step: int) -> Delivery:
    return delivery(ENVIRONMENT, Kind.STEP, step, make_step(np.array([step, 1, 2], np.uint8), step))


def deliveries_in_order() -> list[Delivery]:
    """All messages of a rollout, step by step; after the first step every header is known."""
    return [each for step in range(STEPS + 1) for each in (step_of(step), state_of(0, step), state_of(2, step))]


class SingleAgent:
    """Agent 1; the messages of all others wait at its listener from the beginning."""

    def __init__(self, transport: Transport, deliveries: Sequence[Delivery] = (), **options: Any) -> None:
        self.agent, self.control_messages = RecordingAgent(1), 0
        self.exchange = node(transport, "memory://*", 1, on_control=self._on_control, **options)
        self.sinks = {peer: transport.listen("memory://*") for peer in (ENVIRONMENT, 0, 2)}
        for peer, sink in self.sinks.items():
            self.exchange.link(peer, transport.connect(sink.endpoint))
        links = {source: transport.connect(self.exchange._listener.endpoint) for source in (ENVIRONMENT, 0, 1, 2, 7, 9)}
        for source, frames in deliveries:
            links[source].send(frames, 1.0)

    def _on_control(self, envelope: Envelope, _user: str | None) -> None:
        if isinstance(envelope.message, Stop):
            raise StopReceivedError(envelope.message.reason)
        self.control_messages += 1

    def run(self, driver: Driver) -> dict[str, Any]:
        """Everything that can be observed afterwards."""
        driver(self.exchange, self.agent.request(ITERATION))
        while self.exchange.pump(0.0):
            pass
        inbox, traffic = self.exchange.inbox, self.exchange.traffic
        return {
            "observed": self.agent.observed,
            "decided": self.agent.decided,
            "control": self.control_messages,
            "dropped": dict(inbox.dropped),
            "waiting": {key: sorted(phase) for key, phase in inbox.phases.items() if phase},
            "sent": dict(traffic.sent),
            "received": dict(traffic.received),
            "sent_frames": {peer: [list(frames) for frames, _ in sink.drain()] for peer, sink in self.sinks.items()},
        }
