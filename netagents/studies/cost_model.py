"""What an experiment will send before it is run: messages and bytes by kind and hop, sockets, memory and step time.

Messages and payload are exact: they equal the run's ledger (``tests/studies``).  Framed bytes come from encoding one message of each
size.  Memory and step time are estimates from stated constants, to be read as such.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import UsageError
from netagents.launchers.capacity import agent_bytes, process_bytes
from netagents.learning import Setup
from netagents.learning.pair_traffic import traffic_of
from netagents.measures.power import READING_COLUMNS
from netagents.messages import Kind, Pace, RadiusKind, Report, payload_bytes
from netagents.studies.audit_traffic import AuditTraffic, predict_audit
from netagents.studies.population_traffic import predict_moves
from netagents.studies.relay_cost_model import RelayCost, columns_by_kind, predict_relay
from netagents.studies.size_classes import SizeClasses


class Rates(NamedTuple):
    """What a lockstep step on one host is made of, in seconds of wall time.

    ``per_wakeup`` of an agent, what it computes meanwhile included; ``per_message`` sent and taken in; ``fixed`` per step whatever n is.
    The defaults are those of two cores and links of one host without ZeroMQ; ``python -m tools.step_rates`` measures them again, and
    :mod:`netagents.studies.step_time_model` a user's own machine.
    """

    # In the proportions of OVER_ZEROMQ, and together what a step of 16 agents took over both: 0.58 ms and 1.49 ms.
    per_wakeup: float = 11e-6
    per_message: float = 3.1e-6
    fixed: float = 31e-6


OVER_ZEROMQ = Rates(28e-6, 8e-6, 80e-6)
"""The same over links of ZeroMQ, ``ipc`` or ``tcp``."""


def default_rates(scheme: str) -> Rates:
    """The rates of links of a scheme, where this machine's own are not known."""
    return Rates() if scheme == "unix" else OVER_ZEROMQ


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
        audit: what an audited iteration sends in addition, and how often there is one; None without audits.
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
    audit: AuditTraffic | None
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
        if self.audit is not None:
            audits, reported = self.audit.audits(iterations), self.audit.audits(max(0, iterations - 1))
            whole |= {key: Flow(*flow).times(audits) for key, flow in self.audit.flows.items()}
            counted += Flow(0, self.audit.report_bytes, self.audit.report_bytes).times(reported)
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
        rates = rates or (Rates() if link is None else OVER_ZEROMQ)
        if link is None:
            return rates.fixed + self.step_work.wakeups * rates.per_wakeup + self.step_work.messages * rates.per_message
        own = self.step_work.wakeups / self.n * rates.per_wakeup
        busiest = self.relay.busiest if self.routing == "relay" else (self.busiest.messages, self.busiest.framed)
        seconds = rates.fixed + own + (2 * self.n + busiest[0] / self.steps) * rates.per_message
        widest = max(self.server.framed, busiest[1])
        return (
            seconds + 8.0 * widest / self.steps / link.bits_per_second + (self.waits + self.exchanges / self.steps) * link.latency_seconds
        )


_Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def predict(setup: Setup) -> Cost:
    """The cost of an experiment that has been prepared; nothing is run."""
    n, hops = setup.n, setup.topology.hops
    classes = SizeClasses(setup)
    columns = columns_by_kind(classes)
    flows: defaultdict[tuple[Kind, int], Flow] = defaultdict(lambda: NOTHING)
    # What each agent sends and receives: messages, payload, framed bytes.
    moved = np.zeros((3, n))
    rows = np.ones(n, dtype=np.int64)
    # Kinds that go to the same agents share these arrays: of the pairs, who sends, who receives, and whether something is sent.
    met: dict[int, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]] = {}
    known: list[tuple[list[tuple[int, ...]], _Pairs]] = []
    for kind in classes.exchanged:
        out = [setup.out_neighbours(kind, agent) for agent in range(n)]
        counts, senders, receivers, distances = next((each for others, each in known if others == out), None) or _pairs(setup, out)
        known.append((out, (counts, senders, receivers, distances)))
        sends = met.setdefault(id(counts), (senders, receivers, np.zeros(len(senders), dtype=np.bool_)))[2]
        if kind is Kind.POLICY_PARAMETERS:
            sends[:] = True
            continue
        for times, payload, framed, _ in columns.get(kind, ()):
            often = classes.per_agent(times)
            rows += np.where(often > 0, counts, 0)
            sends |= often[senders] > 0
            travels = np.stack([often, often * classes.per_agent(payload), often * classes.per_agent(framed)])
            for hop in np.flatnonzero(np.bincount(distances)).tolist():
                flow = travels[:, senders[distances == hop]].sum(axis=1)
                flows[kind, hop] += Flow(*flow.tolist())
            moved += travels * counts
            for row, travelled in zip(moved, travels, strict=True):
                row += np.bincount(receivers, travelled[senders], n)
    members = np.bincount(classes.of_agent, minlength=len(classes.agents)).tolist()
    for number, of_class in zip(members, classes.with_server, strict=True):
        for each in of_class:
            flows[each.kind, 0] += Flow(each.times, each.times * each.payload, each.times * each.framed).times(number)

    iterations = setup.experiment.learning.iterations
    moves = predict_moves(setup)
    for (home, seat), count in moves.policies.items():
        ((policy, _),) = traffic_of(Kind.POLICY_PARAMETERS, setup, home)
        framed_bytes, _ = classes.sizes(Kind.POLICY_PARAMETERS, home, policy)
        one = Flow(1, payload_bytes(policy), framed_bytes).times(count / iterations)
        flows[Kind.POLICY_PARAMETERS, hops.distance(home, seat)] += one
        for end in (home, seat):
            moved[:, end] += one

    def reports_with(extra: int) -> Flow:
        each = [_report(setup, classes, number, int(rows[agent]) + extra) for number, agent in enumerate(classes.agents)]
        sizes = [
            (payload_bytes(report), classes.sizes(Kind.REPORT, agent, report)[0])
            for agent, report in zip(classes.agents, each, strict=True)
        ]
        return _sum(Flow(1, *size).times(number) for number, size in zip(members, sizes, strict=True))

    # The first report has no page of the ledger yet that it could ride on; that of the second misses what travelled before.
    reports = (NOTHING, reports_with(0), reports_with(1))
    flows[Kind.REPORT, 0] = reports[2]
    server = _sum(flow for (_, hop), flow in flows.items() if hop == 0)
    memory = [process_bytes(n) + agent_bytes(setup, agent) for agent in classes.agents]
    ends = [kind for kind in classes.exchanged if kind.row.pace is Pace.ITERATION]
    exchanges = sum(max(len(traffic_of(kind, setup, agent)) for agent in classes.agents) for kind in ends)
    meetings = [pairs for i, j, sends in met.values() for pairs in (j * n + i, i[sends] * n + j[sends])]
    partners = np.unique(np.concatenate(meetings)) // n if meetings else np.zeros(0, dtype=np.int64)
    degrees = np.bincount(partners, minlength=n) + 1
    relay = predict_relay(setup, classes)
    work, waits = _step_work(setup, relay, sum(flow.messages for (kind, hop), flow in flows.items() if hop and kind is Kind.STATE))
    return Cost(
        flows=dict(flows),
        reports=(reports[0], reports[1], reports[2]),
        steps=setup.steps,
        n=n,
        routing=setup.experiment.routing,
        relay=relay,
        direct_sockets=(float(degrees.mean()), int(degrees.max())),
        direct_links=len(partners) // 2,
        memory_bytes=(max(memory), sum(number * size for number, size in zip(members, memory, strict=True))),
        critic_entries=max(_entries(setup, agent) for agent in classes.agents),
        busiest=Flow(*moved[:, int(moved[2].argmax())].tolist()),
        server=server,
        report_rows=Flow(0, moves.report_bytes, moves.report_bytes),
        iterations=iterations,
        audit=predict_audit(setup, lambda *sent: classes.sizes(*sent)[0]),
        step_work=work,
        waits=waits,
        exchanges=exchanges if len(partners) else 0,
    )


def _pairs(setup: Setup, out_neighbours: list[tuple[int, ...]]) -> _Pairs:
    """Number of out-neighbours of each agent; and sender, receiver and hops of each pair."""
    counts = np.fromiter(map(len, out_neighbours), dtype=np.int64, count=setup.n)
    senders = np.repeat(np.arange(setup.n), counts)
    receivers = np.fromiter(chain.from_iterable(out_neighbours), dtype=np.int64, count=len(senders))
    hops = chain.from_iterable(setup.topology.hops.distances(agent, near) for agent, near in enumerate(out_neighbours))
    return counts, senders, receivers, np.fromiter(hops, dtype=np.int64, count=len(senders))


def _report(setup: Setup, classes: SizeClasses, number: int, rows: int) -> Report:
    """A report of an agent of a class with so many rows of its ledger; messages of one kind to one receiver are one of them."""
    agent = classes.agents[number]
    kinds = Counter(each.kind for each in classes.to_neighbours[number])
    rows -= sum((count - 1) * len(setup.out_neighbours(kind, agent)) for kind, count in kinds.items())
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
    listeners = sum(1 for agent in range(n) if setup.in_neighbours(Kind.STATE, agent))
    return Work(n + listeners * in_a_row, 2 * n + states / (setup.steps + 1)), 2 + in_a_row


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


def _sum(flows: Iterable[Flow]) -> Flow:
    total = NOTHING
    for flow in flows:
        total += flow
    return total
