"""Cost of a run on several hosts: bytes between them, beside those of random spreads, and the time of a step with given links."""

from __future__ import annotations

from dataclasses import dataclass

from netagents.launchers.hosts.agent_placement import Placement, place_agents
from netagents.learning import Setup
from netagents.learning.pair_traffic import Pair, pair_payload
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.studies.cost_model import OVER_ZEROMQ, Cost, Link, Rates

RANDOM_SPREADS = 20
"""Random spreads whose mean is compared with the placement."""


@dataclass(frozen=True)
class HostsCost:
    """What the agents of several hosts send each other.

    Attributes:
        placement: of the agents; its bytes are payload per iteration.
        random_crossing: mean payload per iteration between hosts of random spreads of the same sizes.
        busiest: payload per iteration that the host with most traffic exchanges with other hosts.
        largest: agents on the fullest host.
        other_routing: what crosses between hosts if the other routing is used, with the same placement; None where a moving graph rules
            relay routing out.
    """

    placement: Placement
    random_crossing: float
    busiest: int
    largest: int
    other_routing: int | None

    def step_seconds(self, cost: Cost, link: Link, rates: Rates | None = None) -> float:
        """Estimated wall time of one lockstep sampling step: the server's part, the fullest host's computation, the busier interface of
        the server and of a host, and one latency per wait.

        Args:
            cost: of the experiment. link: between the hosts. rates: of one host.
        """
        rates = rates or OVER_ZEROMQ
        share = self.largest / cost.n
        between = cost.between_agents()
        framed = between.framed / between.payload if between.payload else 1.0
        agents = share * (cost.step_work.wakeups * rates.per_wakeup + (cost.step_work.messages - 2 * cost.n) * rates.per_message)
        host = self.busiest * framed + share * cost.server.framed
        seconds = rates.fixed + 2 * cost.n * rates.per_message + agents
        waits = cost.waits + cost.exchanges / cost.steps
        return seconds + 8.0 * max(cost.server.framed, host) / cost.steps / link.bits_per_second + waits * link.latency_seconds


def predict_hosts(setup: Setup, hosts: int) -> HostsCost:
    """What an experiment costs on so many equal hosts; nothing is run."""
    pairs = pair_payload(setup)
    slots = [-(-setup.n // hosts)] * hosts
    placement = place_agents(setup, slots, pairs)
    owner = [0] * setup.n
    for host, agents in enumerate(placement.agents):
        for agent in agents:
            owner[agent] = host
    traffic = [0] * hosts
    for (i, j), size in pairs.items():
        if owner[i] != owner[j]:
            traffic[owner[i]] += size
            traffic[owner[j]] += size
    draws = stream(setup.experiment.seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, 0)
    crossings = [_crossing(pairs, draws.permutation(owner).tolist()) for _ in range(RANDOM_SPREADS)]
    largest = max(len(agents) for agents in placement.agents)
    other = None
    if not setup.spec.capabilities.moving:
        other = _crossing(pair_payload(setup, "direct" if setup.experiment.routing == "relay" else "relay"), owner)
    return HostsCost(placement, sum(crossings) / len(crossings), max(traffic), largest, other)


def _crossing(pairs: dict[Pair, int], owner: list[int]) -> int:
    return sum(size for (i, j), size in pairs.items() if owner[i] != owner[j])
