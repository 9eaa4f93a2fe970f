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

from netagents.errors import UsageError
from netagents.launchers.capacity import PROCESS_BYTES, agent_bytes
from netagents.learning import Setup
from netagents.learning.pair_traffic import traffic_of
from netagents.measures.power import READING_COLUMNS
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Envelope, Kind, Message, Pace, RadiusKind, Report, payload_bytes
from netagents.studies.population_traffic import predict_moves
from netagents.studies.relay_cost_model import RelayCost, SentMessages, frames_of, predict_relay
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes


class Rates(NamedTuple):
    """What a lockstep step on one host is made of, in seconds of wall time.

    ``per_wakeup`` of an agent, what it computes meanwhile included; ``per_message`` sent and taken in; ``fixed`` per step whatever n is.
    The defaults are those of two cores; :mod:`netagents.studies.step_time_model` measures a machine's own.
    """

    per_wakeup: float = 28e-6
    per_message: float = 8e-6
    fixed: float = 80e-6


class Work(NamedTuple):
    """What all agents do in one sampling step: ``wakeups``, and ``messages`` sent, the server's included."""

    wakeups: float
    messages: float


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
        routing: ``direct`` or ``relay``. relay: what relay routing puts on the links, whichever is used.
        direct_sockets: connections per agent with direct routing: (mean, largest), the server's included.
        direct_links: pairs of agents that are connected with it.
        memory_bytes: of the largest agent process, and of all agents together.
        critic_entries: entries of the largest critic when full.
        busiest: what the busiest agent sends and receives per iteration with direct routing.
        server: what the server sends and receives per iteration.
        report_rows: what policies that move between seats add to all reports of the planned iterations. iterations: planned.
        step_work: of one sampling step. waits: messages in a row that one sampling step waits for. exchanges: of an iteration's end.
    """

    flows: dict[tuple[Kind, int], Flow]
    reports: tuple[Flow, Flow, Flow]
    steps: int
    n: int
    routing: str
    relay: RelayCost
    direct_sockets: tuple[float, int]
    direct_links: int
    memory_bytes: tuple[int, int]
    critic_entries: int
    busiest: Flow
    server: Flow
    report_rows: Flow
    iterations: int
    step_work: Work
    waits: int
    exchanges: int

    @property
    def sockets(self) -> tuple[float, int]:
        """Connections per agent: (mean, largest), the server's included."""
        return self.relay.sockets if self.routing == "relay" else self.direct_sockets

    def on_links(self) -> Flow:
        """What travels over links between agents per iteration: each message once or, with relay routing, once per edge of its tree.

        Framed bytes with relay routing depend on how much travels in a bundle; these are the most, with a bundle for each message.
        """
        if self.routing == "direct":
            return self.between_agents()
        return Flow(self.relay.messages, self.relay.payload, self.relay.framed_range[1])

    def total(self, iterations: int) -> dict[tuple[Kind, int], Flow]:
        """What the first ``iterations`` iterations send, by kind and hop: exactly what the ledger then holds."""
        whole = {key: flow.times(iterations) for key, flow in self.flows.items() if key[0] is not Kind.REPORT}
        counted = NOTHING
        for iteration in range(min(iterations, 2)):
            counted += self.reports[iteration]
        counted += self.reports[2].times(max(0, iterations - 2)) + self.report_rows.times(iterations / self.iterations)
        if counted.messages:
            whole[Kind.REPORT, 0] = counted
        return whole

    def between_agents(self, hop_weighted: bool = False) -> Flow:
        """What agents tell each other per iteration; hop-weighted, as if every link had to be crossed one by one."""
        return _sum(flow.times(hop if hop_weighted else 1) for (_, hop), flow in self.flows.items() if hop > 0)

    def step_seconds(self, link: Link | None = None, rates: Rates | None = None) -> float:
        """Estimated wall time of one lockstep sampling step on one host, or spread over hosts that a link joins.

        Between hosts the server's part stays, every agent has a core of its own, and the busier of the server's and an agent's
        interface and one latency per wait are added.
        """
        rates = rates or Rates()
        if link is None:
            return rates.fixed + self.step_work.wakeups * rates.per_wakeup + self.step_work.messages * rates.per_message
        own = self.step_work.wakeups / self.n * rates.per_wakeup
        busiest = self.relay.busiest if self.routing == "relay" else (self.busiest.messages, self.busiest.framed)
        seconds = rates.fixed + own + (2 * self.n + busiest[0] / self.steps) * rates.per_message
        widest = max(self.server.framed, busiest[1])
        return (
            seconds + 8.0 * widest / self.steps / link.bits_per_second + (self.waits + self.exchanges / self.steps) * link.latency_seconds
        )


def predict(setup: Setup) -> Cost:
    """The cost of an experiment that has been prepared; nothing is run."""
    n = setup.n
    exchanged = _exchanged(setup)
    codec = Codec()
    framed_cache: dict[tuple[Any, ...], int] = {}

    def framed(kind: Kind, sender: int, message: Message) -> int:
        key = (kind, _header_class(sender), *[(array.dtype, array.shape) for array in message if isinstance(array, np.ndarray)])
        cached = framed_cache.get(key)
        if cached is None:
            cached = framed_cache[key] = frame_bytes(codec.encode(Envelope(bytes(8), 0, sender, kind, 0, 0, message)))
        return cached

    flows: defaultdict[tuple[Kind, int], Flow] = defaultdict(lambda: NOTHING)
    sent, received = [NOTHING] * n, [NOTHING] * n
    links = 0
    degrees = []
    rows_per_agent = []
    hops = setup.topology.hops
    for i in range(n):
        partners: set[int] = set()
        rows = 1
        for kind, message, times in _sent(setup, exchanged, i):
            out_neighbours = setup.out_neighbours(kind, i)
            rows += len(out_neighbours)
            if not out_neighbours:
                continue
            one = Flow(times, times * payload_bytes(message), times * framed(kind, i, message))
            for receiver in out_neighbours:
                flows[kind, hops.distance(i, receiver)] += one
                received[receiver] += one
            sent[i] += one.times(len(out_neighbours))
            partners.update(out_neighbours)
        partners.update(setup.out_neighbours(Kind.POLICY_PARAMETERS, i))
        for kind in exchanged:
            partners.update(setup.in_neighbours(kind, i))
        links += len(partners)
        degrees.append(len(partners) + 1)
        rows_per_agent.append(rows)
        for kind, node in ((Kind.STEP, ENVIRONMENT), (Kind.ACTION, i)):
            for message, times in traffic_of(kind, setup, i):
                flows[kind, 0] += Flow(times, times * payload_bytes(message), times * framed(kind, node, message))

    iterations = setup.experiment.learning.iterations
    moves = predict_moves(setup)
    for (home, seat), count in moves.policies.items():
        ((policy, _),) = traffic_of(Kind.POLICY_PARAMETERS, setup, home)
        one = Flow(1, payload_bytes(policy), framed(Kind.POLICY_PARAMETERS, home, policy)).times(count / iterations)
        flows[Kind.POLICY_PARAMETERS, hops.distance(home, seat)] += one
        sent[home] += one
        received[seat] += one

    def reports_with(extra: int) -> Flow:
        each = [_report(setup, exchanged, agent, rows + extra) for agent, rows in enumerate(rows_per_agent)]
        return _sum(Flow(1, payload_bytes(report), framed(Kind.REPORT, agent, report)) for agent, report in enumerate(each))

    # The first report has no page of the ledger yet that it could ride on; that of the second misses what travelled before.
    reports = (NOTHING, reports_with(0), reports_with(1))
    flows[Kind.REPORT, 0] = reports[2]
    server = _sum(flow for (_, hop), flow in flows.items() if hop == 0)
    busiest = max(
        (Flow(*(a + b for a, b in zip(out, back, strict=True))) for out, back in zip(sent, received, strict=True)), key=lambda f: f.framed
    )
    memory = [PROCESS_BYTES + agent_bytes(setup, agent) for agent in range(n)]
    ends = [kind for kind in exchanged if kind.row.pace is Pace.ITERATION]
    exchanges = sum(max(len(traffic_of(kind, setup, agent)) for agent in range(n)) for kind in ends)

    def sent_by(agent: int) -> list[SentMessages]:
        each = [(kind, message, times, frames_of(message, kind, agent)) for kind, message, times in _sent(setup, exchanged, agent)]
        return [SentMessages(kind, times, payload_bytes(message), nbytes, count) for kind, message, times, (nbytes, count) in each]

    relay = predict_relay(setup, sent_by)
    work, waits = _step_work(setup, relay, sum(flow.messages for (kind, hop), flow in flows.items() if hop and kind is Kind.STATE))
    return Cost(
        flows=dict(flows),
        reports=(reports[0], reports[1], reports[2]),
        steps=setup.steps,
        n=n,
        routing=setup.experiment.routing,
        relay=relay,
        direct_sockets=(float(np.mean(degrees)), max(degrees)),
        direct_links=links // 2,
        memory_bytes=(max(memory), sum(memory)),
        critic_entries=max(_entries(setup, agent) for agent in range(n)),
        busiest=busiest,
        server=server,
        report_rows=Flow(0, moves.report_bytes, moves.report_bytes),
        iterations=iterations,
        step_work=work,
        waits=waits,
        exchanges=exchanges if links else 0,
    )


def _exchanged(setup: Setup) -> list[Kind]:
    """The kinds that agents send each other in this run."""
    return [kind for kind in NEIGHBOUR_KINDS if any(traffic_of(kind, setup, agent) for agent in range(setup.n))]


def _sent(setup: Setup, exchanged: list[Kind], agent: int) -> list[tuple[Kind, Message, int]]:
    """What an agent sends its out-neighbours per iteration: kind, message, how often."""
    return [(kind, message, times) for kind in _sent_each_iteration(exchanged) for message, times in traffic_of(kind, setup, agent)]


def _sent_each_iteration(exchanged: list[Kind]) -> list[Kind]:
    """The kinds that agents send each other in every iteration; policies of populations move less often."""
    return [kind for kind in exchanged if kind is not Kind.POLICY_PARAMETERS]


def _report(setup: Setup, exchanged: list[Kind], agent: int, rows: int) -> Report:
    """An agent's report with so many rows of its ledger; messages of one kind to one receiver are one of them."""
    rows -= sum(
        (len(traffic_of(kind, setup, agent)) - 1) * len(setup.out_neighbours(kind, agent)) for kind in _sent_each_iteration(exchanged)
    )
    # Who does not learn reads no power.
    neighbours = 0 if agent in setup.frozen else len(setup.reach[RadiusKind.CRITIC].window(agent)) - 1
    return Report(
        np.zeros(len(setup.metric_names)), np.zeros((neighbours, READING_COLUMNS)), np.zeros((rows, 5), dtype=np.int64), np.zeros(3)
    )


def _step_work(setup: Setup, relay: RelayCost, direct_states: float) -> tuple[Work, int]:
    """Wake-ups and messages of a sampling step, and how many messages in a row it waits for."""
    n, relayed = setup.n, setup.experiment.routing == "relay"
    states = relay.crossings.get(Kind.STATE, (0, 0, 0))[0] if relayed else direct_states
    farthest = relay.hops.get(Kind.STATE, 0)
    # News from afar comes hop by hop, and every hop is a wake-up; where it is aged, nobody waits for it within the step.
    in_a_row = 0 if farthest == 0 else farthest if relayed and setup.experiment.information == "fresh" else 1
    hearing = sum(1 for agent in range(n) if setup.in_neighbours(Kind.STATE, agent))
    return Work(n + hearing * in_a_row, 2 * n + states / (setup.steps + 1)), 2 + in_a_row


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


def _entries(setup: Setup, agent: int) -> int:
    if setup.agents[agent].uses_networks:
        return 0
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
