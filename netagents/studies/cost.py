"""What an experiment will send before it is run: messages and bytes by kind and hop, sockets, memory and step time.

Messages and payload are exact: they equal the run's ledger (``tests/studies``).  Framed bytes come from encoding one message of each
size.  Memory and step time are estimates from stated constants, to be read as such.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from netagents.environments.spaces import Discrete
from netagents.errors import UsageError
from netagents.launchers.capacity import PROCESS_BYTES, agent_bytes
from netagents.learning import METRICS, Setup
from netagents.messages import (
    ENVIRONMENT,
    Action,
    Envelope,
    Kind,
    Message,
    RadiusKind,
    Report,
    ShadowReward,
    State,
    Step,
    Trace,
    TruncatedQ,
    index_dtype,
    payload_bytes,
)
from netagents.wire.codec import Codec
from netagents.wire.frames import frame_bytes

SERVER_MESSAGE_SECONDS = 1.0 / 13_000.0
"""What one agent's step and action together cost the environment server, mostly waking up."""
AGENT_MESSAGE_SECONDS = 25e-6
"""What a message from a neighbour costs the agent that waits for it."""


class Flow(NamedTuple):
    """What travels: messages, payload bytes as the ledger counts them, and bytes with headers."""

    messages: float
    payload: float
    framed: float

    def __add__(self, other: object) -> Flow:
        if not isinstance(other, Flow):
            return NotImplemented
        return Flow(self.messages + other.messages, self.payload + other.payload, self.framed + other.framed)

    def times(self, factor: float) -> Flow:
        """So much of it."""
        return Flow(self.messages * factor, self.payload * factor, self.framed * factor)


NOTHING = Flow(0, 0, 0)


class Link(NamedTuple):
    """A network between hosts: ``bits_per_second`` of one host's interface, ``latency_seconds`` one way."""

    name: str
    bits_per_second: float
    latency_seconds: float


@dataclass(frozen=True)
class Cost:
    """What one iteration costs once a run is under way, and what stands ready for it.

    Attributes:
        flows: (kind, hop) to what travels per iteration; hop 0 is between an agent and the environment server.
        reports: (r, 3) by iteration 0, 1 and later: messages and payload of reports, which are the only flow that changes.
        steps: executed steps per iteration.
        sockets: connections per agent: (mean, largest), the server's included.
        direct_links, relay_links: connections between agents in all, under each routing.
        memory_bytes: of the largest agent process, and of all agents together.
        critic_entries: entries of the largest critic when full.
        busiest: what the busiest agent sends and receives per iteration.
        server: what the server sends and receives per iteration.
        waits: lockstep waits of an agent for neighbours per iteration, and of all for the server.
    """

    flows: dict[tuple[Kind, int], Flow]
    reports: tuple[Flow, Flow, Flow]
    steps: int
    n: int
    sockets: tuple[float, int]
    direct_links: int
    relay_links: int
    memory_bytes: tuple[int, int]
    critic_entries: int
    busiest: Flow
    server: Flow
    waits: int

    def total(self, iterations: int) -> dict[tuple[Kind, int], Flow]:
        """What the first ``iterations`` iterations send, by kind and hop: exactly what the ledger then holds."""
        whole = {key: flow.times(iterations) for key, flow in self.flows.items() if key[0] is not Kind.REPORT}
        counted = NOTHING
        for iteration in range(min(iterations, 2)):
            counted += self.reports[iteration]
        counted += self.reports[2].times(max(0, iterations - 2))
        if counted.messages:
            whole[Kind.REPORT, 0] = counted
        return whole

    def between_agents(self, hop_weighted: bool = False) -> Flow:
        """What agents tell each other per iteration; hop-weighted, as if every link had to be crossed one by one."""
        return _sum(flow.times(hop if hop_weighted else 1) for (_, hop), flow in self.flows.items() if hop > 0)

    def step_seconds(self, link: Link | None = None) -> float:
        """Estimated wall time of one lockstep step on one host, or spread over hosts that a link joins.

        The server's wake-ups come first; neighbours' messages and, between hosts, the busier of the server's and an agent's
        interface are added, and one round trip per wait.
        """
        seconds = self.n * SERVER_MESSAGE_SECONDS
        near = self.between_agents()
        if link is None:
            return seconds + near.messages / self.steps * AGENT_MESSAGE_SECONDS
        seconds += self.busiest.messages / self.steps * AGENT_MESSAGE_SECONDS
        widest = max(self.server.framed, self.busiest.framed)
        return seconds + 8.0 * widest / self.steps / link.bits_per_second + self.waits / self.steps * link.latency_seconds


def predict(setup: Setup) -> Cost:
    """The cost of an experiment that has been prepared; nothing is run."""
    n, learning = setup.n, setup.experiment.learning
    sizes = [_Sizes(setup, agent) for agent in range(n)]
    codec = Codec()
    framed_cache: dict[tuple[Any, ...], int] = {}

    def framed(kind: Kind, sender: int, message: Message) -> int:
        key = (kind, _header_class(sender), *[(array.dtype, array.shape) for array in message if isinstance(array, np.ndarray)])
        found = framed_cache.get(key)
        if found is None:
            found = framed_cache[key] = frame_bytes(codec.encode(Envelope(bytes(8), 0, sender, kind, 0, 0, message)))
        return found

    flows: defaultdict[tuple[Kind, int], Flow] = defaultdict(lambda: NOTHING)
    sent, received = [NOTHING] * n, [NOTHING] * n
    links = 0
    degrees = []
    rows_per_agent = []
    hops = setup.topology.hops
    for i in range(n):
        size = sizes[i]
        partners: set[int] = set()
        rows = 1
        for kind, message, times in size.told():
            audience = setup.audience(kind, i)
            rows += len(audience)
            if not audience:
                continue
            one = Flow(times, times * payload_bytes(message), times * framed(kind, i, message))
            for receiver in audience:
                flows[kind, hops.distance(i, receiver)] += one
                received[receiver] += one
            sent[i] += one.times(len(audience))
            partners.update(audience)
        for kind in (Kind.STATE, Kind.TRACE, Kind.SHADOW_REWARD, Kind.TRUNCATED_Q):
            if kind is not Kind.TRUNCATED_Q or learning.credit == "shared_q":
                partners.update(setup.heard(kind, i))
        links += len(partners)
        degrees.append(len(partners) + 1)
        rows_per_agent.append(rows)
        for kind, message, times in ((Kind.STEP, size.step, setup.steps + 1), (Kind.ACTION, size.action, setup.steps)):
            node = ENVIRONMENT if kind is Kind.STEP else i
            flows[kind, 0] += Flow(times, times * payload_bytes(message), times * framed(kind, node, message))
    reports = tuple(
        _sum(_report(size, rows + extra, framed, agent) for agent, (size, rows) in enumerate(zip(sizes, rows_per_agent, strict=True)))
        if extra >= 0
        else NOTHING
        for extra in (-1, 0, 1)
    )
    flows[Kind.REPORT, 0] = reports[2]
    server = _sum(flow for (_, hop), flow in flows.items() if hop == 0)
    busiest = max(
        (Flow(*(a + b for a, b in zip(out, back, strict=True))) for out, back in zip(sent, received, strict=True)), key=lambda f: f.framed
    )
    memory = [PROCESS_BYTES + agent_bytes(setup, agent) for agent in range(n)]
    per_iteration = 2 + (1 if learning.credit == "shared_q" else 0) + (1 if setup.evaluation_steps else 0)
    states = any(setup.heard(Kind.STATE, agent) for agent in range(n))
    return Cost(
        flows=dict(flows),
        reports=(reports[0], reports[1], reports[2]),
        steps=setup.steps,
        n=n,
        sockets=(float(np.mean(degrees)), max(degrees)),
        direct_links=links // 2,
        relay_links=len(setup.topology.edges),
        memory_bytes=(max(memory), sum(memory)),
        critic_entries=max(_entries(setup, agent) for agent in range(n)),
        busiest=busiest,
        server=server,
        waits=setup.steps * (3 if states else 2) + (per_iteration if links else 0),
    )


def parse_link(word: str) -> Link:
    """``1Gbit/0.2ms``: the speed of a host's interface and the one-way latency.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"([0-9.]+)\s*([kMG])bit(?:/([0-9.]+)\s*(us|ms|s))?", word)
    try:
        if match is None:
            raise ValueError(word)
        speed = float(match[1]) * {"k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
        latency = float(match[3]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[match[4]] if match[3] else 0.0
        if not speed > 0.0:
            raise ValueError(word)
    except ValueError:
        raise UsageError(f"'{word}' is no link", where="--link", fix="write speed/latency, such as 1Gbit/0.2ms") from None
    return Link(word, speed, latency)


class _Sizes:
    """Messages of the right size of one agent; their values are zeros."""

    def __init__(self, setup: Setup, agent: int) -> None:
        learning, spec, copies, horizon = setup.experiment.learning, setup.spec, setup.batch, setup.horizon
        self._setup = setup
        state, action = spec.state_spaces[agent], spec.action_spaces[agent]
        states = index_dtype(state.size) if isinstance(state, Discrete) else np.dtype(np.float64)
        actions = index_dtype(action.size) if isinstance(action, Discrete) else np.dtype(np.float64)
        observed = np.zeros(copies, dtype=states)
        self.step = Step(observed, np.zeros(copies), np.zeros(copies, dtype=np.uint8))
        self.action = Action(np.zeros(copies, dtype=actions))
        self.state = State(observed)
        self.trace = Trace(np.zeros((horizon + 1, copies), dtype=states), np.zeros((horizon + 1, copies), dtype=actions))
        further = setup.evaluation_steps
        self.further = (
            Trace(np.zeros((further + 1, copies), dtype=states), np.zeros((further + 1, copies), dtype=actions)) if further else None
        )
        travels = learning.credit == "shared_reward" and learning.task_weight > 0.0
        signalled = (further or horizon, copies) if travels else (0, 0)
        table = np.zeros(setup.state_sizes((agent,)) + setup.action_sizes((agent,)))
        self.shadow = ShadowReward(table, np.zeros(signalled))
        self.values = TruncatedQ(np.zeros((horizon, copies)))
        self.neighbours = len(setup.reach[RadiusKind.CRITIC].window(agent)) - 1

    def told(self) -> list[tuple[Kind, Message, int]]:
        """What it tells each agent of the kind's audience per iteration: kind, message, how often."""
        told: list[tuple[Kind, Message, int]] = [(Kind.STATE, self.state, self._setup.steps + 1), (Kind.TRACE, self.trace, 1)]
        if self.further is not None:
            told.append((Kind.TRACE, self.further, 1))
        told.append((Kind.SHADOW_REWARD, self.shadow, 1))
        if self._setup.experiment.learning.credit == "shared_q":
            told.append((Kind.TRUNCATED_Q, self.values, 1))
        return told


def _report(size: _Sizes, rows: int, framed: Any, agent: int) -> Flow:
    further = size.further is not None
    # Two traces to one receiver are one row of the ledger.
    rows -= len(size._setup.audience(Kind.TRACE, agent)) if further else 0
    message = Report(np.zeros(len(METRICS)), np.zeros((size.neighbours, 4)), np.zeros((rows, 5), dtype=np.int64), np.zeros(3))
    return Flow(1, payload_bytes(message), framed(Kind.REPORT, agent, message))


def _entries(setup: Setup, agent: int) -> int:
    window = setup.reach[RadiusKind.CRITIC].window(agent)
    return prod(setup.state_sizes(window)) * prod(setup.action_sizes(window))


def _header_class(sender: int) -> int:
    """Senders whose index takes equally many bytes in a header."""
    return 0 if -32 <= sender < 128 else 1 if sender < 1 << 8 else 2 if sender < 1 << 16 else 3


def _sum(flows: Iterable[Flow]) -> Flow:
    total = NOTHING
    for flow in flows:
        total += flow
    return total
