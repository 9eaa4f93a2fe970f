"""Traffic of audits during a run: what the branches of an audited iteration add to its messages, exactly as the ledger counts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from netagents.learning import Setup
from netagents.learning.pair_traffic import traffic_of
from netagents.messages import ENVIRONMENT, Kind, Message, payload_bytes
from netagents.studies.population_traffic import LEDGER_ROW_BYTES


class AuditTraffic(NamedTuple):
    """What one audit sends.

    Attributes:
        flows: (kind, hop) -> messages, payload bytes, and bytes with headers.
        report_bytes: what the reports of an audited iteration are longer by.
        every: iterations from one audit to the next. rounds: decisions that each agent is asked for, one after the other.
    """

    flows: Mapping[tuple[Kind, int], tuple[int, int, int]]
    report_bytes: int
    every: int
    rounds: int

    def audits(self, iterations: int) -> int:
        """How many of the first iterations are audited."""
        return -(-iterations // self.every)


def predict_audit(setup: Setup, framed: Callable[[Kind, int, Message], int]) -> AuditTraffic | None:
    """What an audit of an experiment sends; None where there are none.

    Args:
        setup: of the experiment.
        framed: from kind, sender and message to its bytes with headers.
    """
    plan = setup.branch_plan
    if plan is None:
        return None
    flows: defaultdict[tuple[Kind, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    rows = 0
    for agent in range(setup.n):
        hearers = setup.out_neighbours(Kind.BRANCH_STATE, agent)
        rows += 1 + len(hearers)
        ways = [(Kind.BRANCH_STEP, ENVIRONMENT, 0), (Kind.BRANCH_ACTION, agent, 0)]
        ways += [(Kind.BRANCH_STATE, agent, setup.topology.hops.distance(agent, j)) for j in hearers]
        for kind, sender, hop in ways:
            for message, times in traffic_of(kind, setup, agent):
                counts = (times, times * payload_bytes(message), times * framed(kind, sender, message))
                flows[kind, hop] = [total + count for total, count in zip(flows[kind, hop], counts, strict=True)]
    whole = {key: (counts[0], counts[1], counts[2]) for key, counts in flows.items()}
    return AuditTraffic(whole, LEDGER_ROW_BYTES * rows, plan.settings.every, plan.messages)
